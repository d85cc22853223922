"""skorch: the network of PyTorch as a scikit-learn estimator, with skorch's defaults."""

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from peers import Peer
from peers.torch import make_network

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


class Skorch(Peer):
    """A NeuralNetClassifier."""

    def __init__(self, recipe):
        super().__init__(recipe)
        torch.set_default_dtype(getattr(torch, recipe.dtype))

    def fit(self, X, y, epochs):
        """Make an estimator and call its fit."""
        torch.manual_seed(self.recipe.SEED)
        nesterov = {"optimizer__momentum": self.recipe.MOMENTUM, "optimizer__nesterov": True}
        self._net = NeuralNetClassifier(
            make_network(self.recipe, X.shape[1]),
            criterion=nn.CrossEntropyLoss,
            optimizer=OPTIMIZERS[self.recipe.solver],
            optimizer__fused=True,
            lr=self.recipe.LEARNING_RATE,
            callbacks=self._callbacks(len(X), epochs),
            batch_size=self.recipe.batch_size,
            max_epochs=epochs,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
            **(nesterov if self.recipe.solver == "sgd" else {}),
        )
        self._net.fit(X, np.asarray(y, np.int64))

    def predict_proba(self, X):
        """Give the probabilities, as a NumPy array."""
        return self._net.predict_proba(X)

    def _callbacks(self, n_samples, epochs):
        """Give what sets the rate before each batch, where it is not constant."""
        if not self.recipe.has_one_cycle:
            return []
        factors = self.recipe.rates(n_samples, epochs).ravel() / self.recipe.LEARNING_RATE
        # The scheduler steps after the last batch too, and asks for a rate that nothing uses.
        factors = [*factors.tolist(), 0.0]
        return [
            LRScheduler(
                LambdaLR, step_every="batch", event_name=None, lr_lambda=factors.__getitem__
            )
        ]
