"""What `cold_start.py` times: read MNIST, train one peer, and print its test accuracy.

python benchmarks/from_cold.py DIRECTORY PEER HIDDEN EPOCHS [PEAK_RATE]
"""

import gzip
import sys
from pathlib import Path

import numpy as np
from peers import Recipe, make_peer


def main():
    """Do what a short script of a user does."""
    directory, key, hidden, epochs, *peak_rates = sys.argv[1:]
    recipe = Recipe((int(hidden),), peak_rate=float(peak_rates[0]) if peak_rates else None)
    read = read_with_skmlp if key.startswith("skmlp") else read_by_hand
    X, y, X_test, y_test = read(Path(directory))
    peer = make_peer(key, recipe)
    peer.fit(peer.as_input(X), y, int(epochs))
    print(peer.score(peer.as_input(X_test), y_test))


def read_with_skmlp(directory):
    """Read by `skmlp.load_mnist`, which checks what it reads; the pixels stay of 8 bits."""
    import skmlp

    return [
        part
        for subset in ("train", "test")
        for part in skmlp.load_mnist(directory, subset=subset, return_X_y=True)
    ]


def read_by_hand(directory):
    """Read in the fewest lines that do it."""
    return [
        part
        for subset in ("train", "t10k")
        for part in (
            read_file(directory / f"{subset}-images-idx3-ubyte", 16).reshape(-1, 784)
            * np.float32(1 / 255),
            read_file(directory / f"{subset}-labels-idx1-ubyte", 8).astype(np.int64),
        )
    ]


def read_file(path, n_header_bytes):
    packed = path.with_name(f"{path.name}.gz")
    data = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
    return np.frombuffer(data, np.uint8, offset=n_header_bytes)


if __name__ == "__main__":
    main()
