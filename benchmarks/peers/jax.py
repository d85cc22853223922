"""JAX: the samples on the device, and each epoch in one compiled function.

Arrays have one row per sample; weights are (n_inputs, n_outputs). The feature-major layout of
skmlp, which is faster with OpenBLAS, is not faster here.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from peers import N_CLASSES, PREDICTION_BATCH_SIZE, Peer, TrainingConfig

MOMENTUM = TrainingConfig.MOMENTUM
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class TrainingState(NamedTuple):
    """Weights and biases, the optimizer state, and the number of steps."""

    parameters: list
    optimizer_state: tuple
    step: jax.Array


class JAX(Peer):
    """Pure functions, differentiated and compiled."""

    def __init__(self, config):
        super().__init__(config)
        jax.config.update("jax_enable_x64", config.dtype == "float64")
        self._update = {"adam": adam, "sgd": nesterov}[config.solver]

    def as_input(self, X):
        """Copy the samples to the device."""
        return jax.device_put(super().as_input(X)).block_until_ready()

    def fit(self, X, y, epochs):
        """Train from new weights, with one call of the compiled function per epoch."""
        rng = np.random.default_rng(self.config.SEED)
        y = jnp.asarray(y, jnp.int32)
        parameters = self._draw_parameters(rng, X.shape[1])
        optimizer_state = tuple(jax.tree.map(jnp.zeros_like, parameters) for _ in range(2))
        state = TrainingState(parameters, optimizer_state, jnp.zeros((), X.dtype))
        self.history = []
        for rates in self.config.learning_rates(len(X), epochs).astype(X.dtype):
            order = rng.permutation(np.arange(len(X), dtype=np.int32))
            state, loss, accuracy = train_epoch(
                state, order, rates, X, y, batch_size=self.config.batch_size, update=self._update
            )
            self.history.append((float(loss), float(accuracy)))
        self._parameters = state.parameters

    def predict_proba(self, X):
        """Return the class probabilities as a NumPy array."""
        return np.asarray(compute_probabilities(self._parameters, X))

    def _draw_parameters(self, rng, n_features):
        """Draw weights and biases like scikit-learn with relu: Glorot uniform."""
        parameters = []
        for fan_in, fan_out in pairwise((n_features, *self.config.hidden, N_CLASSES)):
            bound = np.sqrt(6 / (fan_in + fan_out))
            weight, bias = (rng.uniform(-bound, bound, s) for s in [(fan_in, fan_out), fan_out])
            parameters.append(tuple(jnp.asarray(p, self.config.dtype) for p in (weight, bias)))
        return parameters


def compute_logits(parameters, x):
    *hidden, (weight, bias) = parameters
    for hidden_weight, hidden_bias in hidden:
        x = jax.nn.relu(x @ hidden_weight + hidden_bias)
    return x @ weight + bias


@jax.jit
def compute_probabilities(parameters, X):
    """Return the class probabilities, computed in blocks that fit in the cache."""

    def predict_block(start):
        x = lax.dynamic_slice_in_dim(X, start, PREDICTION_BATCH_SIZE)
        return jax.nn.softmax(compute_logits(parameters, x))

    n_in_full_blocks = len(X) // PREDICTION_BATCH_SIZE * PREDICTION_BATCH_SIZE
    last = jax.nn.softmax(compute_logits(parameters, X[n_in_full_blocks:]))
    if not n_in_full_blocks:
        return last
    full = lax.map(predict_block, jnp.arange(0, n_in_full_blocks, PREDICTION_BATCH_SIZE))
    return jnp.concatenate([full.reshape(-1, N_CLASSES), last])


@partial(jax.jit, donate_argnames="state", static_argnames=("batch_size", "update"))
def train_epoch(state, order, rates, X, y, *, batch_size, update):
    """Train for one epoch; return the state, and the loss and accuracy measured before each update."""

    def step(state, indices_and_rate):
        indices, rate = indices_and_rate
        return train_step(state, X[indices], y[indices], rate, update)

    n_in_full_batches = len(order) // batch_size * batch_size
    full = order[:n_in_full_batches].reshape(-1, batch_size)
    state, (losses, counts) = lax.scan(step, state, (full, rates[: len(full)]))
    loss_sum, n_correct = losses.sum(), counts.sum()
    if n_in_full_batches < len(order):
        state, (last_loss, last_count) = step(state, (order[n_in_full_batches:], rates[-1]))
        loss_sum, n_correct = loss_sum + last_loss, n_correct + last_count
    return state, loss_sum / len(order), n_correct / len(order)


def train_step(state, x, targets, rate, update):
    """Train on one batch; return the state, and the sum of the losses with the number of correct predictions."""

    def mean_loss(parameters):
        logits = compute_logits(parameters, x)
        log_likelihood = jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], axis=1)
        loss_sum = -log_likelihood.sum()
        return loss_sum / len(x), (loss_sum, (logits.argmax(axis=1) == targets).sum())

    gradients, sums = jax.grad(mean_loss, has_aux=True)(state.parameters)
    return update(state, gradients, rate), sums


def adam(state, gradients, rate):
    """Apply Adam, with both bias corrections included in the learning rate."""
    step = state.step + 1
    m, v = state.optimizer_state
    m = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, m, gradients)
    v = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, v, gradients)
    corrected_rate = rate * jnp.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
    parameters = jax.tree.map(
        lambda p, m, v: p - corrected_rate * m / (jnp.sqrt(v) + EPSILON), state.parameters, m, v
    )
    return TrainingState(parameters, (m, v), step)


def nesterov(state, gradients, rate):
    """Apply gradient descent with Nesterov momentum. The second array of the optimizer state is unused."""
    velocity, unused = state.optimizer_state
    velocity = jax.tree.map(lambda v, g: MOMENTUM * v - rate * g, velocity, gradients)
    parameters = jax.tree.map(
        lambda p, v, g: p + MOMENTUM * v - rate * g, state.parameters, velocity, gradients
    )
    return TrainingState(parameters, (velocity, unused), state.step + 1)
