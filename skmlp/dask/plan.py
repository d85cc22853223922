"""Preparation of a training run on a cluster: load the blocks, and create the configuration and the trainer."""

from functools import partial
from types import SimpleNamespace

import numpy as np
from sklearn.utils.validation import validate_data

from skmlp.dask.blocks import BlockLoader
from skmlp.dask.cluster import connect
from skmlp.dask.exact import ExactMode
from skmlp.dask.local import LocalMode
from skmlp.dask.trainer import ClusterTrainer
from skmlp.engine.batches import TrainingData
from skmlp.estimator.config import make_config
from skmlp.estimator.constraints import check_lbfgs
from skmlp.estimator.data import has_validation_set
from skmlp.estimator.fitting import Plan, check_same_layers


def make_cluster_plan(estimator, arguments, start):
    """Load and validate data on a cluster, and return the Plan.

    The only attributes of the estimator that change are `n_features_in_` and `feature_names_in_`.

    Parameters
    ----------
    estimator : DaskMLPDigitClassifier
        Estimator whose parameters satisfy their constraints.
    arguments : FitArguments
    start : Start
    """
    check_supported(estimator, arguments)
    cluster = connect(estimator.client, estimator.timeout)
    load = partial(BlockLoader, cluster, estimator)
    training = load("X", arguments.X, arguments.y, arguments.sample_weight)
    validate_features(estimator, training, reset=start.previous is None)
    targets = start.choose_targets(training.make_labels())
    config = make_config(estimator, targets, training.first.n_features, training.n_samples)
    check_same_layers(config.network.layout, start.previous)
    if estimator.mode == "local" and not start.allows_missing_classes:
        training.check_classes(targets.classes)
    params = make_encoding_parameters(estimator, training, targets)
    samples = training.encode(targets, params, keep_weights=estimator.mode == "exact")
    validation = None
    if has_validation_set(arguments):
        loader = load("X_val", arguments.X_val, arguments.y_val, arguments.sample_weight_val)
        validate_features(estimator, loader, reset=False)
        params = make_encoding_parameters(estimator, loader, targets)
        validation = loader.encode(targets, params, keep_weights=False)
    return Plan(
        config,
        TrainingData(samples.placeholder, None if validation is None else validation.placeholder),
        targets,
        start,
        partial(
            ClusterTrainer,
            cluster=cluster,
            training=samples,
            validation=validation,
            make_mode=make_mode(estimator),
            on_step=make_listener(estimator, training.n_samples),
        ),
    )


def make_mode(estimator):
    """Return a function that creates the mode of training."""
    if estimator.mode == "exact":
        return ExactMode
    return partial(LocalMode, n_steps=estimator.local_steps)


def make_listener(estimator, n_samples):
    """Return a function that passes the number of further samples to the callbacks that display it.

    Parameters
    ----------
    estimator : DaskMLPDigitClassifier
    n_samples : int
        Number of samples of an epoch.
    """
    listeners = [
        callback.add_samples
        for callback in getattr(estimator, "_skl_callbacks", ())
        if hasattr(callback, "add_samples")
    ]

    def on_step(n_further):
        for listener in listeners:
            listener(n_further, n_samples)

    return on_step


def check_supported(estimator, arguments):
    """Raise ValueError if the mode of an estimator does not support one of its parameters."""
    if estimator.solver == "lbfgs":
        check_lbfgs(estimator)
        if estimator.mode == "local":
            raise ValueError(
                "mode must be 'exact' for solver='lbfgs', which needs the gradient of all samples, got 'local'."
            )
    if estimator.mode == "exact" and estimator.batch_norm:
        raise ValueError(
            "batch_norm must be False for mode='exact', because the samples of a batch are in several blocks, which "
            "would have to exchange their means in each layer, got True. Use mode='local'."
        )
    check_labels_are_certain("y", arguments.y)
    check_labels_are_certain("y_val", arguments.y_val)
    if estimator.early_stopping and not has_validation_set(arguments):
        raise ValueError(
            "X_val and y_val must be passed for early_stopping=True on a cluster, got none. Pass a validation set, "
            "or set early_stopping=False."
        )


def check_labels_are_certain(name, y):
    """Raise ValueError if `y` has several columns of floats, like class probabilities."""
    n_columns = y.shape[1] if getattr(y, "ndim", 1) == 2 else 1
    dtypes = getattr(y, "dtypes", None) if n_columns > 1 else None  # of a data frame
    dtypes = [getattr(y, "dtype", np.dtype(int))] if dtypes is None else list(dtypes)
    if n_columns > 1 and any(getattr(dtype, "kind", "O") == "f" for dtype in dtypes):
        raise ValueError(
            f"{name} must contain labels, or integers for multilabel targets, on a cluster, got {n_columns} columns of "
            "floats. Train on class probabilities with MLPDigitClassifier."
        )


def validate_features(estimator, loader, *, reset):
    """Check number and names of the features of blocks, or set the attributes of the estimator that contain them."""
    validate_data(estimator, loader.make_example(), reset=reset, skip_check_array=True)


def make_encoding_parameters(estimator, loader, targets):
    """Return the parameters for the encoding of the blocks, with a class weight that does not depend on the block."""
    class_weight = estimator.class_weight
    if class_weight == "balanced":
        if loader.first.multilabel:
            raise ValueError(
                "class_weight must not be 'balanced' for multilabel targets on a cluster, got 'balanced'. Pass "
                "sample_weight."
            )
        class_weight = balance(loader.sum_label_weights(targets.classes))
    names = ("input_scale", "image_features", "image_shape")
    others = {name: getattr(estimator, name) for name in names}
    return SimpleNamespace(class_weight=class_weight, **others)


def balance(label_weights):
    """Return the class weights that are inversely proportional to the total weights of labels, as scikit-learn does.

    Parameters
    ----------
    label_weights : dict of {label: float}
    """
    present = {label: weight for label, weight in label_weights.items() if weight > 0}
    mean = sum(present.values()) / max(1, len(present))
    return {label: mean / weight for label, weight in present.items()}
