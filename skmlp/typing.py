"""Types used in the annotations of public functions and classes."""

import os
from typing import BinaryIO, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["ArrayLike", "FloatArray", "PathLike", "RandomState", "Source"]

#: Path of a file or directory.
PathLike: TypeAlias = str | os.PathLike[str]
#: Path of a file, its contents, or an open binary stream.
Source: TypeAlias = PathLike | bytes | BinaryIO
#: Type of the parameter `random_state`.
RandomState: TypeAlias = int | np.random.RandomState | None
#: Array of float32 or float64.
FloatArray: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.floating]]
