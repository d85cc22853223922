"""The class MLPDigitClassifier."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_consistent_length

from skmlp.engine.backend_choice import get_explicit_kernels, inherit_kernels
from skmlp.engine.lr_finder import run_lr_finder
from skmlp.engine.schedules import Position
from skmlp.estimator import fitted
from skmlp.estimator.calibration import find_temperature
from skmlp.estimator.callback_hooks import FitCallbacks, SingleEpoch
from skmlp.estimator.constraints import (
    PARAMETER_CONSTRAINTS,
    check_no_early_stopping,
    check_partial_fit_is_available,
)
from skmlp.estimator.data import FitArguments, is_dask_collection
from skmlp.estimator.fitting import (
    Start,
    begin_run,
    begin_single_epoch,
    begin_training,
    make_plan,
    restore_features_on_failure,
    train,
)
from skmlp.estimator.html import render_training
from skmlp.estimator.learning_rate import LearningRateCurve, check_rates
from skmlp.estimator.prediction import (
    check_samples,
    compute_input_gradients,
    compute_log_probabilities,
    compute_logits,
    compute_probabilities,
    convert_labels,
    get_loss,
    make_batches,
    make_prediction_network,
    predict_lazily,
)
from skmlp.estimator.summary import Summary, summarize_fitted, summarize_unfitted
from skmlp.files.checkpoints import read_checkpoint
from skmlp.sklearn_compat import (
    DOC_LINK_TEMPLATE,
    available_if,
    callback_management_context,
    check_partial_fit_first_call,
    check_sample_weight,
    fit_context,
    with_callbacks,
)
from skmlp.typing import ArrayLike, FloatArray, PathLike, RandomState, SamplesLike

Activation: TypeAlias = Literal[
    "identity",
    "logistic",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "softplus",
]
Solver: TypeAlias = Literal["lbfgs", "sgd", "adam", "adamw", "nadam", "rmsprop"]
Schedule: TypeAlias = Literal[
    "constant", "invscaling", "adaptive", "step", "exponential", "cosine", "one_cycle"
]
WeightInit: TypeAlias = Literal[
    "auto", "he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "orthogonal"
]


class MLPDigitClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Multilayer perceptron classifier.

    The class has all parameters of :class:`sklearn.neural_network.MLPClassifier`, in the same order and with the same
    defaults, and all of its fitted attributes. For the same integer `random_state`, the results agree to rounding
    error; :doc:`/explanation/from_scikit_learn` lists the exceptions.

    Further features are dropout, batch normalization, adversarial training, class weights, additional activations,
    solvers and learning-rate schedules, averaged weights, data augmentation, a training history, validation sets
    passed to `fit`, exact continuation of training, and integer pixels as input.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units of each hidden layer, at least 1. ``()`` means no hidden layer, which is softmax regression.
    activation : str or sequence of str, default='relu'
        Activation function of the hidden layers: one name for all layers, or one name per layer.

        - 'identity': ``f(z) = z``
        - 'logistic': ``f(z) = 1 / (1 + exp(-z))``
        - 'tanh': ``f(z) = tanh(z)``
        - 'relu': ``f(z) = max(0, z)`` [1]_
        - 'leaky_relu': ``f(z) = max(0.01 z, z)`` [2]_
        - 'elu': ``f(z) = z if z > 0 else exp(z) - 1`` [3]_
        - 'selu': ``f(z) = 1.0507 z if z > 0 else 1.7581 (exp(z) - 1)`` [4]_
        - 'gelu': ``f(z) = z Phi(z)``, where Phi is the distribution function of the standard normal distribution [5]_
        - 'silu': ``f(z) = z / (1 + exp(-z))`` [6]_
        - 'softplus': ``f(z) = log(1 + exp(z))`` [7]_
    solver : {'lbfgs', 'sgd', 'adam', 'adamw', 'nadam', 'rmsprop'}, default='adam'
        Algorithm that minimizes the loss.

        - 'lbfgs': L-BFGS [8]_, a quasi-Newton method that uses all samples in each iteration. It often performs better
          on small datasets.
        - 'sgd': stochastic gradient descent with momentum [9]_.
        - 'adam': Adam [10]_. It works well on datasets of thousands of samples or more.
        - 'adamw': Adam with decoupled weight decay [11]_.
        - 'nadam': Adam with Nesterov's momentum [12]_.
        - 'rmsprop': RMSprop [13]_. Set `beta_2`, the decay rate of its average, to about 0.99.
    alpha : float, default=0.0001
        Strength of the L2 penalty on the weights, at least 0. The penalty is divided by the number of samples in the
        batch.
    batch_size : int or 'auto', default='auto'
        Number of samples in a mini-batch, at least 1. 'auto' means ``min(200, n_samples)``. Not used by 'lbfgs'.
    learning_rate : str or callable, default='constant'
        Learning-rate schedule. It applies to all solvers except 'lbfgs'; in scikit-learn, it applies to 'sgd' only.

        - 'constant': the learning rate is `learning_rate_init`.
        - 'invscaling': the learning rate is ``learning_rate_init / (t_ + 1) ** power_t``, updated before each epoch.
        - 'adaptive': the learning rate is divided by 5 whenever training would otherwise stop for lack of improvement,
          until it is 1e-6 or less.
        - 'step': the learning rate is divided by 10 every 30 epochs.
        - 'exponential': the learning rate is multiplied by 0.95 per epoch. It decreases at every step.
        - 'cosine': the learning rate decreases to zero along half a cosine [14]_ and reaches zero after `max_iter`
          epochs.
        - 'one_cycle': the learning rate increases from ``learning_rate_init / 25`` to `learning_rate_init` during the
          first 30 % of `max_iter` epochs, then decreases to nearly zero [15]_.

        A callable takes a :class:`skmlp.schedules.Position` and returns the learning rate. The module
        ``skmlp.schedules`` provides the schedules above with configurable settings.
    learning_rate_init : float, default=0.001
        Initial learning rate, greater than 0. For 'one_cycle', the maximum learning rate. Not used by 'lbfgs'.
    power_t : float, default=0.5
        Exponent of the 'invscaling' schedule, at least 0.
    max_iter : int, default=200
        Maximum number of epochs in one call to `fit`, at least 1. For 'lbfgs', the maximum number of iterations.
    shuffle : bool or 'blocks', default=True
        Whether to shuffle the samples before each epoch. Not used by 'lbfgs'. With 'blocks', samples that are stored
        together are used at about the same time, for data that are slow to access in random order: blocks of
        consecutive samples, of 2**19 values, are visited in random order, and the samples of about 32 blocks, 2**24
        values, are shuffled together.
    random_state : int, RandomState instance or None, default=None
        Determines random number generation for the initial weights, the early-stopping split, shuffling, dropout and
        augmentation. Pass an int for reproducible results across multiple function calls.
    tol : float, default=1e-4
        Smallest improvement that counts, at least 0. Training stops when the training loss or, with `early_stopping`,
        the validation score has not improved by at least `tol` for more than `n_iter_no_change` consecutive epochs. For
        'lbfgs', the tolerance for the largest component of the gradient.
    verbose : bool or int, default=False
        Whether to print the loss after each epoch.
    warm_start : bool, default=False
        Whether `fit` continues from the result of the previous call instead of starting with new weights. The optimizer
        state, the learning-rate schedule and the random number generators continue too.
    momentum : float, default=0.9
        Momentum of 'sgd', in the range [0, 1].
    nesterovs_momentum : bool, default=True
        Whether 'sgd' uses Nesterov's momentum [9]_.
    early_stopping : bool, default=False
        Whether to stop training when the validation score, instead of the training loss, does not improve, and to keep
        the weights of the best epoch [16]_. The score is computed on `X_val` if it is passed to `fit`, otherwise on a
        fraction of the training samples, which is held out. See `monitor`. Not used by 'lbfgs'.
    validation_fraction : float, default=0.1
        Fraction of the distinct training samples that is held out for early stopping, in the range [0, 1). The split is
        stratified by class. Identical samples of a class are either all held out or all used for training.
    beta_1 : float, default=0.9
        Decay rate of the first-moment estimates of 'adam', 'adamw' and 'nadam', in the range [0, 1).
    beta_2 : float, default=0.999
        Decay rate of the second-moment estimates of 'adam', 'adamw', 'nadam' and 'rmsprop', in the range [0, 1).
    epsilon : float, default=1e-8
        Value for numerical stability in 'adam', 'adamw', 'nadam' and 'rmsprop', greater than 0.
    n_iter_no_change : int, inf or None, default=10
        Number of epochs without improvement before training stops, at least 1. With ``np.inf`` or None, training runs
        for `max_iter` epochs. With None, there is no ConvergenceWarning after `max_iter` epochs.
    max_fun : int, default=15000
        Maximum number of loss evaluations by 'lbfgs', at least 1.
    dropout : float or sequence of float, default=0.0
        Probability of dropping the output of a hidden unit during training [17]_, in the range [0, 1): one value for
        all hidden layers, or one value per layer.
    input_dropout : float, default=0.0
        Probability of dropping a feature during training [17]_, in the range [0, 1).
    batch_norm : bool, default=False
        Whether to apply batch normalization to the hidden layers, before the activation [18]_. Prediction uses running
        means and variances.
    label_smoothing : float, default=0.0
        Fraction of the target that is distributed equally over all classes [19]_, in the range [0, 1). The validation
        loss is computed without label smoothing.
    weight_decay : float, default=None
        Decoupled weight decay [11]_, at least 0. Each step multiplies the weights by
        ``1 - learning_rate * weight_decay``. None means 0.01 for 'adamw' and 0 for the other solvers.
    max_norm : float, default=None
        Maximum Euclidean norm of the incoming weights of a hidden unit [17]_, greater than 0. None means no limit.
    clip_norm : float, default=None
        Maximum Euclidean norm of the gradient [20]_, greater than 0. Larger gradients are scaled down. None means no
        limit.
    class_weight : dict or 'balanced', default=None
        Weights of the classes, which multiply the sample weights in training and validation. Classes that a dict does
        not contain have weight 1. With 'balanced', the weights are inversely proportional to the class frequencies.
        None means equal weights.
    weight_init : {'auto', 'he_normal', 'he_uniform', 'glorot_normal', 'glorot_uniform', 'orthogonal'}, default='auto'
        Distribution of the initial weights.

        - 'auto': the distribution that scikit-learn uses, a uniform distribution as proposed in [21]_.
        - 'he_normal', 'he_uniform': variance ``2 / fan_in`` [22]_, suitable for 'relu' and similar activations.
        - 'glorot_normal', 'glorot_uniform': variance ``2 / (fan_in + fan_out)`` [21]_, suitable for 'tanh' and similar
          activations.
        - 'orthogonal': random matrices with orthonormal rows or columns [23]_.
    warmup_epochs : float, default=0
        Number of epochs, at least 0, during which the learning rate increases linearly from zero to the value of the
        schedule [24]_.
    ema_decay : float, default=None
        Decay rate of an exponential moving average of the weights, in the range (0, 1). Prediction and validation use
        the averaged weights [25]_. The decay rate in step t is at most ``t / (t + 9)``. None means no averaging.
    monitor : {'accuracy', 'loss'}, default='accuracy'
        Validation score that `early_stopping` uses: the accuracy or the negative loss on the validation set.
    input_scale : float, default=None
        Factor by which `X` is multiplied, batch by batch, in training and prediction, greater than 0. With
        ``input_scale=1/255``, pixels of type uint8, in memory or memory-mapped, are trained on as float32 without a
        float copy of all samples. None means no scaling.
    augmentation : {'digits'} or callable, default=None
        Random transformation of the images in each training batch. It applies to dense `X`, and never to validation
        sets or in prediction. 'digits' is :class:`skmlp.augment.DigitDistortions` [26]_. The module ``skmlp.augment``
        provides further transformations, and :class:`skmlp.augment.Annealed`, which reduces their strength toward the
        end of training. A callable takes images of shape (n_images, height, width), multiplied by `input_scale`, and a
        NumPy Generator, and returns images of the same shape. None means no augmentation. It precedes `image_features`.
    image_shape : (int, int), default=None
        Height and width of the images for `augmentation` and `image_features`. Each sample contains the pixels of an
        image row by row. None means that the images are square.
    image_features : {'gradients'} or callable, default=None
        Computation of the inputs of the network from each image, in training, after `augmentation`, and in prediction.
        'gradients' is :class:`skmlp.GradientFeatures` [29]_, the strength of the intensity gradient in eight
        directions. A callable takes images of shape (n_images, height, width), multiplied by `input_scale`, and returns
        an array of shape (n_images, n_inputs). It must be deterministic, and treat each image separately. If it has a
        method ``backpropagate(images, derivatives)``, `input_gradients` is available. Without augmentation, features
        that take at most 512 MiB are computed once and kept in memory during training. `input_dropout` and adversarial
        perturbations apply to the features. `X` must be dense. To predict, keep `image_features` and `image_shape` as
        they were in training. None means that the inputs are the features of `X`, multiplied by `input_scale`.
    adversarial_norm : float, default=0.0
        Norm of the perturbation in adversarial training, at least 0, in units of the inputs of the network: `X`
        multiplied by `input_scale`, or the features of `image_features`. Each
        training sample is moved by this Euclidean distance in the direction in which its loss increases fastest, before
        the network is trained on it [27]_ [28]_. This regularizes strongly without using the meaning of the features;
        training takes about 1.7 times as long. `X` must be dense.
    virtual_adversarial_norm : float, default=0.0
        Norm of the perturbation in virtual adversarial training [28]_, at least 0, in units of `X` multiplied by
        `input_scale`. The Kullback-Leibler divergence between the predictions for each training sample and for a
        perturbed one is added to the loss. The perturbation has this Euclidean norm and the direction in which the
        divergence increases fastest, estimated by one step of the power method from a random direction. In contrast to
        `adversarial_norm`, the labels are not used. Training takes about 3 times as long. `X` must be dense.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted class labels.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights of each layer.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases of each layer. With `batch_norm`, the biases of the hidden layers are zero, because the shifts in
        `batch_norm_` replace them.
    history_ : dict of str to list of float
        One value per epoch (per iteration for 'lbfgs') for each key:

        - 'loss': mean loss over the training batches, including the penalty, measured during the epoch, before later
          updates;
        - 'accuracy': mean accuracy over the training batches, measured in the same way;
        - 'learning_rate': learning rate of the last step of the epoch; NaN for 'lbfgs';
        - 'seconds': duration of the epoch, including validation;
        - 'val_loss': loss on the validation set after the epoch, without the penalty;
        - 'val_accuracy': accuracy on the validation set after the epoch.

        The last two keys are present only if there is a validation set.
    loss_ : float
        Training loss of the last epoch. NaN if training was interrupted in the first epoch.
    loss_curve_ : list of float
        Training loss of each epoch, equal to ``history_['loss']``.
    best_loss_ : float or None
        Smallest training loss. None with `early_stopping`.
    batch_norm_ : dict of str to list of ndarray, or None
        With `batch_norm`, the 'gain', 'shift', 'mean' and 'variance' of each hidden layer, as arrays of shape
        (n_units,). Otherwise None.
    validation_scores_ : list of float or None
        With `early_stopping`, the validation score of each epoch: the accuracy or, with ``monitor='loss'``, the
        negative loss. Otherwise None.
    best_validation_score_ : float or None
        Largest value of `validation_scores_`. None without `early_stopping`.
    n_iter_ : int
        Number of epochs in the last call to `fit` and in all subsequent calls to `partial_fit`.
    t_ : int
        Number of training samples seen by the solver. Each epoch counts all samples.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`. Defined only if all feature names of `X` are strings.
    n_layers_ : int
        Number of layers, including the input and output layers.
    n_outputs_ : int
        Number of outputs: 1 for a single class and for binary targets, otherwise the number of classes.
    out_activation_ : {'softmax', 'logistic'}
        Activation function of the output layer: 'softmax' for more than two classes, 'logistic' for one or two classes
        and for multilabel targets.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : scikit-learn's multilayer perceptron classifier.
    IDXReader : Transformer that converts images from IDX files to features.
    save_model : Save a fitted classifier to a file.

    Notes
    -----
    The loss is the cross-entropy plus ``alpha / 2`` times the sum of all squared weights, divided by the number of
    samples. With sample weights, means are weighted means, and the sum of the weights replaces the number of samples.

    The weights have the dtype of `X` if it is float32 or float64. Otherwise, their dtype is float32 with `input_scale`
    and float64 without it.

    Samples that do not fit into memory are read on demand. `X` can be a memory-mapped array; an object that returns
    slices of rows and has a `shape` and a `dtype`, such as ``zarr.Array`` and ``h5py.Dataset``; or an iterable that
    yields arrays of consecutive samples, in the same way in each iteration. In the last case, `y` can be an iterable of
    the labels of these arrays. The result is that of the same samples in memory, bit for bit, except that the samples
    of an iterable are shuffled in windows of about 2**24 values, in which they are consecutive. Shuffle other samples
    that are slow to access in random order with ``shuffle='blocks'``. :doc:`/howto/data` shows examples.

    In adversarial and virtual adversarial training, all forward passes of a step use the same dropout masks, and the
    running statistics of batch normalization are computed from the original samples.

    References
    ----------
    .. [1] Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.
    .. [2] Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.
    .. [3] Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear units",
       ICLR 2016, https://arxiv.org/abs/1511.07289
    .. [4] Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", NeurIPS 2017,
       https://arxiv.org/abs/1706.02515
    .. [5] Hendrycks and Gimpel, "Gaussian error linear units", 2016, https://arxiv.org/abs/1606.08415
    .. [6] Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units for neural network function approximation in
       reinforcement learning", Neural Networks 107, 2018, https://arxiv.org/abs/1702.03118
    .. [7] Dugas, Bengio, Bélisle, Nadeau and Garcia, "Incorporating second-order functional knowledge for better option
       pricing", NeurIPS 2000.
    .. [8] Zhu, Byrd, Lu and Nocedal, "Algorithm 778: L-BFGS-B", ACM Transactions on Mathematical Software 23(4), 1997.
    .. [9] Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep learning",
       ICML 2013.
    .. [10] Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, https://arxiv.org/abs/1412.6980
    .. [11] Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, https://arxiv.org/abs/1711.05101
    .. [12] Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.
    .. [13] Tieleman and Hinton, "Lecture 6.5: RMSprop", COURSERA Neural Networks for Machine Learning, 2012.
    .. [14] Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
       https://arxiv.org/abs/1608.03983
    .. [15] Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates",
       2018, https://arxiv.org/abs/1708.07120
    .. [16] Prechelt, "Early stopping - but when?", Neural Networks: Tricks of the Trade, 1998.
    .. [17] Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural
       networks from overfitting", JMLR 15, 2014.
    .. [18] Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
       shift", ICML 2015, https://arxiv.org/abs/1502.03167
    .. [19] Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception architecture for computer vision",
       CVPR 2016, https://arxiv.org/abs/1512.00567
    .. [20] Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
       https://arxiv.org/abs/1211.5063
    .. [21] Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
       AISTATS 2010.
    .. [22] He, Zhang, Ren and Sun, "Delving deep into rectifiers: surpassing human-level performance on ImageNet
       classification", ICCV 2015, https://arxiv.org/abs/1502.01852
    .. [23] Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
       networks", ICLR 2014, https://arxiv.org/abs/1312.6120
    .. [24] Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017,
       https://arxiv.org/abs/1706.02677
    .. [25] Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM Journal on Control and
       Optimization 30(4), 1992.
    .. [26] Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual document
       analysis", ICDAR 2003.
    .. [27] Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015,
       https://arxiv.org/abs/1412.6572
    .. [28] Miyato, Maeda, Koyama and Ishii, "Virtual adversarial training: a regularization method for supervised and
       semi-supervised learning", IEEE TPAMI 41(8), 2019, https://arxiv.org/abs/1704.03976
    .. [29] Liu, Nakashima, Sako and Fujisawa, "Handwritten digit recognition: benchmarking of state-of-the-art
       techniques", Pattern Recognition 36(10), 2003.

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

    _parameter_constraints: ClassVar[dict[str, Any]] = PARAMETER_CONSTRAINTS
    # Parameters that checkpoints do not contain.
    _unsaved_parameters: ClassVar[tuple[str, ...]] = ()
    _doc_link_module = "skmlp"
    _doc_link_template = DOC_LINK_TEMPLATE

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] | np.ndarray = (100,),
        activation: Activation | Sequence[Activation] = "relu",
        *,
        solver: Solver = "adam",
        alpha: float = 0.0001,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: Schedule | Callable[[Position], float] = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool | Literal["blocks"] = True,
        random_state: RandomState = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float | None = 10,
        max_fun: int = 15000,
        dropout: float | Sequence[float] = 0.0,
        input_dropout: float = 0.0,
        batch_norm: bool = False,
        label_smoothing: float = 0.0,
        weight_decay: float | None = None,
        max_norm: float | None = None,
        clip_norm: float | None = None,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        weight_init: WeightInit = "auto",
        warmup_epochs: float = 0,
        ema_decay: float | None = None,
        monitor: Literal["accuracy", "loss"] = "accuracy",
        input_scale: float | None = None,
        augmentation: Literal["digits"]
        | Callable[[np.ndarray, np.random.Generator], np.ndarray]
        | None = None,
        image_shape: Sequence[int] | None = None,
        image_features: Literal["gradients"] | Callable[[np.ndarray], np.ndarray] | None = None,
        adversarial_norm: float = 0.0,
        virtual_adversarial_norm: float = 0.0,
    ) -> None:
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
        self.image_features = image_features
        self.adversarial_norm = adversarial_norm
        self.virtual_adversarial_norm = virtual_adversarial_norm

    # Training

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: SamplesLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: SamplesLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Fit the model to the training samples.

        Parameters
        ----------
        X : {array-like, sparse matrix, iterable} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,), (n_samples, n_labels) or (n_samples, n_classes)
            Labels of any type, an indicator matrix for multilabel classification, or class probabilities as floats
            together with `classes`. With class probabilities, the loss is the cross-entropy with them, so that the
            network learns uncertain labels or the predictions of other classifiers, which is called distillation [1]_.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, at least 0. None means equal weights.
        X_val : {array-like, sparse matrix, iterable} of shape (n_validation_samples, n_features), default=None
            Validation set, on which the network is evaluated after each epoch. The results are recorded in `history_`.
            With ``early_stopping=True``, they also determine when training stops and which weights are kept.
        y_val : array-like of shape (n_validation_samples,) or (n_validation_samples, n_labels), default=None
            Labels of `X_val`.
        sample_weight_val : array-like of shape (n_validation_samples,), default=None
            Sample weights of `X_val`. None means equal weights.
        classes : array-like of shape (n_classes,), default=None
            All classes, of which `y` may lack some. Required if `y` contains class probabilities, whose columns are in
            the order of the sorted classes, as those of `predict_proba`. None means the classes in `y`.

        Returns
        -------
        self : MLPDigitClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If parameters or data are invalid.
        TypeError
            If `X` is sparse and `augmentation`, `image_features`, `adversarial_norm` or `virtual_adversarial_norm` is
            set.
        NonFiniteLossError
            If the loss or a weight becomes NaN or infinite.

        Warns
        -----
        ConvergenceWarning
            If training has not converged after `max_iter` epochs. There is no warning if `n_iter_no_change` is None or
            if the learning-rate schedule is defined to end after `max_iter` epochs ('cosine', 'one_cycle').
        TrainingInterruptedWarning
            If the user interrupts training (Ctrl-C). The estimator keeps the weights reached so far.

        References
        ----------
        .. [1] Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015,
           https://arxiv.org/abs/1503.02531
        """
        arguments = FitArguments(X, y, sample_weight, X_val, y_val, sample_weight_val, classes)
        with restore_features_on_failure(self):
            plan = self._make_plan(arguments, Start.for_fit(self, classes))
            callbacks = FitCallbacks(self, arguments, plan)
            trainer = begin_training(self, plan)
        begin_run(self, trainer)
        train(self, trainer, callbacks)
        return self

    @available_if(check_partial_fit_is_available)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: SamplesLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch, continuing from the result of the previous call to `fit` or `partial_fit`.

        The optimizer state, the learning-rate schedule and the random number generators continue too: k calls with the
        same data give the same result as one call to `fit` with ``max_iter=k``, bit for bit.

        Parameters
        ----------
        X : {array-like, sparse matrix, iterable} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,), (n_samples, n_labels) or (n_samples, n_classes)
            Labels of any type, an indicator matrix of integers for multilabel classification, or class probabilities as
            floats, see `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, at least 0. None means equal weights.
        classes : array-like of shape (n_classes,), default=None
            Classes across all calls to `partial_fit`. Required in the first call, optional in later calls.

        Returns
        -------
        self : MLPDigitClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If parameters or data are invalid, or ``early_stopping=True``.
        TypeError
            If `X` is sparse and `augmentation`, `image_features`, `adversarial_norm` or `virtual_adversarial_norm` is
            set.
        NonFiniteLossError
            If the loss or a weight becomes NaN or infinite.
        AttributeError
            If ``solver='lbfgs'``, which does not train in epochs, or if ``class_weight='balanced'``, which depends on
            the labels of all samples.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skmlp import MLPDigitClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> mlp = MLPDigitClassifier(input_scale=1 / 16, random_state=0)
        >>> for start in range(0, len(X), 600):
        ...     chunk = slice(start, start + 600)
        ...     mlp = mlp.partial_fit(X[chunk], y[chunk], classes=range(10))
        >>> mlp.n_iter_
        3
        """
        check_no_early_stopping(self)
        check_partial_fit_first_call(self, classes)
        arguments = FitArguments(X, y, sample_weight, classes=classes)
        with restore_features_on_failure(self):
            plan = self._make_plan(arguments, Start.for_partial_fit(self))
            trainer = begin_training(self, plan)
        begin_single_epoch(trainer)
        train(self, trainer, SingleEpoch())
        return self

    @classmethod
    def resume(
        cls,
        path: PathLike,
        X: SamplesLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: SamplesLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        callbacks: Sequence[Any] = (),
        expected_parameters: Mapping[str, Any] | None = None,
    ) -> Self:
        """Resume interrupted training from a checkpoint and complete it.

        On the same machine and with the same library versions, the result is bit-identical to that of uninterrupted
        training. Only the durations in `history_` differ. All data must be those that were passed to `fit`.

        Parameters
        ----------
        path : str or Path
            File written by :class:`skmlp.callbacks.Checkpoint`. If it is missing or damaged, the previous checkpoint is
            used, with a warning.
        X : {array-like, sparse matrix, iterable} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels of the training samples.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each training sample.
        X_val : {array-like, sparse matrix, iterable} of shape (n_validation_samples, n_features), default=None
            Validation set.
        y_val : array-like of shape (n_validation_samples,) or (n_validation_samples, n_labels), default=None
            Labels of `X_val`.
        sample_weight_val : array-like of shape (n_validation_samples,), default=None
            Sample weights of `X_val`.
        callbacks : sequence of callbacks, default=()
            Callbacks for the remaining epochs. Include a :class:`skmlp.callbacks.Checkpoint` to write further
            checkpoints.
        expected_parameters : dict, default=None
            Constructor parameters, by name, that the checkpointed classifier must have.

        Returns
        -------
        mlp : MLPDigitClassifier
            The fitted classifier.

        Raises
        ------
        CheckpointError
            If the checkpoint is incomplete or was written by another version of skmlp, or if data or parameters differ
            from those of the checkpoint.
        FileNotFoundError
            If there is no checkpoint.
        NonFiniteLossError
            If the loss or a weight becomes NaN or infinite.

        See Also
        --------
        skmlp.callbacks.Checkpoint : Callback that writes checkpoints, with an example.
        """
        arguments = FitArguments(X, y, sample_weight, X_val, y_val, sample_weight_val)
        checkpoint = read_checkpoint(path)
        mlp = checkpoint.restore(cls)
        checkpoint.check_parameters(expected_parameters or {}, mlp.get_params(deep=False))
        with checkpoint.convert_data_errors():
            plan = mlp._make_plan(arguments, Start.for_resume(mlp))
        checkpoint.check_data(plan.data)
        checkpoint.warn_if_kernels_differ(plan.config)
        with callback_management_context(mlp.set_callbacks(*callbacks)):
            hooks = FitCallbacks(mlp, arguments, plan)
            train(mlp, begin_training(mlp, plan), hooks)
        return mlp

    def _make_plan(self, arguments, start):
        """Return the Plan of a training run. The subclass for Dask overrides this method."""
        return make_plan(self, arguments, start)

    # Calibration

    def calibrate(
        self, X: SamplesLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Calibrate the probabilities by temperature scaling [1]_.

        The weights and biases of the output layer are divided by the temperature that minimizes the log loss of
        samples. The predicted labels do not change. The result is an ordinary network, which can be saved and exported.
        Further training continues from the calibrated weights, with a new state of the optimizer.

        Parameters
        ----------
        X : {array-like, sparse matrix, iterable} of shape (n_samples, n_features)
            Samples that the classifier was not trained on, such as the validation set. Some hundreds are sufficient.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels of the samples.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample.

        Returns
        -------
        self : MLPDigitClassifier
            The calibrated classifier.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If an argument is invalid, or no temperature from 0.05 to 20 minimizes the loss, for example because the
            labels of all samples are predicted correctly.

        See Also
        --------
        ReliabilityDisplay : Plot of the accuracy as a function of the probability.

        References
        ----------
        .. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017,
               https://arxiv.org/abs/1706.04599

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.metrics import log_loss
        >>> from skmlp import MLPDigitClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> mlp = MLPDigitClassifier(
        ...     input_scale=1 / 16, learning_rate_init=0.01, random_state=0
        ... ).fit(X[:900], y[:900])
        >>> before = log_loss(y[900:], mlp.predict_proba(X[900:]))
        >>> after = log_loss(y[900:], mlp.calibrate(X[900:], y[900:]).predict_proba(X[900:]))
        >>> after < before
        True
        """
        logits = self._logits(X)
        targets = fitted.get_targets(self)
        labels = convert_labels(y)
        check_consistent_length(logits, labels)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, logits, ensure_non_negative=True)
        encoded = targets.encode(labels)
        temperature = find_temperature(logits, encoded, get_loss(targets), sample_weight)
        if temperature is None:
            accuracy = self.score(X, y, sample_weight)
            raise ValueError(
                "A temperature from 0.05 to 20 must minimize the log loss of X and y, got samples without one, with an "
                f"accuracy of {accuracy:.1%}. Use samples that the classifier was not trained on."
            )
        fitted.divide_logits(self, temperature)
        return self

    # Prediction

    def predict(self, X: SamplesLike) -> np.ndarray:
        """Predict the labels of samples.

        Parameters
        ----------
        X : {array-like, sparse matrix, iterable} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Predicted labels, or an indicator matrix if the classifier was fitted with one.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If `X` is invalid, for example because it has another number of features than in `fit`.
        """
        if is_dask_collection(X):
            return predict_lazily(self, "predict", X)
        logits = self._logits(X)
        return fitted.get_targets(self).decode(logits)

    def predict_proba(self, X: SamplesLike) -> FloatArray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, iterable} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`, with the dtype of the weights. They are greater than 0 and less
            than 1, except that a single class has probability 1.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If `X` is invalid, for example because it has another number of features than in `fit`.
        """
        if is_dask_collection(X):
            return predict_lazily(self, "predict_proba", X)
        logits = self._logits(X)
        return compute_probabilities(logits, fitted.get_targets(self))

    def predict_log_proba(self, X: SamplesLike) -> FloatArray:
        """Predict the logarithm of the probability of each class.

        Log-probabilities are computed from the logits and are accurate for small probabilities. They are never -inf:
        their minimum is the logarithm of the smallest normal number, -87 for float32 and -708 for float64. They rank
        the classes in the same order as the result of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix, iterable} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            Log-probabilities in the order of `classes_`, with the dtype of the weights.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If `X` is invalid, for example because it has another number of features than in `fit`.
        """
        if is_dask_collection(X):
            return predict_lazily(self, "predict_log_proba", X)
        logits = self._logits(X)
        return compute_log_probabilities(logits, fitted.get_targets(self))

    def _logits(self, X):
        X = check_samples(self, X)
        batches = make_batches(self, X)
        return compute_logits(self, batches, self.n_outputs_)

    def hidden_activations(self, X: SamplesLike, layer: int = -1) -> FloatArray:
        """Compute the activations of a hidden layer, which are the features learned by the network.

        Parameters
        ----------
        X : {array-like, sparse matrix, iterable} of shape (n_samples, n_features)
            Samples.
        layer : int, default=-1
            Index of the hidden layer, starting at 0. Negative indices count from the last hidden layer.

        Returns
        -------
        activations : ndarray of shape (n_samples, n_units)
            Activations with the dtype of the weights. As in prediction, no dropout is applied.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If `layer` is not the index of a hidden layer, or `X` is invalid.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skmlp import MLPDigitClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> mlp = MLPDigitClassifier(
        ...     (32, 16), learning_rate_init=0.01, input_scale=1 / 16, random_state=0
        ... )
        >>> mlp.fit(X, y).hidden_activations(X).shape
        (1797, 16)
        """
        X = check_samples(self, X)
        n_hidden = self.n_layers_ - 2
        if not -n_hidden <= layer < n_hidden:
            raise ValueError(
                f"layer must be the index of a hidden layer, at least {-n_hidden} and less than {n_hidden}, because "
                f"the network has {n_hidden} hidden layers, got {layer}."
            )
        network = make_prediction_network(self)
        batches = make_batches(self, X)
        return np.vstack([network.hidden_activations(batch.x)[layer].T for batch in batches])

    def input_gradients(self, X: SamplesLike, y: ArrayLike | None = None) -> FloatArray:
        """Compute the gradient of the logit of a class with respect to the features.

        The gradient states how much the logit increases if a feature increases by a small amount. Its product with the
        features, gradient times input [1]_, attributes the logit to the features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
            Class of which the logit is differentiated for each sample. By default, the predicted class. For multilabel
            classification, an indicator matrix; the logits of the labels with a one are added.

        Returns
        -------
        gradients : ndarray of shape (n_samples, n_features)
            Gradients with the dtype of the weights. As in prediction, no dropout is applied. For two classes, the logit
            of the second class is that of the output unit, and the logit of the first class is its negative.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If `X` or `y` is invalid, for example because `y` contains an unknown label.

        References
        ----------
        .. [1] Shrikumar, Greenside, Shcherbina and Kundaje, "Not just a black box: learning important features through
           propagating activation differences", 2016, https://arxiv.org/abs/1605.01713

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skmlp import MLPDigitClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> mlp = MLPDigitClassifier(
        ...     (32,), input_scale=1 / 16, max_iter=5, n_iter_no_change=None, random_state=0
        ... )
        >>> mlp.fit(X, y).input_gradients(X[:3]).shape
        (3, 64)
        """
        labels = self.predict(X) if y is None else convert_labels(y)
        X = check_samples(self, X)
        batches = make_batches(self, X)
        return compute_input_gradients(self, batches, labels)

    # Inspection

    def summary(self, n_features: int | None = None, n_classes: int | None = None) -> Summary:
        """Return a table of the layers, their output shapes and their numbers of parameters.

        Parameters
        ----------
        n_features : int, default=None
            Number of features, at least 1. Required before `fit`, ignored afterward.
        n_classes : int, default=None
            Number of classes, at least 1. Required before `fit`, ignored afterward.

        Returns
        -------
        summary : Summary
            The table. It is printed as text and displayed as HTML in notebooks.

        Raises
        ------
        ValueError
            If parameters are invalid, or if the classifier is not fitted and `n_features` or `n_classes` is missing or
            less than 1.

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
        669,706 parameters, 2.55 MiB as float32
        """
        self._validate_params()
        if fitted.is_fitted(self):
            return summarize_fitted(self)
        return summarize_unfitted(self, n_features, n_classes)

    def find_learning_rate(
        self,
        X: SamplesLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        min_rate: float = 1e-6,
        max_rate: float = 10.0,
        n_steps: int = 100,
    ) -> LearningRateCurve:
        """Train a clone of the classifier with increasing learning rates and suggest a learning rate [1]_.

        The classifier itself does not change.

        Parameters
        ----------
        X : {array-like, sparse matrix, iterable} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels of any type, or an indicator matrix for multilabel classification.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, at least 0. None means equal weights.
        min_rate : float, default=1e-6
            First learning rate, greater than 0.
        max_rate : float, default=10.0
            Last learning rate, greater than `min_rate`. The rates are equally spaced on a logarithmic scale.
        n_steps : int, default=100
            Number of learning rates, at least 2. Each is used for one mini-batch.

        Returns
        -------
        curve : LearningRateCurve
            Learning rates, losses, and the suggested learning rate.

        Raises
        ------
        ValueError
            If ``solver='lbfgs'``, or if parameters or data are invalid.

        References
        ----------
        .. [1] Smith, "Cyclical learning rates for training neural networks", WACV 2017,
           https://arxiv.org/abs/1506.01186

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skmlp import MLPDigitClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> curve = MLPDigitClassifier(
        ...     input_scale=1 / 16, random_state=0
        ... ).find_learning_rate(X, y)
        >>> 1e-4 < curve.suggestion < 1e-1
        True
        """
        check_rates(self.solver, min_rate, max_rate, n_steps)
        copy = clone(self).set_params(early_stopping=False)
        if isinstance(self.random_state, np.random.RandomState):
            copy.random_state = deepcopy(self.random_state)
        copy._validate_params()
        trainer = begin_training(
            copy, make_plan(copy, FitArguments(X, y, sample_weight), Start.for_fit(copy))
        )
        rates = np.geomspace(min_rate, max_rate, n_steps)
        losses = run_lr_finder(trainer, rates)
        return LearningRateCurve(rates[: len(losses)], losses)

    # Conversion by skl2onnx. skmlp.export depends on this module, and is imported when it is needed.

    def onnx_shape_calculator(self) -> Callable[..., None]:
        """Return the function with which skl2onnx determines the outputs of the classifier.

        Returns
        -------
        calculate_shapes : callable
            Function of an operator of skl2onnx.

        See Also
        --------
        skmlp.export.to_onnx : Convert the classifier without skl2onnx, with an example.
        """
        from skmlp.export.onnx_converter import calculate_shapes

        return calculate_shapes

    def onnx_converter(self) -> Callable[..., None]:
        """Return the function with which skl2onnx converts the classifier, alone or in a Pipeline.

        Returns
        -------
        convert : callable
            Function of a scope, an operator and a container of skl2onnx.

        See Also
        --------
        skmlp.export.to_onnx : Convert the classifier without skl2onnx, with an example.
        """
        from skmlp.export.onnx_converter import convert

        return convert

    # The interface of a scikit-learn estimator

    def __sklearn_is_fitted__(self) -> bool:
        return fitted.is_fitted(self)

    def _html_repr(self) -> str:
        html = super()._html_repr()
        if fitted.is_fitted(self):
            html += render_training(summarize_fitted(self), self.history_)
        return html

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = True
        return tags

    # Copying and pickling. Fitted arrays that are views of the training state are stored only once and are views again
    # after restoring. The selected kernels are stored too, so that joblib's worker processes use the same kernels.

    def __getstate__(self) -> dict[str, Any]:
        state = fitted.replace_views(super().__getstate__(), self)
        return state | {"_kernels": get_explicit_kernels()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        inherit_kernels(state.pop("_kernels", None))
        layout = state.pop("_layout", None)
        super().__setstate__(state)
        if layout is not None:
            fitted.publish_weights(self, layout, self._state.prediction_weights)
