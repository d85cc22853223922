"""Adversarial and virtual adversarial training: perturbations compared with numeric gradients, and trained models."""

from copy import deepcopy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from helpers import load_small_digits, make_classifier_factory
from scipy.sparse import csr_matrix
from scipy.special import entr, expit, softmax

from skmlp.engine.batches import Batch, Samples
from skmlp.engine.reference.activations import ACTIVATIONS
from skmlp.engine.reference.backend import ReferenceBackend
from skmlp.engine.reference.layers import Step

N_SAMPLES, N_FEATURES, N_OUTPUTS = 6, 5, 3
NORM = 0.7
STEP = 1e-6
DROPOUTS = {"dropout": 0.3, "input_dropout": 0.2}


@pytest.fixture
def make_backend(backend_class, make_config, make_state):
    """Return a factory of backends with equal weights and random states, of each class."""
    return partial(build_backend, backend_class, make_config, make_state)


@pytest.fixture
def make_reference(make_config, make_state):
    """Return a factory of reference backends with equal weights and random states."""
    return partial(build_backend, ReferenceBackend, make_config, make_state)


def build_backend(
    backend_class,
    make_config,
    make_state,
    hidden,
    out_activation="softmax",
    *,
    norm=NORM,
    activations="tanh",
    has_probability_targets=False,
    **options,
):
    config = make_config(
        (N_FEATURES, *hidden, N_OUTPUTS),
        activations,
        out_activation,
        adversarial_norm=norm,
        **{"label_smoothing": 0.1, **options},
    )
    if has_probability_targets:
        config = replace(config, network=replace(config.network, has_probability_targets=True))
    return backend_class(config, make_state(config))


def make_samples(out_activation="softmax", weighted=False, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N_SAMPLES, N_FEATURES))
    targets = rng.integers(N_OUTPUTS, size=N_SAMPLES)
    if out_activation == "logistic":
        targets = rng.random((N_SAMPLES, N_OUTPUTS)) > 0.5
    return Samples(X, targets, np.arange(1.0, N_SAMPLES + 1) if weighted else None)


def make_batch(samples, x):
    """Return a batch of the samples with other features, of shape (n_features, batch)."""
    return Batch(Samples(np.ascontiguousarray(x.T), samples.targets, samples.weights))


def perturb(backend, samples):
    """Return the samples of the last forward pass of a reference backend."""
    passes, forward = [], backend.network.forward

    def record(x, step):
        passes.append(x.copy())
        return forward(x, step)

    backend.network.forward = record
    backend.gradient(Batch(samples))
    return passes[-1]


def compute_numeric_gradient(function, x):
    """Return the central differences of a function of an array."""
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = STEP
        gradient[index] = (function(x + step) - function(x - step)) / (2 * STEP)
    return gradient


def compute_ascent_directions(backend, samples):
    """Return the unit vectors of steepest ascent of the loss of each sample, with the next dropout masks."""
    bits = backend.state.generator.bit_generator
    before = bits.state

    def loss_at(x):
        bits.state = before
        return backend.gradient(make_batch(samples, x)).loss

    gradient = compute_numeric_gradient(loss_at, samples.X.T)
    bits.state = before
    norms = np.linalg.norm(gradient, axis=0)
    # If dropout keeps no unit, the loss does not depend on the sample.
    norms[norms < 1e-8] = np.inf
    return gradient / norms


# The gradient with respect to the input, in the reference backend


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("hidden", [(4,), (4, 3)], ids=str)
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
@pytest.mark.parametrize("dropouts", [{}, DROPOUTS], ids=["plain", "dropout"])
def test_input_gradient_matches_central_differences(
    make_reference, activation, hidden, batch_norm, dropouts
):
    backend = make_reference(hidden, activations=activation, batch_norm=batch_norm, **dropouts)
    assert_input_gradient_matches_central_differences(backend)


@pytest.mark.parametrize("input_dropout", [0.0, 0.2])
def test_input_gradient_without_hidden_layers_matches_central_differences(
    make_reference, input_dropout
):
    assert_input_gradient_matches_central_differences(
        make_reference((), input_dropout=input_dropout)
    )


