"""Load and download MNIST and compatible datasets, which have the same four files."""

import contextlib
import gzip
import hashlib
import logging
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from skmlp.digits.idx import read_idx
from skmlp.digits.reader import pixel_names
from skmlp.exceptions import IDXFormatError

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)

_PREFIXES = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class RemoteFile:
    """A file to download, with its checksums.

    Parameters
    ----------
    name : str
        Name without the extension ``.gz`` that it has on the mirrors.
    gz_sha256 : str
        SHA-256 of the compressed file on the mirrors, in hexadecimal digits.
    sha256 : str
        SHA-256 of the decompressed bytes, for files that were compressed again.
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


def load_mnist(data_dir, *, subset="train", return_X_y=False):
    """Load the images and labels of MNIST or a compatible dataset from a directory.

    Datasets with the same four files are compatible, whatever their labels and the size of their
    images: Fashion-MNIST, KMNIST and others.

    Parameters
    ----------
    data_dir : str or path-like
        The directory that holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
        ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, or those of the subset. The
        names may have a dot before ``idx``, and the extension ``.gz``.
    subset : {"train", "test"}, default="train"
        Subset to load.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        With the attributes of :func:`sklearn.datasets.load_digits`:

        data : ndarray of shape (n_samples, height * width), uint8 in MNIST
            One image per row; a view of `images`.
        target : ndarray of shape (n_samples,), int64
            The labels.
        images : ndarray of shape (n_samples, height, width)
            The images.
        feature_names : list of str
            Names of the pixels, ``pixel_0_0`` (row, column) and so on.
        target_names : ndarray of shape (n_classes,), int64
            The distinct labels.
        DESCR : str
            A description.
    (data, target) : tuple of ndarray, if `return_X_y`
        The two arrays alone.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    IDXFormatError
        If a file is not a valid IDX file, or images and labels do not match.
    ValueError
        If `subset` is neither "train" nor "test".

    See Also
    --------
    fetch_mnist : Download the files first.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skmlp.digits.mnist import load_mnist
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
    prefix = _prefix(subset)
    images_path = _find(data_dir, f"{prefix}-images-idx3-ubyte")
    labels_path = _find(data_dir, f"{prefix}-labels-idx1-ubyte")
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise IDXFormatError(
            f"{images_path} and {labels_path}: expected images of shape (n, height, width) and n "
            f"integer labels, got shapes {images.shape} and {labels.shape}, the labels "
            f"{labels.dtype}; do both files come from the same data set?"
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
        feature_names=pixel_names(height, width),
        target_names=target_names,
        DESCR=f"{n_samples} images of {height} x {width} pixels ({images.dtype}) in "
        f"{len(target_names)} classes, read from {images_path} and {labels_path}.",
    )


def fetch_mnist(
    data_home=None,
    *,
    subset="train",
    return_X_y=False,
    files=MNIST_FILES,
    mirrors=MIRRORS,
    timeout=30.0,
    progress=True,
):
    """Load MNIST, and download files that are missing.

    Files that were downloaded before are loaded from disk, without network access and without pooch.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The directory that holds the files. By default ``skmlp-mnist`` in scikit-learn's data
        directory, :func:`sklearn.datasets.get_data_home`.
    subset : {"train", "test"}, default="train"
        Subset to load; the other is not downloaded.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    files : sequence of RemoteFile, default=MNIST_FILES
        The files and their checksums, as for `download_mnist`.
    mirrors : str or sequence of str, default=MIRRORS
        URLs of directories to download from, tried in this order.
    timeout : float, default=30.0
        Seconds to wait for data from a server before the next mirror is tried.
    progress : bool, default=True
        Whether to show progress on standard error, if that is a terminal.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`, or tuple if `return_X_y`
        As for `load_mnist`.

    Raises
    ------
    ImportError
        If a download is needed and pooch is not installed.
    FileExistsError
        If the directory has a file of that name with other contents.
    OSError
        If no mirror delivers a file; the message lists the error of each mirror.
    ValueError
        If `subset` is neither "train" nor "test".

    See Also
    --------
    load_mnist : Load only, also compatible datasets.
    download_mnist : Download only.

    Examples
    --------
    >>> from skmlp.digits.mnist import fetch_mnist
    >>> X, y = fetch_mnist(subset="test", return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (10000, 784)
    """
    prefix = _prefix(subset)
    if data_home is None:
        # Imported here, because sklearn.datasets takes long to load.
        from sklearn.datasets import get_data_home

        data_home = Path(get_data_home(), "skmlp-mnist")
    needed = [file for file in files if file.name.startswith(prefix)]
    download_mnist(data_home, files=needed, mirrors=mirrors, timeout=timeout, progress=progress)
    return load_mnist(data_home, subset=subset, return_X_y=return_X_y)


