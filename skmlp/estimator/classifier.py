"""MLPDigitClassifier: a multilayer perceptron with scikit-learn's interface."""

from copy import deepcopy

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.metaestimators import available_if

from skmlp.engine.backend_choice import explicit_choice, inherit_choice
from skmlp.engine.lr_finder import losses_at_rising_rates
from skmlp.estimator import fitted
from skmlp.estimator.callback_hooks import FitCallbacks, SingleEpoch
from skmlp.estimator.constraints import (
    PARAMETER_CONSTRAINTS,
    check_no_early_stopping,
    check_partial_fit,
)
from skmlp.estimator.data import FitArguments
from skmlp.estimator.fitting import (
    Start,
    begin,
    begin_run,
    begin_single_epoch,
    features_kept_on_failure,
    make_plan,
    train,
)
from skmlp.estimator.learning_rate import LearningRateCurve, check_rates
from skmlp.estimator.prediction import (
    blocks,
    check_samples,
    class_log_probabilities,
    class_probabilities,
    predict_logits,
    prediction_network,
)
from skmlp.estimator.summary import summarize_fitted, summarize_unfitted
from skmlp.files.checkpoints import read_checkpoint
from skmlp.sklearn_compat import (
    callback_management_context,
    check_partial_fit_first_call,
    fit_context,
)


class MLPDigitClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Multilayer perceptron classifier.

    It has all parameters of :class:`sklearn.neural_network.MLPClassifier`, in the same order and with the same
    defaults, has its fitted attributes, and gives the same results from the same integer `random_state`, to rounding.
    In addition it offers dropout, batch normalization and further regularization, class weights, more activations,
    solvers and learning-rate schedules, averaged weights, data augmentation, a history of training and validation,
    validation sets of your own, training that can be continued exactly, and a scale for integer pixels.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units of each hidden layer; ``()`` for none, which is softmax regression.
    activation : str or list of str, default='relu'
        Activation of the hidden layers: one name for all layers, or one per layer.

        - 'identity': a = z
        - 'logistic': a = 1 / (1 + exp(-z))
        - 'tanh': a = tanh(z)
        - 'relu': a = max(0, z)
        - 'leaky_relu': a = max(0.01 z, z) [4]_
        - 'elu': a = z if z > 0 else exp(z) - 1 [5]_
        - 'selu': a = 1.0507 z if z > 0 else 1.7581 (exp(z) - 1) [6]_
        - 'gelu': a = z Phi(z), Phi being the normal distribution function [7]_
        - 'silu': a = z / (1 + exp(-z)) [8]_
        - 'softplus': a = log(1 + exp(z)) [9]_
    solver : {'lbfgs', 'sgd', 'adam', 'adamw', 'nadam', 'rmsprop'}, default='adam'
        The algorithm that minimizes the loss.

        - 'sgd': stochastic gradient descent with momentum.
        - 'adam': Adam [1]_, a good choice for thousands of samples or more.
        - 'adamw': Adam with decoupled weight decay [10]_.
        - 'nadam': Adam with Nesterov's momentum [11]_.
        - 'rmsprop': RMSprop [12]_; `beta_2` is the decay rate of its average, typically 0.99.
        - 'lbfgs': a quasi-Newton method [2]_ that uses all samples in each iteration, often better on small data sets.
    alpha : float, default=0.0001
        Strength of the L2 penalty on the weights, at least 0. It is divided by the number of samples of the batch.
    batch_size : int or 'auto', default='auto'
        Number of samples of a mini-batch; 'auto' is ``min(200, n_samples)``. Not used by 'lbfgs'.
    learning_rate : str or callable, default='constant'
        Learning-rate schedule of every solver except 'lbfgs'. scikit-learn uses it for 'sgd' only.

        - 'constant': `learning_rate_init`.
        - 'invscaling': ``learning_rate_init / (t_ + 1) ** power_t``, computed at the beginning of each epoch.
        - 'adaptive': divided by 5 whenever training would stop for lack of improvement, until it is 1e-6.
        - 'step': divided by 10 after every 30 epochs.
        - 'exponential': multiplied by 0.95 with every epoch, smoothly from step to step.
        - 'cosine': falling to zero at `max_iter` epochs along half a cosine [13]_.
        - 'one_cycle': rising from ``learning_rate_init / 25`` during the first 30 % of `max_iter` epochs, then falling
          to nearly zero [14]_.

        Or a function of a :class:`skmlp.schedules.Position`, such as the schedules of ``skmlp.schedules`` with other
        settings.
    learning_rate_init : float, default=0.001
        Initial learning rate, positive; the largest one of 'one_cycle'. Not used by 'lbfgs'.
    power_t : float, default=0.5
        Exponent of 'invscaling', at least 0.
    max_iter : int, default=200
        Maximum number of epochs of one call of `fit`; of iterations for 'lbfgs'.
    shuffle : bool, default=True
        Whether to shuffle the samples before each epoch. Not used by 'lbfgs'.
    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the early-stopping split and the shuffles. Pass an int for reproducible results.
    tol : float, default=1e-4
        Smallest improvement that counts, at least 0. Training stops when the loss, or with `early_stopping` the
        validation score, has not improved by as much for more than `n_iter_no_change` consecutive epochs. For 'lbfgs',
        the tolerance for the largest component of the gradient.
    verbose : bool or int, default=False
        Whether to print the loss of each epoch.
    warm_start : bool, default=False
        Whether `fit` continues where its last call ended, with the weights, the state of the optimizer and the random
        stream, instead of starting with new weights.
    momentum : float, default=0.9
        Momentum of 'sgd', in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether to use Nesterov's momentum.
    early_stopping : bool, default=False
        Whether to stop when the validation score (see `monitor`) does not improve, instead of the training loss, and to
        keep the weights of the best epoch. The validation set is the one passed to `fit` as `X_val`; without one, a
        fraction of the training samples is held out. Not used by 'lbfgs'.
    validation_fraction : float, default=0.1
        Fraction of the distinct training samples that `early_stopping` holds out, in [0, 1). The split is stratified by
        class and keeps equal samples on the same side.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the estimates of the first and the second moment in 'adam', 'adamw', 'nadam' and 'rmsprop', in
        [0, 1).
    epsilon : float, default=1e-8
        Positive number that prevents division by zero in 'adam', 'adamw', 'nadam' and 'rmsprop'.
    n_iter_no_change : int, inf or None, default=10
        Number of epochs without improvement before training stops. With ``np.inf`` training does not stop before
        `max_iter` epochs. None does the same, and states that `max_iter` epochs are what is wanted: no
        ConvergenceWarning is issued.
    max_fun : int, default=15000
        Maximum number of evaluations of the loss by 'lbfgs'.
    dropout : float or list of float, default=0.0
        Probability of dropping the output of a hidden unit in training [15]_, in [0, 1): one for all hidden layers, or
        one per layer.
    input_dropout : float, default=0.0
        Probability of dropping a feature in training, in [0, 1).
    batch_norm : bool, default=False
        Whether to normalize the hidden layers over the batch, before the activation [16]_. Prediction uses running
        means and variances.
    label_smoothing : float, default=0.0
        Fraction of the target, in [0, 1), that is spread evenly over all classes [17]_. It does not apply to
        validation.
    weight_decay : float, default=None
        Decoupled weight decay, at least 0: a step multiplies the weights by ``1 - learning_rate * weight_decay``
        [10]_. None is 0.01 for 'adamw', and 0 for other solvers.
    max_norm : float, default=None
        Largest norm, positive, of the incoming weights of a hidden unit [15]_; None for no limit.
    clip_norm : float, default=None
        Largest norm, positive, of the gradient of a step [18]_; None for no limit.
    class_weight : dict or 'balanced', default=None
        Weights of the classes, which multiply the sample weights in training and validation; classes that are missing
        in a dict have weight one. 'balanced' makes the weights inversely proportional to the class frequencies.
    weight_init : {'auto', 'he_normal', 'he_uniform', 'glorot_normal', 'glorot_uniform', 'orthogonal'}, default='auto'
        Distribution of the initial weights; 'auto' is that of scikit-learn.
    warmup_epochs : float, default=0
        Number of epochs, at least 0, in which the learning rate rises linearly from zero to that of the schedule.
    ema_decay : float, default=None
        Decay, in (0, 1), of an exponential moving average of the weights, which prediction and validation then use
        [19]_. In step t the decay is at most ``t / (t + 9)``. None for no average.
    monitor : {'accuracy', 'loss'}, default='accuracy'
        The quantity on the validation set that `early_stopping` monitors.
    input_scale : float, default=None
        Positive factor that multiplies `X` batch by batch, in training and prediction. With ``input_scale=1/255``,
        pixels of type uint8, memory-mapped or not, train as float32 without a float copy of the whole set. None leaves
        `X` as it is.
    augmentation : {'digits'} or callable, default=None
        Random changes of training samples that are images, drawn again for each batch of each epoch; validation sets
        and samples to be predicted are never changed. 'digits' is :class:`skmlp.augment.DigitDistortions`;
        ``skmlp.augment`` has steps to compose others from, and :class:`skmlp.augment.Annealed`, which weakens them
        toward the end of training. Or a function that takes images of shape (n_images, height, width), multiplied by
        `input_scale`, and a NumPy Generator, and returns changed ones. `X` must be dense.
    image_shape : (int, int), default=None
        Height and width of the images whose pixels, row by row, are the features; None for a square.
    adversarial_norm : float, default=0.0
        Adversarial training [20]_: the Euclidean distance, at least 0, by which each training sample is moved to where
        its loss grows fastest before the network is trained on it, in units of `X` multiplied by `input_scale`. A
        strong regularizer that needs no knowledge of the features; training takes about 1.7 times as long. Both passes
        of a step, the one that finds the direction and the one that trains, use the same dropout masks; the running
        statistics of batch normalization follow the samples as they are, not the moved ones. `X` must be dense.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of each layer; zeros in hidden layers with `batch_norm`, whose shifts take their place.
    history_ : dict of str to list of float
        One entry per epoch (per iteration for 'lbfgs'):

        - 'loss': mean over the training batches, with penalty, measured during the epoch, before later updates;
        - 'accuracy': on the training batches, measured in the same way;
        - 'learning_rate': at the end of the epoch, NaN for 'lbfgs';
        - 'seconds': duration of the epoch, including validation;
        - 'val_loss', 'val_accuracy': on the validation set after the epoch, the loss without penalty; only if there is
          a validation set.
    loss_ : float
        The last training loss; NaN if training was interrupted in the first epoch.
    loss_curve_ : list of float
        The training loss of each epoch: ``history_['loss']``.
    best_loss_ : float or None
        The smallest training loss; None with `early_stopping`.
    batch_norm_ : dict of str to list of ndarray, or None
        With `batch_norm`, the 'gain', 'shift', 'mean' and 'variance' of each hidden layer, of shape (n_units,).
    validation_scores_ : list of float or None
        With `early_stopping`, the validation score of each epoch: the accuracy, or the negative loss with
        ``monitor='loss'``.
    best_validation_score_ : float or None
        The largest of the `validation_scores_`.
    n_iter_ : int
        Number of epochs of the last call of `fit` and the calls of `partial_fit` since.
    t_ : int
        Number of training samples seen, where each epoch counts all samples.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if `X` has feature names that are all strings.
    n_layers_ : int
        Number of layers, including input and output layer.
    n_outputs_ : int
        Number of outputs: one for two classes, otherwise one per class.
    out_activation_ : {'softmax', 'logistic'}
        Activation of the output layer: 'softmax' for more than two classes, 'logistic' for two and for multilabel
        targets.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : The classifier whose interface this class extends.
    IDXReader : Read the files of MNIST, as the first step of a Pipeline.
    save_model : Save a fitted classifier.

    Notes
    -----
    The loss is the cross-entropy plus ``alpha / 2`` times the sum of all squared weights, divided by the number of
    samples. With sample weights, means are weighted means, and the number of samples is the sum of the weights. The
    initial weights are drawn uniformly as proposed by Glorot and Bengio [3]_. The weights have the type of `X`, float32
    or float64.

    References
    ----------
    .. [1] Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015,
       https://arxiv.org/abs/1412.6980
    .. [2] Zhu, Byrd, Lu and Nocedal, "Algorithm 778: L-BFGS-B", ACM Transactions on Mathematical Software 23(4), 1997.
    .. [3] Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
       AISTATS 2010.
    .. [4] Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.
    .. [5] Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear units",
       ICLR 2016, https://arxiv.org/abs/1511.07289
    .. [6] Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NeurIPS 2017,
       https://arxiv.org/abs/1706.02515
    .. [7] Hendrycks and Gimpel, "Gaussian error linear units", 2016, https://arxiv.org/abs/1606.08415
    .. [8] Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units for neural network function approximation in
       reinforcement learning", Neural Networks 107, 2018, https://arxiv.org/abs/1702.03118
    .. [9] Dugas, Bengio, Bélisle, Nadeau and Garcia, "Incorporating second-order functional knowledge for better option
       pricing", NeurIPS 2000.
    .. [10] Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, https://arxiv.org/abs/1711.05101
    .. [11] Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.
    .. [12] Tieleman and Hinton, "Lecture 6.5: RMSprop", COURSERA Neural Networks for Machine Learning, 2012.
    .. [13] Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
       https://arxiv.org/abs/1608.03983
    .. [14] Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates",
       2018, https://arxiv.org/abs/1708.07120
    .. [15] Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural
       networks from overfitting", JMLR 15, 2014.
    .. [16] Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
       shift", ICML 2015, https://arxiv.org/abs/1502.03167
    .. [17] Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception architecture for computer vision",
       CVPR 2016, https://arxiv.org/abs/1512.00567
    .. [18] Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
       https://arxiv.org/abs/1211.5063
    .. [19] Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM Journal on Control and
       Optimization 30(4), 1992.
    .. [20] Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015,
       https://arxiv.org/abs/1412.6572, with the Euclidean norm as in Miyato, Maeda, Koyama and Ishii, "Virtual
       adversarial training", IEEE TPAMI 41(8), 2019, https://arxiv.org/abs/1704.03976

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
        dropout=0.0,
        input_dropout=0.0,
        batch_norm=False,
        label_smoothing=0.0,
        weight_decay=None,
        max_norm=None,
        clip_norm=None,
        class_weight=None,
        weight_init="auto",
        warmup_epochs=0,
        ema_decay=None,
        monitor="accuracy",
        input_scale=None,
        augmentation=None,
        image_shape=None,
        adversarial_norm=0.0,
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
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.batch_norm = batch_norm
        self.label_smoothing = label_smoothing
        self.weight_decay = weight_decay
        self.max_norm = max_norm
        self.clip_norm = clip_norm
        self.class_weight = class_weight
        self.weight_init = weight_init
        self.warmup_epochs = warmup_epochs
        self.ema_decay = ema_decay
        self.monitor = monitor
        self.input_scale = input_scale
        self.augmentation = augmentation
        self.image_shape = image_shape
        self.adversarial_norm = adversarial_norm

    # Training

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels of any type, or an indicator matrix for multilabel classification.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, at least 0; None for equal weights.
        X_val : {array-like, sparse matrix} of shape (n_validation_samples, n_features), default=None
            Validation set, on which the network is evaluated after each epoch, for `history_` and, with
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
            If parameters or data are invalid.
        NonFiniteLossError
            If the loss becomes infinite or NaN.

        Warns
        -----
        ConvergenceWarning
            If training has not converged after `max_iter` epochs, unless `n_iter_no_change` is None or the
            learning-rate schedule ends there as planned ('cosine', 'one_cycle').
        TrainingInterruptedWarning
            If the user interrupted the training; the estimator keeps what it has learned.
        """
        arguments = FitArguments(X, y, sample_weight, X_val, y_val, sample_weight_val)
        with features_kept_on_failure(self):
            plan = make_plan(self, arguments, Start.of_fit(self))
            callbacks = FitCallbacks(self, arguments, plan)
            trainer = begin(self, plan)
        begin_run(self, trainer)
        train(self, trainer, callbacks)
        return self

    @available_if(check_partial_fit)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Train for one epoch, starting where the last call of `fit` or `partial_fit` ended.

        The optimizer's state, the learning-rate schedule and the random stream continue as well: k calls on the same
        data give exactly the result of one call of `fit` with ``max_iter=k``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels of any type, or an indicator matrix for multilabel classification.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, at least 0; None for equal weights.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever occur. Required in the first call, optional later.

        Returns
        -------
        self : MLPDigitClassifier

        Raises
        ------
        ValueError
            If parameters or data are invalid, or ``early_stopping=True``.
        NonFiniteLossError
            If the loss becomes infinite or NaN.
        AttributeError
            If ``solver='lbfgs'``, which has no epochs, or ``class_weight='balanced'``, which depends on all labels.
        """
        check_no_early_stopping(self)
        check_partial_fit_first_call(self, classes)
        arguments = FitArguments(X, y, sample_weight)
        with features_kept_on_failure(self):
            plan = make_plan(self, arguments, Start.of_partial_fit(self))
            trainer = begin(self, plan)
        begin_single_epoch(trainer)
        train(self, trainer, SingleEpoch())
        return self

    @classmethod
    def resume(
        cls,
        path,
        X,
        y,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        callbacks=(),
        expected_parameters=None,
    ):
        """Continue a training from a checkpoint to its end.

        The classifier is the one that the uninterrupted training would have returned, to the last bit, on the same
        machine with the same libraries; only the seconds in `history_` differ.

        Parameters
        ----------
        path : str or Path
            A file written by :class:`skmlp.callbacks.Checkpoint`. If it is missing or damaged, the previous checkpoint
            is used, with a warning.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The training samples that `fit` was called with; likewise for all other data.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.
        X_val : {array-like, sparse matrix} of shape (n_validation_samples, n_features), default=None
            Validation set.
        y_val : array-like of shape (n_validation_samples,) or (n_validation_samples, n_labels), default=None
            Labels of `X_val`.
        sample_weight_val : array-like of shape (n_validation_samples,), default=None
            Weights of `X_val`.
        callbacks : sequence of callbacks, default=()
            For the rest of the training; include a :class:`skmlp.callbacks.Checkpoint` to write further checkpoints.
        expected_parameters : dict, default=None
            Parameters that the checkpoint must have been written with.

        Returns
        -------
        mlp : MLPDigitClassifier
            Fitted.

        Raises
        ------
        CheckpointError
            If there is no complete checkpoint, if it has another version, or if data or parameters differ from those it
            was written with.
        """
        arguments = FitArguments(X, y, sample_weight, X_val, y_val, sample_weight_val)
        checkpoint = read_checkpoint(path)
        mlp = checkpoint.restore(cls)
        checkpoint.check_parameters(expected_parameters or {}, mlp.get_params(deep=False))
        with checkpoint.checking_data():
            plan = make_plan(mlp, arguments, Start.of_resume(mlp))
        checkpoint.check_data(plan.data)
        checkpoint.warn_of_other_kernels()
        with callback_management_context(mlp.set_callbacks(*callbacks)):
            hooks = FitCallbacks(mlp, arguments, plan)
            train(mlp, begin(mlp, plan), hooks)
        return mlp

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
        return fitted.targets_of(self).decode(logits)

    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`, in the type of the weights; greater than 0 and less than 1, except for a single
            class, whose probability is 1.
        """
        logits = self._logits(X)
        return class_probabilities(logits, fitted.targets_of(self))

    def predict_log_proba(self, X):
        """Predict the logarithm of the probability of each class.

        Small probabilities are computed from the logits, which is accurate, and the result is never -inf: its minimum
        is the logarithm of the smallest normal number, -87 for float32 and -708 for float64. The logarithms rank like
        the probabilities of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`, in the type of the weights.
        """
        logits = self._logits(X)
        return class_log_probabilities(logits, fitted.targets_of(self))

    def _logits(self, X):
        X = check_samples(self, X)
        batches = blocks(X, self.input_scale, self.coefs_[0].dtype)
        return predict_logits(prediction_network(self), batches, self.n_outputs_)

    def hidden_activations(self, X, layer=-1):
        """Compute the activations of a hidden layer, the features that the network has learned.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        layer : int, default=-1
            Index of the hidden layer, from 0 for the first one; negative numbers count from the last one.

        Returns
        -------
        activations : ndarray of shape (n_samples, n_units)
            In the type of the weights; as in prediction, that is without dropout.

        Raises
        ------
        ValueError
            If there is no such layer.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skmlp import MLPDigitClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> mlp = MLPDigitClassifier((32, 16), learning_rate_init=0.01, input_scale=1 / 16, random_state=0)
        >>> mlp.fit(X, y).hidden_activations(X).shape
        (1797, 16)
        """
        X = check_samples(self, X)
        n_hidden = self.n_layers_ - 2
        if not -n_hidden <= layer < n_hidden:
            raise ValueError(
                f"layer must be the index of a hidden layer, at least {-n_hidden} and less than {n_hidden}, as the "
                f"network has {n_hidden} hidden layers. Got {layer}."
            )
        network = prediction_network(self)
        batches = blocks(X, self.input_scale, self.coefs_[0].dtype)
        return np.vstack([network.hidden_activations(batch.x)[layer].T for batch in batches])

    # Inspection

    def summary(self, n_features=None, n_classes=None):
        """Return a table of the layers, their output shapes and their numbers of parameters.

        Parameters
        ----------
        n_features : int, default=None
            Number of features, at least 1; required before `fit`, ignored after it.
        n_classes : int, default=None
            Number of classes, at least 1; required before `fit`, ignored after it.

        Returns
        -------
        summary : Summary
            Prints as a table, and has an HTML form for notebooks.

        Raises
        ------
        ValueError
            If the classifier is not fitted and a number is missing or less than 1, or if parameters do not go together.

        Examples
        --------
        >>> from skmlp import MLPDigitClassifier
        >>> MLPDigitClassifier((512, 512), dropout=0.2).summary(n_features=784, n_classes=10)
        layer        output shape  parameters
        -------------------------------------
        input        (n, 784)               0
        dense        (n, 512)         401,920
        relu         (n, 512)               0
        dropout 0.2  (n, 512)               0
        dense        (n, 512)         262,656
        relu         (n, 512)               0
        dropout 0.2  (n, 512)               0
        dense        (n, 10)            5,130
        softmax      (n, 10)                0
        -------------------------------------
        669,706 parameters, 2.55 MB as float32
        """
        self._validate_params()
        if fitted.is_fitted(self):
            return summarize_fitted(self)
        return summarize_unfitted(self, n_features, n_classes)

    def find_learning_rate(
        self, X, y, sample_weight=None, *, min_rate=1e-6, max_rate=10.0, n_steps=100
    ):
        """Train a new copy of the network at rising learning rates, and suggest one [1]_.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : array-like of shape (n_samples,), default=None
        min_rate, max_rate : float, default=1e-6, 10
            First and last rate, positive; the rates between them are equally spaced on a logarithmic scale.
        n_steps : int, default=100
            Number of rates, at least 2. Each is used for one mini-batch.

        Returns
        -------
        curve : LearningRateCurve
            With the attributes `learning_rates`, `losses` and `suggestion`. This classifier does not change.

        Raises
        ------
        ValueError
            If ``solver='lbfgs'``, or a number is out of its range.

        References
        ----------
        .. [1] Smith, "Cyclical learning rates for training neural networks", WACV 2017,
           https://arxiv.org/abs/1506.01186

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skmlp import MLPDigitClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> curve = MLPDigitClassifier(input_scale=1 / 16, random_state=0).find_learning_rate(X, y)
        >>> 1e-4 < curve.suggestion < 1e-1
        True
        """
        check_rates(self.solver, min_rate, max_rate, n_steps)
        copy = clone(self).set_params(early_stopping=False)
        if isinstance(self.random_state, np.random.RandomState):
            copy.random_state = deepcopy(self.random_state)
        copy._validate_params()
        trainer = begin(
            copy, make_plan(copy, FitArguments(X, y, sample_weight), Start.of_fit(copy))
        )
        rates = np.geomspace(min_rate, max_rate, n_steps)
        losses = losses_at_rising_rates(trainer, rates)
        return LearningRateCurve(rates[: len(losses)], losses)

    # What scikit-learn requires of an estimator

    def __sklearn_is_fitted__(self):
        return fitted.is_fitted(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = True
        return tags

    # Copies and pickles. Fitted arrays that are views of the training state are stored once, and made views again. The
    # choice of kernels accompanies an estimator into the worker processes of joblib.

    def __getstate__(self):
        state = fitted.without_views(super().__getstate__(), self)
        return state | {"_kernels": explicit_choice()}

    def __setstate__(self, state):
        state = dict(state)
        inherit_choice(state.pop("_kernels", None))
        layout = state.pop("_layout", None)
        super().__setstate__(state)
        if layout is not None:
            fitted.publish_weights(self, layout, self._state.prediction_weights)
