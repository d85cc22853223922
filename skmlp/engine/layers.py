"""Layers: each a final class with its forward and its backward pass side by side."""

import numpy as np
from scipy.sparse import issparse


class Dense:
    """A fully connected layer and its activation, bound to views of the flat parameters and gradient.

    Parameters
    ----------
    weights : ndarray of shape (fan_out, fan_in)
    biases : ndarray of shape (fan_out,)
    activation : Activation
    weights_gradient, biases_gradient : ndarray or None
        Where `backward` writes; None for a layer that only predicts.
    """

    def __init__(self, weights, biases, activation, weights_gradient=None, biases_gradient=None):
        self.weights = weights
        self.biases = biases[:, np.newaxis]
        self.activation = activation
        self.weights_gradient = weights_gradient
        self.biases_gradient = biases_gradient

    def forward(self, x, out):
        """Compute a = activation(W x + b) into `out`, of shape (fan_out, batch)."""
        multiply(self.weights, x, out)
        out += self.biases
        self.activation.forward(out)

    def backward(self, x, a, delta, work, ones, delta_x=None):
        """Propagate the gradient backwards through a = activation(W x + b).

        Parameters
        ----------
        x : ndarray or sparse matrix of shape (fan_in, batch)
            The input of the forward pass.
        a : ndarray of shape (fan_out, batch)
            Its output.
        delta : ndarray of shape (fan_out, batch)
            Gradient by a; overwritten by the gradient by W x + b.
        work : ndarray of shape (fan_out, batch)
            Overwritten.
        ones : ndarray of shape (batch,)
            Ones: a product with them is the fastest sum over the batch.
        delta_x : ndarray of shape (fan_in, batch), default=None
            Overwritten by the gradient by x.
        """
        # dL/dz = dL/da * activation'(z);  dL/dW = dL/dz x';  dL/db = dL/dz 1;  dL/dx = W' dL/dz
        self.activation.backward(a, delta, work)
        multiply(delta, x.T, self.weights_gradient)
        np.dot(delta, ones, out=self.biases_gradient)
        if delta_x is not None:
            np.dot(self.weights.T, delta, out=delta_x)


def multiply(left, right, out):
    """Compute ``left @ right`` into `out`, where `right` may be sparse."""
    if issparse(right):
        # SciPy multiplies sparse by dense, not dense by sparse.
        out[...] = (right.T @ left.T).T
    else:
        np.dot(left, right, out=out)
