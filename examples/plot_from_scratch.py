r"""
========================
Write a network in NumPy
========================

A multilayer perceptron needs about 40 lines of NumPy: a forward pass, which computes probabilities; a
backward pass, which computes the gradient of the loss; and a loop over batches, which updates the weights.
This example explains each of them, checks the gradient numerically, and trains for ten epochs on 5,000
digits. At the end, ``MLPDigitClassifier`` is trained with the same settings.
:doc:`/explanation/how_it_learns` contains the complete derivation.
"""

# %%
# Load the digits
# ---------------
#
# MNIST is loaded from the directory ``$SKMLP_MNIST`` or ``mnist``; ``skmlp fetch mnist`` downloads
# it. If it is not available, the example uses scikit-learn's bundled digits. Each image is one row of
# :math:`X`, with pixels from 0 to 1.

import os

from sklearn.datasets import load_digits

from skmlp import load_mnist

try:
    X, y = load_mnist(os.environ.get("SKMLP_MNIST", "mnist"), return_X_y=True)
    name, max_pixel, n_train, n_val = "MNIST", 255, 5000, 1000
except FileNotFoundError:
    X, y = load_digits(return_X_y=True)
    name, max_pixel, n_train, n_val = "scikit-learn's digits", 16, 1400, 397

X = X / max_pixel
X_train, y_train = X[:n_train], y[:n_train]
X_val, y_val = X[n_train : n_train + n_val], y[n_train : n_train + n_val]
print(f"{name}: {len(X_train)} training and {len(X_val)} validation images")

# %%
# One-hot targets
# ---------------
#
# The network has ten outputs, one for each digit. The target of an image is the row of the identity
# matrix that belongs to its label: 1 for the true digit, and 0 for the others.

import numpy as np

Y_train = np.eye(10)[y_train]
print(f"label {y_train[0]}, target {Y_train[0]}")

# %%
# Initial weights
# ---------------
#
# Each layer has a matrix of weights :math:`W` and a vector of biases :math:`b`. The weights must be
# random, because units with equal weights would have equal gradients and remain equal. A variance of
# :math:`2 / n_\text{in}`, where :math:`n_\text{in}` is the number of inputs, keeps the scale of the
# activations from layer to layer, because ReLU sets about half of them to zero.

from itertools import pairwise


def initialize(layer_sizes, rng):
    """Return the weights and biases of each layer."""
    return [
        (rng.normal(0, np.sqrt(2 / n_in), (n_in, n_out)), np.zeros(n_out))
        for n_in, n_out in pairwise(layer_sizes)
    ]


# %%
# Forward pass
# ------------
#
# A hidden layer multiplies its inputs :math:`A` by its weights, adds its biases, and sets negative
# values to zero (ReLU). The output layer converts its values :math:`z` to probabilities by softmax:
#
# .. math::
#
#     A^{(l)} = \max(0, A^{(l-1)} W^{(l)} + b^{(l)}), \qquad
#     p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}
#
# Subtracting the maximum from all :math:`z_k` does not change the result, but prevents overflow.


def forward(layers, X):
    """Return the input of each layer, and the probabilities."""
    inputs = []
    for W, b in layers:
        inputs.append(X)
        z = X @ W + b
        X = np.maximum(z, 0)
    exp_z = np.exp(z - z.max(axis=1, keepdims=True))
    return inputs, exp_z / exp_z.sum(axis=1, keepdims=True)


# %%
# Loss
# ----
#
# The cross-entropy is the mean of :math:`-\log p` of the true class. It is zero if the network is
# certain of every true class, and :math:`\log 10 \approx 2.3` if all classes have equal
# probabilities.


def compute_loss(probabilities, Y):
    """Return the cross-entropy."""
    return -np.mean(np.log(probabilities[Y == 1]))


def compute_accuracy(layers, X, y):
    """Return the fraction of correct predictions."""
    _, probabilities = forward(layers, X)
    return np.mean(probabilities.argmax(axis=1) == y)


# %%
# Backward pass
# -------------
#
# Let :math:`\delta` be the derivative of the loss with respect to :math:`z`, for a batch of :math:`n`
# images with probabilities :math:`P` and targets :math:`Y`. In the output layer :math:`L`, it is their
# difference. The chain rule then gives the gradients from the last layer to the first. The gradient
# of a layer's weights is the product of its inputs and :math:`\delta`. The :math:`\delta` of the layer
# before it is the product of :math:`\delta` and the weights, and is zero where the output of ReLU is
# zero:
#
# .. math::
#
#     \delta^{(L)} = \frac{P - Y}{n}, \qquad
#     \delta^{(l-1)} = \delta^{(l)} W^{(l)\top} \odot [A^{(l-1)} > 0]
#
# .. math::
#
#     \frac{\partial E}{\partial W^{(l)}} = A^{(l-1)\top} \delta^{(l)}, \qquad
#     \frac{\partial E}{\partial b^{(l)}} = \sum_i \delta_i^{(l)}


