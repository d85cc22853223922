"""Sizes of the results of tasks in memory, by which Dask decides where tasks run and what workers store on disk."""

from dataclasses import fields

from dask.sizeof import sizeof

from skmlp.engine.batches import Samples
from skmlp.engine.state import TrainState, Weights
from skmlp.estimator.data import CheckedSamples


def register_size(cls):
    """Let Dask add the sizes of the fields of a dataclass; return the class."""
    sizeof.register(cls, sizeof_fields)
    return cls


def sizeof_fields(value):
    """Return the size of the fields of a dataclass in bytes."""
    return sum(sizeof(getattr(value, field.name)) for field in fields(value))


for each in (Samples, CheckedSamples, TrainState, Weights):
    register_size(each)
