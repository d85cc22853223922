"""JAX at its fastest: the samples on the device, and a whole epoch in one compiled function.

Arrays have a row for each sample; weights are (in, out). Feature-major, which suits OpenBLAS, is no faster here.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from peers import Peer, Recipe

N_CLASSES = 10
PREDICTION_BATCH_SIZE = 2048
MOMENTUM = Recipe.MOMENTUM
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class State(NamedTuple):
    """What training changes: weights and biases, the optimizer's memory of them, the number of steps."""

    parameters: list
    slots: tuple
    step: jax.Array


class JAX(Peer):
    """Functions of arrays, differentiated and compiled."""

    def __init__(self, recipe):
        super().__init__(recipe)
        jax.config.update("jax_enable_x64", recipe.dtype == "float64")
        self._update = {"adam": adam, "sgd": nesterov}[recipe.solver]

    def as_input(self, X):
        """Put the samples on the device."""
        return jax.device_put(super().as_input(X)).block_until_ready()

    def fit(self, X, y, epochs):
        """Train from new weights, an epoch a call."""
        rng = np.random.default_rng(self.recipe.SEED)
        y = jnp.asarray(y, jnp.int32)
        parameters = self._draw_parameters(rng, X.shape[1])
        slots = tuple(jax.tree.map(jnp.zeros_like, parameters) for _ in range(2))
        state = State(parameters, slots, jnp.zeros((), X.dtype))
        self.history = []
        for rates in self.recipe.rates(len(X), epochs).astype(X.dtype):
            order = rng.permutation(np.arange(len(X), dtype=np.int32))
            state, loss, accuracy = train_epoch(
                state, order, rates, X, y, batch_size=self.recipe.batch_size, update=self._update
            )
            self.history.append((float(loss), float(accuracy)))
        self._parameters = state.parameters

    def predict_proba(self, X):
        """Give the probabilities, as a NumPy array."""
        return np.asarray(probabilities(self._parameters, X))

    def _draw_parameters(self, rng, n_features):
        """Draw weights and biases as scikit-learn does for relu: Glorot, uniform."""
        parameters = []
        for fan_in, fan_out in pairwise((n_features, *self.recipe.hidden, N_CLASSES)):
            bound = np.sqrt(6 / (fan_in + fan_out))
            weight, bias = (rng.uniform(-bound, bound, s) for s in [(fan_in, fan_out), fan_out])
            parameters.append(tuple(jnp.asarray(p, self.recipe.dtype) for p in (weight, bias)))
        return parameters


def logits_of(parameters, x):
    *hidden, (weight, bias) = parameters
    for hidden_weight, hidden_bias in hidden:
        x = jax.nn.relu(x @ hidden_weight + hidden_bias)
    return x @ weight + bias


@jax.jit
def probabilities(parameters, X):
    """Predict in blocks that stay in the cache, which is faster than all at once."""

    def of_block(start):
        x = lax.dynamic_slice_in_dim(X, start, PREDICTION_BATCH_SIZE)
        return jax.nn.softmax(logits_of(parameters, x))

    in_full_blocks = len(X) // PREDICTION_BATCH_SIZE * PREDICTION_BATCH_SIZE
    last = jax.nn.softmax(logits_of(parameters, X[in_full_blocks:]))
    if not in_full_blocks:
        return last
    full = lax.map(of_block, jnp.arange(0, in_full_blocks, PREDICTION_BATCH_SIZE))
    return jnp.concatenate([full.reshape(-1, N_CLASSES), last])


@partial(jax.jit, donate_argnames="state", static_argnames=("batch_size", "update"))
def train_epoch(state, order, rates, X, y, *, batch_size, update):
    """Train once on every sample; give the mean loss and the accuracy on the way."""

    def step(state, rows_and_rate):
        rows, rate = rows_and_rate
        return train_step(state, X[rows], y[rows], rate, update)

    in_full_batches = len(order) // batch_size * batch_size
    full = order[:in_full_batches].reshape(-1, batch_size)
    state, (losses, hits) = lax.scan(step, state, (full, rates[: len(full)]))
    loss_sum, hits = losses.sum(), hits.sum()
    if in_full_batches < len(order):
        state, (last_loss, last_hits) = step(state, (order[in_full_batches:], rates[-1]))
        loss_sum, hits = loss_sum + last_loss, hits + last_hits
    return state, loss_sum / len(order), hits / len(order)


def train_step(state, x, targets, rate, update):
    """Train on one batch; give the sum of its losses and the number of its hits."""

    def mean_loss(parameters):
        logits = logits_of(parameters, x)
        log_likelihood = jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], axis=1)
        loss_sum = -log_likelihood.sum()
        return loss_sum / len(x), (loss_sum, (logits.argmax(axis=1) == targets).sum())

    gradients, sums = jax.grad(mean_loss, has_aux=True)(state.parameters)
    return update(state, gradients, rate), sums


def adam(state, gradients, rate):
    """Apply Adam, with both corrections of the bias folded into the rate."""
    step = state.step + 1
    m, v = state.slots
    m = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, m, gradients)
    v = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, v, gradients)
    corrected_rate = rate * jnp.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
    parameters = jax.tree.map(
        lambda p, m, v: p - corrected_rate * m / (jnp.sqrt(v) + EPSILON), state.parameters, m, v
    )
    return State(parameters, (m, v), step)


def nesterov(state, gradients, rate):
    """Apply gradient descent with Nesterov's momentum; the second slot is idle."""
    velocity, idle = state.slots
    velocity = jax.tree.map(lambda v, g: MOMENTUM * v - rate * g, velocity, gradients)
    parameters = jax.tree.map(
        lambda p, v, g: p + MOMENTUM * v - rate * g, state.parameters, velocity, gradients
    )
    return State(parameters, (velocity, idle), state.step + 1)
