"""Learning-rate schedules against their formulas."""

import pytest

from skmlp.engine.schedules import Constant, InverseScaling

SAMPLES_SEEN = [0, 1, 100, 12345, 10**9]


@pytest.mark.parametrize("samples_seen", SAMPLES_SEEN)
def test_constant_rate_stays(samples_seen):
    assert Constant(0.3)(samples_seen) == 0.3


@pytest.mark.parametrize("samples_seen", SAMPLES_SEEN)
@pytest.mark.parametrize("power", [0, 0.5, 2])
def test_inverse_scaling_is_the_rate_over_a_power_of_the_samples(samples_seen, power):
    expected = 0.3 / (1 + samples_seen) ** power
    assert InverseScaling(0.3, power)(samples_seen) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("schedule", [Constant(0.3), InverseScaling(0.3, 0.5)], ids=repr)
def test_first_epoch_has_the_initial_rate(schedule):
    assert schedule(0) == 0.3
