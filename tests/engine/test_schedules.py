"""Learning-rate schedules: formulas and validation of parameters."""

import dataclasses
import re
from fractions import Fraction

import numpy as np
import pytest

from skmlp.engine import schedules
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
    """Return the position before a step, counted from 0."""
    epoch = step / STEPS_PER_EPOCH
    return Position(step, epoch, STEPS_PER_EPOCH, n_epochs, int(epoch) * N_SAMPLES)


@every_step
def test_constant_rate_does_not_change(step):
    assert Constant(0.3)(at(step)) == 0.3


@every_step
@pytest.mark.parametrize("power", [0, 0.5, 2])
def test_inverse_scaling_divides_by_a_power_of_the_samples_seen(step, power):
    expected = 0.3 / (1 + step // STEPS_PER_EPOCH * N_SAMPLES) ** power
    assert InverseScaling(0.3, power)(at(step)) == pytest.approx(expected, rel=1e-14)


@every_step
def test_step_decay_multiplies_the_rate_at_intervals(step):
    expected = 0.3 * 0.5 ** (step // (3 * STEPS_PER_EPOCH))
    assert StepDecay(0.3, factor=0.5, every=3)(at(step)) == pytest.approx(expected, rel=1e-14)


@every_step
def test_exponential_decay_multiplies_the_rate_per_epoch(step):
    expected = 0.3 * np.exp(np.log(0.9) * step / STEPS_PER_EPOCH)
    assert Exponential(0.3, factor=0.9)(at(step)) == pytest.approx(expected, rel=1e-12)


@every_step
@pytest.mark.parametrize("final_rate", [0, 0.01])
def test_cosine_anneals_to_the_final_rate(step, final_rate):
    t, T = min(step, STEPS_PER_EPOCH * N_EPOCHS), STEPS_PER_EPOCH * N_EPOCHS
    # SGDR, equation 5
    expected = final_rate + (0.3 - final_rate) * (1 + np.cos(np.pi * t / T)) / 2
    assert Cosine(0.3, final_rate)(at(step)) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@every_step
@pytest.mark.parametrize(
    ("rising", "start_divisor", "end_divisor"), [(0.3, 25, 1e4), (0.5, 10, 100), (0.9, 1, 1)]
)
def test_one_cycle_increases_and_decreases_the_rate(step, rising, start_divisor, end_divisor):
    progress = min(step / (STEPS_PER_EPOCH * N_EPOCHS), 1)
    start, peak = 0.3 / start_divisor, 0.3
    end = start / end_divisor
    if progress < rising:
        expected = start + (peak - start) * (1 - np.cos(np.pi * progress / rising)) / 2
    else:
        falling_progress = (progress - rising) / (1 - rising)
        expected = end + (peak - end) * (1 + np.cos(np.pi * falling_progress)) / 2
    cycle = OneCycle(0.3, rising, start_divisor, end_divisor)
    assert cycle(at(step)) == pytest.approx(expected, rel=1e-11)
    if (rising, start_divisor, end_divisor) == (0.3, 25, 1e4):
        assert cycle == OneCycle(0.3)


def test_one_cycle_has_the_specified_extreme_rates():
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
def test_warmup_scales_another_schedule_linearly(step, schedule, epochs):
    expected = schedule(at(step)) * min(1, (step + 1) / (epochs * STEPS_PER_EPOCH))
    assert Warmup(schedule, epochs)(at(step)) == pytest.approx(expected, rel=1e-12)


@every_schedule
def test_schedules_are_pure_and_immutable(schedule):
    rates = [schedule(at(step)) for step in range(200)]
    assert [schedule(at(step)) for step in reversed(range(200))] == rates[::-1]
    assert dataclasses.replace(schedule) == schedule
    with pytest.raises(dataclasses.FrozenInstanceError):
        schedule.initial_rate = 1


@every_schedule
def test_rates_are_positive_during_training_and_never_negative(schedule):
    rates = [schedule(at(step)) for step in range(STEPS_PER_EPOCH * N_EPOCHS + 50)]
    assert min(rates[: STEPS_PER_EPOCH * N_EPOCHS]) > 0
    assert min(rates) >= 0
    assert max(rates) <= 0.3


@pytest.mark.parametrize(
    "schedule", [*SCHEDULES[:2], StepDecay(0.3), Exponential(0.3), Cosine(0.3)]
)
def test_first_step_has_the_initial_rate(schedule):
    assert schedule(at(0)) == pytest.approx(0.3, rel=1e-15)


# Validation of parameters


def get_valid_arguments(schedule_class):
    """Return valid arguments of a schedule that differ from the defaults."""
    return {
        Constant: {"initial_rate": 0.3},
        InverseScaling: {"initial_rate": 0.3, "power": 0.7},
        StepDecay: {"initial_rate": 0.3, "factor": 0.4, "every": 2.5},
        Exponential: {"initial_rate": 0.3, "factor": 0.8},
        Cosine: {"initial_rate": 0.3, "final_rate": 0.1},
        OneCycle: {
            "peak_rate": 0.3,
            "rising_fraction": 0.4,
            "start_divisor": 10,
            "end_divisor": 100.0,
        },
        Warmup: {"schedule": Constant(0.3), "epochs": 2.5},
    }[schedule_class]


CLASSES = [type(schedule) for schedule in SCHEDULES]
FIELDS = [(cls, name) for cls in CLASSES for name in get_valid_arguments(cls) if name != "schedule"]
every_field = pytest.mark.parametrize(
    ("schedule_class", "name"), FIELDS, ids=[f"{cls.__name__}.{name}" for cls, name in FIELDS]
)
POSITIVE = {"every", "start_divisor", "end_divisor", "epochs"}


def get_requirement(name):
    """Return the requirement that the error message of a field states."""
    if name == "rising_fraction":
        return "in the range (0, 1)"
    return "greater than 0" if name in POSITIVE else "of at least 0"


def check_that_value_is_rejected(schedule_class, name, value):
    message = f"{schedule_class.__name__}: {name} must be a finite number {get_requirement(name)}, got {value!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        schedule_class(**get_valid_arguments(schedule_class) | {name: value})


def test_all_schedules_and_fields_are_tested():
    defined = [
        value
        for value in vars(schedules).values()
        if dataclasses.is_dataclass(value) and value.__module__ == schedules.__name__
    ]
    assert defined == CLASSES
    for cls in CLASSES:
        assert list(get_valid_arguments(cls)) == [field.name for field in dataclasses.fields(cls)]


@every_field
@pytest.mark.parametrize(
    "value",
    [
        -0.1,
        -1,
        np.nan,
        np.inf,
        -np.inf,
        np.float32("nan"),
        True,
        False,
        np.True_,
        "0.1",
        None,
        [0.1],
        0.1j,
    ],
    ids=repr,
)
def test_schedules_reject_invalid_numbers(schedule_class, name, value):
    check_that_value_is_rejected(schedule_class, name, value)


@every_field
def test_zero_is_rejected_as_a_divisor(schedule_class, name):
    if get_requirement(name) == "of at least 0":
        assert getattr(schedule_class(**get_valid_arguments(schedule_class) | {name: 0}), name) == 0
    else:
        for zero in (0, 0.0, -0.0):
            check_that_value_is_rejected(schedule_class, name, zero)


@pytest.mark.parametrize("value", [1, 1.0, 1.5, 30])
def test_one_cycle_rejects_a_rising_fraction_of_one_or_more(value):
    check_that_value_is_rejected(OneCycle, "rising_fraction", value)


@pytest.mark.parametrize("value", [None, 0.1, "cosine", [Constant(0.3)]], ids=repr)
def test_warmup_rejects_a_schedule_that_is_not_callable(value):
    message = f"Warmup: schedule must be a schedule, such as Constant(0.001), or another callable, got {value!r}."
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        Warmup(value, 2)


def test_warmup_accepts_any_callable():
    warmup = Warmup(lambda position: 0.2, 2.5)
    assert warmup(at(0)) == pytest.approx(0.2 / (2.5 * STEPS_PER_EPOCH))
    assert not warmup.spans_training


@pytest.mark.parametrize("schedule_class", CLASSES)
@pytest.mark.parametrize("convert", [float, np.float64, np.float32, Fraction])
def test_valid_numbers_are_stored_unchanged(schedule_class, convert):
    arguments = {
        name: convert(value) if name != "schedule" else value
        for name, value in get_valid_arguments(schedule_class).items()
    }
    schedule = schedule_class(**arguments)
    for name, value in arguments.items():
        assert getattr(schedule, name) is value


@every_field
def test_replace_validates_fields(schedule_class, name):
    schedule = schedule_class(**get_valid_arguments(schedule_class))
    with pytest.raises(ValueError, match=f"^{schedule_class.__name__}: {name} must be"):
        dataclasses.replace(schedule, **{name: np.nan})


@pytest.mark.parametrize("schedule", SCHEDULES[:-1], ids=lambda s: type(s).__name__)
def test_planned_schedules_reach_their_final_rate_at_the_last_epoch(schedule):
    assert schedule.spans_training == isinstance(schedule, Cosine | OneCycle)
    assert Warmup(schedule, 2.5).spans_training == schedule.spans_training
    # The rate of a planned schedule depends on the number of epochs, and does not change after the last one.
    depends_on_n_epochs = [schedule(at(step, 20)) != schedule(at(step, 40)) for step in (40, 100)]
    end = STEPS_PER_EPOCH * N_EPOCHS
    is_constant = schedule(at(end)) == schedule(at(end + 1)) == schedule(at(10 * end))
    if schedule.spans_training:
        assert all(depends_on_n_epochs)
        assert is_constant
    else:
        assert not any(depends_on_n_epochs)
