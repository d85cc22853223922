"""PyTorch as it is written by hand: an eager loop over batches of one tensor, fused optimizer."""

from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from peers import Peer

N_CLASSES = 10
PREDICTION_BATCH_SIZE = 2048


class Torch(Peer):
    """A Sequential, trained by a plain loop."""

    def __init__(self, recipe):
        super().__init__(recipe)
        torch.set_default_dtype(getattr(torch, recipe.dtype))

    def as_input(self, X):
        """Make a tensor of the same memory."""
        return torch.from_numpy(super().as_input(X))

    def fit(self, X, y, epochs):
        """Train from new weights, in the usual loop."""
        torch.manual_seed(self.recipe.SEED)
        y = torch.from_numpy(np.asarray(y, np.int64))
        self._network = make_network(self.recipe, X.shape[1])
        self._optimizer = make_optimizer(self.recipe, self._network)
        all_rates = self.recipe.rates(len(X), epochs).tolist()
        self.history = [self._train_epoch(X, y, rates) for rates in all_rates]

    def predict_proba(self, X):
        """Give the probabilities, as a NumPy array."""
        self._network.eval()
        outputs = torch.empty(len(X), N_CLASSES, dtype=X.dtype)
        with torch.inference_mode():
            for x, output in zip(
                *(a.split(PREDICTION_BATCH_SIZE) for a in (X, outputs)), strict=True
            ):
                torch.softmax(self._network(x), dim=1, out=output)
        return outputs.numpy()

    def _train_epoch(self, X, y, rates):
        """Train once on every sample; give the mean loss and the accuracy on the way."""
        self._network.train()
        loss_sum, hits = 0.0, 0
        batches = torch.randperm(len(X)).split(self.recipe.batch_size)
        (group,) = self._optimizer.param_groups
        for rows, rate in zip(batches, rates, strict=True):
            group["lr"] = rate
            x, targets = X.index_select(0, rows), y.index_select(0, rows)
            logits = self._network(x)
            loss = functional.cross_entropy(logits, targets)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            loss_sum += loss.item() * len(rows)
            hits += (logits.detach().argmax(dim=1) == targets).sum().item()
        return loss_sum / len(X), hits / len(X)


def make_network(recipe, n_features):
    """Make the network of a recipe; it gives logits."""
    layers = []
    for fan_in, fan_out in pairwise((n_features, *recipe.hidden)):
        layers.append(nn.Linear(fan_in, fan_out))
        if recipe.batch_norm:
            layers.append(nn.BatchNorm1d(fan_out))
        layers.append(nn.ReLU(inplace=True))
        if recipe.dropout:
            layers.append(nn.Dropout(recipe.dropout))
    return nn.Sequential(*layers, nn.Linear((n_features, *recipe.hidden)[-1], N_CLASSES))


def make_optimizer(recipe, network):
    """Make the optimizer of a recipe."""
    rate = recipe.LEARNING_RATE
    if recipe.solver == "adam":
        return torch.optim.Adam(network.parameters(), lr=rate, fused=True)
    return torch.optim.SGD(
        network.parameters(), lr=rate, momentum=recipe.MOMENTUM, nesterov=True, fused=True
    )