def compute_gradients(layers, X, Y):
    """Return the gradients of the weights and biases of each layer."""
    inputs, probabilities = forward(layers, X)
    delta = (probabilities - Y) / len(Y)
    gradients = []
    for i in reversed(range(len(layers))):
        gradients.append((inputs[i].T @ delta, delta.sum(axis=0)))
        if i > 0:
            W, _ = layers[i]
            delta = (delta @ W.T) * (inputs[i] > 0)
    return gradients[::-1]


# %%
# Check the gradient
# ------------------
#
# An error in the backward pass may go unnoticed, because a network often learns from a wrong
# gradient, but more slowly. The gradient is therefore compared with a difference quotient: all
# weights are moved by a small step in a random direction, and the change of the loss is divided by
# the step. The result should equal the scalar product of the gradient and the direction.

rng = np.random.default_rng(0)
layers = initialize([X.shape[1], 128, 10], rng)
X_check, Y_check = X_train[:100], Y_train[:100]

gradients = compute_gradients(layers, X_check, Y_check)
direction = [(rng.normal(size=W.shape), rng.normal(size=b.shape)) for W, b in layers]


def compute_moved_loss(step):
    """Return the loss after a step in the direction."""
    pairs = zip(layers, direction, strict=True)
    moved = [(W + step * W_move, b + step * b_move) for (W, b), (W_move, b_move) in pairs]
    return compute_loss(forward(moved, X_check)[1], Y_check)


step = 1e-6
numeric = (compute_moved_loss(step) - compute_moved_loss(-step)) / (2 * step)
analytic = sum(
    np.sum(gradient * move)
    for layer_gradients, layer_moves in zip(gradients, direction, strict=True)
    for gradient, move in zip(layer_gradients, layer_moves, strict=True)
)
print(f"relative error of the gradient: {abs(numeric / analytic - 1):.0e}")

# %%
# Train
# -----
#
# In each epoch, the samples are shuffled and divided into batches. After each batch, stochastic
# gradient descent subtracts the gradient, multiplied by the learning rate :math:`\eta`:
#
# .. math::
#
#     W \leftarrow W - \eta \frac{\partial E}{\partial W}, \qquad
#     b \leftarrow b - \eta \frac{\partial E}{\partial b}
#
# The learning rate and the batch size were chosen on other images of MNIST.

learning_rate, batch_size, n_epochs = 0.1, 8, 10
history = {"loss": [], "accuracy": [], "val_accuracy": []}

for epoch in range(1, n_epochs + 1):
    order = rng.permutation(len(X_train))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        gradients = compute_gradients(layers, X_train[batch], Y_train[batch])
        for (W, b), (W_gradient, b_gradient) in zip(layers, gradients, strict=True):
            W -= learning_rate * W_gradient
            b -= learning_rate * b_gradient

    loss = compute_loss(forward(layers, X_train)[1], Y_train)
    accuracy = compute_accuracy(layers, X_train, y_train)
    val_accuracy = compute_accuracy(layers, X_val, y_val)
    for key, value in zip(history, (loss, accuracy, val_accuracy), strict=True):
        history[key].append(value)
    print(
        f"epoch {epoch:2}: training loss {loss:.4f}, training accuracy {accuracy:.3f}, "
        f"validation accuracy {val_accuracy:.3f}"
    )

print(f"validation accuracy after epoch {epoch}: {val_accuracy:.3f}, to beat on MNIST: 0.934")

# %%
# Compare with MLPDigitClassifier
# -------------------------------
#
# With the same settings, ``MLPDigitClassifier`` performs the same computations. Only the random numbers
# differ. It records the loss and accuracy of the training set during the epoch, while the weights
# change. Its values in the first epochs are therefore worse than those measured after each epoch.

from skmlp import MLPDigitClassifier

mlp = MLPDigitClassifier(
    (128,),
    solver="sgd",
    momentum=0,
    learning_rate_init=learning_rate,
    batch_size=batch_size,
    alpha=0,  # no penalty on the weights
    weight_init="he_normal",
    max_iter=n_epochs,
    n_iter_no_change=None,  # train for exactly max_iter epochs
    random_state=0,
)
mlp.fit(X_train, y_train, X_val=X_val, y_val=y_val)
print(f"validation accuracy of MLPDigitClassifier: {mlp.score(X_val, y_val):.3f}")

# %%
# Both networks fit the training set almost perfectly (dashed lines), but the validation accuracy
# hardly increases after the first epochs. More epochs do not help here; more or augmented images
# would.

import matplotlib.pyplot as plt

from skmlp import TrainingCurveDisplay

mlp_history = {key: mlp.history_[key] for key in history}
histories = {"NumPy": history, "MLPDigitClassifier": mlp_history}
figure, axes = plt.subplots(2, 1, figsize=(6, 8), layout="constrained")
TrainingCurveDisplay.from_histories(histories, ax=axes)
figure.suptitle(f"{name}, {n_train} training images")

plt.show()
