"""Compilation of the kernels of the compiled backend ahead of time.

The modules of the compiled backend need llvmlite, which numba requires. They are imported inside the function.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from skmlp.engine.backend_choice import import_compiled, numba_is_installed

TYPES = ("float32", "float64")


def compile_kernels(
    on_kernel: Callable[[int, int, str], object] | None = None,
    *,
    dtype: Literal["float32", "float64"] | None = None,
) -> Path:
    """Compile the kernels for training with numba, and store them in the cache on disk.

    Training compiles the kernels that it needs and stores them in the same cache. Calling this function first, for
    example while a container image is built, saves this time in the first training. It takes 10 to 20 seconds, or half
    as long for one `dtype`. Kernels that are in the cache are not compiled again.

    The cache is the directory in the environment variable ``SKMLP_CACHE_DIR``; by default ``skmlp`` in the user's cache
    directory, for example ``~/.cache/skmlp``. It has a subdirectory for each processor, version of numba and version of
    skmlp. The others are not removed, because the processors or environments that share the directory may use them. The
    cache can be deleted at any time.

    Parameters
    ----------
    on_kernel : callable or None, default=None
        ``on_kernel(n_done, n_kernels, name)`` is called before each kernel, and once at the end with ``n_done`` equal
        to ``n_kernels`` and an empty name. ``n_kernels`` is the number of kernels that were not in the cache.
    dtype : {'float32', 'float64'} or None, default=None
        Compile only the kernels for training with this dtype. By default, those for both.

    Returns
    -------
    directory : Path
        Directory of the compiled kernels.

    Raises
    ------
    ValueError
        If `dtype` is not one of these types.
    ImportError
        If numba is not installed or cannot be imported.
    OSError
        If the directory cannot be written, or if the user has no home directory and ``SKMLP_CACHE_DIR`` is not set.

    See Also
    --------
    set_kernels : Select the kernels for training.

    Examples
    --------
    >>> import skmlp
    >>> directory = skmlp.compile_kernels(dtype="float32")  # doctest: +SKIP
    """
    if dtype not in (None, *TYPES):
        raise ValueError(f"dtype must be 'float32', 'float64' or None, got {dtype!r}.")
    if not numba_is_installed():
        raise ImportError(
            "compile_kernels requires numba, which is not installed. Install it with 'pip install \"skmlp[fast]\"'."
        )
    catalog = import_compiled("catalog")
    return catalog.store_kernels(
        catalog.list_all_kernels(TYPES if dtype is None else (dtype,)), on_kernel
    )
