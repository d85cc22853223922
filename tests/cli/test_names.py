"""The names repeated in `skmlp.cli.names` are those of the estimator and the recipes."""

import pytest
from sklearn.utils._param_validation import StrOptions

from skmlp import MLPDigitClassifier
from skmlp.cli import names
from skmlp.cli.options import get_options
from skmlp.cli.train_options import TrainOptions
from skmlp.recipes import RECIPES


@pytest.mark.parametrize(
    ("parameter", "known"),
    [
        ("activation", names.ACTIVATIONS),
        ("solver", names.SOLVERS),
        ("learning_rate", names.SCHEDULES),
        ("weight_init", names.INITIAL_WEIGHTS),
        ("class_weight", names.CLASS_WEIGHTS),
        ("augmentation", names.AUGMENTATIONS),
        ("image_features", names.IMAGE_FEATURES),
        ("monitor", names.MONITORS),
    ],
)
def test_names_are_the_valid_values_of_the_parameter(parameter, known):
    constraints = MLPDigitClassifier._parameter_constraints[parameter]
    strings = next(each for each in constraints if isinstance(each, StrOptions))
    assert strings.options == set(known)


def test_recipe_names_are_those_of_the_recipes():
    assert tuple(RECIPES) == names.RECIPES


def test_options_set_distinct_parameters_of_the_estimator():
    parameters = [option.parameter for option in get_options(TrainOptions).values()]
    parameters = [parameter for parameter in parameters if parameter is not None]
    assert set(parameters) <= set(MLPDigitClassifier().get_params())
    assert len(set(parameters)) == len(parameters)
