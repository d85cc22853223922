"""The private names of scikit-learn that skmlp uses, imported nowhere else.

When scikit-learn moves or changes one of them, this is the module to adapt.
"""

from sklearn.base import _fit_context as fit_context
from sklearn.callback._callback_support import callback_management_context
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call as check_partial_fit_first_call,
)
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "Interval",
    "Options",
    "StrOptions",
    "callback_management_context",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "fit_context",
]
