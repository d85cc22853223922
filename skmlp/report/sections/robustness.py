"""Accuracy on distorted images."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from skmlp.report.evaluation import choose_rows
from skmlp.report.section import Content

MIN_SAMPLES, MAX_SAMPLES, MAX_PIXELS = 100, 2000, 2000 * 28 * 28
MIN_SIDE = 5  # pixels
SHIFTS_PER_SIDE = (1 / 28, 2 / 28, 3 / 28, 4 / 28)
ANGLES = (5, 10, 20, 30)  # degrees
STROKE_CHANGES = (
    -1.0,
    -0.5,
    0.5,
    1.0,
)  # on each side of a stroke, in pixels of an image of 28 x 28
NOISE_LEVELS = (0.1, 0.2, 0.3, 0.4)  # standard deviation, relative to the range of the pixels


@dataclass(frozen=True)
class Corruption:
    """A way to distort images, with increasing levels.

    Attributes
    ----------
    name : str
    unit : str
        Unit of the levels.
    heading : str
        Name with a description of the levels.
    levels : tuple of float
    distort : callable
        ``distort(images, level, scale)`` returns distorted copies of float images, where `scale` is a PixelScale.
    """

    name: str
    unit: str
    heading: str
    levels: tuple[float, ...]
    distort: Any


@dataclass(frozen=True)
class PixelScale:
    """Values of the pixels.

    Attributes
    ----------
    background : float
    low : float
    high : float
    """

    background: float
    low: float
    high: float


def describe_robustness(evaluation):
    """Return the Content of the section, or None if the samples are not images or very small."""
    if evaluation.encoder is None or min(evaluation.image_shape) < MIN_SIDE:
        return None
    n_samples = np.clip(MAX_PIXELS // evaluation.test.X.shape[1], MIN_SAMPLES, MAX_SAMPLES)
    rows = choose_rows(len(evaluation.test), n_samples)
    images = evaluation.test.take(rows).reshape(-1, *evaluation.image_shape)
    truth = evaluation.test.classes[rows]
    example = int(np.argmax(evaluation.predictions.is_correct[rows]))
    scale = PixelScale(evaluation.background, *evaluation.pixel_range)
    original = make_level(evaluation, None, images, truth, example, "undistorted image")
    conditions = []
    for corruption in make_corruptions(evaluation.image_shape):
        levels = []
        for level in corruption.levels:
            distorted = distort(images, corruption, level, scale)
            name = f"image with {corruption.name} {level:g} {corruption.unit}"
            levels.append(make_level(evaluation, level, distorted, truth, example, name))
        conditions.append(vars(corruption) | {"levels": levels})
    figures = {
        "n_samples": len(rows),
        "accuracy": original["accuracy"],
        "conditions": [
            {"name": each["name"], "unit": each["unit"]}
            | {"levels": [select_figures(level) for level in each["levels"]]}
            for each in conditions
        ],
    }
    return Content(figures, {"original": original, "conditions": conditions})


def make_corruptions(image_shape):
    """Return the corruptions for images of a size. Shifts by at least one pixel are in proportion to it."""
    smaller_side = min(image_shape)
    shifts = sorted({max(1, round(smaller_side * fraction)) for fraction in SHIFTS_PER_SIDE})
    radius = max(1, round(smaller_side / 28))
    return (
        Corruption("shift", "pixels", "Shift in pixels", tuple(shifts), shift),
        Corruption("rotation", "degrees", "Rotation in degrees", ANGLES, rotate),
        Corruption(
            "stroke width",
            "pixels",
            "Stroke width, change in pixels on each side",
            tuple(radius * change for change in STROKE_CHANGES),
            change_stroke_width,
        ),
        Corruption(
            "noise",
            "of the range",
            "Noise, standard deviation relative to the range",
            NOISE_LEVELS,
            add_noise,
        ),
    )


def distort(images, corruption, level, scale):
    """Return distorted images with the type of the original ones."""
    distorted = corruption.distort(images.astype(np.float64), level, scale)
    distorted = np.clip(distorted, scale.low, scale.high)
    if images.dtype.kind in "iu":
        distorted = np.rint(distorted)
    return distorted.astype(images.dtype)


def make_level(evaluation, level, images, truth, example, name):
    """Return the accuracy on distorted images and the picture of one of them."""
    flat = images.reshape(len(images), -1)
    predicted = evaluation.model.predict(flat)
    return {
        "level": level,
        "accuracy": float(np.mean(predicted == evaluation.model.classes_[truth])),
        "picture": evaluation.encoder.encode(flat[example], name),
    }


def select_figures(level):
    """Return the JSON values of a level."""
    return {"level": level["level"], "accuracy": level["accuracy"]}


def shift(images, pixels, scale):
    """Shift the images in turn down, up, right and left."""
    shifted = np.full_like(images, scale.background)
    shifted[0::4, pixels:] = images[0::4, :-pixels]
    shifted[1::4, :-pixels] = images[1::4, pixels:]
    shifted[2::4, :, pixels:] = images[2::4, :, :-pixels]
    shifted[3::4, :, :-pixels] = images[3::4, :, pixels:]
    return shifted


def rotate(images, angle, scale):
    """Rotate the images in turn counterclockwise and clockwise, with linear interpolation."""
    rotated = np.empty_like(images)
    for start, direction in enumerate((1, -1)):
        rotated[start::2] = ndimage.rotate(
            images[start::2],
            direction * angle,
            axes=(1, 2),
            reshape=False,
            order=1,
            cval=scale.background,
        )
    return rotated


def change_stroke_width(images, pixels, scale):
    """Make the strokes thicker, or thinner if `pixels` is negative, on each side.

    The ink is what differs from the background. It is dilated or eroded by a whole number of pixels, and the result is
    interpolated.
    """
    ink_is_larger = images.mean() >= scale.background
    is_dilation = (pixels > 0) == ink_is_larger
    change = ndimage.grey_dilation if is_dilation else ndimage.grey_erosion
    radius = math.ceil(abs(pixels))
    cross = ndimage.generate_binary_structure(2, 1)
    footprint = ndimage.iterate_structure(cross, radius)[np.newaxis]
    return images + abs(pixels) / radius * (change(images, footprint=footprint) - images)


def add_noise(images, level, scale):
    """Add Gaussian noise, the same in every run."""
    noise = np.random.default_rng(0).normal(0, level, images.shape)
    return images + (scale.high - scale.low) * noise
