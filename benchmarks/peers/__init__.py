"""The peers: skmlp, other libraries on the same task, and the matrix products that all of them compute."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from math import ceil, prod

import numpy as np

ONE_CYCLE = "one cycle"
LBFGS = "L-BFGS"


@dataclass(frozen=True)
class Recipe:
    """The network that every peer trains, and how.

    The learning rate is constant, or goes through one cycle with the peak that is given.
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
    def extras(self):
        """What it asks for that not every peer has."""
        asked = {
            "dropout": self.dropout > 0,
            "batch norm": self.batch_norm,
            ONE_CYCLE: self.has_one_cycle,
            LBFGS: self.solver == "lbfgs",
        }
        return {name for name, is_asked in asked.items() if is_asked}

    @property
    def has_one_cycle(self):
        """Whether the learning rate changes from step to step."""
        return self.peak_rate is not None

    def rates(self, n_samples, epochs):
        """Give the learning rate of every step, a row for each epoch."""
        shape = epochs, ceil(n_samples / self.batch_size)
        if self.has_one_cycle:
            return one_cycle(self.peak_rate, np.arange(prod(shape)) / prod(shape)).reshape(shape)
        return np.full(shape, self.LEARNING_RATE)


def one_cycle(peak, part):
    """Give the rate after a part of the training, as `skmlp.engine.schedules.OneCycle` has it.

    Written again, so that nobody who is timed from cold imports skmlp for it.
    """
    start, end, rise = peak / 25, peak / 250_000, 0.3
    rising = half_cosine(start, peak, part / rise)
    falling = half_cosine(peak, end, (part - rise) / (1 - rise))
    return np.where(part < rise, rising, falling)


def half_cosine(start, end, part):
    """Go from `start` to `end` along half a cosine."""
    return end + (start - end) * (1 + np.cos(np.pi * part)) / 2


class Peer(ABC):
    """A library's way to train a recipe, and to predict; what it imports, it imports with its module.

    Parameters
    ----------
    recipe : Recipe
    """

    trains = True

    def __init__(self, recipe):
        self.recipe = recipe

    def as_input(self, X):
        """Convert samples to what the library likes best; nobody's time is measured here."""
        return np.ascontiguousarray(X, self.recipe.dtype)

    @abstractmethod
    def fit(self, X, y, epochs):
        """Train from new weights, on what `as_input` gave and the digits y."""

    @abstractmethod
    def predict_proba(self, X):
        """Give the probability of each digit, as a NumPy array, for what `as_input` gave."""

    def score(self, X, y):
        """Give the accuracy, or None where nothing was learnt."""
        return float(np.mean(self.predict_proba(X).argmax(axis=1) == y)) if self.trains else None


@dataclass(frozen=True)
class Entry:
    """Where a peer is found, and what it needs.

    Attributes
    ----------
    title : str
    module, name : str
        Of the class.
    needs : tuple of str
        The libraries that must be installed.
    knows : set of str
        The recipe's extras that it can do.
    environment : dict of str to str
        Variables that its process must have.
    dtype : str or None
        The type it takes, whatever the recipe says.
    """

    title: str
    module: str
    name: str
    needs: tuple[str, ...] = ()
    knows: frozenset = frozenset()
    environment: dict = field(default_factory=dict)
    dtype: str | None = None

    @property
    def has_schedule(self):
        """Whether its learning rate can go through one cycle."""
        return ONE_CYCLE in self.knows

    def adapt(self, recipe):
        """Give the recipe as this peer follows it."""
        return replace(recipe, dtype=self.dtype or recipe.dtype)

    def reason_to_skip(self, recipe):
        """Say why it cannot follow the recipe, or None."""
        missing = [library for library in self.needs if find_spec(library) is None]
        if missing:
            return f"not installed: {', '.join(missing)}"
        unknown = recipe.extras - self.knows
        if unknown:
            return f"not written for it: {', '.join(sorted(unknown))}"
        if self.dtype == recipe.dtype:
            return f"trains in {self.dtype} already, under another name"
        return None


KERAS_BACKEND = "torch" if find_spec("jax") is None else "jax"
EXTRAS = frozenset({"dropout", "batch norm", ONE_CYCLE})
PEERS = {
    "products": Entry("the matrix products alone", "products", "Products", knows=EXTRAS),
    "skmlp-numpy": Entry(
        "skmlp",
        "estimators",
        "Skmlp",
        knows=EXTRAS | {LBFGS},
        environment={"SKMLP_KERNELS": "numpy"},
    ),
    "skmlp-numba": Entry(
        "skmlp with numba",
        "estimators",
        "Skmlp",
        needs=("numba",),
        knows=EXTRAS | {LBFGS},
        environment={"SKMLP_KERNELS": "numba"},
    ),
    "jax": Entry("JAX, jitted", "jax", "JAX", needs=("jax",), knows=frozenset({ONE_CYCLE})),
    "torch": Entry("PyTorch, eager", "torch", "Torch", needs=("torch",), knows=EXTRAS),
    "sklearn": Entry("scikit-learn", "estimators", "ScikitLearn", knows=frozenset({LBFGS})),
    "sklearn-float64": Entry(
        "scikit-learn, float64",
        "estimators",
        "ScikitLearn",
        knows=frozenset({LBFGS}),
        dtype="float64",
    ),
    "keras": Entry(
        f"Keras on {KERAS_BACKEND}",
        "keras",
        "Keras",
        needs=("keras", KERAS_BACKEND),
        knows=EXTRAS,
        environment={"KERAS_BACKEND": KERAS_BACKEND},
    ),
    "skorch": Entry("skorch", "skorch", "Skorch", needs=("skorch", "torch"), knows=EXTRAS),
}


def make_peer(key, recipe):
    """Import a peer's library, and make the peer."""
    entry = PEERS[key]
    return getattr(import_module(f"{__name__}.{entry.module}"), entry.name)(entry.adapt(recipe))


def start_peers(crew, keys, make, recipe, *args):
    """Start a worker for each peer that can follow the recipe, with what `make` makes of it there."""
    for key in keys:
        reason = PEERS[key].reason_to_skip(recipe)
        if reason is None:
            crew.start(key, make, key, recipe, *args, environment=PEERS[key].environment)
        else:
            crew.leave_out(key, reason)
