"""Compare training in one process with training on a Dask cluster of one and two local workers.

    python benchmarks/cluster.py
    python benchmarks/cluster.py --samples 60000 --hidden 128,128 --accuracy

The workers are processes with one thread each. The images are in an IDX file, which the workers map
into memory; more than 60,000 samples are repetitions of MNIST. One process and the local mode use
compiled kernels if numba is installed, and the exact mode always uses NumPy. The first epoch, in which
kernels are loaded, is not counted.

With --accuracy, the test accuracy is compared for different numbers of steps between two averages
instead, on Dask's local scheduler: the results do not depend on the number of workers.
"""

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from data import load_data
from environment import remove_openblas_variables
from options import make_parser, parse_count, parse_layer_sizes
from report import describe_machine, print_progress, print_table
from scaling import Machine, predict_epoch

from skmlp import MLPDigitClassifier, set_kernels, write_idx
from skmlp.engine.backend_choice import numba_is_installed

NETWORKS = [(128, 128), (512, 512), (2048, 1024, 512)]
SAMPLES = [60_000, 600_000]
BANDWIDTH = 0.5e9  # bytes per second between processes, including their conversion
LEGEND = """\
- batch: samples per step; in local mode, per step and block
- steps: between two averages, in local mode
- samples/s: median of the epochs after the first one
- / one process: ratio to MLPDigitClassifier, which uses all cores
- ms: per step (exact) or per round (local) for computation, transfer, and the scheduler and client
- MB: sent from worker to worker per step or round
- model: samples/s according to the cost model of scaling.py"""


@dataclass(frozen=True)
class Case:
    """A way to train: the mode, the batch size and the number of steps between two averages."""

    mode: str
    batch_size: int
    local_steps: int | None = None


CASES = [Case("local", 200), Case("local", 200, 50), Case("exact", 200), Case("exact", 2000)]


def main():
    arguments = parse_arguments()
    warnings.simplefilter("ignore")
    if numba_is_installed():
        set_kernels("numba")
    if arguments.accuracy:
        compare_accuracy(arguments)
        return
    print(f"{describe_machine()}\n\n{LEGEND}\n")
    for n_samples in arguments.samples:
        with tempfile.TemporaryDirectory() as directory:
            files = write_files(Path(directory), n_samples)
            for hidden in arguments.hidden:
                cases = [case for case in CASES if arguments.mode in (None, case.mode)]
                rows = list(measure(files, n_samples, hidden, arguments.epochs, cases))
                print(f"{n_samples:,} samples, hidden layers {hidden}\n")
                header = ["training", "workers", "batch", "steps", "samples/s", "/ one process"]
                print_table(
                    [*header, "compute ms", "transfer ms", "scheduler ms", "MB", "model"], rows
                )


def parse_arguments():
    parser = make_parser(__doc__)
    parser.add_argument(
        "--samples",
        type=lambda text: [parse_count(each) for each in text.split(",")],
        default=SAMPLES,
        metavar="LIST",
        help="numbers of training samples, separated by commas",
    )
    parser.add_argument(
        "--hidden",
        type=lambda text: [parse_layer_sizes(each) for each in text.split("/")],
        default=NETWORKS,
        metavar="LIST",
        help="sizes of the hidden layers, separated by commas, of networks separated by /",
    )
    parser.add_argument(
        "--epochs", type=parse_count, default=3, metavar="N", help="number of epochs, at least 2"
    )
    parser.add_argument("--mode", choices=["exact", "local"], help="measure this mode only")
    parser.add_argument(
        "--accuracy", action="store_true", help="compare accuracies instead of speed"
    )
    return parser.parse_args()


@dataclass(frozen=True)
class Files:
    """Paths of the images and of the labels."""

    images: Path
    labels: Path


def write_files(directory, n_samples):
    """Write the first samples of MNIST, repeated if necessary, to IDX files."""
    data = load_data()
    rows = np.arange(n_samples) % len(data.X)
    images = np.rint(data.X * 255).astype(np.uint8).reshape(-1, 28, 28)
    files = Files(directory / "images", directory / "labels")
    write_idx(files.images, images[rows])
    write_idx(files.labels, data.y[rows].astype(np.uint8))
    return files


def measure(files, n_samples, hidden, n_epochs, cases):
    """Yield a row of the table for one process, and for each case and number of workers."""
    from skmlp import read_idx

    X = read_idx(files.images, mmap=True).reshape(n_samples, -1)
    y = np.array(read_idx(files.labels))
    model = make_model(MLPDigitClassifier, hidden, n_epochs, batch_size=200).fit(X, y)
    single = median(n_samples / np.array(model.history_["seconds"][1:]))
    yield ["one process", "", 200, "", f"{single:,.0f}", "1.00", *[""] * 5]
    for n_workers in (1, 2):
        for case in cases:
            print_progress(f"{n_samples:,} samples, {hidden}, {n_workers} workers, {case}")
            yield measure_case(files, n_samples, hidden, n_epochs, n_workers, case, single)


