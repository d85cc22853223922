"""What lies between `fit` and the engine: checks of the data, the state of the training, what each epoch leaves."""

import warnings
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import issparse
from sklearn.callback import with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, validate_data

from skmlp.callbacks import FitCallbacks
from skmlp.engine.batches import Samples
from skmlp.engine.holdout import stratified_holdout
from skmlp.engine.initialization import draw_parameters
from skmlp.engine.kernels import kernels_for
from skmlp.engine.lbfgs import train_lbfgs
from skmlp.engine.parameters import Layout, Views
from skmlp.engine.training import TrainState, prepare, train
from skmlp.exceptions import CheckpointError, TrainingInterruptedWarning
from skmlp.files.checkpoints import fingerprint_of
from skmlp.history import empty_history, extend_history
from skmlp.plan import Plan, initializers, make_plan, make_plateau
from skmlp.targets import TargetEncoding, check_labels, weights_of_classes

LBFGS_STOPPED_BY_CALLBACK = 99  # SciPy's status


@dataclass(frozen=True)
class FitData:
    """What `fit` was given, checked, and the plan for it.

    Attributes
    ----------
    plan : Plan
    encoding : TargetEncoding
    samples : Samples
    validation : Samples or None
    given : dict
        X, y and metadata as they were, for callbacks.
    """

    plan: Plan
    encoding: TargetEncoding
    samples: Samples
    validation: Samples | None
    given: dict