def assert_input_gradient_matches_central_differences(backend):
    rng = np.random.default_rng(2)
    factors = rng.normal(size=(N_OUTPUTS, N_SAMPLES))
    fractions = rng.uniform(0.5, 1, N_SAMPLES)
    fractions /= fractions.sum()

    def forward(x):
        return backend.network.forward(x, Step(fractions, np.random.default_rng(3)))

    x = make_samples().X.T
    expected = compute_numeric_gradient(lambda x: float((factors * forward(x)).sum()), x)
    parameter_gradient = backend.gradient(Batch(make_samples())).gradient
    parameter_gradient.fill(17)
    forward(x)
    gradient = backend.network.input_gradient(factors.copy())
    assert np.linalg.norm(gradient) > 1e-3
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(parameter_gradient, 17)


# Perturbed samples


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)], ids=str)
@pytest.mark.parametrize("out_activation", ["softmax", "logistic"])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dropouts", [{}, DROPOUTS], ids=["plain", "dropout"])
def test_samples_are_perturbed_along_the_numeric_gradient(
    make_backend, make_reference, hidden, out_activation, batch_norm, weighted, dropouts
):
    samples = make_samples(out_activation, weighted)
    options = {"batch_norm": batch_norm, **dropouts}
    plain = make_backend(hidden, out_activation, norm=0.0, **options)
    perturbed = samples.X.T + NORM * compute_ascent_directions(plain, samples)
    # The backends draw the same masks.
    expected = plain.gradient(make_batch(samples, perturbed))
    actual = make_backend(hidden, out_activation, **options).gradient(Batch(samples))
    assert actual.loss == pytest.approx(expected.loss, rel=1e-5)
    np.testing.assert_allclose(actual.gradient, expected.gradient, rtol=1e-4, atol=1e-6)
    reference = make_reference(hidden, out_activation, **options)
    np.testing.assert_allclose(perturb(reference, samples), perturbed, atol=1e-6)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("dropouts", [{}, DROPOUTS], ids=["plain", "dropout"])
@pytest.mark.parametrize("zero_weight", [False, True])
def test_gradient_is_computed_at_the_perturbed_samples(
    make_backend, make_reference, batch_norm, dropouts, zero_weight
):
    options = {"batch_norm": batch_norm, **dropouts}
    samples = make_samples(weighted=True)
    samples.weights[2] *= not zero_weight
    perturbed = perturb(make_reference((4,), **options), samples)
    expected = make_backend((4,), norm=0.0, **options).gradient(make_batch(samples, perturbed))
    actual = make_backend((4,), **options).gradient(Batch(samples))
    assert actual.loss == pytest.approx(expected.loss, rel=1e-12)
    assert actual.n_correct == expected.n_correct
    np.testing.assert_allclose(actual.gradient, expected.gradient, rtol=1e-9, atol=1e-12)


def test_samples_with_zero_weight_are_not_perturbed(make_reference):
    samples = make_samples(weighted=True)
    samples.weights[2] = 0
    perturbed = perturb(make_reference((4,)), samples)
    np.testing.assert_array_equal(perturbed[:, 2], samples.X[2])
    distances = np.linalg.norm(perturbed - samples.X.T, axis=0)
    np.testing.assert_allclose(np.delete(distances, 2), NORM)


def test_training_does_not_modify_the_samples(make_backend):
    samples = make_samples()
    before = samples.X.copy()
    make_backend((4,), **DROPOUTS).step(Batch(samples), 0.1)
    np.testing.assert_array_equal(samples.X, before)


# Virtual adversarial training

FIRST_NORM = 0.4 * NORM


