"""Initial weights, by name of the distribution.

An initializer ``draw(weights, biases, random_state)`` fills the weights, of shape (fan_out, fan_in), and the biases of
a layer.
"""

from functools import partial

import numpy as np


def draw_parameters(layout, initializers, random_state, dtype):
    """Draw the initial parameters layer by layer, each by its own initializer; gains are ones and shifts zeros.

    Parameters
    ----------
    layout : Layout
    initializers : sequence of callable
        One per layer.
    random_state : RandomState
    dtype : dtype

    Returns
    -------
    theta : ndarray of shape (n_parameters,)
    """
    theta = np.zeros(layout.n_parameters, dtype)
    views = layout.views(theta)
    # Layers without biases draw them all the same, so that batch normalization does not change the weights drawn.
    n_unused = len(views.weights) - len(views.biases)
    unused = [np.empty(units, dtype) for units in layout.hidden_sizes[:n_unused]]
    for draw, weights, biases in zip(
        initializers, views.weights, unused + views.biases, strict=True
    ):
        draw(weights, biases, random_state)
    for gains in views.gains:
        gains[...] = 1
    return theta


def scikit_learn(weights, biases, random_state, *, factor):
    """Draw weights and biases from U(-r, r), r = sqrt(factor / (fan_in + fan_out)), in scikit-learn's order."""
    fan_out, fan_in = weights.shape
    bound = np.sqrt(factor / (fan_in + fan_out))
    weights[...] = random_state.uniform(-bound, bound, (fan_in, fan_out)).T
    biases[...] = random_state.uniform(-bound, bound, fan_out)


def normal(weights, biases, random_state, *, variance):
    """Draw weights from N(0, variance(fan_in, fan_out)); biases are zero."""
    fan_out, fan_in = weights.shape
    weights[...] = random_state.normal(0, np.sqrt(variance(fan_in, fan_out)), (fan_in, fan_out)).T
    biases[...] = 0


def uniform(weights, biases, random_state, *, variance):
    """Draw weights from the uniform distribution with variance(fan_in, fan_out); biases are zero."""
    fan_out, fan_in = weights.shape
    bound = np.sqrt(3 * variance(fan_in, fan_out))
    weights[...] = random_state.uniform(-bound, bound, (fan_in, fan_out)).T
    biases[...] = 0


def orthogonal(weights, biases, random_state):
    """Draw a random matrix with orthonormal rows or columns; biases are zero [1]_.

    References
    ----------
    .. [1] Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
       networks", ICLR 2014, https://arxiv.org/abs/1312.6120
    """
    rows, columns = sorted(weights.shape, reverse=True)
    q, r = np.linalg.qr(random_state.normal(size=(rows, columns)))
    q *= np.sign(np.diag(r))  # makes the distribution uniform over all such matrices
    weights[...] = q if weights.shape == q.shape else q.T
    biases[...] = 0


def he(fan_in, fan_out):
    """Return the variance 2 / fan_in, for relu and similar activations (He et al. 2015, https://arxiv.org/abs/1502.01852)."""
    return 2 / fan_in


def glorot(fan_in, fan_out):
    """Return the variance 2 / (fan_in + fan_out), for tanh and similar activations (Glorot and Bengio 2010)."""
    return 2 / (fan_in + fan_out)


INITIALIZERS = {
    "he_normal": partial(normal, variance=he),
    "he_uniform": partial(uniform, variance=he),
    "glorot_normal": partial(normal, variance=glorot),
    "glorot_uniform": partial(uniform, variance=glorot),
    "orthogonal": orthogonal,
}
