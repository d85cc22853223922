"""A committee, a VotingClassifier of classifiers or Pipelines, as the description and the arrays in a model file.

The description lists those of the members. The names of the arrays of member 0 begin with "0.", and so on.
"""

import numpy as np
from sklearn.frozen import FrozenEstimator

from skmlp.estimator.committee import (
    assemble_committee,
    check_committee,
    check_members,
    check_weights,
    freeze,
    list_possible_classes,
)
from skmlp.exceptions import ModelFormatError
from skmlp.files.classifiers import Record, decode_single, encode_single, is_classifier
from skmlp.files.encoding import COPY_AGAIN
from skmlp.files.pipelines import check_names
from skmlp.files.records import classes_from_json, classes_to_json
from skmlp.model_parts import describe_type, get_names, get_weights, list_members

MEMBERS_KEY = "members"
WEIGHT_DTYPES = ("int64", "int32", "float64", "float32")


def encode_committee(committee):
    """Return the Record of a fitted committee.

    Raises
    ------
    TypeError
        If a member is not a classifier of skmlp, or a Pipeline that ends with one, or the weights have another dtype.
    ValueError
        If `voting` is not 'soft', or the members do not fit together.
    NotFittedError
        If the committee is not fitted.
    """
    check_committee(committee)
    members = list_members(committee)
    check_types(members)
    names = get_names(committee)
    records = list(map(encode_single, members))
    description = {
        "estimator": type(committee).__name__,
        "classes": classes_to_json(committee.classes_),
        "weights": weights_to_json(get_weights(committee)),
        "flatten_transform": bool(committee.flatten_transform),
        MEMBERS_KEY: [
            {"name": name, "frozen": isinstance(member, FrozenEstimator), **record.description}
            for name, member, record in zip(names, committee.estimators_, records, strict=True)
        ],
    }
    return Record(description, join_arrays([record.arrays for record in records]))


def check_types(members):
    """Raise TypeError unless all members of a committee can be saved."""
    for member in members:
        if not is_classifier(member):
            raise TypeError(
                "The members of a saved VotingClassifier must be MLPDigitClassifiers, or Pipelines that end with one, "
                f"got {describe_type(member)}. Save other estimators by skops or joblib."
            )


def weights_to_json(weights):
    """Return the dtype and the list of weights as JSON values, None for None. The dtype affects the rounding."""
    if weights is None:
        return None
    array = np.asarray(weights)
    if array.dtype.name not in WEIGHT_DTYPES:
        raise TypeError(
            f"The weights of a saved VotingClassifier must have a dtype among {', '.join(WEIGHT_DTYPES)}, got "
            f"{array.dtype}. Convert them to float."
        )
    return {"type": array.dtype.name, "values": array.tolist()}


def weights_from_json(stored, n_members):
    """Return the list of weights for their dtype and list."""
    if stored is None:
        return None
    if stored["type"] not in WEIGHT_DTYPES or not isinstance(stored["values"], list):
        raise ModelFormatError(
            f"expected a list of weights of a dtype among {', '.join(WEIGHT_DTYPES)}, got {stored!r:.200}. {COPY_AGAIN}"
        )
    array = check_weights(np.array(stored["values"], stored["type"]), n_members)
    numbers = array.tolist()
    return numbers if np.array(numbers).dtype == array.dtype else list(array)


def join_arrays(parts):
    """Return the arrays of all members in one dict, with the number of the member as prefix of their names."""
    return {
        f"{index}.{name}": array for index, part in enumerate(parts) for name, array in part.items()
    }


def split_arrays(arrays, n_members):
    """Return the arrays of each member, without the prefix of their names."""
    parts = {str(index): {} for index in range(n_members)}
    for name, array in arrays.items():
        index, _, rest = name.partition(".")
        if index not in parts:
            raise ModelFormatError(
                f"expected arrays of {n_members} members, whose names begin with their number, got {name!r}. "
                f"{COPY_AGAIN}"
            )
        parts[index][rest] = array
    return list(parts.values())


def decode_committee(record):
    """Return the committee of a Record, or raise ModelFormatError if it is invalid."""
    description, arrays = record
    members = description[MEMBERS_KEY]
    if not isinstance(members, list) or not members:
        raise ModelFormatError(f"expected a list of members, got {members!r:.200}. {COPY_AGAIN}")
    names = [member["name"] for member in members]
    check_names(names, "members")
    parts = split_arrays(arrays, len(members))
    models = list(map(decode_member, members, parts))
    classes = classes_from_json(description["classes"])
    check_members(models, list_possible_classes(classes))
    return assemble_committee(
        list(zip(names, models, strict=True)),
        classes,
        weights_from_json(description["weights"], len(models)),
        check_flag(description["flatten_transform"]),
    )


def decode_member(description, arrays):
    """Return the classifier or Pipeline of a member, in a FrozenEstimator if it was saved in one."""
    model = decode_single(Record(description, arrays))
    return freeze(model) if check_flag(description["frozen"]) else model


def check_flag(value):
    """Return a boolean, or raise ModelFormatError for another value."""
    if not isinstance(value, bool):
        raise ModelFormatError(f"expected true or false, got {value!r:.200}. {COPY_AGAIN}")
    return value