def download_mnist(directory, *, files=MNIST_FILES, mirrors=MIRRORS, timeout=30.0, progress=True):
    """Download the files of MNIST to a directory, and check that they are intact.

    Existing files, compressed or not, are checked and kept. Missing files are downloaded with pooch
    (``pip install "skmlp[fetch]"``) to temporary names, and renamed after they are checked.

    Parameters
    ----------
    directory : str or path-like
        Target directory; created if missing.
    files : sequence of RemoteFile, default=MNIST_FILES
        The files and their checksums. Pass those of a compatible dataset, and its mirrors, to
        download that instead.
    mirrors : str or sequence of str, default=MIRRORS
        URLs of directories to download from, tried in this order.
    timeout : float, default=30.0
        Seconds to wait for data from a server before the next mirror is tried.
    progress : bool, default=True
        Whether to show progress on standard error, if that is a terminal.

    Returns
    -------
    paths : list of Path
        Path of each file, in the order of `files`.

    Raises
    ------
    ImportError
        If a download is needed and pooch is not installed.
    FileExistsError
        If the directory has a file of that name with other contents. It is not changed.
    OSError
        If no mirror delivers a file; the message lists the error of each mirror.

    Examples
    --------
    >>> from skmlp.digits.mnist import download_mnist
    >>> paths = download_mnist("data/mnist")  # doctest: +SKIP
    """
    directory = Path(directory).expanduser()
    mirrors = (mirrors,) if isinstance(mirrors, str) else mirrors
    paths = []
    for file in files:
        try:
            path = _find(directory, file.name)
        except FileNotFoundError:
            path = _download(directory, file, mirrors, timeout, progress)
        else:
            _check_contents(path, file)
        paths.append(path)
    return paths


def _prefix(subset):
    if subset not in _PREFIXES:
        raise ValueError(f"subset must be 'train' or 'test', got {subset!r}")
    return _PREFIXES[subset]


def _find(directory, name):
    directory = Path(directory).expanduser()
    dotted = name.replace("-idx", ".idx")
    names = [name, f"{name}.gz", dotted, f"{dotted}.gz"]
    for path in (directory / name for name in names):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"{directory} {'holds none of' if directory.is_dir() else 'is no directory; expected one of'} "
        f"{', '.join(names)}; fetch_mnist downloads MNIST"
    )


def _check_contents(path, file):
    """Raise an error for a file with other contents, which may belong to the user and is not replaced."""
    with path.open("rb") as stored:
        digest = hashlib.file_digest(stored, "sha256").hexdigest()
    if digest not in (file.gz_sha256, file.sha256) and path.suffix == ".gz":
        try:
            with gzip.open(path) as unpacked:
                digest = hashlib.file_digest(unpacked, "sha256").hexdigest()
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            digest = f"damaged gzip data ({error})"
    if digest not in (file.gz_sha256, file.sha256):
        raise FileExistsError(
            f"{path} is in the way: expected the SHA-256 {file.sha256} (decompressed), got "
            f"{digest}; delete it to download it anew, or choose another directory"
        )


def _download(directory, file, mirrors, timeout, progress):
    """Download a file from the first mirror that delivers it intact."""
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"{file.name} is not in {directory}, and downloading it needs pooch: "
            'pip install "skmlp[fetch]"'
        ) from error
    from requests import RequestException

    name = f"{file.name}.gz"
    reasons = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{name}"
        try:
            with _quiet(pooch.get_logger()), _bar(name, progress) as bar:
                # pooch writes to a temporary file, and renames it after its checksum is verified.
                path = pooch.retrieve(
                    url,
                    f"sha256:{file.gz_sha256}",
                    fname=name,
                    path=directory,
                    downloader=pooch.HTTPDownloader(bar, chunk_size=2**16, timeout=timeout),
                )
            return Path(path)
        except (RequestException, ValueError) as error:
            reasons.append(f"\n  {url}: {error}")
    raise OSError(
        f"no mirror gave {name}:{''.join(reasons)}\nTry again later, pass other mirrors, or put "
        f"the file into {directory} by hand"
    )


@contextlib.contextmanager
def _quiet(logger):
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _bar(name, wanted):
    """Open a progress bar for pooch, or return False if standard error is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not (wanted and console.is_terminal):
        yield False
        return
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as shown:
        yield _Bar(shown, shown.add_task(name, total=None))


class _Bar:
    """The interface of progress bars that pooch uses, drawn by rich."""

    total = None  # pooch sets it to the file's size in bytes

    def __init__(self, shown, task):
        self._shown = shown
        self._task = task

    def update(self, size):
        """Advance by a number of bytes."""
        self._shown.update(self._task, total=self.total or None, advance=size)

    def reset(self):
        """Set the progress to zero."""
        self._shown.update(self._task, completed=0)

    def close(self):
        """Do nothing: the context manager closes the bar."""
