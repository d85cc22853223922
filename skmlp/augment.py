"""Augmentation steps for the parameter `augmentation` of :class:`skmlp.MLPDigitClassifier`."""

from skmlp.digits.augment import (
    Affine,
    Annealed,
    Compose,
    DigitDistortions,
    Elastic,
    Shift,
    StrokeWidth,
)

__all__ = [
    "Affine",
    "Annealed",
    "Compose",
    "DigitDistortions",
    "Elastic",
    "Shift",
    "StrokeWidth",
]
