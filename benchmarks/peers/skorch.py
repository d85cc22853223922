"""skorch: the PyTorch network as a scikit-learn estimator, with skorch's defaults."""

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
    """skorch's NeuralNetClassifier."""

    def __init__(self, config):
        super().__init__(config)
        torch.set_default_dtype(getattr(torch, config.dtype))

    def fit(self, X, y, epochs):
        """Fit a new estimator."""
        torch.manual_seed(self.config.SEED)
        nesterov = {"optimizer__momentum": self.config.MOMENTUM, "optimizer__nesterov": True}
        self._net = NeuralNetClassifier(
            make_network(self.config, X.shape[1]),
            criterion=nn.CrossEntropyLoss,
            optimizer=OPTIMIZERS[self.config.solver],
            optimizer__fused=True,
            lr=self.config.LEARNING_RATE,
            callbacks=self._make_callbacks(len(X), epochs),
            batch_size=self.config.batch_size,
            max_epochs=epochs,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
            **(nesterov if self.config.solver == "sgd" else {}),
        )
        self._net.fit(X, np.asarray(y, np.int64))

    def predict_proba(self, X):
        """Return the class probabilities as a NumPy array."""
        return self._net.predict_proba(X)

    def _make_callbacks(self, n_samples, epochs):
        """Return the callbacks: a scheduler of the learning rate, unless the rate is constant."""
        if not self.config.has_one_cycle:
            return []
        factors = self.config.learning_rates(n_samples, epochs).ravel() / self.config.LEARNING_RATE
        # The scheduler also steps after the last batch. The rate that it then sets is not used.
        factors = [*factors.tolist(), 0.0]
        return [
            LRScheduler(
                LambdaLR, step_every="batch", event_name=None, lr_lambda=factors.__getitem__
            )
        ]
