"""Disturbances of images, to measure robustness: functions of pixels from 0 to 255, one image per row, by name."""

import numpy as np
from scipy import ndimage

SHIFT = 2  # pixels
ANGLE = 15  # degrees
NOISE = 50  # standard deviation


def as_they_are(X):
    """Return the images unchanged."""
    return X


def shifted(X):
    """Shift the images by two pixels, alternately down, up, right and left."""
    images = X.reshape(-1, 28, 28)
    moves = [(SHIFT, 0), (-SHIFT, 0), (0, SHIFT), (0, -SHIFT)]
    moved = np.empty_like(images)
    for start, (down, right) in enumerate(moves):
        moved[start::4] = ndimage.shift(images[start::4], (0, down, right), order=0)
    return moved.reshape(X.shape)


def rotated(X):
    """Rotate the images by 15 degrees, alternately in either direction."""
    images = X.reshape(-1, 28, 28)
    turned = np.empty_like(images)
    for start, angle in enumerate((ANGLE, -ANGLE)):
        turned[start::2] = ndimage.rotate(
            images[start::2], angle, axes=(1, 2), reshape=False, order=1
        )
    return turned.reshape(X.shape)


def thickened(X):
    """Dilate the ink to the four neighbors of each pixel."""
    images = X.reshape(-1, 28, 28)
    footprint = ndimage.generate_binary_structure(2, 1)[np.newaxis]
    return ndimage.grey_dilation(images, footprint=footprint).reshape(X.shape)


def noisy(X):
    """Add Gaussian noise."""
    noise = np.random.default_rng(0).normal(0, NOISE, X.shape)
    return np.clip(X + noise, 0, 255).astype(np.uint8)


def nine_moves(X):
    """Return copies of all images shifted by -1, 0 and 1 pixels in each direction."""
    images = X.reshape(-1, 28, 28)
    steps = (-1, 0, 1)
    return [
        np.roll(images, (down, right), (1, 2)).reshape(X.shape) for down in steps for right in steps
    ]


DISTURBANCES = {
    "as they are": as_they_are,
    f"shifted by {SHIFT} pixels": shifted,
    f"rotated by {ANGLE} degrees": rotated,
    "thickened": thickened,
    "noisy": noisy,
}
