"""The same training in PyTorch and Keras, as docs/explanation/coming_from_*.rst describes it."""

import os

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skmlp import MLPDigitClassifier

BATCH_SIZE = 100
N_EPOCHS = 3

# Parameters of skmlp, and the optimizers of PyTorch and Keras, or None where there is no equivalent. PyTorch's Adam
# adds epsilon elsewhere; its value is small enough not to matter.
SOLVERS = {
    "sgd": (
        {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.9},
        ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    ),
    "classical momentum": (
        {"solver": "sgd", "learning_rate_init": 0.1, "nesterovs_momentum": False},
        ("SGD", {"lr": 0.1, "momentum": 0.9}),
        ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ),
    "adam": (
        {"solver": "adam", "learning_rate_init": 0.01, "epsilon": 1e-15},
        ("Adam", {"lr": 0.01, "eps": 1e-15}),
        None,
    ),
    "adam, Keras's epsilon": (
        {"solver": "adam", "learning_rate_init": 0.01, "epsilon": 1e-7},
        None,
        ("Adam", {"learning_rate": 0.01}),
    ),
    "rmsprop": (
        {"solver": "rmsprop", "learning_rate_init": 0.01, "beta_2": 0.99},
        ("RMSprop", {"lr": 0.01}),
        None,
    ),
}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:500] / 16, y[:500]


def make_classifier(**parameters):
    settings = {
        "alpha": 0,
        "batch_size": BATCH_SIZE,
        "max_iter": N_EPOCHS,
        "n_iter_no_change": None,
        "shuffle": False,
        "random_state": 0,
    }
    return MLPDigitClassifier((32, 16), **settings | parameters)


def get_initial_weights(digits):
    """Return the weights and biases with which training begins."""
    mlp = make_classifier(learning_rate=lambda position: 0.0).fit(*digits)
    return mlp.coefs_, mlp.intercepts_


def assert_same_weights(mlp, weights):
    # PyTorch adds 1e-6 to the norm in clipping; Keras stores learning rates as float32.
    for coefs, others in zip(mlp.coefs_, weights, strict=True):
        np.testing.assert_allclose(coefs, others, rtol=1e-4, atol=1e-6)


def train_torch(digits, make_optimizer, label_smoothing=0.0, clip_norm=None, class_weights=None):
    """Return the weights after training in PyTorch."""
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(
        torch.nn.Linear(64, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 16),
        torch.nn.ReLU(),
        torch.nn.Linear(16, 10),
    ).double()
    linear = [layer for layer in net if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        for layer, coefs, intercepts in zip(linear, *get_initial_weights(digits), strict=True):
            layer.weight.copy_(torch.from_numpy(coefs.T.copy()))
            layer.bias.copy_(torch.from_numpy(intercepts))
    X, y = (torch.from_numpy(values) for values in digits)
    loss_function = torch.nn.CrossEntropyLoss(class_weights, label_smoothing=label_smoothing)
    optimizer = make_optimizer(torch.optim, net)
    for _ in range(N_EPOCHS):
        for start in range(0, len(X), BATCH_SIZE):
            batch = slice(start, start + BATCH_SIZE)
            optimizer.zero_grad()
            loss_function(net(X[batch]), y[batch]).backward()
            if clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(net.parameters(), clip_norm)
            optimizer.step()
    return [layer.weight.detach().numpy().T for layer in linear]


def make_sgd(optimizers, net):
    return optimizers.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True)


@pytest.mark.parametrize("name", [name for name in SOLVERS if SOLVERS[name][1]])
def test_solvers_of_torch(digits, name):
    parameters, (optimizer, settings), _ = SOLVERS[name]
    weights = train_torch(
        digits, lambda optimizers, net: getattr(optimizers, optimizer)(net.parameters(), **settings)
    )
    assert_same_weights(make_classifier(**parameters).fit(*digits), weights)


def test_weight_decay_of_torch(digits):
    """PyTorch's weight_decay also applies to biases; parameter groups exclude them."""

    def make_adamw(optimizers, net):
        groups = [
            {"params": [p for p in net.parameters() if p.ndim == 2], "weight_decay": 0.5},
            {"params": [p for p in net.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ]
        return optimizers.AdamW(groups, lr=0.01, eps=1e-15)

    mlp = make_classifier(solver="adamw", learning_rate_init=0.01, weight_decay=0.5, epsilon=1e-15)
    assert_same_weights(mlp.fit(*digits), train_torch(digits, make_adamw))


def test_l2_penalty_of_torch(digits):
    """The weight_decay of PyTorch's SGD is alpha / batch_size."""

    def make_penalized_sgd(optimizers, net):
        groups = [
            {"params": [p for p in net.parameters() if p.ndim == 2], "weight_decay": 0.01},
            {"params": [p for p in net.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ]
        return optimizers.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)

    mlp = make_classifier(solver="sgd", learning_rate_init=0.1, alpha=0.01 * BATCH_SIZE)
    assert_same_weights(mlp.fit(*digits), train_torch(digits, make_penalized_sgd))


def test_loss_and_clipping_of_torch(digits):
    torch = pytest.importorskip("torch")
    class_weights = torch.arange(1, 11).double()
    weights = train_torch(digits, make_sgd, clip_norm=0.1, class_weights=class_weights)
    mlp = make_classifier(
        solver="sgd",
        learning_rate_init=0.1,
        clip_norm=0.1,
        class_weight=dict(enumerate(range(1, 11))),
    )
    assert_same_weights(mlp.fit(*digits), weights)
    weights = train_torch(digits, make_sgd, label_smoothing=0.1)
    mlp = make_classifier(solver="sgd", learning_rate_init=0.1, label_smoothing=0.1)
    assert_same_weights(mlp.fit(*digits), weights)


def import_keras():
    """Return Keras, which uses PyTorch unless another backend is selected."""
    pytest.importorskip("torch")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


def train_keras(digits, optimizer, **layer_settings):
    """Return the weights after training in Keras."""
    keras = import_keras()
    keras.config.set_floatx("float64")
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, "relu", **layer_settings),
            keras.layers.Dense(16, "relu", **layer_settings),
            keras.layers.Dense(10, "softmax", **layer_settings),
        ]
    )
    initial = get_initial_weights(digits)
    for layer, coefs, intercepts in zip(model.layers, *initial, strict=True):
        layer.set_weights([coefs, intercepts])
    model.compile(optimizer, "sparse_categorical_crossentropy")
    model.fit(*digits, BATCH_SIZE, N_EPOCHS, shuffle=False, verbose=0)
    return [layer.get_weights()[0] for layer in model.layers]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in SOLVERS if SOLVERS[name][2]])
def test_solvers_of_keras(digits, name):
    keras = import_keras()
    parameters, _, (optimizer, settings) = SOLVERS[name]
    weights = train_keras(digits, getattr(keras.optimizers, optimizer)(**settings))
    assert_same_weights(make_classifier(**parameters).fit(*digits), weights)


@pytest.mark.filterwarnings("ignore")
def test_regularization_of_keras(digits):
    """The l2 of Keras is alpha / 2 / batch_size, and MaxNorm applies to the layers that have it."""
    keras = import_keras()
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.5, global_clipnorm=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    weights = train_keras(digits, optimizer, kernel_regularizer=keras.regularizers.L2(0.005))
    mlp = make_classifier(
        solver="adamw",
        learning_rate_init=0.01,
        weight_decay=0.5,
        epsilon=1e-7,
        clip_norm=0.1,
        alpha=0.01 * BATCH_SIZE,
    )
    assert_same_weights(mlp.fit(*digits), weights)
