"""Type aliases for the annotations of public functions."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, BinaryIO, NewType, Protocol, TypeAlias

import numpy as np

__all__ = ["ArrayLike", "FloatArray", "PathLike", "RandomState", "SamplesLike", "Source"]

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    class SliceableRows(Protocol):
        """Object that returns slices of rows, such as `zarr.Array` and `h5py.Dataset`."""

        @property
        def shape(self) -> tuple[int, ...]: ...
        @property
        def dtype(self) -> np.dtype[Any]: ...
        def __getitem__(self, rows: slice, /) -> ArrayLike: ...

    FloatArray: TypeAlias = NDArray[np.floating]
    SamplesLike: TypeAlias = ArrayLike | SliceableRows | Iterable[ArrayLike]
else:
    # At run time, these are opaque types, because NumPy's aliases take several lines in a printed signature.
    ArrayLike = NewType("ArrayLike", object)
    FloatArray = NewType("FloatArray", np.ndarray)
    SamplesLike = NewType("SamplesLike", object)
PathLike: TypeAlias = str | os.PathLike[str]
RandomState: TypeAlias = int | np.random.RandomState | None
Source: TypeAlias = PathLike | bytes | BinaryIO
