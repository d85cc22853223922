"""Learning-rate schedules against their formulas."""

import dataclasses

import numpy as np
import pytest

from skmlp.engine.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    Position,
    StepDecay,
    Warmup,
)

STEPS_PER_EPOCH, N_EPOCHS, N_SAMPLES = 8, 20, 500
SCHEDULES = [
    Constant(0.3),
    InverseScaling(0.3, 0.5),
    StepDecay(0.3, factor=0.5, every=3),
    Exponential(0.3, factor=0.9),
    Cosine(0.3, final_rate=0.01),
    OneCycle(0.3),
    Warmup(Cosine(0.3), epochs=2.5),
]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
every_step = pytest.mark.parametrize("step", [0, 1, 7, 8, 23, 24, 47, 48, 49, 100, 159, 160, 400])


def at(step, n_epochs=N_EPOCHS):
    """Give the position before a step, the first one being 0."""
    epoch = step / STEPS_PER_EPOCH
    return Position(step, epoch, STEPS_PER_EPOCH, n_epochs, int(epoch) * N_SAMPLES)


@every_step
def test_constant_rate_stays(step):
    assert Constant(0.3)(at(step)) == 0.3


@every_step
@pytest.mark.parametrize("power", [0, 0.5, 2])
def test_inverse_scaling_is_the_rate_over_a_power_of_the_samples_before_the_epoch(step, power):
    expected = 0.3 / (1 + step // STEPS_PER_EPOCH * N_SAMPLES) ** power
    assert InverseScaling(0.3, power)(at(step)) == pytest.approx(expected, rel=1e-14)


@every_step
def test_step_decay_multiplies_after_whole_numbers_of_epochs(step):
    expected = 0.3 * 0.5 ** (step // (3 * STEPS_PER_EPOCH))
    assert StepDecay(0.3, factor=0.5, every=3)(at(step)) == pytest.approx(expected, rel=1e-14)


@every_step
def test_exponential_decay_is_smooth_and_multiplies_once_an_epoch(step):
    expected = 0.3 * np.exp(np.log(0.9) * step / STEPS_PER_EPOCH)
    assert Exponential(0.3, factor=0.9)(at(step)) == pytest.approx(expected, rel=1e-12)


@every_step
@pytest.mark.parametrize("final_rate", [0, 0.01])
def test_cosine_falls_along_half_a_cosine(step, final_rate):
    t, T = min(step, STEPS_PER_EPOCH * N_EPOCHS), STEPS_PER_EPOCH * N_EPOCHS
    # SGDR, equation 5
    expected = final_rate + (0.3 - final_rate) * (1 + np.cos(np.pi * t / T)) / 2
    assert Cosine(0.3, final_rate)(at(step)) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@every_step
def test_one_cycle_rises_and_falls(step):
    part = min(step / (STEPS_PER_EPOCH * N_EPOCHS), 1)
    start, peak, end = 0.3 / 25, 0.3, 0.3 / 250_000
    if part < 0.3:
        expected = start + (peak - start) * (1 - np.cos(np.pi * part / 0.3)) / 2
    else:
        expected = end + (peak - end) * (1 + np.cos(np.pi * (part - 0.3) / 0.7)) / 2
    assert OneCycle(0.3)(at(step)) == pytest.approx(expected, rel=1e-11)


def test_one_cycle_goes_through_its_corners():
    cycle = OneCycle(0.3)
    n_steps = STEPS_PER_EPOCH * N_EPOCHS
    assert cycle(at(0)) == pytest.approx(0.3 / 25)
    assert cycle(at(0.3 * n_steps)) == pytest.approx(0.3)
    assert cycle(at(n_steps)) == cycle(at(2 * n_steps)) == pytest.approx(0.3 / 250_000)
    rates = [cycle(at(step)) for step in range(n_steps)]
    assert max(rates) == rates[48]
    assert (np.diff(rates[:49]) > 0).all()
    assert (np.diff(rates[48:]) < 0).all()


@every_step
@pytest.mark.parametrize("schedule", SCHEDULES[:-1], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("epochs", [0.5, 3, 7.3])
def test_warmup_reduces_another_schedule_linearly(step, schedule, epochs):
    expected = schedule(at(step)) * min(1, (step + 1) / (epochs * STEPS_PER_EPOCH))
    assert Warmup(schedule, epochs)(at(step)) == pytest.approx(expected, rel=1e-12)


@every_schedule
def test_a_schedule_is_pure(schedule):
    rates = [schedule(at(step)) for step in range(200)]
    assert [schedule(at(step)) for step in reversed(range(200))] == rates[::-1]
    assert dataclasses.replace(schedule) == schedule
    with pytest.raises(dataclasses.FrozenInstanceError):
        schedule.initial_rate = 1


@every_schedule
def test_rates_are_positive_until_the_end_and_never_negative(schedule):
    rates = [schedule(at(step)) for step in range(STEPS_PER_EPOCH * N_EPOCHS + 50)]
    assert min(rates[: STEPS_PER_EPOCH * N_EPOCHS]) > 0
    assert min(rates) >= 0
    assert max(rates) <= 0.3


@pytest.mark.parametrize(
    "schedule", [*SCHEDULES[:2], StepDecay(0.3), Exponential(0.3), Cosine(0.3)]
)
def test_the_first_step_has_the_initial_rate(schedule):
    assert schedule(at(0)) == pytest.approx(0.3, rel=1e-15)
