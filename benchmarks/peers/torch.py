"""PyTorch: an eager training loop over batches of a single tensor, with the fused optimizer."""

from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from peers import N_CLASSES, PREDICTION_BATCH_SIZE, Peer


class Torch(Peer):
    """A Sequential model with a training loop."""

    def __init__(self, config):
        super().__init__(config)
        torch.set_default_dtype(getattr(torch, config.dtype))

    def as_input(self, X):
        """Return a tensor that shares the memory of the converted array."""
        return torch.from_numpy(super().as_input(X))

    def fit(self, X, y, epochs):
        """Train a new network."""
        torch.manual_seed(self.config.SEED)
        y = torch.from_numpy(np.asarray(y, np.int64))
        self._network = make_network(self.config, X.shape[1])
        self._optimizer = make_optimizer(self.config, self._network)
        all_rates = self.config.learning_rates(len(X), epochs).tolist()
        self.history = [self._train_epoch(X, y, rates) for rates in all_rates]

    def predict_proba(self, X):
        """Return the class probabilities as a NumPy array."""
        self._network.eval()
        outputs = torch.empty(len(X), N_CLASSES, dtype=X.dtype)
        with torch.inference_mode():
            for x, output in zip(
                *(a.split(PREDICTION_BATCH_SIZE) for a in (X, outputs)), strict=True
            ):
                torch.softmax(self._network(x), dim=1, out=output)
        return outputs.numpy()

    def _train_epoch(self, X, y, rates):
        """Train for one epoch; return the mean loss and the accuracy, measured before each update."""
        self._network.train()
        loss_sum, n_correct = 0.0, 0
        batches = torch.randperm(len(X)).split(self.config.batch_size)
        (group,) = self._optimizer.param_groups
        for indices, rate in zip(batches, rates, strict=True):
            group["lr"] = rate
            x, targets = X.index_select(0, indices), y.index_select(0, indices)
            logits = self._network(x)
            loss = functional.cross_entropy(logits, targets)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            loss_sum += loss.item() * len(indices)
            n_correct += (logits.detach().argmax(dim=1) == targets).sum().item()
        return loss_sum / len(X), n_correct / len(X)


def make_network(config, n_features):
    """Return the network, which computes logits."""
    layers = []
    for fan_in, fan_out in pairwise((n_features, *config.hidden)):
        layers.append(nn.Linear(fan_in, fan_out))
        if config.batch_norm:
            layers.append(nn.BatchNorm1d(fan_out))
        layers.append(nn.ReLU(inplace=True))
        if config.dropout:
            layers.append(nn.Dropout(config.dropout))
    return nn.Sequential(*layers, nn.Linear((n_features, *config.hidden)[-1], N_CLASSES))


def make_optimizer(config, network):
    """Return the optimizer."""
    rate = config.LEARNING_RATE
    if config.solver == "adam":
        return torch.optim.Adam(network.parameters(), lr=rate, fused=True)
    return torch.optim.SGD(
        network.parameters(), lr=rate, momentum=config.MOMENTUM, nesterov=True, fused=True
    )
