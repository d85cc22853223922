"""What is trained and how: frozen records that hold each setting once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from skmlp.engine.batches import Augmentation
from skmlp.engine.parameters import Layout


@dataclass(frozen=True)
class NetworkConfig:
    """The network.

    Attributes
    ----------
    layer_sizes : tuple of int
        Number of features, of units of each hidden layer, and of outputs.
    activations : tuple of str
        Activation of each hidden layer.
    out_activation : {"softmax", "logistic"}
    dropout : tuple of float
        Dropout rate of each hidden layer.
    input_dropout : float
    batch_norm : bool
    single_class : bool
        Whether there is only one class, which every prediction is.
    """

    layer_sizes: tuple[int, ...]
    activations: tuple[str, ...]
    out_activation: str
    dropout: tuple[float, ...]
    input_dropout: float = 0.0
    batch_norm: bool = False
    single_class: bool = False

    @property
    def loss_name(self):
        """Name of the loss in LOSSES."""
        return "single_class" if self.single_class else self.out_activation

    @cached_property
    def layout(self):
        """Where the parameters are in the flat vector."""
        return Layout(self.layer_sizes, self.batch_norm)


@dataclass(frozen=True)
class TrainingConfig:
    """The network, what is minimized, and the solver.

    Attributes
    ----------
    network : NetworkConfig
    solver : StochasticSolver or LBFGS
        Yields an EpochReport per epoch, see `skmlp.engine.training`.
    initializers : sequence of callable
        Draw the initial weights of each layer.
    alpha : float
        Strength of the L2 penalty. As in scikit-learn, it is divided by the weight of the batch.
    label_smoothing : float
        Of the training loss, in [0, 1).
    adversarial_norm : float
        By how much each training sample is moved to where its loss grows fastest.
    augmentation : Augmentation or None
        Of the training samples.
    validation_fraction : float
        Fraction of the training samples that is held out, if a validation set is needed and not given.
    """

    network: NetworkConfig
    solver: Any
    initializers: tuple = ()
    alpha: float = 0.0
    label_smoothing: float = 0.0
    adversarial_norm: float = 0.0
    augmentation: Augmentation | None = None
    validation_fraction: float = 0.1
