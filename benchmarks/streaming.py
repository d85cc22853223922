"""Train on images that need not fit into memory, and compare the speed with training in memory.

    python benchmarks/streaming.py --samples 13400000 --compare 600000

The first table is about a file of `--samples` images, by default 10.5 GB. Its training runs in a
process whose private memory is limited to 500 MB more than after the import (Linux only). The first
epoch reads the file from the disk, and the next ones from the page cache, if there is room. The
second table compares the kinds of samples on fewer images. The images are those of MNIST, or random
data, repeated.
"""

import os
import resource
import shutil
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import process_memory
from environment import remove_openblas_variables
from memory import anonymous_memory, peak_during, with_worker
from options import add_rounds, make_parser, parse_count
from report import (
    describe_machine,
    format_median,
    format_range,
    format_ratio,
    iterate_rounds,
    print_progress,
    print_table,
)
from workers import WorkerError

PARAMETERS = {"batch_size": 128, "input_scale": 1 / 255, "random_state": 0}
LEGEND = """\
- limit: the process may allocate this much more than after the import (RLIMIT_DATA, which counts
  private memory, but no pages of mapped files)
- fit: maximum increase of the anonymous memory (RssAnon) since the import, including the labels
- fit, all pages: as fit, including the pages of the mapped file that are in the page cache
- from disk: seconds of the first epoch, before which the file was removed from the page cache
- from cache: median of the seconds of the other epochs
"""
CHUNK_SIZE = 2**24  # bytes
ROWS_PER_BLOCK = 10_000
IN_MEMORY = "in memory"
KINDS = {
    IN_MEMORY: (np.array, True),
    "mapped": (lambda X: X, True),
    "mapped, shuffle='blocks'": (lambda X: X, "blocks"),
    "slices of rows, shuffle='blocks'": (lambda X: Rows(X), "blocks"),
    "iterable of blocks": (lambda X: Blocks(X), "blocks"),
}


class Rows:
    """Object that returns slices of rows, like `zarr.Array` and `h5py.Dataset`."""

    def __init__(self, array):
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, rows):
        return np.array(self._array[rows])


class Blocks:
    """Iterable of blocks of rows."""

    def __init__(self, array):
        self._array = array

    def __iter__(self):
        for start in range(0, len(self._array), ROWS_PER_BLOCK):
            yield np.array(self._array[start : start + ROWS_PER_BLOCK])


class Streamer:
    """Training on mapped images, run in a worker."""

    def import_estimator(self):
        """Import the package, and the modules that a training run imports."""
        from skmlp import MLPDigitClassifier

        X = np.arange(64 * 784).reshape(64, 784) % 256
        MLPDigitClassifier(
            (2,), max_iter=1, n_iter_no_change=None, **PARAMETERS | {"batch_size": 64}
        ).fit(X.astype(np.uint8), np.arange(64) % 10)

    def limit_memory(self, megabytes):
        """Limit the private memory to what is allocated now, and so many MB more."""
        limit = int((process_memory.read_status("VmData") + megabytes) * 1e6)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    def open(self, paths, n_samples, kind):
        """Map the images, and read the labels."""
        from skmlp import read_idx

        images, labels = (read_idx(path, mmap=True) for path in paths)
        make, self._shuffle = KINDS[kind]
        self._X = make(images.reshape(-1, images.shape[-1])[:n_samples])
        self._y = np.array(labels.reshape(-1)[:n_samples])

    def fit(self, hidden, n_epochs):
        """Train, and return the seconds of each epoch."""
        from skmlp import MLPDigitClassifier

        mlp = MLPDigitClassifier(
            hidden, max_iter=n_epochs, n_iter_no_change=None, shuffle=self._shuffle, **PARAMETERS
        )
        return mlp.fit(self._X, self._y).history_["seconds"]


