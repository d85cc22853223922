"""Keras 3: compile and fit."""

import keras
import numpy as np
from scipy.special import softmax

from peers import Peer

N_CLASSES = 10
PREDICTION_BATCH_SIZE = 2048


class Keras(Peer):
    """A Sequential that is compiled once; each fit sets its weights and its optimizer back."""

    def __init__(self, recipe):
        super().__init__(recipe)
        if recipe.dtype == "float64" and keras.backend.backend() == "jax":
            import jax

            jax.config.update("jax_enable_x64", True)
        keras.config.set_floatx(recipe.dtype)
        self._model = None

    def fit(self, X, y, epochs):
        """Train from the first weights again."""
        # The rates of a cycle depend on the epochs, and are compiled into the step.
        if self._model is None or self.recipe.has_one_cycle:
            self._build(X.shape[1], make_rate(self.recipe, len(X), epochs))
        for variable, value in self._start:
            variable.assign(value)
        self._model.fit(X, y, batch_size=self.recipe.batch_size, epochs=epochs, verbose=0)

    def predict_proba(self, X):
        """Give the probabilities, as a NumPy array."""
        if len(X) <= PREDICTION_BATCH_SIZE:
            logits = self._model.predict_on_batch(X)
        else:
            logits = self._model.predict(X, batch_size=PREDICTION_BATCH_SIZE, verbose=0)
        return softmax(logits, axis=1)

    def _build(self, n_features, rate):
        """Make and compile the model, and keep what its variables hold before training."""
        keras.utils.set_random_seed(self.recipe.SEED)
        self._model = make_model(self.recipe, n_features)
        optimizer = make_optimizer(self.recipe, rate)
        self._model.compile(
            optimizer=optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        optimizer.build(self._model.trainable_variables)
        variables = [*self._model.variables, *optimizer.variables]
        self._start = [(variable, np.array(variable)) for variable in variables]


def make_model(recipe, n_features):
    """Make the network of a recipe; it gives logits."""
    layers = [keras.Input((n_features,))]
    for size in recipe.hidden:
        layers.append(keras.layers.Dense(size))
        if recipe.batch_norm:
            layers.append(keras.layers.BatchNormalization())
        layers.append(keras.layers.ReLU())
        if recipe.dropout:
            layers.append(keras.layers.Dropout(recipe.dropout))
    return keras.Sequential([*layers, keras.layers.Dense(N_CLASSES)])


class RateOfStep(keras.optimizers.schedules.LearningRateSchedule):
    """Looks the learning rate of a step up.

    Parameters
    ----------
    rates : ndarray of shape (n_steps,)
    """

    def __init__(self, rates):
        self._rates = rates

    def __call__(self, step):
        """Give the learning rate of a step."""
        return keras.ops.take(keras.ops.convert_to_tensor(self._rates), step)


def make_rate(recipe, n_samples, epochs):
    """Make the learning rate of a recipe: a number, or a schedule."""
    if not recipe.has_one_cycle:
        return recipe.LEARNING_RATE
    return RateOfStep(recipe.rates(n_samples, epochs).ravel().astype(recipe.dtype))


def make_optimizer(recipe, rate):
    """Make the optimizer of a recipe."""
    if recipe.solver == "adam":
        return keras.optimizers.Adam(rate, epsilon=1e-8)
    return keras.optimizers.SGD(rate, momentum=recipe.MOMENTUM, nesterov=True)
