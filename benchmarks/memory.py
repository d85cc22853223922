"""Memory that `fit` takes: skmlp and scikit-learn, with plenty of samples, held out samples, mapped files.

    python benchmarks/memory.py --rows 60000,600000

Every case runs in a process of its own, which imports, gets its data and trains for one epoch, while this one reads in
/proc how much memory it holds. The images are MNIST's, or noise, repeated to the number of rows. Linux only.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import resident
from options import positive
from report import describe_machine, print_table, tell
from workers import Worker, WorkerError

READING = """\
Memory in MB of 10^6 bytes. import: what importing added to Python, NumPy and the readers of files. data: what X and y
took. fit: by how much memory rose at most while `fit` ran, above what was held before it; fit + data: above what was
held after the import. These four count the pages that are the process's own (RssAnon, read every few milliseconds); the
pages of mapped files, the libraries' code among them, are a cache that the system takes back when it needs room. fit,
all pages: the same as fit with those counted too (VmHWM, the kernel's own peak)."""
HEADER = ["case", "rows", "import", "data", "fit", "fit + data", "fit, all pages", "seconds"]
SAMPLING_INTERVAL = 0.003  # seconds
N_FEATURES = 784
PIECE = 10_000  # rows


@dataclass(frozen=True)
class Case:
    """An estimator, its parameters, and the kind of its data.

    Attributes
    ----------
    title : str
    library, name : str
        Of the estimator's class.
    data : {'float32', 'uint8', 'uint8, mapped'}
    parameters : dict
        Beside those that all have.
    """

    title: str
    library: str
    name: str
    data: str
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


class Subject:
    """What is watched: it imports, gets its data and trains, in a worker."""

    def __init__(self, case):
        self._case = case

    def bring_in(self):
        """Import the estimator."""
        module = __import__(self._case.library, fromlist=[self._case.name])
        self._estimator = getattr(module, self._case.name)(
            (128, 128), batch_size=128, max_iter=1, random_state=0, **self._case.parameters
        )

    def load(self, path, n_samples):
        """Get the samples: from the file, mapped or read, as they are or as floats."""
        from skmlp import read_idx

        self._y = np.arange(n_samples) % 10
        images = read_idx(path, mmap=True)
        if self._case.data == "float32":
            self._X = np.empty(images.shape, np.float32)
            for start in range(0, n_samples, PIECE):
                piece = slice(start, start + PIECE)
                np.multiply(images[piece], np.float32(1 / 255), out=self._X[piece])
        else:
            self._X = images if self._case.data == "uint8, mapped" else np.array(images)

    def fit(self):
        """Train for one epoch; give the seconds."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning

        warnings.simplefilter("ignore", ConvergenceWarning)
        start = perf_counter()
        self._estimator.fit(self._X, self._y)
        return perf_counter() - start


class Writer:
    """Writes the file of images, in a worker, so that this process stays small."""

    def write(self, path, n_samples):
        """Repeat the images up to the number."""
        from data import load_data

        from skmlp import write_idx

        X = np.rint(load_data().X * 255).astype(np.uint8)
        write_idx(path, X[np.arange(n_samples) % len(X)])


def main():
    """Measure and print."""
    arguments = parse_arguments()
    print(
        f"{describe_machine()}\n\n128-128 hidden units, batches of 128, one epoch.\n\n{READING}\n"
    )
    rows, failures = [], []
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        for n_samples in arguments.rows:
            path = Path(directory, f"{n_samples}-images-idx2-ubyte")
            in_a_worker(
                Writer, (), lambda writer, *task: writer.call("write", *task), path, n_samples
            )
            for key in arguments.only:
                tell(f"{key}, {n_samples} rows")
                try:
                    figures = in_a_worker(Subject, (CASES[key],), watch, path, n_samples)
                    rows.append([CASES[key].title, f"{n_samples:,}", *figures])
                except WorkerError as error:
                    failures.append(f"{CASES[key].title}, {n_samples:,} rows: {error}")
            path.unlink()
    print_table(HEADER, rows)
    print("\n".join(failures))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=numbers, default=[60_000, 600_000], metavar="N,N")
    parser.add_argument("--only", type=cases, default=list(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument(
        "--directory", help="where to write the images; else where temporary files go"
    )
    arguments = parser.parse_args()
    if not resident.is_told():
        parser.exit(
            message="This system has no /proc that tells how much memory a process holds.\n"
        )
    return arguments


def numbers(text):
    return [positive(number) for number in text.split(",")]


def cases(text):
    unknown = set(text.split(",")) - set(CASES)
    if unknown:
        raise argparse.ArgumentTypeError(
            f"must be among {', '.join(CASES)}, got {', '.join(unknown)}"
        )
    return text.split(",")


def in_a_worker(make, make_args, function, *args):
    """Call a function with a new worker, which ends afterwards."""
    worker = Worker(make, *make_args)
    try:
        return function(worker, *args)
    finally:
        worker.stop()


def watch(worker, path, n_samples):
    """Have a subject do its work; give the table's figures."""
    start = own_memory(worker)
    worker.call("bring_in")
    imported = own_memory(worker)
    worker.call("load", path, n_samples)
    loaded = own_memory(worker)
    resident.reset_peak(worker.pid)
    before = resident.megabytes("VmRSS", worker.pid)
    peak, seconds = peak_during(worker, "fit")
    of_all_pages = resident.megabytes("VmHWM", worker.pid) - before
    figures = imported - start, loaded - imported, peak - loaded, peak - imported, of_all_pages
    return [*(f"{figure:.0f}" for figure in figures), f"{seconds:.1f}"]


def own_memory(worker):
    """Give the size of the pages that are the worker's own, in MB."""
    return resident.megabytes("RssAnon", worker.pid)


def peak_during(worker, method):
    """Call a method; give the most memory of its own that the worker held meanwhile, and the result."""
    worker.ask(method)
    peak = own_memory(worker)
    while not worker.has_answered(SAMPLING_INTERVAL):
        peak = max(peak, own_memory(worker))
    return max(peak, own_memory(worker)), worker.result()


if __name__ == "__main__":
    main()
