"""Learning-rate schedules of the classifier, and the learning-rate finder."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest
from helpers import load_small_digits, make_classifier_factory
from scipy.sparse import csr_matrix
from sklearn.datasets import make_multilabel_classification

from skmlp import MLPDigitClassifier
from skmlp.estimator.learning_rate import LearningRateCurve
from skmlp.schedules import Cosine, Position, StepDecay, Warmup

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

FIRST_ORDER = ["sgd", "adam", "adamw", "nadam", "rmsprop"]
N_EPOCHS, N_SAMPLES, BATCH_SIZE, RATE = 9, 150, 40, 0.02
N_BATCHES = 4

every_solver = pytest.mark.parametrize("solver", FIRST_ORDER)


def compute_one_cycle(epoch):
    progress = epoch / N_EPOCHS
    if progress < 0.3:
        return RATE / 25 + (RATE - RATE / 25) * (1 - np.cos(np.pi * progress / 0.3)) / 2
    end = RATE / 250_000
    return end + (RATE - end) * (1 + np.cos(np.pi * (progress - 0.3) / 0.7)) / 2


# Learning rate as a function of the number of completed epochs, including the fraction of the current one.
FORMULAS = {
    "constant": lambda epoch: RATE,
    "adaptive": lambda epoch: RATE,  # before a plateau
    "invscaling": lambda epoch: RATE / (int(epoch) * N_SAMPLES + 1) ** 0.3,
    "step": lambda epoch: RATE,  # during the first thirty epochs
    "exponential": lambda epoch: RATE * 0.95**epoch,
    "cosine": lambda epoch: RATE * (1 + np.cos(np.pi * epoch / N_EPOCHS)) / 2,
    "one_cycle": compute_one_cycle,
}
every_name = pytest.mark.parametrize("name", FORMULAS)


@pytest.fixture(scope="module")
def digits():
    return load_small_digits(N_SAMPLES)


make = make_classifier_factory(
    hidden_layer_sizes=(12,),
    batch_size=BATCH_SIZE,
    max_iter=N_EPOCHS,
    learning_rate_init=RATE,
    power_t=0.3,
    n_iter_no_change=None,
)


def compute_last_rates(formula, warmup_epochs=0):
    """Return the learning rate of the last step of each epoch."""
    rates = []
    for epoch in range(N_EPOCHS):
        rate = formula(epoch + (N_BATCHES - 1) / N_BATCHES)
        rates.append(rate * (min(1, (epoch + 1) / warmup_epochs) if warmup_epochs else 1))
    return rates


@every_solver
@every_name
@pytest.mark.parametrize("warmup_epochs", [0, 2.5])
def test_solver_follows_schedule(digits, solver, name, warmup_epochs):
    estimator = make(solver=solver, learning_rate=name, warmup_epochs=warmup_epochs).fit(*digits)
    expected = compute_last_rates(FORMULAS[name], warmup_epochs)
    np.testing.assert_allclose(estimator.history_["learning_rate"], expected, rtol=1e-10)
    if len(set(expected)) > 1:
        constant = make(solver=solver).fit(*digits)
        assert estimator.loss_curve_[-1] != constant.loss_curve_[-1]


def test_all_schedule_names_are_tested():
    strings, _ = MLPDigitClassifier._parameter_constraints["learning_rate"]
    assert set(strings.options) == set(FORMULAS)


@every_solver
def test_adaptive_rate_decreases_on_a_plateau(digits, solver):
    params = {"solver": solver, "learning_rate": "adaptive", "tol": 1e6, "n_iter_no_change": 1}
    rates = make(**params, max_iter=8).fit(*digits).history_["learning_rate"]
    # The first epoch always counts as an improvement.
    expected = RATE / 5.0 ** np.array([0, 0, 0, 1, 1, 2, 2, 3])
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


def test_step_divides_the_rate_by_ten_every_thirty_epochs(digits):
    rates = make(learning_rate="step", max_iter=62).fit(*digits).history_["learning_rate"]
    expected = RATE * 0.1 ** (np.arange(62) // 30)
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


def test_custom_schedule_is_called_for_each_step(digits):
    positions = []

    def halve_after_three_epochs(position):
        positions.append(position)
        return RATE if position.epoch < 3 else RATE / 2

    estimator = make(learning_rate=halve_after_three_epochs).fit(*digits)
    assert estimator.history_["learning_rate"] == [RATE] * 3 + [RATE / 2] * 6
    assert positions == [
        Position(
            step=N_BATCHES * epoch + i,
            epoch=epoch + i / N_BATCHES,
            steps_per_epoch=N_BATCHES,
            n_epochs=N_EPOCHS,
            samples_seen=epoch * N_SAMPLES,
        )
        for epoch in range(N_EPOCHS)
        for i in range(N_BATCHES)
    ]


@pytest.mark.parametrize(
    ("schedule", "name"),
    [
        (Cosine(RATE), {"learning_rate": "cosine"}),
        (
            Warmup(StepDecay(RATE), 3.0),
            {"learning_rate": "step", "warmup_epochs": 3},
        ),
        (partial(lambda rate, position: rate, RATE), {"learning_rate": "constant"}),
    ],
    ids=["cosine", "warmup", "callable"],
)
def test_schedule_object_equals_its_name(digits, schedule, name):
    by_name, by_object = make(**name), make(learning_rate=schedule)
    by_name.fit(*digits)
    by_object.fit(*digits)
    assert by_object.loss_curve_ == by_name.loss_curve_
    np.testing.assert_array_equal(by_object.coefs_[0], by_name.coefs_[0])


def test_warmup_applies_to_schedule_objects(digits):
    rates = make(learning_rate=Cosine(RATE), warmup_epochs=3).fit(*digits).history_["learning_rate"]
    np.testing.assert_allclose(rates, compute_last_rates(FORMULAS["cosine"], 3), rtol=1e-10)


def test_estimator_with_schedule_object_can_be_pickled(digits):
    estimator = make(learning_rate=StepDecay(RATE, every=2)).fit(*digits)
    copied = pickle.loads(pickle.dumps(estimator))
    assert copied.learning_rate == estimator.learning_rate
    np.testing.assert_array_equal(
        copied.predict_proba(digits[0]), estimator.predict_proba(digits[0])
    )


def test_partial_fit_beyond_max_iter_keeps_the_final_rate(digits):
    X, y = digits
    estimator = make(learning_rate="one_cycle", max_iter=2)
    for _ in range(5):
        estimator.partial_fit(X, y, classes=np.arange(10))
    assert np.isfinite(estimator.loss_curve_).all()
    assert max(estimator.history_["learning_rate"]) <= RATE


def test_warm_start_extends_the_schedule(digits):
    X, y = digits
    estimator = make(learning_rate="cosine", warm_start=True, max_iter=4).fit(X, y).fit(X, y)
    # The second fit extends the schedule to eight epochs and starts at epoch four.
    epochs = np.arange(4, 8) + 0.75
    expected = RATE * (1 + np.cos(np.pi * epochs / 8)) / 2
    np.testing.assert_allclose(estimator.history_["learning_rate"][4:], expected, rtol=1e-10)


# The learning-rate finder


@every_solver
@pytest.mark.parametrize("extra", [{}, {"dropout": 0.1, "batch_norm": True, "ema_decay": 0.9}])
def test_finder_returns_increasing_rates_and_a_suggestion(digits, solver, extra):
    curve = make(solver=solver, **extra).find_learning_rate(
        *digits, min_rate=1e-5, max_rate=2.0, n_steps=50
    )
    assert len(curve.learning_rates) == len(curve.losses) <= 50
    assert curve.learning_rates[0] == pytest.approx(1e-5)
    assert (np.diff(curve.learning_rates) > 0).all()
    ratios = curve.learning_rates[1:] / curve.learning_rates[:-1]
    np.testing.assert_allclose(ratios, (2.0 / 1e-5) ** (1 / 49), rtol=1e-9)
    assert np.isfinite(curve.losses).all()
    assert curve.suggestion in curve.learning_rates
    assert curve.losses.min() < curve.losses[0]


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_suggested_rate_gives_high_accuracy(digits, solver):
    estimator = make(solver=solver, max_iter=40)
    suggestion = estimator.find_learning_rate(*digits).suggestion
    assert estimator.set_params(learning_rate_init=suggestion).fit(*digits).score(*digits) > 0.95


def test_finder_is_reproducible(digits):
    first, second = (make(dropout=0.1).find_learning_rate(*digits) for _ in range(2))
    np.testing.assert_array_equal(first.losses, second.losses)
    assert first.suggestion == second.suggestion


def test_finder_starts_with_the_initial_loss(digits):
    X, y = digits
    curve = make(batch_size=150, shuffle=False, alpha=0).find_learning_rate(X, y, n_steps=5)
    fresh = make(batch_size=150, shuffle=False, alpha=0, max_iter=1).fit(X, y)
    assert curve.losses[0] == pytest.approx(fresh.loss_curve_[0])


@pytest.mark.parametrize("fitted", [False, True])
def test_finder_does_not_change_the_estimator(digits, fitted):
    X, y = digits
    estimator = make(random_state=np.random.RandomState(3), early_stopping=True)
    if fitted:
        estimator.fit(X, y)
    before = copy.deepcopy(vars(estimator))
    estimator.find_learning_rate(X, y, n_steps=10)
    assert vars(estimator).keys() == before.keys()
    for name in before.keys() - {"_state", "random_state"}:
        np.testing.assert_equal(vars(estimator)[name], before[name], err_msg=name)
    np.testing.assert_array_equal(
        estimator.random_state.get_state()[1], before["random_state"].get_state()[1]
    )
    # Later training is not affected.
    other = copy.deepcopy(estimator)
    other.__dict__.update(before)
    np.testing.assert_array_equal(other.fit(X, y).coefs_[0], estimator.fit(X, y).coefs_[0])


def test_finder_accepts_the_same_data_as_fit(digits):
    X, y = digits
    dense = make().find_learning_rate(X, y, n_steps=10)
    sparse = make().find_learning_rate(csr_matrix(X), y, n_steps=10)
    np.testing.assert_allclose(sparse.losses, dense.losses, rtol=1e-7)
    single = make().find_learning_rate(X.astype(np.float32), y, n_steps=10)
    np.testing.assert_allclose(single.losses, dense.losses, rtol=1e-2)
    weighted = make().find_learning_rate(X, y, np.where(y < 5, 2.0, 0.5), n_steps=10)
    assert not np.allclose(weighted.losses, dense.losses)
    multilabel = make_multilabel_classification(100, random_state=0)
    assert len(make().find_learning_rate(*multilabel, n_steps=10).losses) > 1
    strings = make().find_learning_rate(X, y.astype(str), n_steps=10)
    np.testing.assert_array_equal(strings.losses, dense.losses)


def test_finder_stops_if_training_diverges(digits):
    curve = make(solver="sgd", activation="identity").find_learning_rate(
        *digits, min_rate=1e-3, max_rate=1e6, n_steps=60
    )
    assert 2 <= len(curve.losses) < 60
    assert np.isfinite(curve.losses).all()
    assert curve.suggestion < 1e3


@pytest.mark.parametrize(
    "numbers",
    [
        {"min_rate": 0},
        {"min_rate": -1},
        {"min_rate": 1, "max_rate": 1},
        {"max_rate": np.inf},
        {"min_rate": np.nan},
        {"n_steps": 1},
    ],
    ids=str,
)
def test_finder_raises_on_invalid_numbers(digits, numbers):
    with pytest.raises(ValueError, match="find_learning_rate requires"):
        make().find_learning_rate(*digits, **numbers)


def test_finder_raises_for_lbfgs(digits):
    with pytest.raises(ValueError, match="lbfgs"):
        make(solver="lbfgs").find_learning_rate(*digits)


def test_interrupted_finder_does_not_change_the_estimator(digits):
    X, y = digits

    class Interrupted:
        n_calls = 0

        def __call__(self, images, rng):
            Interrupted.n_calls += 1
            if Interrupted.n_calls == 3:
                raise KeyboardInterrupt
            return images

    estimator = make().fit(X, y)
    before = copy.deepcopy(vars(estimator))
    with pytest.raises(KeyboardInterrupt):
        estimator.set_params(augmentation=Interrupted()).find_learning_rate(X, y)
    estimator.set_params(augmentation=None)
    assert vars(estimator).keys() == before.keys()
    for name in before.keys() - {"_state"}:
        np.testing.assert_equal(vars(estimator)[name], before[name], err_msg=name)


@pytest.mark.parametrize("n_losses", [0, 1])
def test_suggestion_requires_two_losses(n_losses):
    curve = LearningRateCurve(np.geomspace(1, 2, n_losses), np.ones(n_losses))
    with pytest.raises(
        ValueError, match=f"two or more learning rates .*, got .* {n_losses}.*min_rate"
    ):
        _ = curve.suggestion


def test_suggestion_raises_for_huge_features(digits):
    X, y = digits
    curve = make(activation="identity").find_learning_rate(X * 1e307, y)
    assert len(curve.losses) < 2
    with pytest.raises(ValueError, match="two or more learning rates"):
        _ = curve.suggestion
