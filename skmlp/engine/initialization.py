"""Initial weights: each name stands for a distribution.

`draw(weights, biases, random_state)` fills the weights, of shape (fan_out, fan_in), and the biases of a layer.
"""

from functools import partial

import numpy as np


def draw_parameters(layout, draws, random_state, dtype):
    """Draw the initial parameters layer by layer, each by its own of `draws`; gains are ones and shifts zeros."""
    flat = np.zeros(layout.n_parameters, dtype)
    views = layout.views(flat)
    for draw, weights, biases in zip(draws, views.weights, views.biases, strict=True):
        draw(weights, biases, random_state)
    for gains in views.gains:
        gains[...] = 1
    if layout.batch_norm:
        for biases in views.biases[:-1]:
            biases[...] = 0  # the shifts stand in their place
    return flat


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
    """Draw weights from the uniform distribution with that variance; biases are zero."""
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
    """Give the variance 2 / fan_in, for relu and its kin (He et al. 2015, https://arxiv.org/abs/1502.01852)."""
    return 2 / fan_in


def glorot(fan_in, fan_out):
    """Give the variance 2 / (fan_in + fan_out), for tanh and its kin (Glorot and Bengio 2010)."""
    return 2 / (fan_in + fan_out)


INITIALIZERS = {
    "he_normal": partial(normal, variance=he),
    "he_uniform": partial(uniform, variance=he),
    "glorot_normal": partial(normal, variance=glorot),
    "glorot_uniform": partial(uniform, variance=glorot),
    "orthogonal": orthogonal,
}
