"""Load and download MNIST and compatible datasets."""

import contextlib
import gzip
import hashlib
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, overload

import numpy as np
from sklearn.utils import Bunch

from skmlp.digits.idx import read_idx
from skmlp.digits.reader import make_pixel_names
from skmlp.exceptions import IDXFormatError
from skmlp.typing import PathLike

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)

FILE_PREFIXES = {"train": "train", "test": "t10k"}
Subset: TypeAlias = Literal["train", "test"]


@dataclass(frozen=True)
class RemoteFile:
    """File to download, with its checksums.

    Parameters
    ----------
    name : str
        File name, without the extension ``.gz`` that the file has on the mirrors.
    gz_sha256 : str
        SHA-256 digest of the compressed file on the mirrors, in hexadecimal.
    sha256 : str
        SHA-256 digest of the decompressed file, in hexadecimal. An existing file may be uncompressed, or compressed
        differently from that on the mirrors.
    """

    name: str
    gz_sha256: str
    sha256: str


MNIST_FILES = (
    RemoteFile(
        "train-images-idx3-ubyte",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    RemoteFile(
        "train-labels-idx1-ubyte",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    RemoteFile(
        "t10k-images-idx3-ubyte",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    RemoteFile(
        "t10k-labels-idx1-ubyte",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)


@overload
def load_mnist(
    data_dir: PathLike,
    *,
    subset: Subset = "train",
    return_X_y: Literal[False] = False,
    mmap: bool = False,
) -> Bunch: ...
@overload
def load_mnist(
    data_dir: PathLike, *, subset: Subset = "train", return_X_y: Literal[True], mmap: bool = False
) -> tuple[np.ndarray, np.ndarray]: ...
@overload
def load_mnist(
    data_dir: PathLike, *, subset: Subset = "train", return_X_y: bool, mmap: bool = False
) -> Bunch | tuple[np.ndarray, np.ndarray]: ...
def load_mnist(
    data_dir: PathLike, *, subset: Subset = "train", return_X_y: bool = False, mmap: bool = False
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load the images and labels of MNIST or a compatible dataset from a directory.

    Datasets that consist of the same four files, such as Fashion-MNIST and KMNIST, are compatible. Their labels and
    the shape of their images may differ from those of MNIST.

    Parameters
    ----------
    data_dir : str or path-like
        Directory that contains ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, or for the test set
        ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``. The names may have a dot instead of the hyphen before
        ``idx``, and the extension ``.gz``.
    subset : {'train', 'test'}, default='train'
        Subset to load.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch object.
    mmap : bool, default=False
        Whether to map the images into memory, read-only, instead of reading them, see `read_idx`. Their file must not
        be compressed.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the attributes of :func:`sklearn.datasets.load_digits`:

        data : ndarray of shape (n_samples, height * width)
            The images, one per row; a view of `images`. The dtype is that of the file, uint8 for MNIST.
        target : ndarray of shape (n_samples,), int64
            The labels.
        images : ndarray of shape (n_samples, height, width)
            The images.
        feature_names : list of str
            Names of the pixels: ``pixel_0_0``, ``pixel_0_1``, ... (row, column).
        target_names : ndarray of shape (n_classes,), int64
            The distinct labels, sorted.
        DESCR : str
            Description of the dataset.
    (data, target) : tuple of ndarray
        The two arrays only, if `return_X_y` is true.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    IDXFormatError
        If a file is not a valid IDX file, or the images and labels do not match.
    ValueError
        If `subset` is neither 'train' nor 'test', or `mmap` is true and the images are compressed.

    See Also
    --------
    fetch_mnist : Load MNIST, downloading missing files.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skmlp import load_mnist
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     images, labels = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
    ...     header = "00000803 00000002 00000001 00000003"
    ...     _ = Path(directory, images).write_bytes(bytes.fromhex(header + "0080ff ff8000"))
    ...     _ = Path(directory, labels).write_bytes(bytes.fromhex("00000801 00000002 07 02"))
    ...     X, y = load_mnist(directory, subset="test", return_X_y=True)
    >>> X
    array([[  0, 128, 255],
           [255, 128,   0]], dtype=uint8)
    >>> y
    array([7, 2])
    """
    prefix = get_file_prefix(subset)
    images_path = find_file(data_dir, f"{prefix}-images-idx3-ubyte")
    labels_path = find_file(data_dir, f"{prefix}-labels-idx1-ubyte")
    images, labels = read_idx(images_path, mmap=mmap), read_idx(labels_path)
    if images.ndim != 3 or labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise IDXFormatError(
            f"{images_path} and {labels_path}: expected images of shape (n_samples, height, width) and integer labels "
            f"of shape (n_samples,), got the shapes {images.shape} and {labels.shape}, and labels of {labels.dtype}. "
            "Check that both files belong to the same dataset."
        )
    n_samples, height, width = images.shape
    data, target = images.reshape(n_samples, height * width), labels.astype(np.int64)
    if return_X_y:
        return data, target
    target_names = np.unique(target)
    return Bunch(
        data=data,
        target=target,
        images=images,
        feature_names=make_pixel_names(height, width),
        target_names=target_names,
        DESCR=f"{n_samples} images of {height} x {width} pixels ({images.dtype}) in "
        f"{len(target_names)} classes, read from {images_path} and {labels_path}.",
    )


@overload
def fetch_mnist(
    data_home: PathLike | None = None,
    *,
    subset: Subset = "train",
    return_X_y: Literal[False] = False,
    files: Sequence[RemoteFile] = MNIST_FILES,
    mirrors: str | Sequence[str] = MIRRORS,
    timeout: float = 30.0,
    progress: bool = True,
) -> Bunch: ...
@overload
def fetch_mnist(
    data_home: PathLike | None = None,
    *,
    subset: Subset = "train",
    return_X_y: Literal[True],
    files: Sequence[RemoteFile] = MNIST_FILES,
    mirrors: str | Sequence[str] = MIRRORS,
    timeout: float = 30.0,
    progress: bool = True,
) -> tuple[np.ndarray, np.ndarray]: ...
@overload
def fetch_mnist(
    data_home: PathLike | None = None,
    *,
    subset: Subset = "train",
    return_X_y: bool,
    files: Sequence[RemoteFile] = MNIST_FILES,
    mirrors: str | Sequence[str] = MIRRORS,
    timeout: float = 30.0,
    progress: bool = True,
) -> Bunch | tuple[np.ndarray, np.ndarray]: ...
def fetch_mnist(
    data_home: PathLike | None = None,
    *,
    subset: Subset = "train",
    return_X_y: bool = False,
    files: Sequence[RemoteFile] = MNIST_FILES,
    mirrors: str | Sequence[str] = MIRRORS,
    timeout: float = 30.0,
    progress: bool = True,
) -> Bunch | tuple[np.ndarray, np.ndarray]:
    """Load MNIST, downloading the files that are missing.

    Existing files are loaded without network access; they do not require pooch.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Directory of the files. By default ``skmlp-mnist`` in the directory returned by
        :func:`sklearn.datasets.get_data_home`.
    subset : {'train', 'test'}, default='train'
        Subset to load. Only its files are downloaded.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch object.
    files : sequence of RemoteFile, default=MNIST_FILES
        Files and their checksums, as for `download_mnist`.
    mirrors : str or sequence of str, default=MIRRORS
        URLs of directories to download from, tried in this order.
    timeout : float, default=30.0
        Seconds to wait for a response from a mirror before the next one is tried, greater than 0.
    progress : bool, default=True
        Whether to show a progress bar on stderr, provided that stderr is a terminal.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As for `load_mnist`.
    (data, target) : tuple of ndarray
        The two arrays only, if `return_X_y` is true.

    Raises
    ------
    ImportError
        If a file is missing and pooch is not installed.
    FileExistsError
        If a file exists with other contents. It is not changed.
    OSError
        If a file cannot be downloaded from any mirror. The message lists the error of each mirror.
    ValueError
        If `subset` is neither 'train' nor 'test'.

    See Also
    --------
    load_mnist : Load MNIST or a compatible dataset from a directory.
    download_mnist : Download the files without loading them.

    Examples
    --------
    >>> from skmlp import fetch_mnist
    >>> X, y = fetch_mnist(subset="test", return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (10000, 784)
    """
    prefix = get_file_prefix(subset)
    if data_home is None:
        # Imported here because loading sklearn.datasets is slow.
        from sklearn.datasets import get_data_home

        data_home = Path(get_data_home(), "skmlp-mnist")
    subset_files = [file for file in files if file.name.startswith(prefix)]
    download_mnist(
        data_home, files=subset_files, mirrors=mirrors, timeout=timeout, progress=progress
    )
    return load_mnist(data_home, subset=subset, return_X_y=return_X_y)


def download_mnist(
    directory: PathLike,
    *,
    files: Sequence[RemoteFile] = MNIST_FILES,
    mirrors: str | Sequence[str] = MIRRORS,
    timeout: float = 30.0,
    progress: bool = True,
) -> list[Path]:
    """Download the files of MNIST to a directory and verify their checksums.

    Existing files, compressed or not, are verified and kept. Missing files are downloaded with pooch
    (``pip install "skmlp[fetch]"``) to temporary files, which are renamed after verification.

    Parameters
    ----------
    directory : str or path-like
        Target directory. It is created if it does not exist.
    files : sequence of RemoteFile, default=MNIST_FILES
        Files and their checksums. To download a compatible dataset, pass its files and mirrors.
    mirrors : str or sequence of str, default=MIRRORS
        URLs of directories to download from, tried in this order.
    timeout : float, default=30.0
        Seconds to wait for a response from a mirror before the next one is tried, greater than 0.
    progress : bool, default=True
        Whether to show a progress bar on stderr, provided that stderr is a terminal.

    Returns
    -------
    paths : list of Path
        Paths of the files, in the order of `files`.

    Raises
    ------
    ImportError
        If a file is missing and pooch is not installed.
    FileExistsError
        If a file exists with other contents. It is not changed.
    OSError
        If a file cannot be downloaded from any mirror. The message lists the error of each mirror.

    See Also
    --------
    fetch_mnist : Load MNIST, downloading missing files.

    Examples
    --------
    >>> from skmlp import download_mnist
    >>> paths = download_mnist("data/mnist")  # doctest: +SKIP
    """
    directory = Path(directory).expanduser()
    mirrors = (mirrors,) if isinstance(mirrors, str) else mirrors
    paths = []
    for file in files:
        try:
            path = find_file(directory, file.name)
        except FileNotFoundError:
            path = download_file(directory, file, mirrors, timeout, progress)
        else:
            verify_file(path, file)
        paths.append(path)
    return paths


def get_file_prefix(subset):
    """Return the prefix of the file names of a subset."""
    if subset not in FILE_PREFIXES:
        raise ValueError(f"subset must be 'train' or 'test', got {subset!r}.")
    return FILE_PREFIXES[subset]


def find_file(directory, name):
    """Return the path of an IDX file whose name may have a dot before "idx" and the extension ".gz"."""
    directory = Path(directory).expanduser()
    dotted = name.replace("-idx", ".idx")
    names = [name, f"{name}.gz", dotted, f"{dotted}.gz"]
    for path in (directory / name for name in names):
        if path.is_file():
            return path
    found = "none of them" if directory.is_dir() else "no directory"
    raise FileNotFoundError(
        f"{directory}: expected a directory that contains one of the files {', '.join(names)}, got {found}. "
        "Use fetch_mnist or 'skmlp fetch' to download MNIST."
    )


def verify_file(path, file):
    """Raise an error if an existing file, which may belong to the user, has different contents."""
    with path.open("rb") as stored:
        digest = hashlib.file_digest(stored, "sha256").hexdigest()
    if digest not in (file.gz_sha256, file.sha256) and path.suffix == ".gz":
        try:
            with gzip.open(path) as decompressed:
                digest = hashlib.file_digest(decompressed, "sha256").hexdigest()
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            digest = f"damaged gzip data ({error})"
    if digest not in (file.gz_sha256, file.sha256):
        raise FileExistsError(
            f"{path}: expected a file with the SHA-256 digest {file.sha256} after decompression, got {digest}. "
            "Delete the file to download it again, or use another directory."
        )


def download_file(directory, file, mirrors, timeout, progress):
    """Download a file from the first mirror that provides it with the right checksum."""
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"{directory} does not contain {file.name}, and downloading it requires pooch. Install it with "
            "'pip install \"skmlp[fetch]\"'."
        ) from error
    from requests import RequestException

    name = f"{file.name}.gz"
    failures = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{name}"
        try:
            with silence_logger(pooch.get_logger()), open_progress_bar(name, progress) as bar:
                # pooch writes to a temporary file, and renames it after verifying the checksum.
                path = pooch.retrieve(
                    url,
                    f"sha256:{file.gz_sha256}",
                    fname=name,
                    path=directory,
                    downloader=pooch.HTTPDownloader(bar, chunk_size=2**16, timeout=timeout),
                )
            return Path(path)
        except (RequestException, ValueError) as error:
            failures.append(f"\n  {url}: {str(error).rstrip('.')}.")
    raise OSError(
        f"{name} could not be downloaded from any mirror.{''.join(failures)}\n"
        f"Try again later, pass other mirrors, or copy the file to {directory}."
    )


@contextlib.contextmanager
def silence_logger(logger):
    """Silence messages of a logger below the level of warnings."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def open_progress_bar(name, enabled):
    """Open a progress bar for pooch; yield False if it is disabled or stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not (enabled and console.is_terminal):
        yield False
        return
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as display:
        yield PoochProgressBar(display, display.add_task(name, total=None))


class PoochProgressBar:
    """Progress bar with the interface that pooch requires, displayed by rich."""

    total = None  # set by pooch to the size of the file in bytes

    def __init__(self, display, task):
        self._display = display
        self._task = task

    def update(self, size):
        """Advance the bar by a number of bytes."""
        self._display.update(self._task, total=self.total or None, advance=size)

    def reset(self):
        """Reset the bar to zero."""
        self._display.update(self._task, completed=0)

    def close(self):
        """Do nothing: the context manager closes the bar."""
