"""Measure the memory that `fit` of skmlp and scikit-learn requires in addition to the data.

    python benchmarks/memory.py --samples 60000,600000

Each case runs in its own process, which imports the estimator, loads the data and trains for one
epoch, while this process reads the memory use from /proc (Linux only). The data are MNIST images,
or random data, repeated up to the number of samples.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import process_memory
from environment import remove_openblas_variables
from options import make_parser, parse_count, parse_names
from report import describe_machine, print_progress, print_table
from workers import Worker, WorkerError

SAMPLING_INTERVAL = 0.003  # seconds
CHUNK_SIZE = 10_000  # samples
LEGEND = f"""\
Memory in MB (10^6 bytes).

- import: increase during the import of the estimator, in addition to Python and NumPy
- data: increase while X and y are loaded
- fit: maximum increase during `fit`
- fit + data: maximum increase since the import
- fit, all pages: as fit, including pages of files (VmHWM, the peak recorded by the kernel)

The first four columns count anonymous pages (RssAnon, sampled every {1000 * SAMPLING_INTERVAL:.0f} ms).
The operating system can reclaim the pages of files, such as memory-mapped data and the code of libraries."""
HEADER = ["case", "samples", "import", "data", "fit", "fit + data", "fit, all pages", "seconds"]


@dataclass(frozen=True)
class Case:
    """An estimator, its parameters, and the storage of the data.

    Attributes
    ----------
    title : str
    module : str
        Module of the estimator.
    class_name : str
        Class of the estimator.
    storage : {'float32', 'uint8', 'uint8, mapped'}
        Type of the pixels, and whether they are memory-mapped.
    parameters : dict
        Parameters of the estimator, in addition to those of all cases.
    """

    title: str
    module: str
    class_name: str
    storage: str
    parameters: dict


SKMLP = ("skmlp", "MLPDigitClassifier")
SCIKIT_LEARN = ("sklearn.neural_network", "MLPClassifier")
STOPPING = {"early_stopping": True}
PIXELS = {"input_scale": 1 / 255}
CASES = {
    "skmlp": Case("skmlp, float32", *SKMLP, "float32", {}),
    "skmlp-stopping": Case("skmlp, float32, early stopping", *SKMLP, "float32", STOPPING),
    "skmlp-uint8": Case("skmlp, uint8, input_scale", *SKMLP, "uint8", PIXELS),
    "skmlp-mapped": Case("skmlp, uint8 mapped, input_scale", *SKMLP, "uint8, mapped", PIXELS),
    "sklearn": Case("scikit-learn, float32", *SCIKIT_LEARN, "float32", {}),
    "sklearn-stopping": Case(
        "scikit-learn, float32, early stopping", *SCIKIT_LEARN, "float32", STOPPING
    ),
}


class CaseRunner:
    """The steps of a case, run in a worker: import, load, fit."""

    def __init__(self, case):
        self._case = case

    def import_estimator(self):
        """Import the class and make the estimator."""
        module = __import__(self._case.module, fromlist=[self._case.class_name])
        self._estimator = getattr(module, self._case.class_name)(
            (128, 128), batch_size=128, max_iter=1, random_state=0, **self._case.parameters
        )

    def load(self, path, n_samples):
        """Load the samples from an IDX file."""
        from skmlp import read_idx

        self._y = np.arange(n_samples) % 10
        images = read_idx(path, mmap=True)
        if self._case.storage == "float32":
            self._X = np.empty(images.shape, np.float32)
            for start in range(0, n_samples, CHUNK_SIZE):
                chunk = slice(start, start + CHUNK_SIZE)
                np.multiply(images[chunk], np.float32(1 / 255), out=self._X[chunk])
        else:
            self._X = images if self._case.storage == "uint8, mapped" else np.array(images)

    def fit(self):
        """Train for one epoch; return the seconds."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning

        warnings.simplefilter("ignore", ConvergenceWarning)
        start = perf_counter()
        self._estimator.fit(self._X, self._y)
        return perf_counter() - start