def make_model(cls, hidden, n_epochs, **parameters):
    """Return a classifier of a class for pixels of type uint8."""
    return cls(
        hidden,
        input_scale=1 / 255,
        max_iter=n_epochs,
        n_iter_no_change=None,
        random_state=0,
        **parameters,
    )


def measure_case(files, n_samples, hidden, n_epochs, n_workers, case, single):
    """Return the row of the table for a case."""
    from distributed import Client, LocalCluster

    from skmlp.callbacks import OnEpoch
    from skmlp.dask import DaskMLPDigitClassifier, read_idx

    rows_per_block = n_samples // n_workers
    X = read_idx(files.images, chunks=rows_per_block).reshape(n_samples, -1)
    y = read_idx(files.labels, chunks=rows_per_block)
    cluster = LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0")
    with cluster, Client(cluster) as client:
        sent = []
        model = make_model(
            DaskMLPDigitClassifier,
            hidden,
            n_epochs,
            mode=case.mode,
            batch_size=case.batch_size,
            local_steps=case.local_steps,
        )
        model.set_callbacks(OnEpoch(lambda epoch, metrics: sent.append(count_bytes(client))))
        model.fit(X, y)
    steps_per_epoch = -(-n_samples // case.batch_size)
    if case.mode == "local":
        steps_of_block = -(-rows_per_block // case.batch_size)
        steps_per_epoch = -(-steps_of_block // (case.local_steps or steps_of_block))
    history = {name: np.array(values[1:]) for name, values in model.history_.items()}
    speed = median(n_samples / history["seconds"])
    parts = [
        f"{1000 * median(history[f'{part}_seconds']) / steps_per_epoch:.1f}"
        for part in ("compute", "transfer", "scheduler")
    ]
    n_bytes = median(np.diff(sent)) / steps_per_epoch
    machine = Machine(n_workers, bandwidth=BANDWIDTH)
    predicted = n_samples / predict_epoch(machine, hidden, n_samples, case)
    name = f"{case.mode} mode"
    return [
        name,
        n_workers,
        case.batch_size,
        case.local_steps or ("epoch" if case.mode == "local" else ""),
        f"{speed:,.0f}",
        f"{speed / single:.2f}",
        *parts,
        f"{n_bytes / 1e6:.2f}",
        f"{predicted:,.0f}",
    ]


def count_bytes(client):
    """Return the number of bytes that all workers have sent."""
    return sum(client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total).values())


def compare_accuracy(arguments):
    """Print the test accuracy for different numbers of blocks and of steps between two averages."""
    import dask.array as da

    from skmlp.dask import DaskMLPDigitClassifier

    data = load_data(arguments.samples[0])
    pixels = [np.rint(X * 255).astype(np.uint8) for X in (data.X, data.X_test)]
    print(
        f"{describe_machine()}\n\n{data.name}: {len(data.X):,} samples, {arguments.epochs} epochs\n"
    )
    for hidden in arguments.hidden:
        single = make_model(MLPDigitClassifier, hidden, arguments.epochs, batch_size=200)
        accuracy = single.fit(pixels[0], data.y).score(pixels[1], data.y_test)
        rows = [["one process", "", 200, "", f"{100 * accuracy:.2f} %", ""]]
        for n_blocks in (2, 8, 32):
            chunk = -(-len(data.X) // n_blocks)
            X, y = da.from_array(pixels[0], chunks=(chunk, -1)), da.from_array(data.y, chunks=chunk)
            for local_steps in (1, 10, 50, None):
                print_progress(f"{hidden}, {n_blocks} blocks, {local_steps} steps")
                batch_size = max(10, 200 // n_blocks)
                model = make_model(
                    DaskMLPDigitClassifier,
                    hidden,
                    arguments.epochs,
                    local_steps=local_steps,
                    batch_size=batch_size,
                ).fit(X, y)
                accuracy = model.to_local().score(pixels[1], data.y_test)
                steps_of_block = -(-chunk // batch_size)
                rounds = -(-steps_of_block // (local_steps or steps_of_block))
                rows.append(
                    [
                        "local mode",
                        n_blocks,
                        batch_size,
                        local_steps or "epoch",
                        f"{100 * accuracy:.2f} %",
                        rounds,
                    ]
                )
        print(f"hidden layers {hidden}\n")
        print_table(
            ["training", "blocks", "batch", "steps", "test accuracy", "averages per epoch"], rows
        )


if __name__ == "__main__":
    remove_openblas_variables()
    main()