def draw_directions(generator):
    """Return the random directions of a step, of shape (n_features, batch), as unit vectors."""
    n_values = N_SAMPLES * N_FEATURES
    bits = generator.bit_generator.random_raw(-(-n_values // 4)).view(np.uint16)[:n_values]
    directions = bits.reshape(N_SAMPLES, N_FEATURES).T - (2**16 - 1) / 2
    return directions / np.linalg.norm(directions, axis=0)


def compute_probabilities(backend, samples, out_activation):
    """Return the predictions of a reference backend in training mode, of shape (n_outputs, batch)."""
    weights = np.ones(N_SAMPLES) if samples.weights is None else samples.weights
    step = Step(weights / weights.sum(), deepcopy(backend.state.generator))
    logits = backend.network.forward(samples.X.T, step)
    return softmax(logits, axis=0) if out_activation == "softmax" else expit(logits)


def compute_entropy(samples, probabilities, out_activation):
    """Return the weighted mean of the entropies of predictions."""
    entropies = entr(probabilities)
    if out_activation == "logistic":
        entropies += entr(1 - probabilities)
    return np.average(entropies.sum(axis=0), weights=samples.weights)


@pytest.mark.parametrize("hidden", [(), (4, 3)], ids=str)
@pytest.mark.parametrize("out_activation", ["softmax", "logistic"])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dropouts", [{}, DROPOUTS], ids=["plain", "dropout"])
@pytest.mark.parametrize("norm", [0.0, NORM], ids=["virtual", "both"])
def test_divergence_from_predictions_for_moved_samples_is_added(
    make_backend, make_reference, hidden, out_activation, batch_norm, weighted, dropouts, norm
):
    options = {"batch_norm": batch_norm, **dropouts}
    samples = make_samples(out_activation, weighted)
    backend = make_backend(
        hidden, out_activation, norm=norm, virtual_adversarial_norm=NORM, **options
    )
    generator = deepcopy(backend.state.generator)
    start = draw_directions(generator)

    def continue_generator(other):
        """Let another backend draw the same dropout masks."""
        other.state.generator.bit_generator.state = generator.bit_generator.state
        return other

    reference = continue_generator(make_reference(hidden, out_activation, norm=0.0, **options))
    probabilities = compute_probabilities(reference, samples, out_activation)
    # With predictions as targets, the cross-entropy is the sum of the divergence and the entropy, a constant.
    targets = replace(samples, targets=probabilities.T.copy())
    make_divergence = partial(
        *(make_backend, hidden, out_activation),
        **{"norm": 0.0, "label_smoothing": 0.0, "has_probability_targets": True, **options},
    )
    moved = replace(targets, X=(samples.X.T + FIRST_NORM * start).T)
    directions = compute_ascent_directions(continue_generator(make_divergence()), moved)
    divergence = continue_generator(make_divergence()).gradient(
        make_batch(targets, samples.X.T + NORM * directions)
    )
    expected = continue_generator(make_backend(hidden, out_activation, norm=norm, **options))
    expected = expected.gradient(Batch(samples))

    actual = backend.gradient(Batch(samples))
    entropy = compute_entropy(samples, probabilities, out_activation)
    assert divergence.loss - entropy > 1e-3
    assert actual.loss == pytest.approx(expected.loss + divergence.loss - entropy, rel=1e-5)
    assert actual.n_correct == expected.n_correct
    np.testing.assert_allclose(
        actual.gradient, expected.gradient + divergence.gradient, rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("norm", [0.0, NORM])
def test_step_draws_directions_and_the_masks_of_one_forward_pass(make_backend, norm):
    backend = make_backend((4, 3), norm=norm, virtual_adversarial_norm=NORM, **DROPOUTS)
    expected = deepcopy(backend.state.generator.bit_generator)
    backend.step(Batch(make_samples()), 0.1)
    n_values = [units * N_SAMPLES for units in (N_FEATURES, N_FEATURES, 4, 3)]
    expected.random_raw(sum(-(-n // 4) for n in n_values))
    assert backend.state.generator.bit_generator.state == expected.state


def test_statistics_are_those_of_the_original_samples(make_backend):
    samples = make_samples(weighted=True)
    plain = make_backend((4, 3), norm=0.0, batch_norm=True)
    backend = make_backend((4, 3), norm=0.0, virtual_adversarial_norm=NORM, batch_norm=True)
    for each in (plain, backend):
        each.step(Batch(samples), 0.1)
    np.testing.assert_allclose(
        backend.state.weights.statistics, plain.state.weights.statistics, rtol=1e-12
    )


# A step draws random numbers and updates statistics for one forward pass


@pytest.mark.parametrize("norm", [0.0, NORM])
def test_step_draws_the_masks_of_one_forward_pass(make_backend, norm):
    backend = make_backend((4, 3), norm=norm, **DROPOUTS)
    expected = deepcopy(backend.state.generator.bit_generator)
    backend.step(Batch(make_samples()), 0.1)
    # One raw number gives the bits for four values of a mask.
    n_values = [units * N_SAMPLES for units in (N_FEATURES, 4, 3)]
    expected.random_raw(sum(-(-n // 4) for n in n_values))
    assert backend.state.generator.bit_generator.state == expected.state


@pytest.mark.parametrize("dropouts", [{}, DROPOUTS], ids=["plain", "dropout"])
def test_step_updates_the_running_statistics_once(make_backend, make_reference, dropouts):
    samples = make_samples(weighted=True)
    options = {"batch_norm": True, **dropouts}
    perturbed = perturb(make_reference((4, 3), **options), samples)
    # The statistics are those of the original samples.
    plain = make_backend((4, 3), norm=0.0, **options)
    plain.step(Batch(samples), 0.1)
    with_perturbed = make_backend((4, 3), norm=0.0, **options)
    with_perturbed.step(make_batch(samples, perturbed), 0.1)
    backend = make_backend((4, 3), **options)
    initial = backend.state.weights.statistics.copy()
    backend.step(Batch(samples), 0.1)
    statistics = backend.state.weights.statistics
    np.testing.assert_allclose(statistics, plain.state.weights.statistics, rtol=1e-12)
    assert (statistics != initial).all()
    assert not np.allclose(statistics, with_perturbed.state.weights.statistics)


def test_gradient_does_not_update_the_running_statistics(make_backend):
    backend = make_backend((4, 3), batch_norm=True)
    initial = backend.state.weights.statistics.copy()
    backend.gradient(Batch(make_samples()))
    np.testing.assert_array_equal(backend.state.weights.statistics, initial)


# Classifier


every_norm = pytest.mark.parametrize("name", ["adversarial_norm", "virtual_adversarial_norm"])
make = make_classifier_factory(
    hidden_layer_sizes=(32,), batch_size=64, learning_rate_init=0.01, max_iter=15
)


@pytest.fixture(scope="module")
def digits():
    return load_small_digits(None)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("params", [{}, {"batch_norm": True, "input_dropout": 0.1, "dropout": 0.1}])
@every_norm
def test_training_makes_a_model_more_robust(every_kernel_set, digits, dtype, params, name):
    X, y = digits[0].astype(dtype), digits[1]
    accuracies = []
    for norm in (0, 1.0):
        mlp = make(**{name: norm}, **params).fit(X[:1200], y[:1200])
        perturbed = perturb_by_numeric_gradient(mlp, X[1200:], y[1200:], 0.8)
        accuracies.append(mlp.score(perturbed, y[1200:]))
    assert accuracies[1] > accuracies[0] + 0.05


def perturb_by_numeric_gradient(mlp, X, y, norm):
    X, rows = X.astype(float), np.arange(len(X))
    gradient = np.empty_like(X)
    for feature in range(X.shape[1]):
        step = np.zeros(X.shape[1])
        step[feature] = 1e-2
        up, down = (mlp.predict_log_proba(X + sign * step)[rows, y] for sign in (1, -1))
        gradient[:, feature] = down - up
    lengths = np.linalg.norm(gradient, axis=1, keepdims=True)
    return X + norm * gradient / np.where(lengths > 0, lengths, 1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@every_norm
def test_norm_of_zero_is_standard_training(digits, name):
    adversarial, plain = make(**{name: 0.0}).fit(*digits), make().fit(*digits)
    for actual, expected in zip(adversarial.coefs_, plain.coefs_, strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_divergence_for_a_single_class_is_zero(every_kernel_set, digits):
    X, y = digits[0][:100], np.zeros(100)
    losses = [
        make(virtual_adversarial_norm=norm, max_iter=3).fit(X, y).loss_curve_ for norm in (0, 1.0)
    ]
    np.testing.assert_allclose(*losses)


@every_norm
def test_invalid_norm_raises(digits, name):
    with pytest.raises(ValueError, match=rf"'{name}' parameter .*Got -1"):
        make(**{name: -1}).fit(*digits)
    with pytest.raises(ValueError, match=f"{name} must be 0 for solver='lbfgs'"):
        make(**{name: 1}, solver="lbfgs").fit(*digits)
    with pytest.raises(TypeError, match=f"X must be dense if {name} is set"):
        make(**{name: 1}).fit(csr_matrix(digits[0]), digits[1])
