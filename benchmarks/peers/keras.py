"""Keras 3, with `compile` and `fit`."""

import keras
import numpy as np
from scipy.special import softmax

from peers import N_CLASSES, PREDICTION_BATCH_SIZE, Peer


class Keras(Peer):
    """A Sequential model that is compiled once. Each fit resets its weights and its optimizer."""

    def __init__(self, config):
        super().__init__(config)
        if config.dtype == "float64" and keras.backend.backend() == "jax":
            import jax

            jax.config.update("jax_enable_x64", True)
        keras.config.set_floatx(config.dtype)
        self._model = None

    def fit(self, X, y, epochs):
        """Train from the initial weights."""
        # The rates of a cycle depend on the number of epochs and are part of the compiled step.
        if self._model is None or self.config.has_one_cycle:
            self._build(X.shape[1], make_learning_rate(self.config, len(X), epochs))
        for variable, value in self._initial_values:
            variable.assign(value)
        self._model.fit(X, y, batch_size=self.config.batch_size, epochs=epochs, verbose=0)

    def predict_proba(self, X):
        """Return the class probabilities as a NumPy array."""
        if len(X) <= PREDICTION_BATCH_SIZE:
            logits = self._model.predict_on_batch(X)
        else:
            logits = self._model.predict(X, batch_size=PREDICTION_BATCH_SIZE, verbose=0)
        return softmax(logits, axis=1)

    def _build(self, n_features, learning_rate):
        """Make and compile the model, and store the initial values of its variables."""
        keras.utils.set_random_seed(self.config.SEED)
        self._model = make_model(self.config, n_features)
        optimizer = make_optimizer(self.config, learning_rate)
        self._model.compile(
            optimizer=optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        optimizer.build(self._model.trainable_variables)
        variables = [*self._model.variables, *optimizer.variables]
        self._initial_values = [(variable, np.array(variable)) for variable in variables]


def make_model(config, n_features):
    """Return the network, which computes logits."""
    layers = [keras.Input((n_features,))]
    for size in config.hidden:
        layers.append(keras.layers.Dense(size))
        if config.batch_norm:
            layers.append(keras.layers.BatchNormalization())
        layers.append(keras.layers.ReLU())
        if config.dropout:
            layers.append(keras.layers.Dropout(config.dropout))
    return keras.Sequential([*layers, keras.layers.Dense(N_CLASSES)])


class TabulatedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Learning-rate schedule from a table with one rate per step.

    Parameters
    ----------
    rates : ndarray of shape (n_steps,)
    """

    def __init__(self, rates):
        self._rates = rates

    def __call__(self, step):
        """Return the learning rate of a step."""
        return keras.ops.take(keras.ops.convert_to_tensor(self._rates), step)


def make_learning_rate(config, n_samples, epochs):
    """Return the learning rate as a number or a schedule."""
    if not config.has_one_cycle:
        return config.LEARNING_RATE
    return TabulatedSchedule(config.learning_rates(n_samples, epochs).ravel().astype(config.dtype))


def make_optimizer(config, learning_rate):
    """Return the optimizer."""
    if config.solver == "adam":
        return keras.optimizers.Adam(learning_rate, epsilon=1e-8)
    return keras.optimizers.SGD(learning_rate, momentum=config.MOMENTUM, nesterov=True)
