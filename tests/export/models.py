"""Fitted classifiers of every kind, for the tests of the export formats."""

import numpy as np
from sklearn.datasets import load_digits

from skmlp import GradientFeatures, MLPDigitClassifier
from skmlp.engine.reference.activations import ACTIVATIONS

X, y = load_digits(return_X_y=True)
X = X.astype(np.float32)
X_few, y_few = X[:300], y[:300]
LABELS = {
    "integers": y_few,
    "negative integers": y_few - 5,
    "floats": y_few * 2.0,
    "strings": np.array([f"Ziffer {label} ß" for label in y_few]),
    "objects": np.array([f"digit {label}" for label in y_few], dtype=object),
    "two strings": np.where(y_few > 4, 'large "??/\\', "small\n"),
    "booleans": y_few > 4,
    "multilabel": np.column_stack([y_few % 2, y_few % 3 == 0, y_few > 6]).astype(int),
    "single class": np.full(len(y_few), 7),
}
# Parameters of classifiers, and their labels.
NETWORKS = {
    **{activation: {"activation": activation} for activation in ACTIVATIONS},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "four hidden layers": {"hidden_layer_sizes": (12, 30, 8, 20)},
    "two activations": {"hidden_layer_sizes": (20, 10), "activation": ("gelu", "tanh")},
    "no scale": {"input_scale": None, "learning_rate_init": 1e-3},
    "batch norm": {"batch_norm": True, "hidden_layer_sizes": (20, 10)},
    "averaged weights": {"ema_decay": 0.9, "batch_norm": True},
    **{kind: {"labels": labels} for kind, labels in LABELS.items()},
    "two classes without hidden layers": {
        "labels": LABELS["booleans"],
        "hidden_layer_sizes": (),
    },
    "gradients": {"image_features": "gradients", "hidden_layer_sizes": (20, 10)},
    "gradients without pixels": {
        "image_features": GradientFeatures((4, 3), include_pixels=False),
        "image_shape": (4, 16),
        "batch_norm": True,
    },
    "gradients of images of one row": {
        "image_features": GradientFeatures((1, 9), include_pixels=True),
        "image_shape": (1, 64),
        "labels": LABELS["multilabel"],
    },
    "gradients without scale and hidden layers": {
        "image_features": GradientFeatures((2, 2), include_pixels=True),
        "input_scale": None,
        "learning_rate_init": 1e-3,
        "hidden_layer_sizes": (),
        "labels": LABELS["two strings"],
    },
}


def fit(labels=y_few, dtype=np.float32, **parameters):
    """Return a fitted classifier for the first images of scikit-learn's digits."""
    defaults = {
        "hidden_layer_sizes": (20,),
        "input_scale": 1 / 16,
        "learning_rate_init": 0.01,
        "max_iter": 8,
        "n_iter_no_change": None,
        "random_state": 0,
    }
    return MLPDigitClassifier(**defaults | parameters).fit(X_few.astype(dtype), labels)
