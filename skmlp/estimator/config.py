"""Conversion of constructor parameters to the TrainingConfig of the engine."""

from functools import partial
from numbers import Real

import numpy as np

from skmlp.digits.augment import AUGMENTATIONS
from skmlp.digits.gradients import IMAGE_FEATURES
from skmlp.engine.batches import Augmentation, FeatureExtraction
from skmlp.engine.config import NetworkConfig, TrainingConfig
from skmlp.engine.initialization import INITIALIZERS, scikit_learn
from skmlp.engine.lbfgs import LBFGS
from skmlp.engine.optimizers import SGD, Adam, NAdam, RMSprop
from skmlp.engine.reference.activations import ACTIVATIONS
from skmlp.engine.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    StepDecay,
    Warmup,
)
from skmlp.engine.stochastic import StochasticSolver
from skmlp.engine.stopping import StoppingRule
from skmlp.engine.update import Update
from skmlp.exceptions import warn_caller
from skmlp.image_shape import resolve_image_shape

ADAMW_WEIGHT_DECAY = 0.01
MAX_AUTO_BATCH_SIZE = 200

OPTIMIZERS = {
    "sgd": lambda p: SGD(float(p.momentum), bool(p.nesterovs_momentum)),
    "adam": lambda p: Adam(float(p.beta_1), float(p.beta_2), float(p.epsilon)),
    "adamw": lambda p: Adam(float(p.beta_1), float(p.beta_2), float(p.epsilon)),
    "nadam": lambda p: NAdam(float(p.beta_1), float(p.beta_2), float(p.epsilon)),
    "rmsprop": lambda p: RMSprop(float(p.beta_2), float(p.epsilon)),
}

# The stopping rule reduces the rate of "adaptive".
SCHEDULES = {
    "constant": lambda p: Constant(float(p.learning_rate_init)),
    "adaptive": lambda p: Constant(float(p.learning_rate_init)),
    "invscaling": lambda p: InverseScaling(float(p.learning_rate_init), float(p.power_t)),
    "step": lambda p: StepDecay(float(p.learning_rate_init)),
    "exponential": lambda p: Exponential(float(p.learning_rate_init)),
    "cosine": lambda p: Cosine(float(p.learning_rate_init)),
    "one_cycle": lambda p: OneCycle(float(p.learning_rate_init)),
}


def make_config(params, targets, n_features, n_samples, has_probabilities=False):
    """Return the TrainingConfig for constructor parameters and the shape of the data.

    Parameters
    ----------
    params : object
        Object with the constructor parameters as attributes. Each satisfies its constraints.
    targets : TargetEncoding
    n_features, n_samples : int
    has_probabilities : bool, default=False
        Whether training uses class probabilities instead of labels.

    Returns
    -------
    config : TrainingConfig

    Raises
    ------
    ValueError
        If a parameter is invalid for this data or in combination with other parameters.
    """
    network = make_network_config(params, targets, n_features, has_probabilities)
    make_solver = make_lbfgs if params.solver == "lbfgs" else make_stochastic_solver
    return TrainingConfig(
        network=network,
        solver=make_solver(params, n_samples),
        initializers=make_initializers(params, network.activations),
        alpha=float(params.alpha),
        label_smoothing=float(params.label_smoothing),
        adversarial_norm=float(params.adversarial_norm),
        # The prediction of a single class is constant.
        virtual_adversarial_norm=0.0
        if network.single_class
        else float(params.virtual_adversarial_norm),
        augmentation=make_augmentation(params, n_features),
        validation_fraction=float(params.validation_fraction),
    )


def make_network_config(params, targets, n_features, has_probabilities=False):
    """Return the configuration of the network."""
    hidden = parse_hidden_sizes(params.hidden_layer_sizes)
    extraction = make_extraction(params, n_features)
    n_inputs = n_features if extraction is None else extraction.n_features
    return NetworkConfig(
        layer_sizes=(n_inputs, *hidden, targets.n_outputs),
        activations=parse_activations(params.activation, len(hidden)),
        out_activation=targets.out_activation,
        dropout=parse_dropout(params.dropout, len(hidden)),
        input_dropout=float(params.input_dropout),
        batch_norm=bool(params.batch_norm),
        single_class=len(targets.classes) == 1,
        has_probability_targets=has_probabilities,
    )


def parse_hidden_sizes(hidden_layer_sizes):
    """Return the sizes of the hidden layers as a tuple of positive int."""
    sizes = np.atleast_1d(np.asarray(hidden_layer_sizes))
    if sizes.size == 0:
        return ()
    if sizes.ndim > 1 or sizes.dtype.kind not in "iu" or (sizes <= 0).any():
        raise ValueError(
            "hidden_layer_sizes must be a positive integer, or a sequence of one positive integer per hidden layer, "
            f"got {hidden_layer_sizes!r}. Use () for a network without hidden layers."
        )
    return tuple(sizes.tolist())


def parse_activations(activation, n_hidden):
    """Return a tuple with the name of the activation of each hidden layer."""
    names = broadcast_to_layers("activation", activation, n_hidden, str)
    unknown = [name for name in names if name not in ACTIVATIONS]
    if unknown:
        raise ValueError(
            f"activation must be one of {sorted(ACTIVATIONS)}, or a list of these names, got {unknown[0]!r}."
        )
    return names


