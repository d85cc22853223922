"""Ready-made classifiers for handwritten digits, by name."""

from dataclasses import dataclass
from types import MappingProxyType

from skmlp.augment import Annealed, DigitDistortions
from skmlp.estimator.classifier import MLPDigitClassifier

# Every recipe reads pixels from 0 to 255 and trains for exactly max_iter epochs.
COMMON_PARAMETERS = MappingProxyType({"input_scale": 1 / 255, "n_iter_no_change": None})

STRONG_AUGMENTATION = Annealed(DigitDistortions(1.25), final_strength=0.25, begin=0.6)


@dataclass(frozen=True)
class Recipe:
    """A named set of parameters for :class:`skmlp.MLPDigitClassifier`.

    Parameters
    ----------
    name : str
        Name under which :func:`make_recipe` and ``skmlp train --recipe`` find it.
    summary : str
        Description in one line.
    parameters : dict
        Parameters of the classifier, in addition to those that all recipes share: ``input_scale=1/255``, and an
        ``n_iter_no_change`` for which training takes ``max_iter`` epochs.
    reference : str or None, default=None
        Publication that the recipe follows.
    """

    name: str
    summary: str
    parameters: dict
    reference: str | None = None


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "softmax",
            "Softmax regression without hidden layers, as a baseline",
            {
                "hidden_layer_sizes": (),
                "batch_size": 128,
                "learning_rate": "one_cycle",
                "learning_rate_init": 0.005,
                "max_iter": 15,
            },
        ),
        Recipe(
            "one-hidden",
            "One hidden layer of 100 logistic units, trained by plain gradient descent",
            {
                "hidden_layer_sizes": (100,),
                "activation": "logistic",
                "solver": "sgd",
                "momentum": 0,
                "batch_size": 10,
                "learning_rate_init": 0.5,
                "max_iter": 30,
            },
            'Nielsen, "Neural Networks and Deep Learning", 2015, http://neuralnetworksanddeeplearning.com',
        ),
        Recipe(
            "relu-256-sgd",
            "One hidden layer of 256 units, trained by stochastic gradient descent with Nesterov momentum",
            {
                "hidden_layer_sizes": (256,),
                "solver": "sgd",
                "batch_size": 64,
                "learning_rate": "cosine",
                "learning_rate_init": 0.05,
                "max_iter": 20,
            },
        ),
        Recipe(
            "relu-128-adam",
            "Two hidden layers of 128 units, trained by Adam with its default learning rate",
            {
                "hidden_layer_sizes": (128, 128),
                "batch_size": 128,
                "max_iter": 20,
            },
        ),
        Recipe(
            "dropout-512",
            "Two hidden layers of 512 units with a dropout rate of 0.2",
            {
                "hidden_layer_sizes": (512, 512),
                "dropout": 0.2,
                "batch_size": 128,
                "max_iter": 20,
            },
            'Chollet et al., "mnist_mlp.py", example of Keras 1 and 2, 2015',
        ),
        Recipe(
            "small-sample",
            "For a few hundred to a few thousand digits: small batches, strong regularization, augmentation",
            {
                "hidden_layer_sizes": (512, 256),
                "solver": "adamw",
                "batch_norm": True,
                "dropout": 0.2,
                "label_smoothing": 0.05,
                "batch_size": 32,
                "learning_rate": "one_cycle",
                "learning_rate_init": 0.003,
                "max_iter": 100,
                "augmentation": "digits",
            },
        ),
        Recipe(
            "fast",
            "More than 98 % on MNIST in the shortest time",
            {
                "hidden_layer_sizes": (256,),
                "batch_size": 128,
                "learning_rate": "one_cycle",
                "learning_rate_init": 0.01,
                "max_iter": 4,
            },
        ),
        Recipe(
            "plain",
            "Best accuracy without using the image structure: adversarial training and batch normalization",
            {
                "hidden_layer_sizes": (1024, 1024),
                "solver": "adamw",
                "batch_norm": True,
                "adversarial_norm": 1.5,
                "batch_size": 256,
                "learning_rate": "one_cycle",
                "learning_rate_init": 0.002,
                "max_iter": 50,
            },
        ),
        Recipe(
            "accurate",
            "Best accuracy of a single network: strong augmentation, annealed toward the end of training",
            {
                "hidden_layer_sizes": (2048, 1024, 512),
                "activation": "gelu",
                "solver": "adamw",
                "weight_decay": 0.1,
                "batch_norm": True,
                "batch_size": 256,
                "learning_rate": "one_cycle",
                "learning_rate_init": 0.004,
                "max_iter": 120,
                "augmentation": STRONG_AUGMENTATION,
            },
        ),
    )
}


def make_recipe(name, random_state=None):
    """Return the unfitted classifier of a recipe.

    The classifier takes the pixels of MNIST as they are, uint8 from 0 to 255. See :doc:`/accuracy` for the test
    accuracy and the training time of each recipe on MNIST.

    Parameters
    ----------
    name : str
        Name of the recipe: 'softmax', 'one-hidden', 'relu-256-sgd', 'relu-128-adam', 'dropout-512', 'small-sample',
        'fast', 'plain' or 'accurate'. ``RECIPES[name].summary`` describes it.
    random_state : int, RandomState instance or None, default=None
        The parameter of the classifier. Pass an int for reproducible results.

    Returns
    -------
    mlp : MLPDigitClassifier
        Unfitted classifier. `set_params` changes its parameters.

    Raises
    ------
    ValueError
        If there is no recipe of this name.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmlp.recipes import make_recipe
    >>> X, y = load_digits(return_X_y=True)  # pixels from 0 to 16
    >>> mlp = make_recipe("fast", random_state=0).set_params(input_scale=1 / 16, max_iter=10)
    >>> mlp.fit(X[:1400], y[:1400]).score(X[1400:], y[1400:]) > 0.9
    True
    """
    if name not in RECIPES:
        names = ", ".join(map(repr, RECIPES))
        raise ValueError(f"name must be one of {names}. Got {name!r}.")
    parameters = COMMON_PARAMETERS | RECIPES[name].parameters
    return MLPDigitClassifier(**parameters, random_state=random_state)
