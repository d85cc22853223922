"""The peers: implementations of the same training task in skmlp and other libraries, and two bounds.

The bounds are the matrix products of the task, and as many multiply-adds in registers.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from math import ceil, prod

import numpy as np

N_CLASSES = 10
PREDICTION_BATCH_SIZE = 2048
DROPOUT = "dropout"
BATCH_NORM = "batch normalization"
ONE_CYCLE = "one cycle"
LBFGS = "L-BFGS"


@dataclass(frozen=True)
class TrainingConfig:
    """The network and the training settings of a benchmark.

    The learning rate is `LEARNING_RATE`, or follows one cycle with the peak `peak_rate`.
    """

    hidden: tuple[int, ...] = (128, 128)
    batch_size: int = 128
    solver: str = "adam"
    dtype: str = "float32"
    dropout: float = 0.0
    batch_norm: bool = False
    peak_rate: float | None = None

    LEARNING_RATE = 1e-3
    MOMENTUM = 0.9
    SEED = 0

    @property
    def optional_features(self):
        """The features in use that not every peer supports."""
        is_used = {
            DROPOUT: self.dropout > 0,
            BATCH_NORM: self.batch_norm,
            ONE_CYCLE: self.has_one_cycle,
            LBFGS: self.solver == "lbfgs",
        }
        return {name for name, used in is_used.items() if used}

    @property
    def has_one_cycle(self):
        """Whether the learning rate follows one cycle."""
        return self.peak_rate is not None

    def learning_rates(self, n_samples, epochs):
        """Return the learning rate of every step, one row per epoch."""
        shape = epochs, ceil(n_samples / self.batch_size)
        if self.has_one_cycle:
            return one_cycle(self.peak_rate, np.arange(prod(shape)) / prod(shape)).reshape(shape)
        return np.full(shape, self.LEARNING_RATE)


def one_cycle(peak, progress):
    """Return the learning rate after a fraction of the training, as `skmlp.schedules.OneCycle` does.

    Implemented here because importing skmlp would add to the cold-start times of the other peers.
    """
    start, end, rising_fraction = peak / 25, peak / 250_000, 0.3
    rising = half_cosine(start, peak, progress / rising_fraction)
    falling = half_cosine(peak, end, (progress - rising_fraction) / (1 - rising_fraction))
    return np.where(progress < rising_fraction, rising, falling)


def half_cosine(start, end, progress):
    """Interpolate from `start` to `end` along half a cosine."""
    return end + (start - end) * (1 + np.cos(np.pi * progress)) / 2


class Peer(ABC):
    """Training and prediction with one library, which is imported by the module of the subclass.

    Parameters
    ----------
    config : TrainingConfig

    Attributes
    ----------
    trains : bool
        Whether `fit` trains a network. If it does not, `score` returns None.
    predicts : bool
        Whether `predict_proba` returns an array that depends on the samples.
    """

    trains = True
    predicts = True

    def __init__(self, config):
        self.config = config

    def as_input(self, X):
        """Convert samples to the array type of the library. The conversion is not timed."""
        return np.ascontiguousarray(X, self.config.dtype)

    @abstractmethod
    def fit(self, X, y, epochs):
        """Train from new weights, on samples that `as_input` returned and their labels."""

    @abstractmethod
    def predict_proba(self, X):
        """Return the class probabilities of samples that `as_input` returned, as a NumPy array."""

    def score(self, X, y):
        """Return the accuracy, or None if the peer does not train."""
        return float(np.mean(self.predict_proba(X).argmax(axis=1) == y)) if self.trains else None


@dataclass(frozen=True)
class PeerSpec:
    """The class of a peer and its requirements.

    Attributes
    ----------
    title : str
        Description in the tables.
    module : str
        Module of the class, in this package.
    class_name : str
        Name of the class.
    requires : tuple of str
        Libraries that must be installed.
    supports : frozenset of str
        Optional features that the peer supports.
    environment : dict of str to str
        Environment variables of the process.
    dtype : str or None
        Dtype that replaces that of the configuration.
    """

    title: str
    module: str
    class_name: str
    requires: tuple[str, ...] = ()
    supports: frozenset[str] = frozenset()
    environment: dict[str, str] = field(default_factory=dict)
    dtype: str | None = None

    @property
    def supports_one_cycle(self):
        """Whether the peer supports the one-cycle schedule."""
        return ONE_CYCLE in self.supports

    def adapt(self, config):
        """Return the configuration with the dtype of the peer."""
        return replace(config, dtype=self.dtype or config.dtype)

    def reason_to_skip(self, config):
        """Return why the peer cannot run a configuration, or None if it can."""
        missing = [library for library in self.requires if find_spec(library) is None]
        if missing:
            return f"not installed: {', '.join(missing)}"
        unsupported = config.optional_features - self.supports
        if unsupported:
            return f"not supported: {', '.join(sorted(unsupported))}"
        if self.dtype == config.dtype:
            return f"another peer already uses {self.dtype}"
        return None


KERAS_BACKEND = "torch" if find_spec("jax") is None else "jax"
ALL_BUT_LBFGS = frozenset({DROPOUT, BATCH_NORM, ONE_CYCLE})
PEERS = {
    "peak": PeerSpec(
        "peak of the machine", "peak", "Peak", requires=("numba",), supports=ALL_BUT_LBFGS
    ),
    "products": PeerSpec("matrix products alone", "products", "Products", supports=ALL_BUT_LBFGS),
    "skmlp-numpy": PeerSpec(
        "skmlp",
        "estimators",
        "Skmlp",
        supports=ALL_BUT_LBFGS | {LBFGS},
        environment={"SKMLP_KERNELS": "numpy"},
    ),
    "skmlp-numba": PeerSpec(
        "skmlp with numba",
        "estimators",
        "Skmlp",
        requires=("numba",),
        supports=ALL_BUT_LBFGS | {LBFGS},
        environment={"SKMLP_KERNELS": "numba"},
    ),
    "jax": PeerSpec(
        "JAX, compiled", "jax", "JAX", requires=("jax",), supports=frozenset({ONE_CYCLE})
    ),
    "torch": PeerSpec(
        "PyTorch, eager", "torch", "Torch", requires=("torch",), supports=ALL_BUT_LBFGS
    ),
    "sklearn": PeerSpec("scikit-learn", "estimators", "ScikitLearn", supports=frozenset({LBFGS})),
    "sklearn-float64": PeerSpec(
        "scikit-learn, float64",
        "estimators",
        "ScikitLearn",
        supports=frozenset({LBFGS}),
        dtype="float64",
    ),
    "keras": PeerSpec(
        f"Keras on {KERAS_BACKEND}",
        "keras",
        "Keras",
        requires=("keras", KERAS_BACKEND),
        supports=ALL_BUT_LBFGS,
        environment={"KERAS_BACKEND": KERAS_BACKEND},
    ),
    "skorch": PeerSpec(
        "skorch", "skorch", "Skorch", requires=("skorch", "torch"), supports=ALL_BUT_LBFGS
    ),
}


def make_peer(name, config):
    """Import the module of a peer and return the peer."""
    spec = PEERS[name]
    module = import_module(f"{__name__}.{spec.module}")
    return getattr(module, spec.class_name)(spec.adapt(config))


def start_peers(group, names, make, config, *args):
    """Start a worker for each peer that can run the configuration, and skip the others.

    The object of each worker is `make(name, config, *args)`, made in the worker.
    """
    for name in names:
        reason = PEERS[name].reason_to_skip(config)
        if reason is None:
            group.start(name, make, name, config, *args, environment=PEERS[name].environment)
        else:
            group.skip(name, reason)