def parse_dropout(dropout, n_hidden):
    """Return a tuple with the dropout rate of each hidden layer."""
    rates = broadcast_to_layers("dropout", dropout, n_hidden, Real)
    if not all(isinstance(rate, Real) and 0 <= rate < 1 for rate in rates):
        raise ValueError(
            "dropout must be a number in the range [0, 1), or a list of one such number per hidden layer, got "
            f"{dropout!r}."
        )
    return tuple(float(rate) for rate in rates)


def broadcast_to_layers(name, value, n_hidden, scalar_type):
    """Return a tuple of one value per hidden layer, given one value for all layers or a sequence."""
    if isinstance(value, scalar_type):
        return (value,) * n_hidden
    if len(value) != n_hidden:
        raise ValueError(
            f"{name} must have one value for each of the {n_hidden} hidden layers, got {len(value)} values: "
            f"{value!r}. Pass one value per hidden layer, or a single value for all layers."
        )
    return tuple(value)


def make_lbfgs(params, n_samples):
    """Return the configuration of L-BFGS."""
    return LBFGS(
        batch_size=n_samples,
        tolerance=float(params.tol),
        max_epochs=int(params.max_iter),
        max_evaluations=int(params.max_fun),
    )


def make_stochastic_solver(params, n_samples):
    """Return the configuration of a first-order solver."""
    schedule = make_schedule(params)
    return StochasticSolver(
        update=make_update(params),
        schedule=schedule,
        stopping=make_stopping_rule(params),
        batch_size=clip_batch_size(params.batch_size, n_samples),
        max_epochs=int(params.max_iter),
        shuffle="blocks" if params.shuffle == "blocks" else bool(params.shuffle),
        trains_all_epochs=params.n_iter_no_change is None
        or getattr(schedule, "spans_training", False),
    )


def make_update(params):
    """Return the update rule of a first-order solver."""
    weight_decay = params.weight_decay
    if weight_decay is None:
        weight_decay = ADAMW_WEIGHT_DECAY if params.solver == "adamw" else 0
    return Update(
        optimizer=OPTIMIZERS[params.solver](params),
        clip_norm=to_float_or_none(params.clip_norm),
        weight_decay=float(weight_decay),
        max_norm=to_float_or_none(params.max_norm),
        ema_decay=to_float_or_none(params.ema_decay),
    )


def to_float_or_none(value):
    """Convert a number to a Python float, because NumPy scalars would promote float32 arrays to float64."""
    return None if value is None else float(value)


def make_schedule(params):
    """Return the learning-rate schedule."""
    schedule = params.learning_rate
    if isinstance(schedule, str):
        schedule = SCHEDULES[schedule](params)
    return Warmup(schedule, float(params.warmup_epochs)) if params.warmup_epochs else schedule


def make_stopping_rule(params):
    """Return the rule that stops training before `max_iter` epochs."""
    return StoppingRule(
        tolerance=float(params.tol),
        patience=np.inf if params.n_iter_no_change is None else params.n_iter_no_change,
        monitor=f"val_{params.monitor}" if params.early_stopping else "loss",
        reduces_rate=isinstance(params.learning_rate, str) and params.learning_rate == "adaptive",
    )


def clip_batch_size(batch_size, n_samples):
    """Return the number of samples in a mini-batch, at most `n_samples`; warn if it is reduced."""
    if batch_size == "auto":
        return min(MAX_AUTO_BATCH_SIZE, n_samples)
    if batch_size > n_samples:
        warn_caller(
            f"batch_size must be at most n_samples={n_samples}, got {batch_size}. It is clipped to {n_samples}."
        )
    return min(int(batch_size), n_samples)


def make_augmentation(params, n_features):
    """Return the Augmentation of the training batches, or None."""
    transform = params.augmentation
    if transform is None:
        return None
    shape = resolve_image_shape(params.image_shape, n_features)
    if isinstance(transform, str):
        transform = AUGMENTATIONS[transform]
    return Augmentation(transform, shape)


def make_extraction(params, n_features):
    """Return the FeatureExtraction that computes the inputs of the network, or None."""
    compute = params.image_features
    if compute is None:
        return None
    shape = resolve_image_shape(params.image_shape, n_features)
    if isinstance(compute, str):
        compute = IMAGE_FEATURES[compute]
    if isinstance(compute, type):
        raise TypeError(
            f"image_features must be a function or an instance, got the class {compute.__name__}. Pass "
            f"{compute.__name__}()."
        )
    return FeatureExtraction(compute, shape)


def make_initializers(params, activations):
    """Return a function for each layer that draws its initial weights.

    With "auto", the output layer uses the distribution of the last hidden layer, as in scikit-learn.
    """
    n_layers = len(activations) + 1
    if params.weight_init != "auto":
        return (INITIALIZERS[params.weight_init],) * n_layers
    if not activations:
        only = params.activation if isinstance(params.activation, str) else "identity"
        activations = (only,)
    factors = [ACTIVATIONS[name].weight_init_factor for name in (*activations, activations[-1])]
    return tuple(partial(scikit_learn, factor=factor) for factor in factors[-n_layers:])
