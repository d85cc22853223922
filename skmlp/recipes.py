"""Ready-made classifiers for handwritten digits, by name.

Each recipe is a function that returns an unfitted :class:`skmlp.MLPDigitClassifier`, which takes the pixels of MNIST as
they come, uint8 from 0 to 255. What they reach on MNIST, and what they cost, stands in docs/accuracy.rst.
"""

import numpy as np

from skmlp.classifier import MLPDigitClassifier
from skmlp.digits.augment import Fading, digit_distortions


def classifier_of_pixels(hidden_layer_sizes, **settings):
    """Make a classifier that scales pixels itself, and trains as many epochs as its recipe says."""
    return MLPDigitClassifier(
        hidden_layer_sizes, n_iter_no_change=np.inf, input_scale=1 / 255, **settings
    )


def softmax(random_state=None):
    """Softmax regression: no hidden layer, the baseline of every comparison.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    mlp : MLPDigitClassifier

    Examples
    --------
    >>> from skmlp.recipes import softmax
    >>> softmax().hidden_layer_sizes
    ()
    """
    return classifier_of_pixels(
        (),
        batch_size=128,
        learning_rate="one_cycle",
        learning_rate_init=0.005,
        max_iter=15,
        random_state=random_state,
    )


def one_hidden(random_state=None):
    """One hidden layer of 100 logistic units, by plain gradient descent: the network of textbooks [1]_.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    mlp : MLPDigitClassifier

    References
    ----------
    .. [1] Nielsen, "Neural networks and deep learning", 2015, http://neuralnetworksanddeeplearning.com
    """
    return classifier_of_pixels(
        (100,),
        activation="logistic",
        solver="sgd",
        momentum=0,
        batch_size=10,
        learning_rate_init=0.5,
        max_iter=30,
        random_state=random_state,
    )


def relu_256_sgd(random_state=None):
    """One hidden layer of 256 rectified units, by stochastic gradient descent with Nesterov's momentum.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    mlp : MLPDigitClassifier
    """
    return classifier_of_pixels(
        (256,),
        solver="sgd",
        batch_size=64,
        learning_rate="cosine",
        learning_rate_init=0.05,
        max_iter=20,
        random_state=random_state,
    )


def relu_128_adam(random_state=None):
    """Two hidden layers of 128 rectified units, by Adam at its usual rate: what most people would try first.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    mlp : MLPDigitClassifier
    """
    return classifier_of_pixels(
        (128, 128),
        batch_size=128,
        max_iter=20,
        random_state=random_state,
    )


def dropout_512(random_state=None):
    """Two hidden layers of 512 rectified units with a dropout of 0.2 [1]_.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    mlp : MLPDigitClassifier

    References
    ----------
    .. [1] Chollet and others, "mnist_mlp.py" of the examples of Keras 1 and 2, 2015.
    """
    return classifier_of_pixels(
        (512, 512),
        dropout=0.2,
        batch_size=128,
        max_iter=20,
        random_state=random_state,
    )


def small_sample(random_state=None):
    """For some hundred to some thousand digits: small batches, strong regularisation, distorted images.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    mlp : MLPDigitClassifier
    """
    return classifier_of_pixels(
        (512, 256),
        solver="adamw",
        batch_norm=True,
        dropout=0.2,
        label_smoothing=0.05,
        batch_size=32,
        learning_rate="one_cycle",
        learning_rate_init=0.003,
        max_iter=100,
        augmentation="digits",
        random_state=random_state,
    )


def fast(random_state=None):
    """More than 98 % in the least time from a cold start.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    mlp : MLPDigitClassifier
    """
    return classifier_of_pixels(
        (256,),
        batch_size=128,
        learning_rate="one_cycle",
        learning_rate_init=0.01,
        max_iter=4,
        random_state=random_state,
    )


def plain(random_state=None):
    """Know nothing of images, and do best: adversarial training and batch normalisation.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    mlp : MLPDigitClassifier
    """
    return classifier_of_pixels(
        (1024, 1024),
        solver="adamw",
        batch_norm=True,
        adversarial_norm=1.5,
        batch_size=256,
        learning_rate="one_cycle",
        learning_rate_init=0.002,
        max_iter=50,
        random_state=random_state,
    )


def accurate(random_state=None):
    """Do best of all single networks: much distorted images that come to rest, gelu and batch normalisation.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    mlp : MLPDigitClassifier
    """
    distortions = digit_distortions().scaled(1.25)
    return classifier_of_pixels(
        (2048, 1024, 512),
        activation="gelu",
        solver="adamw",
        weight_decay=0.1,
        batch_norm=True,
        batch_size=256,
        learning_rate="one_cycle",
        learning_rate_init=0.004,
        max_iter=120,
        augmentation=Fading(distortions, final_strength=0.25, begin=0.6),
        random_state=random_state,
    )


RECIPES = {
    recipe.__name__.replace("_", "-"): recipe
    for recipe in (
        softmax,
        one_hidden,
        relu_256_sgd,
        relu_128_adam,
        dropout_512,
        small_sample,
        fast,
        plain,
        accurate,
    )
}
