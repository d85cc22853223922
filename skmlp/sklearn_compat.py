"""Private names of scikit-learn, typed versions of its decorators, and the links of its HTML view.

All private names of scikit-learn that skmlp uses are imported here. If scikit-learn moves or changes one of them, only
this module has to be adapted. The decorators preserve the types of the methods that they decorate.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.base import _fit_context as untyped_fit_context
from sklearn.callback import with_callbacks as untyped_with_callbacks
from sklearn.callback._callback_support import callback_management_context
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metaestimators import available_if as untyped_available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call as check_partial_fit_first_call,
)
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "DOC_LINK_TEMPLATE",
    "Interval",
    "Options",
    "StrOptions",
    "available_if",
    "callback_management_context",
    "check_feature_names_in",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "fit_context",
    "with_callbacks",
]

# The page of an estimator, to which scikit-learn's HTML view links. The environment variable selects another build of
# the documentation.
DOCS_URL = os.environ.get("SKMLP_DOCS_URL", "https://skmlp.readthedocs.io/en/stable")
DOC_LINK_TEMPLATE = DOCS_URL.rstrip("/") + "/reference/generated/skmlp.{estimator_name}.html"

Method = TypeVar("Method", bound=Callable[..., Any])


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]:
    """Return a decorator that validates the constructor parameters before a method runs."""
    return untyped_fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


def with_callbacks(method: Method) -> Method:
    """Return a method that calls the `teardown` hooks of the callbacks when it ends."""
    return untyped_with_callbacks(method)


def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Return a decorator that makes a method available only if `check` returns True for the estimator."""
    return untyped_available_if(check)
