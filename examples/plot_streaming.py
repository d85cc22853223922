"""
==================================
Train on a file larger than memory
==================================

``partial_fit`` trains on one part of the data at a time, and a memory-mapped IDX file is read only where
it is used. Together they train a network on a file that does not fit into memory. ``fit`` can also do this,
with ``shuffle="blocks"``: :ref:`beyond-memory`.
"""

# %%
# Write an IDX file
# -----------------
#
# A memory map requires an uncompressed file. This one contains MNIST from ``$SKMLP_MNIST`` or
# ``mnist`` or, if it is not available, scikit-learn's bundled digits; in practice, the file would be
# much larger.

import os
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmlp import load_mnist, write_idx

directory = os.environ.get("SKMLP_MNIST", "mnist")
try:
    train, test = load_mnist(directory), load_mnist(directory, subset="test")
    name = "MNIST"
    images, labels = train.images, train.target
    X_test, y_test = test.data, test.target
except FileNotFoundError:
    digits = load_digits()
    # IDX files of images contain uint8 pixels from 0 to 255.
    pixels = np.rint(digits.images * 255 / 16).astype(np.uint8)
    images, X_test, labels, y_test = train_test_split(
        pixels, digits.target, stratify=digits.target, random_state=0
    )
    name, X_test = "scikit-learn's digits", X_test.reshape(len(X_test), -1)

print(f"{name}: {len(images)} training and {len(X_test)} test images")
scratch = tempfile.TemporaryDirectory()
path = Path(scratch.name, "images-idx3-ubyte")
write_idx(path, images)

# %%
# Map the file into memory
# ------------------------
#
# With ``mmap=True``, ``read_idx`` returns an array whose pixels are read from the file when they are
# accessed. The operating system can remove them from memory again.

from skmlp import read_idx

mapped = read_idx(path, mmap=True)
X = mapped.reshape(len(mapped), -1)
print(f"{type(X).__name__} of shape {X.shape} and dtype {X.dtype}, {path.stat().st_size:,} bytes")

# %%
# Train chunk by chunk
# --------------------
#
# Each call of ``partial_fit`` trains for one epoch on one chunk. The first call must be given all
# classes, because a chunk need not contain each of them. The chunks are visited in a new random order in each
# pass, and ``partial_fit`` shuffles the samples within each chunk. If the file is sorted by class,
# shuffle it once before writing it. ``input_scale`` converts one batch at a time to floats.

from skmlp import MLPDigitClassifier

n_chunks, n_passes = 12, 5
edges = np.linspace(0, len(X), n_chunks + 1, dtype=int)
rng = np.random.default_rng(0)
mlp = MLPDigitClassifier((128,), batch_size=64, input_scale=1 / 255, random_state=0)
samples, accuracies = [], []
for _ in range(n_passes):
    for chunk in rng.permutation(n_chunks):
        rows = slice(edges[chunk], edges[chunk + 1])
        mlp.partial_fit(X[rows], labels[rows], classes=range(10))
        samples.append(mlp.t_)
        accuracies.append(mlp.score(X_test, y_test))
    print(f"{mlp.t_:,} samples: test accuracy {accuracies[-1]:.2%}")

# %%
# Plot the accuracy
# -----------------
#
# The accuracy increases most within the first pass, before each image has been used once.

import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
ax.plot(samples, accuracies, marker="o", markersize=4)
for n in range(1, n_passes):
    ax.axvline(n * len(X), color="#cccccc", linewidth=0.8, zorder=0)
ax.set(xlabel="training samples (vertical lines: end of each pass)", ylabel="test accuracy")
ax.xaxis.set_major_formatter("{x:,.0f}")
ax.yaxis.set_major_formatter("{x:.0%}")
ax.spines[["top", "right"]].set_visible(False)
figure.suptitle(f"{name} in {n_chunks} chunks")

# %%
# The map must be closed before the file is deleted.

del X, mapped
scratch.cleanup()

plt.show()
