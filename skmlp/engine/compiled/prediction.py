"""Logits of samples, computed in blocks whose activations stay in the cache."""

import numpy as np

from skmlp.engine.compiled import library
from skmlp.engine.compiled.inputs import find_samples, make_inputs
from skmlp.engine.compiled.layers import BatchShape, Dense
from skmlp.engine.compiled.program import Program
from skmlp.engine.parameters import Views

BLOCK_SIZE = 128


class Predictor:
    """Network for prediction.

    Parameters
    ----------
    activations : sequence of str
        Names of the activations of the hidden layers.
    parameters : Views
        Weights and biases of each layer. Kernels read them without copying if possible; those of a loaded model, or
        set by a user, may have another memory order.
    dtype : dtype
    """

    def __init__(self, activations, parameters, dtype):
        self._activations = *activations, "identity"
        self._parameters = Views(
            *([np.require(array, dtype, "CA") for array in arrays] for arrays in parameters)
        )
        self._dtype = dtype
        self._blocks = {}

    def logits(self, batch):
        """Return the logits of a batch, of shape (n_outputs, batch_size), in a buffer that may be overwritten."""
        samples, start, parts = find_samples([batch], self._dtype), 0, []
        for size, n_steps in divide(batch.size):
            rows = samples.rows[start : start + size * n_steps]
            block = self._get_block(size, n_steps, choose_source(samples.source, self._dtype))
            parts.append(block.logits(samples._replace(rows=rows)))
            start += len(rows)
        return np.concatenate(parts).T

    def _get_block(self, size, n_steps, source):
        key = size, n_steps, source
        if key not in self._blocks:
            shape = BatchShape(size, self._dtype, n_steps)
            self._blocks[key] = Block(shape, source, self._activations, self._parameters)
        return self._blocks[key]


def choose_source(source, dtype, available=()):
    """Return a Source with the products that prediction uses: those that skip zeros only if training has loaded them.

    Parameters
    ----------
    source : Source
    dtype : dtype
        Type of the weights.
    available : collection of KernelName, default=()
        Kernels that will be loaded in addition to those that are.
    """
    if source.format == "dense" and source.is_low_density:
        reader = "sparse.compress", dtype.name, source.dtype
        product = "sparse.multiply", dtype.name, "float32"
        if not all(
            library.make_symbol(*kernel) in library.loaded or kernel in available
            for kernel in (reader, product)
        ):
            return source._replace(is_low_density=False)
    return source


def divide(n_samples):
    """Return the sizes of blocks of samples, and how many there are of each, as a list of pairs."""
    n_blocks, rest = divmod(n_samples, BLOCK_SIZE)
    return [(size, n) for size, n in ((BLOCK_SIZE, n_blocks), (rest, 1)) if size and n]


class Block:
    """Program that computes the logits of blocks of samples.

    Parameters
    ----------
    shape : BatchShape
        Number of samples of a block, and number of blocks.
    source : Source
    activations : sequence of str
    parameters : Views
    """

    def __init__(self, shape, source, activations, parameters):
        self._shape = shape
        self._n_outputs = len(parameters.weights[-1])
        self._inputs = make_inputs(shape, source, parameters.weights[0].shape[1])
        regions = [self._inputs.gather() + self._inputs.prepare()]
        operand = self._inputs.as_operand()
        for activation, weights, biases in zip(
            activations, parameters.weights, parameters.biases, strict=True
        ):
            layer = Dense(shape, weights, biases, activation)
            regions.append(layer.forward(operand))
            operand = layer.as_operand()
        self._logits = shape.allocate_per_step(shape.row, shape.pad(self._n_outputs))
        regions.append([shape.transpose(layer.out, self._logits)])
        self._program = Program(regions)

    def logits(self, samples):
        """Return the logits of the Samples of all blocks, of shape (n_samples, n_outputs)."""
        self._inputs.set(samples)
        self._program.run(self._shape.n_steps)
        logits = self._logits.array[:, : self._shape.n_samples, : self._n_outputs]
        return logits.reshape(-1, self._n_outputs)
