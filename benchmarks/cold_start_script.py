"""Read MNIST, train one peer and print its test accuracy: the program that `cold_start.py` measures.

Usage: python benchmarks/cold_start_script.py DIRECTORY PEER HIDDEN EPOCHS [PEAK_RATE]
"""

import gzip
import sys
from pathlib import Path

import numpy as np
from peers import TrainingConfig, make_peer


def main():
    directory, name, hidden, epochs, *peak_rates = sys.argv[1:]
    config = TrainingConfig((int(hidden),), peak_rate=float(peak_rates[0]) if peak_rates else None)
    read = read_with_skmlp if name.startswith("skmlp") else read_with_numpy
    X, y, X_test, y_test = read(Path(directory))
    peer = make_peer(name, config)
    peer.fit(peer.as_input(X), y, int(epochs))
    print(peer.score(peer.as_input(X_test), y_test))


def read_with_skmlp(directory):
    """Read MNIST with `skmlp.load_mnist`, which validates the files; the pixels are uint8."""
    import skmlp

    return [
        array
        for subset in ("train", "test")
        for array in skmlp.load_mnist(directory, subset=subset, return_X_y=True)
    ]


def read_with_numpy(directory):
    """Read MNIST without validation, and convert the pixels to float32."""
    return [
        array
        for subset in ("train", "t10k")
        for array in (
            read_file(directory / f"{subset}-images-idx3-ubyte", 16).reshape(-1, 784)
            * np.float32(1 / 255),
            read_file(directory / f"{subset}-labels-idx1-ubyte", 8).astype(np.int64),
        )
    ]


def read_file(path, n_header_bytes):
    compressed = path.with_name(f"{path.name}.gz")
    data = path.read_bytes() if path.exists() else gzip.decompress(compressed.read_bytes())
    return np.frombuffer(data, np.uint8, offset=n_header_bytes)


if __name__ == "__main__":
    main()
