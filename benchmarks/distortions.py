"""Slight distortions of images and Gaussian noise, to measure robustness.

Each distortion is a function of images with one image per row and pixels from 0 to 255.
"""

import numpy as np
from scipy import ndimage

SHIFT = 2  # pixels
ANGLE = 15  # degrees
NOISE = 64  # standard deviation


def keep_original(X):
    """Return the images unchanged."""
    return X


def shift(X):
    """Shift the images by two pixels, alternately down, up, right and left."""
    images = X.reshape(-1, 28, 28)
    offsets = [(SHIFT, 0), (-SHIFT, 0), (0, SHIFT), (0, -SHIFT)]
    shifted = np.empty_like(images)
    for start, (down, right) in enumerate(offsets):
        shifted[start::4] = ndimage.shift(images[start::4], (0, down, right), order=0)
    return shifted.reshape(X.shape)


def rotate(X):
    """Rotate the images by 15 degrees, alternately in both directions."""
    images = X.reshape(-1, 28, 28)
    rotated = np.empty_like(images)
    for start, angle in enumerate((ANGLE, -ANGLE)):
        rotated[start::2] = ndimage.rotate(
            images[start::2], angle, axes=(1, 2), reshape=False, order=1
        )
    return rotated.reshape(X.shape)


def dilate(X):
    """Dilate the ink to the four neighbors of each pixel."""
    images = X.reshape(-1, 28, 28)
    footprint = ndimage.generate_binary_structure(2, 1)[np.newaxis]
    return ndimage.grey_dilation(images, footprint=footprint).reshape(X.shape)


def add_noise(X):
    """Add Gaussian noise."""
    noise = np.random.default_rng(0).normal(0, NOISE, X.shape)
    return np.rint(np.clip(X + noise, 0, 255)).astype(np.uint8)


def make_shifted_copies(X):
    """Return nine copies of the images, shifted by -1, 0 and 1 pixels along both axes."""
    images = X.reshape(-1, 28, 28)
    offsets = (-1, 0, 1)
    return [
        np.roll(images, (down, right), (1, 2)).reshape(X.shape)
        for down in offsets
        for right in offsets
    ]


DISTORTIONS = {
    "original": keep_original,
    f"shifted by {SHIFT} pixels": shift,
    f"rotated by {ANGLE} degrees": rotate,
    "dilated": dilate,
    f"noise, std {NOISE}": add_noise,
}
