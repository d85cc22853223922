"""Docstring and annotations of MLPDigitClassifier."""

import ast
import inspect
import re
from typing import Literal, get_args, get_origin

import pandas as pd
import pytest
from helpers import make_classifier_factory
from sklearn.utils._repr_html.common import (
    generate_link_to_param_doc,
    get_docstring,
    scrape_estimator_docstring,
)

from skmlp import MLPDigitClassifier
from skmlp.sklearn_compat import StrOptions

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

make = make_classifier_factory()


def test_docstring_describes_each_parameter_in_the_order_of_the_signature():
    doc = scrape_estimator_docstring(inspect.getdoc(MLPDigitClassifier))
    names = list(inspect.signature(MLPDigitClassifier).parameters)
    assert [parameter.name for parameter in doc["Parameters"]] == names
    # The HTML view shows these texts as tooltips, and links to the parameters.
    for parameter in doc["Parameters"]:
        assert parameter.desc, parameter.name
        assert get_docstring(MLPDigitClassifier, "Parameters", parameter.name)
        assert generate_link_to_param_doc(MLPDigitClassifier, parameter.name, "api.html")


def test_docstring_states_the_default_values():
    doc = scrape_estimator_docstring(inspect.getdoc(MLPDigitClassifier))
    signature = inspect.signature(MLPDigitClassifier)
    for parameter in doc["Parameters"]:
        default = ast.literal_eval(parameter.type.split("default=")[1])
        assert default == signature.parameters[parameter.name].default, parameter.name


def test_docstring_describes_each_fitted_attribute(digits):
    X, y = digits
    estimator = make(max_iter=1).fit(pd.DataFrame(X).rename(columns=str), y)
    fitted = {name for name in vars(estimator) if name.endswith("_")}
    doc = scrape_estimator_docstring(inspect.getdoc(MLPDigitClassifier))
    assert {attribute.name for attribute in doc["Attributes"]} == fitted
    assert all(attribute.desc for attribute in doc["Attributes"])


def test_docstring_cites_each_reference():
    parameters, references = MLPDigitClassifier.__doc__.split("\n    References\n")
    cited = {int(number) for number in re.findall(r"\[(\d+)\]_", parameters)}
    listed = [int(number) for number in re.findall(r"^ *\.\. \[(\d+)\]", references, re.MULTILINE)]
    assert listed == list(range(1, len(listed) + 1))
    assert cited == set(listed)


def find_literals(annotation):
    """Return the strings of all Literal types in an annotation."""
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return set().union(*map(find_literals, get_args(annotation)))


def test_annotations_list_the_accepted_names():
    annotations = MLPDigitClassifier.__init__.__annotations__
    assert annotations.keys() - {"return"} == MLPDigitClassifier().get_params().keys()
    for name, constraints in MLPDigitClassifier._parameter_constraints.items():
        accepted = set().union(*(c.options for c in constraints if isinstance(c, StrOptions)))
        assert find_literals(annotations[name]) == accepted, name


@pytest.mark.parametrize(
    "method",
    [
        *("fit", "partial_fit", "resume", "predict", "predict_proba", "predict_log_proba"),
        *("hidden_activations", "summary", "find_learning_rate"),
    ],
)
def test_public_methods_are_annotated(method):
    signature = inspect.signature(getattr(MLPDigitClassifier, method))
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    assert all(parameter.annotation is not parameter.empty for parameter in parameters)
    assert signature.return_annotation is not signature.empty
