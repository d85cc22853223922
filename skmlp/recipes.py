"""Ready-made classifiers for handwritten digits, by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sklearn.base import TransformerMixin, clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import check_random_state

from skmlp.augment import (
    Annealed,
    Compose,
    DigitDistortions,
    InvertedMargins,
    Noise,
    Outline,
    Patches,
    Upright,
)
from skmlp.digits.deslant import Deslant
from skmlp.digits.gradients import GradientFeatures
from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.typing import RandomState

if TYPE_CHECKING:
    from sklearn.ensemble import VotingClassifier

__all__ = ["COMMITTEES", "RECIPES", "CommitteeRecipe", "Recipe", "make_recipe"]

MAX_SEED = 2**31 - 1

# Every recipe takes pixels from 0 to 255 and trains for exactly max_iter epochs.
COMMON_PARAMETERS: Mapping[str, Any] = MappingProxyType(
    {"input_scale": 1 / 255, "n_iter_no_change": None}
)

WEAK_AUGMENTATION = Annealed(DigitDistortions(0.6), final_strength=0.1, begin=0.5)
STRONG_AUGMENTATION = Annealed(DigitDistortions(1.25), final_strength=0.25, begin=0.6)
# With these probabilities, the accuracy on held-out images without such changes does not change measurably.
VARIED_AUGMENTATION = Compose(
    [
        STRONG_AUGMENTATION,
        Patches(0.5, probability=0.05),
        InvertedMargins(probability=0.05),
        Outline(0.05),
        Noise(probability=0.2),
        Upright(),
    ]
)


@dataclass(frozen=True)
class Recipe:
    """Named set of parameters for :class:`skmlp.MLPDigitClassifier`.

    Parameters
    ----------
    name : str
        Name for :func:`make_recipe` and ``skmlp train --recipe``.
    summary : str
        Description in one line.
    parameters : dict of str to object
        Parameters of the classifier. All recipes also set ``input_scale=1/255``, for pixels from 0 to 255, and
        ``n_iter_no_change=None``, so that training takes ``max_iter`` epochs.
    reference : str or None, default=None
        Publication that the recipe follows.
    transformers : tuple of transformers, default=()
        Steps of a :class:`~sklearn.pipeline.Pipeline` before the classifier.

    See Also
    --------
    make_recipe : Return the classifier or the pipeline of a recipe.

    Examples
    --------
    >>> from skmlp.recipes import RECIPES
    >>> RECIPES["relu-128-adam"].parameters["hidden_layer_sizes"]
    (128, 128)
    """

    name: str
    summary: str
    parameters: dict[str, Any]
    reference: str | None = None
    transformers: tuple[TransformerMixin, ...] = ()

    def make_classifier(self, random_state: RandomState = None) -> MLPDigitClassifier:
        """Return the unfitted classifier, without the transformers.

        If the recipe has transformers, the classifier expects transformed samples.

        Parameters
        ----------
        random_state : int, RandomState instance or None, default=None
            Parameter `random_state` of the classifier.

        Returns
        -------
        mlp : MLPDigitClassifier
            Unfitted classifier.
        """
        parameters = {**COMMON_PARAMETERS, **self.parameters}
        return MLPDigitClassifier(**parameters, random_state=random_state)


#: Recipes by name.
RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "softmax",
            "Softmax regression, a baseline without hidden layers",
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
            "One hidden layer of logistic units, SGD without momentum",
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
            "One hidden layer of ReLU units, SGD with Nesterov momentum",
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
            "Two hidden layers of ReLU units, Adam",
            {
                "hidden_layer_sizes": (128, 128),
                "batch_size": 128,
                "max_iter": 20,
            },
        ),
        Recipe(
            "dropout-512",
            "Two hidden layers of ReLU units with dropout, Adam",
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
            "For small training sets: regularization and augmentation",
            {
                "hidden_layer_sizes": (512, 256),
                "image_features": "gradients",
                "solver": "adamw",
                "batch_norm": True,
                "dropout": 0.2,
                "label_smoothing": 0.05,
                "batch_size": 32,
                "learning_rate": "one_cycle",
                "learning_rate_init": 0.003,
                "max_iter": 400,
                "augmentation": VARIED_AUGMENTATION,
            },
            transformers=(Deslant(),),
        ),
        Recipe(
            "fast",
            "Shortest training time for an accuracy of 99.4 % on MNIST",
            {
                "hidden_layer_sizes": (256,),
                "image_features": "gradients",
                "batch_norm": True,
                "label_smoothing": 0.05,
                "batch_size": 128,
                "learning_rate": "one_cycle",
                "learning_rate_init": 0.01,
                "max_iter": 4,
            },
            transformers=(Deslant(),),
        ),
        Recipe(
            "tiny",
            "For microcontrollers: 14 kB of constants with 8-bit weights",
            {
                "hidden_layer_sizes": (48, 48),
                "image_features": GradientFeatures((5, 5)),
                "batch_size": 128,
                "learning_rate": "one_cycle",
                "learning_rate_init": 0.01,
                "max_iter": 100,
                "augmentation": Compose([WEAK_AUGMENTATION, Noise(probability=0.2)]),
            },
        ),
        Recipe(
            "plain",
            "Best accuracy without using the image structure",
            {
                "hidden_layer_sizes": (1200, 600, 300, 150),
                "solver": "adamw",
                "batch_norm": True,
                "virtual_adversarial_norm": 2.5,
                "batch_size": 100,
                "learning_rate": "one_cycle",
                "learning_rate_init": 0.002,
                "max_iter": 20,
            },
        ),
        Recipe(
            "accurate",
            "Best accuracy: strong augmentation, also with noise and patches",
            {
                "hidden_layer_sizes": (1024, 512),
                "image_features": "gradients",
                "activation": "gelu",
                "solver": "adamw",
                "weight_decay": 0.1,
                "batch_norm": True,
                "batch_size": 256,
                "learning_rate": "one_cycle",
                "learning_rate_init": 0.004,
                "max_iter": 40,
                "augmentation": VARIED_AUGMENTATION,
            },
            transformers=(Deslant(),),
        ),
    )
}


@dataclass(frozen=True)
class CommitteeRecipe:
    """Named set of recipes whose networks are averaged.

    Parameters
    ----------
    name : str
        Name for :func:`make_recipe` and ``skmlp train --recipe``.
    summary : str
        Description in one line.
    members : tuple of str
        Names of the recipes of the networks.

    See Also
    --------
    make_recipe : Return the committee of a recipe.

    Examples
    --------
    >>> from skmlp.recipes import COMMITTEES
    >>> COMMITTEES["committee"].members
    ('accurate', 'accurate', 'accurate')
    """

    name: str
    summary: str
    members: tuple[str, ...]

    def draw_seeds(self, random_state: RandomState = None) -> list[int] | list[None]:
        """Return a seed for each network.

        Parameters
        ----------
        random_state : int, RandomState instance or None, default=None
            Source of the seeds.

        Returns
        -------
        seeds : list of int or None
            Random numbers, or None for each network if `random_state` is None.
        """
        if random_state is None:
            return [None] * len(self.members)
        return check_random_state(random_state).randint(MAX_SEED, size=len(self.members)).tolist()

    def make_committee(self, random_state: RandomState = None) -> "VotingClassifier":
        """Return the unfitted committee.

        Parameters
        ----------
        random_state : int, RandomState instance or None, default=None
            Source of the seeds of the networks.

        Returns
        -------
        committee : :class:`sklearn.ensemble.VotingClassifier`
            Average of the probabilities of the networks.
        """
        from sklearn.ensemble import VotingClassifier  # takes a quarter of a second

        seeds = self.draw_seeds(random_state)
        networks = [
            (f"member_{index}", make_recipe(name, seed))
            for index, (name, seed) in enumerate(zip(self.members, seeds, strict=True))
        ]
        return VotingClassifier(networks, voting="soft")


#: Recipes of several networks by name.
COMMITTEES: dict[str, CommitteeRecipe] = {
    recipe.name: recipe
    for recipe in (
        CommitteeRecipe(
            "committee",
            "Average of three networks of the recipe accurate",
            ("accurate", "accurate", "accurate"),
        ),
    )
}


def make_recipe(
    name: str, random_state: RandomState = None
) -> "MLPDigitClassifier | Pipeline | VotingClassifier":
    """Return the unfitted classifier of a recipe, a pipeline that ends with it, or a committee.

    The classifier takes pixels from 0 to 255, as in MNIST. See :doc:`/explanation/accuracy` for the test
    accuracy and the training time of each recipe on MNIST.

    Parameters
    ----------
    name : str
        Name of the recipe: 'softmax', 'one-hidden', 'relu-256-sgd', 'relu-128-adam', 'dropout-512', 'small-sample',
        'fast', 'tiny', 'plain', 'accurate' or 'committee'. ``RECIPES[name].summary`` is its description.
    random_state : int, RandomState instance or None, default=None
        Parameter `random_state` of the classifier, or source of the seeds of the networks of 'committee'. Pass an int
        for reproducible results.

    Returns
    -------
    model : MLPDigitClassifier, :class:`sklearn.pipeline.Pipeline` or :class:`sklearn.ensemble.VotingClassifier`
        Unfitted classifier. For 'small-sample', 'fast' and 'accurate', it is a pipeline of :class:`skmlp.Deslant` and
        the classifier, which is ``model[-1]``. For 'committee', it averages the probabilities of several such
        pipelines. Change the parameters of a classifier with `set_params`.

    Raises
    ------
    ValueError
        If `name` is not the name of a recipe.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmlp.recipes import make_recipe
    >>> X, y = load_digits(return_X_y=True)  # pixels from 0 to 16
    >>> model = make_recipe("fast", random_state=0)
    >>> model[-1].set_params(input_scale=1 / 16, max_iter=10)
    MLPDigitClassifier(...)
    >>> model.fit(X[:1400], y[:1400]).score(X[1400:], y[1400:]) > 0.9
    True
    """
    if name in COMMITTEES:
        return COMMITTEES[name].make_committee(random_state)
    if name not in RECIPES:
        names = ", ".join(map(repr, [*RECIPES, *COMMITTEES]))
        raise ValueError(f"name must be one of {names}, got {name!r}.")
    recipe = RECIPES[name]
    mlp = recipe.make_classifier(random_state)
    return make_pipeline(*map(clone, recipe.transformers), mlp) if recipe.transformers else mlp
