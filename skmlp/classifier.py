"""MLPDigitClassifier: a multilayer perceptron with scikit-learn's interface."""

import warnings
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from skmlp.callbacks import FitCallbacks
from skmlp.engine.activations import ACTIVATIONS
from skmlp.engine.batches import Batches, Samples
from skmlp.engine.holdout import stratified_holdout
from skmlp.engine.lbfgs import train_lbfgs
from skmlp.engine.losses import LOSSES
from skmlp.engine.network import Network
from skmlp.engine.parameters import draw_glorot_uniform
from skmlp.engine.training import TrainState, train
from skmlp.history import empty_history, extend_history
from skmlp.plan import PARAMETER_CONSTRAINTS, make_plan, make_plateau
from skmlp.targets import TargetEncoding, check_labels, is_multilabel

PREDICTION_BATCH_SIZE = 1024
LBFGS_STOPPED_BY_CALLBACK = 99  # SciPy's status


class TrainingInterruptedWarning(UserWarning):
    """The user interrupted the training (Ctrl-C); the estimator keeps what it has learned."""


def _trains_by_single_epochs(estimator):
    """Tell whether `partial_fit` is there, or say why it is not."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers, solver='sgd' or 'adam'. Got solver='lbfgs'."
        )
    if estimator.early_stopping:
        raise AttributeError(
            "partial_fit does not support early_stopping=True: one epoch leaves nothing to stop. Set "
            "early_stopping=False, or use fit."
        )
    return True


class MLPDigitClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Multilayer perceptron classifier.

    It takes every parameter of :class:`sklearn.neural_network.MLPClassifier`, in the same order and with the same
    defaults, has its fitted attributes, and gives its results from the same integer `random_state`, to rounding. What
    it adds: a history of training and validation, validation samples of your own, training that goes on exactly where
    it ended, a scale for pixels, and an early-stopping split that is stratified.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units of each hidden layer; ``()`` for none, which is softmax regression.
    activation : {'identity', 'logistic', 'tanh', 'relu'}, default='relu'
        Activation of the hidden layers.

        - 'identity': a = z
        - 'logistic': a = 1 / (1 + exp(-z))
        - 'tanh': a = tanh(z)
        - 'relu': a = max(0, z)
    solver : {'lbfgs', 'sgd', 'adam'}, default='adam'
        How the loss is minimised.

        - 'sgd': stochastic gradient descent with momentum.
        - 'adam': Adam [1]_, a good choice for thousands of samples and more.
        - 'lbfgs': a quasi-Newton method [2]_ on all samples at once, often better on small data.
    alpha : float, default=0.0001
        Strength of the L2 penalty on the weights, not negative. It is divided by the number of samples of the batch.
    batch_size : int or 'auto', default='auto'
        Samples in a mini-batch; 'auto' is ``min(200, n_samples)``. Not used by 'lbfgs'.
    learning_rate : {'constant', 'invscaling', 'adaptive'}, default='constant'
        Schedule of the learning rate. Only used by 'sgd'.

        - 'constant': `learning_rate_init` always.
        - 'invscaling': ``learning_rate_init / (t_ + 1) ** power_t``, set at the beginning of each epoch.
        - 'adaptive': divided by 5 whenever training would stop for lack of progress, until it is 1e-6.
    learning_rate_init : float, default=0.001
        Initial learning rate, positive. Not used by 'lbfgs'.
    power_t : float, default=0.5
        Exponent of 'invscaling', not negative.
    max_iter : int, default=200
        The most epochs of one call of `fit` ('sgd', 'adam'), or iterations ('lbfgs').
    shuffle : bool, default=True
        Whether to shuffle the samples before each epoch. Not used by 'lbfgs'.
    random_state : int, RandomState instance or None, default=None
        Draws the initial weights, the early-stopping split and the shuffles. Give an int for results that repeat.
    tol : float, default=1e-4
        The least progress, not negative. Training stops when the loss, or with `early_stopping` the validation
        accuracy, makes less for more than `n_iter_no_change` epochs in a row. For 'lbfgs', the tolerance for the
        largest component of the gradient.
    verbose : bool or int, default=False
        Whether to print the loss of each epoch.
    warm_start : bool, default=False
        Whether a further call of `fit` goes on from where the last one ended, with the weights, the optimizer's memory
        and the random stream, or starts anew.
    momentum : float, default=0.9
        Momentum of 'sgd', from 0 to 1.
    nesterovs_momentum : bool, default=True
        Whether the momentum is Nesterov's.
    early_stopping : bool, default=False
        Whether to stop when the accuracy on validation samples, instead of the training loss, makes no progress, and
        to keep the weights of the best epoch. The samples are those given to `fit` as `X_val`; without them,
        a part of the training samples is held out. Not used by 'lbfgs'.
    validation_fraction : float, default=0.1
        Part of the distinct training samples that `early_stopping` holds out, in [0, 1). The split is stratified by
        class and never puts equal samples on both sides.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of Adam's estimates of the first and the second moment, in [0, 1).
    epsilon : float, default=1e-8
        Adam's guard against a division by zero, positive.
    n_iter_no_change : int or inf, default=10
        How many epochs without progress are borne.
    max_fun : int, default=15000
        The most evaluations of the loss by 'lbfgs'.
    input_scale : float, default=None
        Positive factor by which `X` is multiplied as batches are made, in training and prediction alike. With
        ``input_scale=1/255``, pixels of type uint8, memory-mapped or not, train as float32 without a float copy of
        them all. None leaves `X` as it is.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of each layer.
    history_ : dict of str to list of float
        One entry an epoch (an iteration, for 'lbfgs'), all lists equally long:

        - 'loss': mean over the training batches as they passed, with the penalty;
        - 'accuracy': on the training batches as they passed, so that each was seen by a slightly younger network;
        - 'learning_rate': of the epoch, NaN for 'lbfgs';
        - 'seconds': the epoch took, validation included;
        - 'val_loss', 'val_accuracy': on the validation samples after the epoch, the loss without the penalty; only
          there if there are such samples.
    loss_ : float
        The last training loss.
    loss_curve_ : list of float
        The training loss of each epoch: ``history_['loss']``.
    best_loss_ : float or None
        The least training loss; None with `early_stopping`.
    validation_scores_ : list of float or None
        The validation accuracy of each epoch with `early_stopping`, else None.
    best_validation_score_ : float or None
        The best of them.
    n_iter_ : int
        Epochs of the last call of `fit` and the calls of `partial_fit` since.
    t_ : int
        Training samples seen, counted anew each time.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if `X` had any that are strings.
    n_layers_ : int
        Number of layers, those of input and output included.
    n_outputs_ : int
        Number of outputs: one for two classes, else one a class.
    out_activation_ : {'softmax', 'logistic'}
        Activation of the output layer: 'softmax' for more than two classes, 'logistic' for two and for multilabel
        targets.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : The model of this class.
    IDXReader : Reads MNIST's files, as the first step of a Pipeline.
    save_model : Saves a fitted classifier.

    Notes
    -----
    The loss is the cross-entropy plus ``alpha / 2`` times the sum of all squared weights over the number of samples.
    With sample weights, means are weighted means and the number of samples is the sum of the weights. The initial
    weights are drawn uniformly as by Glorot and Bengio [3]_. The weights are of the type of `X`, float32 or float64.

    References
    ----------
    .. [1] Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015,
       https://arxiv.org/abs/1412.6980
    .. [2] Zhu, Byrd, Lu and Nocedal, "Algorithm 778: L-BFGS-B", ACM Transactions on Mathematical Software 23(4), 1997.
    .. [3] Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
       AISTATS 2010.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from skmlp import MLPDigitClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> mlp = MLPDigitClassifier(input_scale=1 / 16, learning_rate_init=0.01, random_state=0)
    >>> mlp = mlp.fit(X_train, y_train, X_val=X_test, y_val=y_test)
    >>> mlp.predict(X_test[:5])
    array([2, 8, 2, 6, 6])
    >>> mlp.score(X_test, y_test) > 0.97
    True
    >>> mlp.history_["val_accuracy"][-1] == mlp.score(X_test, y_test)
    True
    """

    _parameter_constraints = PARAMETER_CONSTRAINTS

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        input_scale=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.input_scale = input_scale

    # Training

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels of any type, or an indicator matrix for multilabel classification.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, not negative; None for equal weights.
        X_val : {array-like, sparse matrix} of shape (n_validation_samples, n_features), default=None
            Samples on which the network is evaluated after each epoch, for `history_` and, with
            ``early_stopping=True``, to stop and to keep the best weights.
        y_val : array-like of shape (n_validation_samples,) or (n_validation_samples, n_labels), default=None
            Labels of `X_val`.
        sample_weight_val : array-like of shape (n_validation_samples,), default=None
            Weights of `X_val`.

        Returns
        -------
        self : MLPDigitClassifier

        Raises
        ------
        ValueError
            If parameters or data are invalid, or the loss does not stay finite.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` epochs have not been enough by the rule of `tol` and `n_iter_no_change`.
        TrainingInterruptedWarning
            If the user interrupted the training; what was learned is kept.
        """
        first = not (self.warm_start and hasattr(self, "coefs_"))
        X, y, sample_weight = self._check_samples(X, y, sample_weight, reset=first)
        encoding = TargetEncoding.of(y) if first else self._encoding_of_all_classes(y)
        plan = make_plan(self, X.shape[1], encoding)
        samples = self._samples(X, encoding.encode(y), sample_weight)
        validation = self._check_validation(encoding, X_val, y_val, sample_weight_val)

        self._begin(plan, encoding, _weights_dtype(X), first)
        if plan.stop_on_validation and validation is None:
            samples, validation = self._hold_out(samples, encoding)
        self._begin_watch(plan)
        self.n_iter_ = 0
        callbacks = FitCallbacks(
            self,
            self.max_iter,
            self._copied_training,
            X,
            y,
            {"sample_weight": sample_weight},
        )
        with self._training(plan, samples, validation) as problem:
            run = self._fit_lbfgs if plan.optimizer is None else self._fit_epochs
            run(problem, callbacks)
        callbacks.end_fit()
        return self

    @available_if(_trains_by_single_epochs)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Train for one epoch, going on from where the last call of `fit` or `partial_fit` ended.

        The optimizer's memory, the learning rate's schedule and the random stream go on too: k calls on the same data
        give exactly what one call of `fit` with ``max_iter=k`` gives.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels of any type, or an indicator matrix for multilabel classification.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, not negative; None for equal weights.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever come. Needed in the first call, may be omitted later.

        Returns
        -------
        self : MLPDigitClassifier

        Raises
        ------
        ValueError
            If parameters or data are invalid, or the loss does not stay finite.
        AttributeError
            If ``solver='lbfgs'`` or ``early_stopping=True``, which have no use for single epochs.
        """
        _check_partial_fit_first_call(self, classes)
        first = not hasattr(self, "coefs_")
        X, y, sample_weight = self._check_samples(X, y, sample_weight, reset=first)
        encoding = TargetEncoding(self.classes_, is_multilabel(y)) if first else self._encoding
        plan = make_plan(self, X.shape[1], encoding)
        samples = self._samples(X, encoding.encode(y), sample_weight)
        self._begin(plan, encoding, _weights_dtype(X), first)
        self._state.plateau = make_plateau(self, after=self._state.plateau)
        with self._training(plan, samples, None) as problem:
            self._record(next(train(problem, self._state)))
        return self

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
                sample_weight, X, dtype=_weights_dtype(X), ensure_non_negative=True
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
        return self._samples(X, encoding.encode(y, name="y_val"), sample_weight)

    def _samples(self, X, targets, sample_weight):
        return Samples(X, targets, sample_weight, input_scale=self.input_scale)

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

    def _begin(self, plan, encoding, dtype, first):
        """Start anew, or go on with the weights that the estimator has."""
        if first:
            self._reset(plan, encoding, dtype)
            return
        layer_sizes = (self.n_features_in_, *(len(biases) for biases in self.intercepts_))
        if plan.layout.layer_sizes != layer_sizes:
            raise ValueError(
                f"Training can go on only with the layers it began with, of sizes {layer_sizes}. Now features, "
                f"hidden_layer_sizes and classes ask for {plan.layout.layer_sizes}. Set hidden_layer_sizes back, or "
                "call fit with warm_start=False."
            )
        if getattr(self, "_state", None) is None:
            self._state = TrainState(check_random_state(self.random_state), samples_seen=self.t_)
        weights = [coef.T for coef in self.coefs_]
        self._state.theta = plan.layout.pack(weights, self.intercepts_, weights[0].dtype)

    def _reset(self, plan, encoding, dtype):
        """Draw new weights and forget all training."""
        random_state = check_random_state(self.random_state)
        factor = ACTIVATIONS[plan.activation].glorot_factor
        theta = draw_glorot_uniform(plan.layout, factor, random_state, dtype)
        self._state = TrainState(random_state, theta)
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
        self._state.best_theta = None

    def _begin_watch(self, plan):
        """Begin to count epochs without progress, from the best score so far where early stopping goes on."""
        if plan.stop_on_validation != (self.validation_scores_ is not None):
            self._watch_anew(plan)
        self._state.plateau = make_plateau(self)
        if plan.stop_on_validation:
            self._state.plateau.best = self.best_validation_score_

    @contextmanager
    def _training(self, plan, samples, validation):
        """Bind the weights to the state while the body trains, whatever ends it."""
        state = self._state
        problem = plan.problem(state.theta, samples, validation)
        weights, self.intercepts_ = plan.layout.views(state.theta)
        self.coefs_ = [matrix.T for matrix in weights]
        try:
            yield problem
        except KeyboardInterrupt:
            warnings.warn(
                "Training interrupted by user: the network keeps what it has learned so far.",
                TrainingInterruptedWarning,
                stacklevel=4,
            )
        finally:
            if plan.stop_on_validation and state.best_theta is not None:
                state.theta[...] = state.best_theta
            # The weights live on in coefs_ and intercepts_, once.
            state.theta = None

    def _fit_epochs(self, problem, callbacks):
        """Train by epochs until a rule or a callback stops it, or max_iter is reached."""
        epochs = train(problem, self._state)
        for _ in range(self.max_iter):
            callbacks.begin_epoch()
            report = next(epochs)
            self._record(report)
            if callbacks.end_epoch() or report.stop:
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
            self.validation_scores_.append(report.val_accuracy)
            self.best_validation_score_ = max(self.best_validation_score_, report.val_accuracy)
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
        changing = ("coefs_", "intercepts_", "history_", "loss_curve_", "validation_scores_")
        return {"_state": None} | {name: deepcopy(getattr(self, name)) for name in changing}

    # Prediction

    def predict(self, X):
        """Predict labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        logits = self._logits(X)
        return self._encoding.decode(logits)

    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`, of the type of the weights; never quite 0 or 1.
        """
        logits, loss = self._class_logits(X)
        return loss.probabilities(logits.T).T

    def predict_log_proba(self, X):
        """Predict the logarithm of the probability of each class.

        It is computed from the logits, so that it is exact where the probability rounds to one, and it is never -inf:
        it ends at the logarithm of the smallest normal number, -87 for float32 and -708 for float64.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`, of the type of the weights.
        """
        logits, loss = self._class_logits(X)
        return loss.log_probabilities(logits.T).T

    def _class_logits(self, X):
        """Compute the logits of samples, a column a class, and find the loss whose transforms suit them."""
        logits = self._logits(X)
        if len(self.classes_) == 1:
            return logits, LOSSES["softmax"]
        if self.n_outputs_ == 1:
            logits = np.hstack([-logits, logits])
        return logits, LOSSES[self.out_activation_]

    def _logits(self, X):
        """Compute the logits of samples, shape (n_samples, n_outputs), batch by batch."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", reset=False)
        dtype = self.coefs_[0].dtype
        network = Network([coef.T for coef in self.coefs_], self.intercepts_, self.activation)
        logits = np.empty((X.shape[0], self.n_outputs_), dtype)
        samples = Samples(X, input_scale=self.input_scale)
        start = 0
        for batch in Batches(samples, PREDICTION_BATCH_SIZE, dtype):
            logits[start : start + batch.size] = network.forward(batch.x).T
            start += batch.size
        return logits

    # What scikit-learn asks of an estimator

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coefs_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = True
        return tags


def _weights_dtype(X):
    """Give the type of the weights: that of X, float32 for integers, which only a scale lets in."""
    return np.dtype(np.float64 if X.dtype == np.float64 else np.float32)