class Trainable:
    """The private half of the classifier: how it trains. Abstract: the classifier has parameters and public methods."""

    @with_callbacks
    def _go_on(self, path, fingerprint, *data):
        """Train on from the state that was restored."""
        try:
            data = self._check_fit_data(*data, first=False)
        except ValueError as error:
            raise CheckpointError(
                f"{path}: these are not the data of the checkpoint. {error}"
            ) from error
        if fingerprint_of(data.samples, data.validation) != fingerprint:
            raise CheckpointError(
                f"{path}: these are not the data of the checkpoint: features, labels, weights or validation samples "
                "differ. Give the very arrays that fit was given."
            )
        began_with = self._state.kernels
        goes_on_with = kernels_for(0, began_with)
        if goes_on_with != began_with:
            warnings.warn(
                f"{path}: the training began with the kernels of {began_with} and goes on with those of "
                f"{goes_on_with}: the results will be equal to rounding, not to the last bit.",
                stacklevel=4,
            )
        self._run(data, self._begin_callbacks(data))

    def _check_fit_data(self, X, y, sample_weight, X_val, y_val, sample_weight_val, first):
        """Check everything that `fit` is given, and plan the training."""
        given = {"X": X, "y": y, "metadata": {"sample_weight": sample_weight}}
        X, y, sample_weight = self._check_samples(X, y, sample_weight, reset=first)
        encoding = TargetEncoding.of(y) if first else self._encoding_of_all_classes(y)
        plan = make_plan(self, X.shape[1], encoding)
        validation = self._check_validation(encoding, X_val, y_val, sample_weight_val)
        samples = self._encoded(X, y, encoding, sample_weight)
        refuse_to_change_sparse(plan, samples)
        return FitData(plan, encoding, samples, validation, given)

    def _check_samples(self, X, y, sample_weight, *, reset):
        """Check samples of any kind and give arrays; sparse X becomes CSR."""
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            # With a scale, X is converted batch by batch, and only then.
            dtype="numeric" if self.input_scale is not None else (np.float64, np.float32),
            order="C",
            reset=reset,
        )
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X, dtype=weights_dtype(X), ensure_non_negative=True
            )
        return X, check_labels(y), sample_weight

    def _check_validation(self, encoding, X_val, y_val, sample_weight_val):
        """Check the validation samples given to `fit`; None if there are none."""
        if X_val is None and y_val is None:
            return None
        if X_val is None or y_val is None:
            missing = "X_val" if X_val is None else "y_val"
            raise ValueError(
                f"X_val and y_val come together, but {missing} is None. Give both or neither."
            )
        X, y, sample_weight = self._check_samples(X_val, y_val, sample_weight_val, reset=False)
        return self._encoded(X, y, encoding, sample_weight, name="y_val")

    def _encoded(self, X, y, encoding, sample_weight, name="y"):
        """Encode the labels, and multiply class weights and sample weights."""
        weights = sample_weight
        if self.class_weight is not None:
            weights = weights_of_classes(
                self.class_weight, y, sample_weight, encoding.classes
            ).astype(weights_dtype(X))
            if sample_weight is not None:
                weights *= sample_weight
            if not weights.any():
                raise ValueError(
                    f"The weights of the samples of {name} are all zero: class_weight and sample weights, multiplied, "
                    "must leave at least one that is positive."
                )
        return Samples(X, encoding.encode(y, name), weights, input_scale=self.input_scale)

    def _hold_out(self, samples, encoding):
        """Split off the validation samples of early stopping, the same ones in each call of a warm start."""
        state = self._state
        if state.holdout_seed is None:
            state.holdout_seed = state.random_state.randint(2**31)
        rows = stratified_holdout(
            samples.X,
            encoding.strata(samples.targets),
            samples.weights,
            self.validation_fraction,
            np.random.RandomState(state.holdout_seed),
        )
        return tuple(replace(samples, rows=part) for part in rows)

    def _encoding_of_all_classes(self, y):
        """Give the classes of the training so far, all of which must be in `y`."""
        encoding = self._encoding
        if not encoding.multilabel and not np.array_equal(np.unique(y), encoding.classes):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {encoding.classes.tolist()}, `y` has {np.unique(y).tolist()}. Use partial_fit for "
                "data with some of the classes, or warm_start=False to begin anew."
            )
        return encoding

    @property
    def _encoding(self):
        return TargetEncoding(
            self.classes_, self.out_activation_ == "logistic" and self.n_outputs_ > 1
        )

    def _begin(self, data, first):
        """Start anew, or go on with the weights that the estimator has."""
        plan = data.plan
        if first:
            self._reset(plan, data.encoding, weights_dtype(data.samples.X))
            return
        if plan.layout != self._layout:
            raise ValueError(
                "Training can go on only with the layers it began with, of sizes "
                f"{self._layout.layer_sizes} and batch_norm={self._layout.batch_norm}. Now features, "
                f"hidden_layer_sizes, batch_norm and classes ask for {plan.layout.layer_sizes} and "
                f"batch_norm={plan.layout.batch_norm}. Set the parameters back, or call fit with warm_start=False."
            )
        if getattr(self, "_state", None) is None:
            random_state = check_random_state(self.random_state)
            self._state = TrainState(random_state, spawn_generator(random_state))
            self._state.samples_seen = self.t_
        dtype = self.coefs_[0].dtype
        self._state.take_back(
            plan.layout.pack(self._parts, dtype), pack_statistics(self.batch_norm_, dtype)
        )

    def _reset(self, plan, encoding, dtype):
        """Draw new weights and forget all training; until they are bound, the estimator is not fitted."""
        self.__dict__.pop("coefs_", None)
        random_state = check_random_state(self.random_state)
        self._state = TrainState(random_state, spawn_generator(random_state))
        self._state.theta = draw_parameters(
            plan.layout, initializers(self, plan.design), random_state, dtype
        )
        self._state.statistics = plan.layout.initial_statistics(dtype)
        self.classes_ = encoding.classes
        self.n_outputs_ = encoding.n_outputs
        self.out_activation_ = encoding.out_activation
        self.n_layers_ = len(plan.layout.layer_sizes)
        self.n_iter_ = 0
        self.t_ = 0
        self.loss_curve_ = []
        self.history_ = empty_history()
        self._watch_anew(plan)

    def _watch_anew(self, plan):
        """Forget what was the best epoch."""
        self.best_loss_ = None if plan.stop_on_validation else np.inf
        self.validation_scores_ = [] if plan.stop_on_validation else None
        self.best_validation_score_ = -np.inf if plan.stop_on_validation else None
        self._state.best, self._state.watched = None, plan.watched

    def _begin_watch(self, plan):
        """Begin to count epochs without progress, from the best score so far where early stopping goes on."""
        if self._state.watched != plan.watched:
            self._watch_anew(plan)
        self._state.plateau = make_plateau(self)
        if plan.stop_on_validation:
            self._state.plateau.best = self.best_validation_score_

    def _begin_callbacks(self, data):
        """Tell the callbacks that a fit begins; one that refuses leaves the estimator as it is."""
        return FitCallbacks(self, self.max_iter, self._copied_training, **data.given)

    def _run(self, data, callbacks):
        """Train to the end, from the epoch that was reached."""
        with self._training(data) as problem:
            run = self._fit_lbfgs if data.plan.update is None else self._fit_epochs
            run(problem, callbacks)
        callbacks.end_fit()

    @contextmanager
    def _training(self, data):
        """Bind the estimator's weights to the state while the body trains, whatever ends it."""
        state, plan = self._state, data.plan
        self._data_in_training = data.samples, data.validation
        try:
            problem = self._bind(data)
            try:
                yield problem
            except KeyboardInterrupt:
                warnings.warn(
                    "Training interrupted by user: the network keeps what it has learned so far.",
                    TrainingInterruptedWarning,
                    stacklevel=5,
                )
            finally:
                if plan.stop_on_validation and state.best is not None:
                    self._restore_best()
        finally:
            # The weights live on in the fitted attributes, once.
            state.lend()
            del self._data_in_training

    def _bind(self, data):
        """Make the problem, and the fitted arrays views of the state's."""
        plan, state = data.plan, self._state
        samples, validation = data.samples, data.validation
        if plan.stop_on_validation and validation is None:
            samples, validation = self._hold_out(samples, data.encoding)
        state.kernels = kernels_for(plan.layout.n_weights * len(samples), state.kernels)
        prepare(plan, state, len(samples))
        problem = plan.problem(state, samples, validation)
        theta, statistics = state.predicting()
        parts = plan.layout.views(theta)
        self.coefs_ = [weights.T for weights in parts.weights]
        self.intercepts_ = parts.biases
        self.batch_norm_ = batch_norm_views(plan.layout, parts, statistics)
        return problem

    def _restore_best(self):
        """Put the weights of the best epoch where prediction finds them."""
        for array, best in zip(self._state.predicting(), self._state.best, strict=True):
            array[...] = best

    def _fit_epochs(self, problem, callbacks):
        """Train by epochs until a rule or a callback stops it, or max_iter is reached."""
        epochs = train(problem, self._state)
        while self._state.epoch < self._state.n_epochs and not self._state.stopped:
            callbacks.begin_epoch()
            self._record(next(epochs))
            self._state.stopped |= callbacks.end_epoch()
        # Whoever has infinite patience asked for just so many epochs.
        if self._state.stopped or self.n_iter_no_change == np.inf:
            return
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't "
            "converged yet. Increase max_iter, or early_stopping=True may serve you better.",
            ConvergenceWarning,
            stacklevel=4,
        )

    def _fit_lbfgs(self, problem, callbacks):
        """Train by L-BFGS."""

        def on_iteration(report):
            callbacks.begin_epoch()
            self._record(report)
            return callbacks.end_epoch()

        result = train_lbfgs(
            problem,
            self._state,
            tolerance=self.tol,
            max_iterations=self.max_iter,
            max_evaluations=self.max_fun,
            on_iteration=on_iteration,
        )
        self.loss_ = float(result.fun)
        self.n_iter_ = result.nit
        if result.status not in (0, LBFGS_STOPPED_BY_CALLBACK):
            reason = (
                result.message.decode() if isinstance(result.message, bytes) else result.message
            )
            warnings.warn(
                f"lbfgs failed to converge after {result.nit} iteration(s) (status={result.status}): {reason}. "
                "Increase max_iter or max_fun, or bring the features to a scale near one.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _record(self, report):
        """Take what an epoch brought into the fitted attributes."""
        self.n_iter_ += 1
        self.t_ = self._state.samples_seen
        self.loss_ = report.loss
        self.loss_curve_.append(report.loss)
        if self.validation_scores_ is None:
            self.best_loss_ = min(self.best_loss_, report.loss)
        else:
            score = report.val_accuracy if self.monitor == "accuracy" else -report.val_loss
            self.validation_scores_.append(score)
            self.best_validation_score_ = max(self.best_validation_score_, score)
        extend_history(self.history_, report)
        if self.verbose:
            self._print_epoch(report)

    def _print_epoch(self, report):
        print(f"Iteration {self.n_iter_}, loss = {report.loss:.8f}")
        if report.val_accuracy is not None:
            print(f"Validation score: {report.val_accuracy:f}")
        if report.message:
            print(report.message)

    def _copied_training(self):
        """Give copies of all that the training goes on changing; such a copy trains on with a fresh optimizer."""
        changing = (
            "coefs_",
            "intercepts_",
            "batch_norm_",
            "history_",
            "loss_curve_",
            "validation_scores_",
        )
        return {"_state": None} | {name: deepcopy(getattr(self, name)) for name in changing}

    @property
    def _layout(self):
        layer_sizes = (self.n_features_in_, *(len(biases) for biases in self.intercepts_))
        return Layout(layer_sizes, self.batch_norm_ is not None)

    @property
    def _parts(self):
        """The fitted parameters in the engine's orientation."""
        norm = self.batch_norm_ or {"gain": [], "shift": []}
        return Views(
            [coef.T for coef in self.coefs_], self.intercepts_, norm["gain"], norm["shift"]
        )


def refuse_to_change_sparse(plan, samples):
    """Refuse to augment a sparse matrix, or to move its samples."""
    changing = "augmentation" if plan.augmentation is not None else "adversarial_norm"
    if issparse(samples.X) and (plan.augmentation is not None or plan.adversarial_norm):
        raise TypeError(
            f"{changing} needs dense samples, but X is a sparse matrix. Give X.toarray(), or leave {changing} out."
        )


def weights_dtype(X):
    """Give the type of the weights: that of X, float32 for integers, which only a scale lets in."""
    return np.dtype(np.float64 if X.dtype == np.float64 else np.float32)


def spawn_generator(random_state):
    """Make a second random stream from a first one without drawing from it."""
    return np.random.default_rng(deepcopy(random_state).randint(2**32, size=4, dtype=np.uint32))


def batch_norm_views(layout, parts, statistics):
    """Give what `batch_norm_` holds, as views; None without batch normalisation."""
    if not layout.batch_norm:
        return None
    means, variances = layout.statistics_views(statistics)
    return {"gain": parts.gains, "shift": parts.shifts, "mean": means, "variance": variances}


def pack_statistics(batch_norm, dtype):
    """Copy the running means and variances into a flat vector."""
    if not batch_norm or not batch_norm["mean"]:
        return np.empty(0, dtype)
    return np.concatenate(batch_norm["mean"] + batch_norm["variance"]).astype(dtype, copy=False)
