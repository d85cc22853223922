"""Initializers, by name.

An initializer ``draw(weights, biases, random_state)`` fills the weights of a layer, of shape (fan_out, fan_in), and its
biases in place.
"""

from functools import partial

import numpy as np


def draw_parameters(layout, initializers, random_state, dtype):
    """Draw the initial weights and biases layer by layer; gains are one and shifts are zero.

    Parameters
    ----------
    layout : Layout
    initializers : sequence of callable
        Initializer of each layer.
    random_state : RandomState
    dtype : dtype
        Type of the parameters.

    Returns
    -------
    theta : ndarray of shape (n_parameters,)
    """
    theta = np.zeros(layout.n_parameters, dtype)
    views = layout.views(theta)
    # Draw biases also for layers that have none, so that the initial weights do not depend on batch normalization.
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
    """Draw weights and biases from U(-r, r), r = sqrt(factor / (fan_in + fan_out)).

    The order of the draws is scikit-learn's.
    """
    fan_out, fan_in = weights.shape
    bound = np.sqrt(factor / (fan_in + fan_out))
    weights[...] = random_state.uniform(-bound, bound, (fan_in, fan_out)).T
    biases[...] = random_state.uniform(-bound, bound, fan_out)


def normal(weights, biases, random_state, *, variance):
    """Draw the weights from N(0, variance(fan_in, fan_out)), and set the biases to zero."""
    fan_out, fan_in = weights.shape
    weights[...] = random_state.normal(0, np.sqrt(variance(fan_in, fan_out)), (fan_in, fan_out)).T
    biases[...] = 0


def uniform(weights, biases, random_state, *, variance):
    """Draw the weights uniformly with variance(fan_in, fan_out), and set the biases to zero."""
    fan_out, fan_in = weights.shape
    bound = np.sqrt(3 * variance(fan_in, fan_out))
    weights[...] = random_state.uniform(-bound, bound, (fan_in, fan_out)).T
    biases[...] = 0


def orthogonal(weights, biases, random_state):
    """Draw a weight matrix with orthonormal rows or columns [1]_, and set the biases to zero.

    References
    ----------
    .. [1] Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
       networks", ICLR 2014, https://arxiv.org/abs/1312.6120
    """
    rows, columns = sorted(weights.shape, reverse=True)
    q, r = np.linalg.qr(random_state.normal(size=(rows, columns)))
    q *= np.sign(np.diag(r))  # makes the distribution uniform (Haar measure)
    weights[...] = q if weights.shape == q.shape else q.T
    biases[...] = 0


def he(fan_in, fan_out):
    """Return the variance 2 / fan_in, for ReLU-like activations [1]_.

    References
    ----------
    .. [1] He, Zhang, Ren and Sun, "Delving deep into rectifiers: surpassing human-level performance on ImageNet
       classification", ICCV 2015, https://arxiv.org/abs/1502.01852
    """
    return 2 / fan_in


def glorot(fan_in, fan_out):
    """Return the variance 2 / (fan_in + fan_out), for tanh-like activations [1]_.

    References
    ----------
    .. [1] Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
       2010.
    """
    return 2 / (fan_in + fan_out)


INITIALIZERS = {
    "he_normal": partial(normal, variance=he),
    "he_uniform": partial(uniform, variance=he),
    "glorot_normal": partial(normal, variance=glorot),
    "glorot_uniform": partial(uniform, variance=glorot),
    "orthogonal": orthogonal,
}
