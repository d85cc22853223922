"""The names that the command line writes out are those of the estimator and of the recipes."""

import pytest
from sklearn.utils._param_validation import StrOptions

from skmlp import MLPDigitClassifier
from skmlp.cli import names
from skmlp.cli.options import options_of
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
        ("monitor", names.MONITORS),
    ],
)
def test_names_of_a_parameter(parameter, known):
    constraints = MLPDigitClassifier._parameter_constraints[parameter]
    strings = next(each for each in constraints if isinstance(each, StrOptions))
    assert strings.options == set(known)


def test_names_of_the_recipes():
    assert tuple(RECIPES) == names.RECIPES


def test_options_set_different_parameters_of_the_estimator():
    parameters = [option.parameter for option in options_of(TrainOptions).values()]
    parameters = [parameter for parameter in parameters if parameter is not None]
    assert set(parameters) <= set(MLPDigitClassifier().get_params())
    assert len(set(parameters)) == len(parameters)
