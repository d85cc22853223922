"""Samples that are read on demand: memory-mapped arrays, arrays in chunked files, and iterables of blocks.

A RowSource takes the place of the array of features. It has a shape and a dtype, and returns rows as arrays. Only the
rows that are needed at a time are in memory.
"""

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import ClassVar

import numpy as np

# Numbers of values in a block of consecutive rows, and in the window of blocks whose rows are shuffled together.
BLOCK_VALUES, WINDOW_VALUES = 2**19, 2**24
# Rows are read together with the rows between them if these are few.
MAX_GAP, MAX_ROWS_PER_READ = 16, 1024


class RowSource(ABC):
    """Rows that are read on demand.

    Parameters
    ----------
    shape : tuple of int
        Number of rows and of features.
    dtype : dtype
        Type to which the rows are converted.

    Attributes
    ----------
    is_sequential : bool
        Whether rows are read in their order only, so that an earlier row requires a new iteration.
    """

    is_sequential: ClassVar = False

    def __init__(self, shape, dtype):
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._spaced = {}

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Return the rows of a slice, or those with the given indices, as a new array."""
        if not isinstance(rows, slice):
            return self.take(rows)
        start, stop, step = rows.indices(len(self))
        if step != 1:
            return self.take(np.arange(start, stop, step))
        out = self.allocate(max(0, stop - start))
        self.read(start, out)
        return out

    def allocate(self, n_rows):
        """Return an array for a number of rows."""
        return np.empty((n_rows, self.shape[1]), self.dtype)

    @abstractmethod
    def read(self, start, out):
        """Read consecutive rows, from the row `start`, until the array `out` is full."""

    def take(self, rows):
        """Return the rows with the given indices as a new array. They are read in increasing order."""
        order = np.argsort(rows, kind="stable")
        increasing = np.asarray(rows)[order]
        is_distant = np.diff(increasing) > MAX_GAP
        is_distant |= np.diff(increasing // MAX_ROWS_PER_READ) > 0
        taken = self.allocate(len(increasing))
        for start, stop in pairwise([0, *np.flatnonzero(is_distant) + 1, len(increasing)]):
            if stop > start:
                first, last = int(increasing[start]), int(increasing[stop - 1])
                near = self[first : last + 1]
                taken[order[start:stop]] = near[increasing[start:stop] - first]
        return taken

    def take_spaced(self, step, n_rows):
        """Return at most `n_rows` rows whose indices are multiples of `step`. They are read once only."""
        if (step, n_rows) not in self._spaced:
            self._spaced[step, n_rows] = self.take(np.arange(0, len(self), step)[:n_rows])
        return self._spaced[step, n_rows]


class ArrayRows(RowSource):
    """Rows of an object that returns slices of rows as arrays, such as `zarr.Array` and `h5py.Dataset`.

    Parameters
    ----------
    array : object
        Object with `shape`, `dtype` and ``array[start:stop]``.
    dtype : dtype
        Type to which the rows are converted.
    """

    def __init__(self, array, dtype):
        super().__init__(tuple(map(int, array.shape)), dtype)
        self._array = array

    def read(self, start, out):
        """Read consecutive rows."""
        rows = np.asarray(self._array[start : start + len(out)])
        if rows.shape != out.shape:
            raise ValueError(
                f"X must return {len(out)} rows of {self.shape[1]} features for X[{start}:{start + len(out)}], "
                f"according to its shape {self.shape}, got the shape {rows.shape}. Do not change X during training."
            )
        out[...] = rows


class MappedRows(RowSource):
    """Rows of a memory-mapped array that must be converted or copied to be used.

    Parameters
    ----------
    array : ndarray
        Array in any memory order.
    dtype : dtype
        Type to which the rows are converted.
    """

    def __init__(self, array, dtype):
        super().__init__(array.shape, dtype)
        self._array = array

    def read(self, start, out):
        """Read consecutive rows."""
        out[...] = self._array[start : start + len(out)]

    def take(self, rows):
        """Return the rows with the given indices."""
        taken = self.allocate(len(rows))
        taken[...] = self._array[rows]
        return taken


class BlockRows(RowSource):
    """Rows of an iterable of blocks.

    Parameters
    ----------
    blocks : iterable of array-like
        Blocks of rows, which are the same in each iteration.
    sizes : sequence of int
        Number of rows of each block.
    n_features : int
        Number of features of each block.
    dtype : dtype
        Type to which the rows are converted.

    Attributes
    ----------
    sizes : list of int
    """

    is_sequential: ClassVar = True

    def __init__(self, blocks, sizes, n_features, dtype):
        self.sizes = list(sizes)
        self._blocks = blocks
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        super().__init__((int(self._starts[-1]), n_features), dtype)
        self._iterator, self._number, self._block = None, -1, None

    def read(self, start, out):
        """Read consecutive rows. Rows before the current block start a new iteration."""
        stop = start + len(out)
        while start < stop:
            number = int(np.searchsorted(self._starts, start, side="right")) - 1
            self._advance_to(number)
            first = self._starts[number]
            end = min(stop, self._starts[number + 1])
            out[len(out) - (stop - start) : len(out) - (stop - end)] = self._block[
                start - first : end - first
            ]
            start = end

    def _advance_to(self, number):
        """Set the current block to the one with the given number."""
        if self._iterator is None or number < self._number:
            self._iterator, self._number = iter(self._blocks), -1
        while self._number < number:
            self._block = None  # releases its memory before the next block is loaded
            self._block = self._load_next(self._number + 1)
            self._number += 1

    def _load_next(self, number):
        """Return the next block, after a check of its shape."""
        expected = (int(self._starts[number + 1] - self._starts[number]), self.shape[1])
        block = next(self._iterator, None)
        found = "no block" if block is None else f"a block of shape {np.shape(block)}"
        if block is None or np.shape(block) != expected:
            raise ValueError(
                f"X must yield the same blocks in each iteration, got {found} in place of block {number}, which had "
                f"the shape {expected} in the first iteration. Pass an iterable whose iterations are independent of "
                "each other, such as a list."
            )
        return np.asarray(block)


class Window:
    """Samples of an epoch that are shuffled together.

    Parameters
    ----------
    number : int
        Index of the window in the epoch.
    samples : ndarray of int
        Increasing indices of its samples.
    generator : Generator
        Random stream of the permutation.

    Attributes
    ----------
    permutation : ndarray of int
        Index in `samples` of the sample at each position of the window.
    """

    def __init__(self, number, samples, generator):
        self.number, self.samples = number, samples
        self.permutation = generator.permutation(len(samples))


class BlockOrder:
    """Random order of an epoch in which samples of the same blocks stay close to each other.

    A block consists of consecutive samples with about `BLOCK_VALUES` values. The blocks are visited in random order,
    and the samples of each window, which is a number of blocks with about `WINDOW_VALUES` values, are shuffled. The
    order is computed window by window.

    Parameters
    ----------
    n_samples, n_features : int
    seed : sequence of int
    shuffles_blocks : bool, default=True
        Whether blocks are visited in random order, as opposed to their own.
    """

    def __init__(self, n_samples, n_features, seed, *, shuffles_blocks=True):
        self._n_samples, self._seed = n_samples, seed
        self._block_size = max(1, BLOCK_VALUES // n_features)
        n_blocks = -(-n_samples // self._block_size)
        self._blocks_per_window = max(1, WINDOW_VALUES // (self._block_size * n_features))
        self._blocks = np.arange(n_blocks)
        if shuffles_blocks:
            np.random.default_rng([*seed, 0]).shuffle(self._blocks)
        ends = np.minimum((self._blocks + 1) * self._block_size, n_samples)
        sizes = ends - self._blocks * self._block_size
        self._starts = np.concatenate(
            [
                [0],
                np.cumsum(np.add.reduceat(sizes, np.arange(0, n_blocks, self._blocks_per_window))),
            ]
        )
        self._window = None

    def __len__(self):
        return self._n_samples

    def __getitem__(self, positions):
        """Return the indices of the samples at a slice of positions in the epoch."""
        parts = []
        for number, inside in self.split(positions):
            if self._window is None or self._window.number != number:
                self._window = self.make_window(number)
            parts.append(self._window.samples[self._window.permutation[inside]])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def split(self, positions):
        """Yield the windows that contain a slice of positions: the number of each, and the slice inside it."""
        start, stop = positions.start, positions.stop
        while start < stop:
            number = int(np.searchsorted(self._starts, start, side="right")) - 1
            first, end = int(self._starts[number]), int(min(stop, self._starts[number + 1]))
            yield number, slice(start - first, end - first)
            start = end

    def make_window(self, number):
        """Return the Window with the given number."""
        first = number * self._blocks_per_window
        blocks = np.sort(self._blocks[first : first + self._blocks_per_window])
        samples = (blocks[:, np.newaxis] * self._block_size + np.arange(self._block_size)).ravel()
        generator = np.random.default_rng([*self._seed, number + 1])
        return Window(number, samples[samples < self._n_samples], generator)


class WindowReader:
    """Reader of the samples of an epoch in a BlockOrder, which loads one window at a time.

    Parameters
    ----------
    source : RowSource
    rows : ndarray of int or None
        Increasing indices of the samples in `source`; None for all rows.
    order : BlockOrder
    """

    def __init__(self, source, rows, order):
        self._source, self._rows, self._order = source, rows, order
        self._window, self._loaded = None, None
        self._positions, self._place = None, None

    def locate(self, positions):
        """Return an array that contains the samples at a slice of positions in the epoch, and their indices in it.

        The positions must not decrease from call to call.
        """
        if positions != self._positions:
            self._place = self._locate(positions)
            self._positions = positions
        return self._place

    def _locate(self, positions):
        (number, inside), *others = self._order.split(positions)
        self._load(number)
        if not others:
            return self._loaded, self._window.permutation[inside]
        # The samples are in several windows.
        parts = [self._loaded[self._window.permutation[inside]]]
        for number, inside in others:
            self._load(number)
            parts.append(self._loaded[self._window.permutation[inside]])
        return np.concatenate(parts), np.arange(positions.stop - positions.start)

    def _load(self, number):
        """Load the window with the given number, unless it is loaded."""
        if self._window is not None and self._window.number == number:
            return
        self._window = self._order.make_window(number)
        samples, filled = self._window.samples, 0
        # A new array, because the samples of the previous window may still be in use
        self._loaded = self._source.allocate(len(samples))
        for part in np.split(samples, np.flatnonzero(np.diff(samples) > 1) + 1):
            out = self._loaded[filled : filled + len(part)]
            if self._rows is None:
                self._source.read(int(part[0]), out)
            else:
                out[...] = self._source.take(self._rows[part])
            filled += len(part)