class ImageWriter:
    """Writes the files. It runs in a worker, to keep this process small."""

    def write(self, paths, n_samples):
        """Write images and labels, repeated to at least `n_samples`, as IDX files."""
        from data import load_data

        from skmlp import write_idx

        data = load_data()
        X, y = np.rint(data.X * 255).astype(np.uint8), data.y.astype(np.uint8)
        n_copies = -(-n_samples // len(X))
        for path, array in zip(paths, (X, y), strict=True):
            write_idx(path, np.broadcast_to(array, (n_copies, *array.shape)))


def main():
    arguments = parse_arguments()
    print(f"{describe_machine()}\n")
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        paths = [Path(directory, name) for name in ("images-idx3-ubyte", "labels-idx2-ubyte")]
        n_samples = max(arguments.samples, arguments.compare)
        check_space(directory, n_samples * 785)
        print_progress(f"writing {n_samples:,} images")
        with_worker(write_files, ImageWriter, (), paths, n_samples)
        print_large(arguments, paths)
        print_comparison(arguments, paths)


def parse_arguments():
    parser = make_parser(__doc__)
    add_rounds(parser, default=3)
    parser.add_argument(
        "--samples",
        type=parse_count,
        default=13_400_000,
        metavar="N",
        help="images of the large file",
    )
    parser.add_argument(
        "--compare",
        type=parse_count,
        default=600_000,
        metavar="N",
        help="images that fit into memory",
    )
    parser.add_argument(
        "--epochs", type=parse_count, default=2, metavar="N", help="epochs of each fit"
    )
    parser.add_argument(
        "--limit", type=parse_count, default=500, metavar="MB", help="memory limit of the training"
    )
    parser.add_argument(
        "--directory", metavar="DIR", help="directory for the files, if not that of temporary files"
    )
    arguments = parser.parse_args()
    if not process_memory.is_available():
        parser.exit(message="This system does not report the memory use of a process in /proc.\n")
    return arguments


def check_space(directory, size):
    free = shutil.disk_usage(directory).free
    if free < 1.1 * size:
        raise SystemExit(
            f"{directory} must have {1.1 * size / 1e9:.1f} GB of free space, got {free / 1e9:.1f} GB. Pass another "
            "--directory, or fewer --samples."
        )


def write_files(worker, paths, n_samples):
    worker.call("write", paths, n_samples)


def print_large(arguments, paths):
    """Train on the large file under the memory limit, and print a table."""
    print(
        f"{arguments.samples:,} images of uint8, {arguments.samples * 784 / 1e9:.1f} GB, 128-128 hidden units, batches "
        f"of 128. Memory in MB (10^6 bytes).\n\n{LEGEND}"
    )
    rows = []
    for kind in ("mapped", "mapped, shuffle='blocks'"):
        print_progress(f"{kind}, {arguments.samples:,} images")
        try:
            cells = with_worker(measure_large, Streamer, (), arguments, paths, kind)
        except WorkerError as error:
            cells = [str(error)]
        rows.append([kind, *cells])
    print_table(["samples", "limit", "fit", "fit, all pages", "from disk", "from cache"], rows)
    drop_from_cache(paths[0])
    speeds = [measure_reading(paths[0]) for _ in range(2)]
    print(
        f"Reading the file sequentially: {speeds[0]:,.0f} MB/s from the disk, {speeds[1]:,.0f} MB/s from the page "
        "cache.\n"
    )


def measure_large(worker, arguments, paths, kind):
    """Return the cells of a row of the first table."""
    worker.call("import_estimator")
    imported = anonymous_memory(worker)
    worker.call("limit_memory", arguments.limit)
    worker.call("open", paths, arguments.samples, kind)
    drop_from_cache(paths[0])
    process_memory.reset_peak(worker.pid)
    before = process_memory.read_status("VmRSS", worker.pid)
    peak, seconds = peak_during(worker, "fit", (128, 128), arguments.epochs)
    all_pages = process_memory.read_status("VmHWM", worker.pid) - before
    later = f"{median(seconds[1:]):.1f}" if len(seconds) > 1 else ""
    return [
        *(f"{value:.0f}" for value in (arguments.limit, peak - imported, all_pages)),
        f"{seconds[0]:.1f}",
        later,
    ]


def drop_from_cache(path):
    """Remove a file from the page cache of the operating system, unless it is mapped and in use."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure_reading(path):
    """Read a file sequentially, and return the speed in MB/s."""
    buffer, start = bytearray(CHUNK_SIZE), perf_counter()
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return path.stat().st_size / 1e6 / (perf_counter() - start)


def print_comparison(arguments, paths):
    """Compare the seconds per epoch of the kinds of samples, and print a table for each network."""
    for hidden in ((128, 128), (512, 512)):
        seconds = {kind: [] for kind in KINDS}
        for i, kind in iterate_rounds(KINDS, arguments.rounds):
            print_progress(f"round {i + 1} of {arguments.rounds}: {kind}, {hidden}")
            seconds[kind] += with_worker(
                measure_epochs, Streamer, (), arguments, paths, kind, hidden
            )
        print(
            f"{arguments.compare:,} images in the page cache, {'-'.join(map(str, hidden))} hidden units\n"
        )
        base = seconds[IN_MEMORY]
        rows = [
            [
                kind,
                format_median(values, 2),
                format_range(values, 2),
                format_ratio(values, base),
                f"{min(values) / min(base):.2f}",
            ]
            for kind, values in seconds.items()
        ]
        header = ["samples", "s per epoch", "range", "/ in memory", "fastest / fastest in memory"]
        print_table(header, rows)


def measure_epochs(worker, arguments, paths, kind, hidden):
    """Return the seconds of all epochs but the first one."""
    worker.call("import_estimator")
    worker.call("open", paths, arguments.compare, kind)
    return worker.call("fit", hidden, max(2, arguments.epochs))[1:]


if __name__ == "__main__":
    remove_openblas_variables()
    main()
