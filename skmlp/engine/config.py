"""Configuration of the network and its training."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from skmlp.engine.batches import Augmentation
from skmlp.engine.parameters import Layout


@dataclass(frozen=True)
class NetworkConfig:
    """Architecture of the network.

    Attributes
    ----------
    layer_sizes : tuple of int
        Number of features, number of units of each hidden layer, and number of outputs.
    activations : tuple of str
        Activation function of each hidden layer.
    out_activation : {"softmax", "logistic"}
        Activation function of the output layer.
    dropout : tuple of float
        Dropout rate of each hidden layer.
    input_dropout : float
        Dropout rate of the features.
    batch_norm : bool
        Whether the hidden layers use batch normalization.
    single_class : bool
        Whether there is only one class, which is then always predicted.
    has_probability_targets : bool
        Whether the targets are class probabilities instead of labels.
    """

    layer_sizes: tuple[int, ...]
    activations: tuple[str, ...]
    out_activation: str
    dropout: tuple[float, ...]
    input_dropout: float = 0.0
    batch_norm: bool = False
    single_class: bool = False
    has_probability_targets: bool = False

    @property
    def loss_name(self):
        """Key of the loss in LOSSES."""
        if self.single_class:
            return "single_class"
        if self.has_probability_targets and self.out_activation == "softmax":
            return "softmax_of_probabilities"
        return self.out_activation

    @property
    def has_class_indices(self):
        """Whether the targets are class indices, instead of one number per output."""
        return self.loss_name == "softmax"

    @property
    def divergence_loss_name(self):
        """Key in LOSSES of the loss whose targets are the probabilities of the outputs."""
        return "softmax_of_probabilities" if self.out_activation == "softmax" else "logistic"

    @cached_property
    def layout(self):
        """Layout of the parameters in the flat vector."""
        return Layout(self.layer_sizes, self.batch_norm)


@dataclass(frozen=True)
class TrainingConfig:
    """The network, the objective and the solver.

    Attributes
    ----------
    network : NetworkConfig
    solver : StochasticSolver or LBFGS
        The training algorithm.
    initializers : sequence of callable
        Initializer of each layer, see `skmlp.engine.initialization`.
    alpha : float
        Strength of the L2 penalty. As in scikit-learn, it is divided by the total sample weight of the batch.
    label_smoothing : float
        Label smoothing of the training loss, in the range [0, 1).
    adversarial_norm : float
        Norm of the adversarial perturbation of each training sample, in the direction in which its loss increases
        fastest; 0 for none.
    virtual_adversarial_norm : float
        Norm of the virtual adversarial perturbation of each training sample, in the direction in which the predictions
        change fastest; 0 for none.
    augmentation : Augmentation or None
        Augmentation of the training samples.
    validation_fraction : float
        Fraction of the training samples that is held out if a validation set is required but not given.
    """

    network: NetworkConfig
    solver: Any
    initializers: tuple = ()
    alpha: float = 0.0
    label_smoothing: float = 0.0
    adversarial_norm: float = 0.0
    virtual_adversarial_norm: float = 0.0
    augmentation: Augmentation | None = None
    validation_fraction: float = 0.1

    @property
    def perturbs_samples(self):
        """Whether a step changes the samples of a batch to adversarial examples."""
        return self.adversarial_norm > 0 or self.virtual_adversarial_norm > 0