class ImageWriter:
    """Writes the images to a file. It runs in a worker, to keep this process small."""

    def write(self, path, n_samples):
        """Write the images, repeated up to `n_samples`, as an IDX file."""
        from data import load_data

        from skmlp import write_idx

        X = np.rint(load_data().X * 255).astype(np.uint8)
        write_idx(path, X[np.arange(n_samples) % len(X)])


def main():
    arguments = parse_arguments()
    print(f"{describe_machine()}\n\n128-128 hidden units, batches of 128, one epoch.\n\n{LEGEND}\n")
    rows, failures = [], []
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        for n_samples in arguments.samples:
            path = Path(directory, f"{n_samples}-images-idx2-ubyte")
            with_worker(write_images, ImageWriter, (), path, n_samples)
            for name in arguments.only:
                print_progress(f"{name}, {n_samples:,} samples")
                case = CASES[name]
                try:
                    cells = with_worker(measure, CaseRunner, (case,), path, n_samples)
                    rows.append([case.title, f"{n_samples:,}", *cells])
                except WorkerError as error:
                    failures.append(f"{case.title}, {n_samples:,} samples, was skipped: {error}")
            path.unlink()
    print_table(HEADER, rows)
    print("\n".join(failures))


def parse_arguments():
    parser = make_parser(__doc__)
    parser.add_argument(
        "--samples",
        type=parse_counts,
        default=[60_000, 600_000],
        metavar="N,N",
        help="numbers of training samples, separated by commas",
    )
    parser.add_argument(
        "--only",
        type=parse_cases,
        default=list(CASES),
        metavar="NAMES",
        help=f"cases to measure, separated by commas: {', '.join(CASES)}",
    )
    parser.add_argument(
        "--directory",
        metavar="DIR",
        help="directory for the images, if not that of temporary files",
    )
    arguments = parser.parse_args()
    if not process_memory.is_available():
        parser.exit(message="This system does not report the memory use of a process in /proc.\n")
    return arguments


def parse_counts(text):
    return [parse_count(count) for count in text.split(",")]


def parse_cases(text):
    return parse_names(text, CASES)


def with_worker(function, make, make_args, *args):
    """Call a function with a new worker and other arguments, and stop the worker afterwards."""
    worker = Worker(make, *make_args)
    try:
        return function(worker, *args)
    finally:
        worker.stop()


def write_images(worker, path, n_samples):
    worker.call("write", path, n_samples)


def measure(worker, path, n_samples):
    """Run a case in a worker; return the figures of its row in the table."""
    start = anonymous_memory(worker)
    worker.call("import_estimator")
    imported = anonymous_memory(worker)
    worker.call("load", path, n_samples)
    loaded = anonymous_memory(worker)
    process_memory.reset_peak(worker.pid)
    before = process_memory.read_status("VmRSS", worker.pid)
    peak, seconds = peak_during(worker, "fit")
    all_pages = process_memory.read_status("VmHWM", worker.pid) - before
    megabytes = imported - start, loaded - imported, peak - loaded, peak - imported, all_pages
    return [*(f"{value:.0f}" for value in megabytes), f"{seconds:.1f}"]


def anonymous_memory(worker):
    """Return the size of the anonymous pages of a worker, in MB."""
    return process_memory.read_status("RssAnon", worker.pid)


def peak_during(worker, method, *args):
    """Call a method; return the peak of the worker's anonymous memory during the call, and the result."""
    worker.submit(method, *args)
    peak = anonymous_memory(worker)
    while not worker.is_ready(SAMPLING_INTERVAL):
        peak = max(peak, anonymous_memory(worker))
    return max(peak, anonymous_memory(worker)), worker.result()


if __name__ == "__main__":
    remove_openblas_variables()
    main()
