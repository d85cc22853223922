"""Augmentation steps for the parameter `augmentation` of :class:`skmlp.MLPDigitClassifier`."""

from skmlp.digits.augment import Annealed, Compose, DigitDistortions
from skmlp.digits.displacements import Affine, Elastic, Shift
from skmlp.digits.intensities import (
    Brightness,
    Contrast,
    Noise,
    Outline,
    StrokeWidth,
)
from skmlp.digits.patches import InvertedMargins, Patches
from skmlp.digits.upright import Upright

__all__ = [
    "Affine",
    "Annealed",
    "Brightness",
    "Compose",
    "Contrast",
    "DigitDistortions",
    "Elastic",
    "InvertedMargins",
    "Noise",
    "Outline",
    "Patches",
    "Shift",
    "StrokeWidth",
    "Upright",
]
