"""What is needed to train and evaluate the model again."""

import hashlib
import re
from datetime import UTC, datetime
from numbers import Integral

import numpy as np
from scipy.sparse import issparse

from skmlp.engine.backend_choice import get_kernels
from skmlp.files.models import compute_model_digest
from skmlp.report.section import Content
from skmlp.versions import collect_blas, collect_packages, collect_system

MEMORY_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def describe_reproducibility(evaluation):
    """Return the Content of the section."""
    model = evaluation.model
    digests = {"test": compute_data_digest(evaluation.test, model.classes_)}
    if evaluation.training is not None:
        digests["training"] = compute_data_digest(evaluation.training, model.classes_)
    figures = {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": evaluation.command,
        **(describe_committee(model) if evaluation.is_committee else describe_network(model)),
        "model_digest": compute_model_digest(model.estimator if evaluation.is_committee else model),
        "data_digests": digests,
        "system": collect_system(),
        "blas": collect_blas(),
        "kernels": get_kernels(),
        "versions": collect_packages(),
    }
    return Content(figures)


def describe_committee(committee):
    """Return the figures about the training of each member."""
    return {
        "members": [
            {
                "name": member.name,
                "transformers": list(map(describe_value, member.model.transformers)),
                **describe_network(member.model.classifier),
            }
            for member in committee.members
        ]
    }


def describe_network(mlp):
    """Return the parameters that differ from the defaults, and other figures about the training."""
    parameters, history = mlp.get_params(deep=False), mlp.history_
    defaults = type(mlp)().get_params(deep=False)
    return {
        "parameters": {
            name: describe_value(value)
            for name, value in parameters.items()
            if describe_value(value) != describe_value(defaults[name])
        },
        "seed": find_seed(parameters["random_state"]),
        "n_epochs": len(history["loss"]),
        "training_seconds": float(sum(history["seconds"])),
    }


def describe_value(value):
    """Return a parameter as text that is the same in every process."""
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, np.ndarray | np.generic):
        return repr(value.tolist())
    text = repr(value)
    # The address of an object in memory differs between processes.
    return f"{type(value).__qualname__} instance" if MEMORY_ADDRESS.search(text) else text


def find_seed(random_state):
    """Return the seed of a model; None if `random_state` is not an integer, so that the model cannot be reproduced."""
    return int(random_state) if isinstance(random_state, Integral) else None


def compute_data_digest(samples, labels):
    """Return the SHA-256 digest of the type, the shape and the values of samples, and of their labels."""
    X = samples.X
    sha256 = hashlib.sha256(f"{X.dtype.str} {X.shape}\n".encode())
    arrays = (X.data, X.indices, X.indptr) if issparse(X) else (X,)
    for array in arrays:
        sha256.update(np.ascontiguousarray(array).data)
    sha256.update("\n".join(map(str, labels[samples.classes].tolist())).encode())
    return sha256.hexdigest()
