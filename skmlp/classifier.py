"""MLPDigitClassifier: a multilayer perceptron with scikit-learn's interface."""

from copy import deepcopy

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call

from skmlp.engine.range_test import losses_at_rising_rates
from skmlp.engine.training import train
from skmlp.exceptions import CheckpointError
from skmlp.files.checkpoints import read_checkpoint
from skmlp.fitting import FitData, Trainable, refuse_to_change_sparse
from skmlp.learning_rate import LearningRateCurve
from skmlp.plan import PARAMETER_CONSTRAINTS, make_design, make_plan, make_plateau
from skmlp.prediction import Predictive
from skmlp.summary import summarise
from skmlp.targets import TargetEncoding, is_multilabel


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
    if estimator.class_weight == "balanced":
        raise AttributeError(
            "partial_fit does not support class_weight='balanced', which is not known from a part of the data. Compute "
            "the weights from all labels, by sklearn.utils.class_weight.compute_class_weight, and give them as a dict."
        )
    return True


class MLPDigitClassifier(
    Trainable, Predictive, CallbackSupportMixin, ClassifierMixin, BaseEstimator
):
    """Multilayer perceptron classifier.

    It takes every parameter of :class:`sklearn.neural_network.MLPClassifier`, in the same order and with the same
    defaults, has its fitted attributes, and gives its results from the same integer `random_state`, to rounding. What
    it adds: dropout, batch normalisation and more regularisation, class weights, more activations, solvers and
    schedules, averaged weights, a history of training and validation, validation samples of your own, training that
    goes on exactly where it ended, and a scale for pixels.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units of each hidden layer; ``()`` for none, which is softmax regression.
    activation : str or list of str, default='relu'
        Activation of the hidden layers: one name for all, or one for each.

        - 'identity': a = z
        - 'logistic': a = 1 / (1 + exp(-z))
        - 'tanh': a = tanh(z)
        - 'relu': a = max(0, z)
        - 'leaky_relu': a = max(0.01 z, z) [4]_
        - 'elu': a = z if z > 0 else exp(z) - 1 [5]_
        - 'selu': a = 1.0507 z if z > 0 else 1.7581 (exp(z) - 1) [6]_
        - 'gelu': a = z Phi(z), Phi the normal distribution function [7]_
        - 'silu': a = z / (1 + exp(-z)) [8]_
        - 'softplus': a = log(1 + exp(z)) [9]_
    solver : {'lbfgs', 'sgd', 'adam', 'adamw', 'nadam', 'rmsprop'}, default='adam'
        How the loss is minimised.

        - 'sgd': stochastic gradient descent with momentum.
        - 'adam': Adam [1]_, a good choice for thousands of samples and more.
        - 'adamw': Adam with decoupled weight decay [10]_.
        - 'nadam': Adam with Nesterov's momentum [11]_.
        - 'rmsprop': RMSprop [12]_; `beta_2` is the decay of its average, for which 0.99 is usual.
        - 'lbfgs': a quasi-Newton method [2]_ on all samples at once, often better on small data.
    alpha : float, default=0.0001
        Strength of the L2 penalty on the weights, not negative. It is divided by the number of samples of the batch.
    batch_size : int or 'auto', default='auto'
        Samples in a mini-batch; 'auto' is ``min(200, n_samples)``. Not used by 'lbfgs'.
    learning_rate : str or callable, default='constant'
        Schedule of the learning rate, for every solver but 'lbfgs'. scikit-learn obeys it for 'sgd' only.

        - 'constant': `learning_rate_init` always.
        - 'invscaling': ``learning_rate_init / (t_ + 1) ** power_t``, set at the beginning of each epoch.
        - 'adaptive': divided by 5 whenever training would stop for lack of progress, until it is 1e-6.
        - 'step': divided by 10 after every 30 epochs.
        - 'exponential': multiplied by 0.95 with every epoch, smoothly from step to step.
        - 'cosine': falling to zero at `max_iter` epochs along half a cosine [13]_.
        - 'one_cycle': rising from ``learning_rate_init / 25`` during 30 % of `max_iter` epochs, then falling to nearly
          zero [14]_.

        Or any function of a :class:`skmlp.engine.schedules.Position`, such as the schedules in that module, with
        settings of your own.
    learning_rate_init : float, default=0.001
        Initial learning rate, positive; the highest one of 'one_cycle'. Not used by 'lbfgs'.
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
        Whether to stop when what `monitor` names makes no progress on validation samples, instead of the training loss
        on the training samples, and to keep the weights of the best epoch. The validation samples are those given to
        `fit` as `X_val`; without them, a part of the training samples is held out. Not used by 'lbfgs'.
    validation_fraction : float, default=0.1
        Part of the distinct training samples that `early_stopping` holds out, in [0, 1). The split is stratified by
        class and never puts equal samples on both sides.
    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of the estimates of the first and the second moment by 'adam' and its kin, in [0, 1).
    epsilon : float, default=1e-8
        The guard of 'adam' and its kin against a division by zero, positive.
    n_iter_no_change : int or inf, default=10
        How many epochs without progress are borne. With ``np.inf`` there are `max_iter` epochs in any case, and no
        warning says that they were not enough.
    max_fun : int, default=15000
        The most evaluations of the loss by 'lbfgs'.
    dropout : float or list of float, default=0.0
        Probability, in [0, 1), that training leaves out the output of a hidden unit [15]_: one for all hidden layers,
        or one for each.
    input_dropout : float, default=0.0
        Probability, in [0, 1), that training leaves out a feature.
    batch_norm : bool, default=False
        Whether the hidden layers are normalised over the batch, before the activation [16]_. Prediction uses running
        means and variances.
    label_smoothing : float, default=0.0
        Part of the target, in [0, 1), that is spread over all classes [17]_. Validation goes without it.
    weight_decay : float, default=None
        Part of the weights, not negative, that a learning rate of one takes away in a step, beside the gradient [10]_.
        None is 0.01 for 'adamw', else 0.
    max_norm : float, default=None
        Largest norm, positive, of the incoming weights of a hidden unit [15]_.
    clip_norm : float, default=None
        Largest norm, positive, of the gradient of a step [18]_.
    class_weight : dict or 'balanced', default=None
        Weights of the classes, multiplied with the sample weights, in training and validation; classes that a dict
        leaves out have weight one. 'balanced' makes them inversely proportional to the frequencies of the classes.
    weight_init : {'auto', 'he_normal', 'he_uniform', 'glorot_normal', 'glorot_uniform', 'orthogonal'}, default='auto'
        Distribution of the initial weights; 'auto' is scikit-learn's.
    warmup_epochs : float, default=0
        Epochs, not negative, in which the learning rate rises linearly from zero to what the schedule says.
    ema_decay : float, default=None
        Decay, in (0, 1), of an exponential moving average of the weights from step to step, which prediction and
        validation then use [19]_. In the first steps t the decay is ``t / (t + 9)`` if that is less.
    monitor : {'accuracy', 'loss'}, default='accuracy'
        What `early_stopping` watches on the validation samples.
    input_scale : float, default=None
        Positive factor by which `X` is multiplied as batches are made, in training and prediction alike. With
        ``input_scale=1/255``, pixels of type uint8, memory-mapped or not, train as float32 without a float copy of
        them all. None leaves `X` as it is.
    augmentation : {'digits'} or callable, default=None
        Random changes of training samples that are images, drawn anew for each batch of each epoch; never of samples
        that validate or are predicted. 'digits' is :class:`skmlp.augment.DigitDistortions`; :mod:`skmlp.augment` has
        more steps, and :class:`~skmlp.augment.Annealed`, which reduces them towards the end. Any
        function will do that takes images of shape (n_images, height, width), times `input_scale`, and a NumPy
        Generator, and gives changed ones. `X` must be dense.
    image_shape : (int, int), default=None
        Height and width of the images that the features are, row by row; None for a square.
    adversarial_norm : float, default=0.0
        Adversarial training [20]_: how far, by the Euclidean norm, each training sample is moved to where its loss
        grows fastest before the network learns it; in the unit of `X` times `input_scale`, not negative, zero for none.
        It regularises strongly without knowing what the features are, and takes about 1.7 times the time. `X` must be
        dense.

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
    batch_norm_ : dict of str to list of ndarray, or None
        With `batch_norm`, the 'gain', 'shift', 'mean' and 'variance' of each hidden layer, of shape (n_units,).
    validation_scores_ : list of float or None
        The validation accuracy of each epoch with `early_stopping`, else None; the negative loss with
        ``monitor='loss'``.
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
            If `max_iter` epochs have not been enough by the rule of `tol` and `n_iter_no_change`, where this is finite.
        TrainingInterruptedWarning
            If the user interrupted the training; what was learned is kept.
        """
        first = not (self.warm_start and hasattr(self, "coefs_"))
        data = self._check_fit_data(X, y, sample_weight, X_val, y_val, sample_weight_val, first)
        callbacks = self._begin_callbacks(data)
        self._begin(data, first)
        self._begin_watch(data.plan)
        self.n_iter_ = 0
        self._state.n_epochs = self._state.epoch + self.max_iter
        self._state.stopped = False
        self._run(data, callbacks)
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
            If ``solver='lbfgs'`` or ``early_stopping=True``, which have no use for single epochs, or
            ``class_weight='balanced'``, which must see all labels.
        """
        _check_partial_fit_first_call(self, classes)
        first = not hasattr(self, "coefs_")
        X, y, sample_weight = self._check_samples(X, y, sample_weight, reset=first)
        encoding = TargetEncoding(self.classes_, is_multilabel(y)) if first else self._encoding
        plan = make_plan(self, X.shape[1], encoding)
        samples = self._encoded(X, y, encoding, sample_weight)
        refuse_to_change_sparse(plan, samples)
        data = FitData(plan, encoding, samples, None, {})
        self._begin(data, first)
        self._state.plateau = make_plateau(self, after=self._state.plateau)
        self._state.n_epochs = max(self.max_iter, self._state.epoch + 1)
        with self._training(data) as problem:
            self._record(next(train(problem, self._state)))
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
        """Go on with a training from a checkpoint, to the end.

        The classifier is the one that the uninterrupted training would have given, to the last bit, on the same
        machine with the same libraries; only the seconds in `history_` are its own.

        Parameters
        ----------
        path : str or Path
            What :class:`skmlp.callbacks.Checkpoint` wrote. Where it is missing or damaged, the previous checkpoint is
            taken, with a warning.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            What `fit` was given, as all data here.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.
        X_val : {array-like, sparse matrix} of shape (n_validation_samples, n_features), default=None
            Validation samples.
        y_val : array-like of shape (n_validation_samples,) or (n_validation_samples, n_labels), default=None
            Their labels.
        sample_weight_val : array-like of shape (n_validation_samples,), default=None
            Their weights.
        callbacks : sequence of callbacks, default=()
            For the rest of the training, a :class:`skmlp.callbacks.Checkpoint` among them if it should go on.
        expected_parameters : dict, default=None
            Parameters that the checkpoint must have been written with.

        Returns
        -------
        mlp : MLPDigitClassifier
            Fitted.

        Raises
        ------
        CheckpointError
            If there is no whole checkpoint, it is of another version, or data or parameters are not those it was
            written with.
        """
        mlp, fingerprint = read_checkpoint(path, cls)
        for name, expected in (expected_parameters or {}).items():
            found = mlp.get_params(deep=False).get(name)
            if not np.array_equal(found, expected):
                raise CheckpointError(
                    f"{path}: the checkpoint was written with {name}={found!r}, not {expected!r}. Resume with what it "
                    "has, or begin a new training."
                )
        mlp.set_callbacks(*callbacks)
        mlp._go_on(path, fingerprint, X, y, sample_weight, X_val, y_val, sample_weight_val)
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

    def hidden_activations(self, X, layer=-1):
        """Compute the activations of a hidden layer: what the network makes of the samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        layer : int, default=-1
            Which hidden layer, from 0 for the first one; negative numbers count from the last one.

        Returns
        -------
        activations : ndarray of shape (n_samples, n_units)
            Of the type of the weights; without dropout, with batch normalisation.

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
        batches, network = self._prediction(X)
        n_hidden = self.n_layers_ - 2
        if not -n_hidden <= layer < n_hidden:
            raise ValueError(
                f"layer must be one of the {n_hidden} hidden layers, from {-n_hidden} to {n_hidden - 1}. Got {layer}."
            )
        return np.vstack([network.hidden_outputs(batch.x)[layer].T for batch in batches])

    def summary(self, n_features=None, n_classes=None):
        """Give a table of the layers, their output shapes and their numbers of parameters.

        Parameters
        ----------
        n_features : int, default=None
            Number of features; needed before `fit`, ignored after it.
        n_classes : int, default=None
            Number of classes; needed before `fit`, ignored after it.

        Returns
        -------
        summary : Summary
            Prints as a table, and has an HTML form for notebooks.

        Raises
        ------
        ValueError
            If the classifier is not fitted and a number is missing, or the parameters do not fit together.

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
        fitted = hasattr(self, "coefs_")
        if not fitted and (n_features is None or n_classes is None):
            raise ValueError(
                "summary needs n_features and n_classes before fit: the data have not told them yet. Got "
                f"n_features={n_features}, n_classes={n_classes}."
            )
        self._validate_params()
        if fitted:
            design = make_design(self, len(self._layout.hidden_sizes))
            return summarise(self._layout, design, self.out_activation_, self.coefs_[0].dtype)
        encoding = TargetEncoding(np.arange(n_classes), multilabel=False)
        plan = make_plan(self, n_features, encoding)
        return summarise(plan.layout, plan.design, encoding.out_activation, np.float32)

    def find_learning_rate(
        self, X, y, sample_weight=None, *, min_rate=1e-6, max_rate=10.0, n_steps=100
    ):
        """Try rising learning rates on a fresh copy of the network, and suggest one [1]_.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
        sample_weight : array-like of shape (n_samples,), default=None
        min_rate, max_rate : float, default=1e-6, 10
            First and last rate, positive; the steps between are equal on a logarithmic scale.
        n_steps : int, default=100
            Number of rates, each for one mini-batch.

        Returns
        -------
        curve : LearningRateCurve
            With the attributes `learning_rates`, `losses` and `suggestion`. This classifier is left as it is.

        Raises
        ------
        ValueError
            If ``solver='lbfgs'``, or the numbers make no sense.

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
        if self.solver == "lbfgs":
            raise ValueError(
                "find_learning_rate needs a solver with a learning rate. Got solver='lbfgs'."
            )
        if not 0 < min_rate < max_rate < np.inf or n_steps < 2:
            raise ValueError(
                "find_learning_rate needs 0 < min_rate < max_rate and n_steps of at least 2. Got "
                f"min_rate={min_rate}, max_rate={max_rate}, n_steps={n_steps}."
            )
        copy = clone(self).set_params(early_stopping=False)
        if isinstance(self.random_state, np.random.RandomState):
            copy.random_state = deepcopy(self.random_state)
        copy._validate_params()
        data = copy._check_fit_data(X, y, sample_weight, None, None, None, first=True)
        copy._begin(data, first=True)
        rates = np.geomspace(min_rate, max_rate, n_steps)
        with copy._training(data) as problem:
            losses = losses_at_rising_rates(problem, copy._state, rates)
        return LearningRateCurve(rates[: len(losses)], losses)

    # What scikit-learn asks of an estimator

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coefs_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = True
        return tags
