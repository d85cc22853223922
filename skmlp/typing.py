"""Type aliases for the annotations of public functions."""

import os
from typing import TYPE_CHECKING, BinaryIO, NewType, TypeAlias

import numpy as np

__all__ = ["ArrayLike", "FloatArray", "PathLike", "RandomState", "Source"]

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    FloatArray: TypeAlias = NDArray[np.floating]
else:
    # At run time, these are opaque types, because NumPy's aliases take several lines in a printed signature.
    ArrayLike = NewType("ArrayLike", object)
    FloatArray = NewType("FloatArray", np.ndarray)
PathLike: TypeAlias = str | os.PathLike[str]
RandomState: TypeAlias = int | np.random.RandomState | None
Source: TypeAlias = PathLike | bytes | BinaryIO
