"""Random distortions of images: combinations of augmentation steps, and the augmentations that have a name.

Each augmentation step is a dataclass that is called with a batch of images and a random generator. A step displaces the
coordinates at which the images are sampled. The displacements of several steps are added, and the images are
interpolated once. Then a step may change the intensities of the pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import numpy as np

from skmlp.digits.displacements import Affine, Elastic, Shift
from skmlp.digits.distortion import Distortion, check_finite, check_fraction, check_non_negative
from skmlp.digits.intensities import StrokeWidth
from skmlp.typing import ArrayLike, FloatArray


@dataclass(frozen=True)
class Compose(Distortion):
    """Combination of several steps, with added displacements and a single interpolation.

    Parameters
    ----------
    steps : list or tuple of augmentation steps, default=()
        Steps to combine.
    fill : float, default=0.0
        Value outside of the images. The `fill` of the steps is not used there.

    Raises
    ------
    TypeError
        If `steps` is not a list or tuple of augmentation steps.
    ValueError
        If `fill` is not a finite number.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.augment import Affine, Compose, Elastic, Shift
    >>> images = np.eye(8)[np.newaxis]
    >>> augmentation = Compose([Affine(), Shift(1), Elastic(sigma=2, alpha=8)])
    >>> augmentation(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    """

    steps: Sequence[Distortion] = ()
    fill: float = 0.0

    def __post_init__(self):
        check_finite(self, "fill")
        if not isinstance(self.steps, list | tuple):
            raise TypeError(
                f"Compose: steps must be a list or tuple of augmentation steps, got {self.steps!r}."
            )
        object.__setattr__(self, "steps", tuple(self.steps))
        for step in self.steps:
            check_step(self, "each element of steps", step)

    def displace(self, coordinates: FloatArray, rng: np.random.Generator) -> None:
        """Add the displacements of all steps."""
        for step in self.steps:
            step.displace(coordinates, rng)

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Apply the changes of all steps in turn."""
        for step in self.steps:
            images = step.transform_intensities(images, rng)
        return images

    def scaled(self, strength: float) -> Self:
        """Return a copy with scaled steps."""
        return replace(self, steps=[step.scaled(strength) for step in self.steps])

    def at(self, progress: float) -> Distortion:
        """Return a copy with the steps to use when a fraction of the training run is complete."""
        return replace(self, steps=[step.at(progress) for step in self.steps])


@dataclass(frozen=True)
class DigitDistortions(Distortion):
    """Combination of affine, shift, elastic and stroke-width distortions for handwritten digits.

    The parameters are chosen for MNIST, whose images have 28 x 28 pixels. For other images, distances are multiplied by
    the length of the shorter side divided by 28.

    Parameters
    ----------
    strength : float, default=1.0
        Factor of all distortions, at least 0.

    Raises
    ------
    ValueError
        If a parameter is not finite or out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.augment import DigitDistortions
    >>> images = np.eye(8)[np.newaxis]
    >>> DigitDistortions()(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    >>> DigitDistortions(0.5).for_side(28).steps[1]
    Shift(pixels=0.75, fill=0.0)
    """

    strength: float = 1.0

    def __post_init__(self):
        check_non_negative(self, "strength")

    def for_side(self, side: int) -> Compose:
        """Return the steps for images of a given size.

        Parameters
        ----------
        side : int
            Length of the shorter side of the images, in pixels.

        Returns
        -------
        steps : Compose
            The combined steps.
        """
        return make_digit_distortions(side, self.strength)

    def displace(self, coordinates: FloatArray, rng: np.random.Generator) -> None:
        """Add the displacements of all steps."""
        self.for_side(min(coordinates.shape[2:])).displace(coordinates, rng)

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Change the stroke widths."""
        return self.for_side(min(images.shape[1:])).transform_intensities(images, rng)

    def scaled(self, strength: float) -> Self:
        """Return a copy with a scaled strength."""
        return replace(self, strength=self.strength * strength)


@dataclass(frozen=True)
class Annealed(Distortion):
    """Augmentation whose strength is annealed, that is, decreases toward the end of training.

    Parameters
    ----------
    augmentation : augmentation step
        Step to anneal.
    final_strength : float, default=0.3
        Relative strength at the end of training, in the range [0, 1].
    begin : float, default=0.7
        Fraction of the epochs with full strength, in the range [0, 1]. After them, the strength decreases linearly.

    Raises
    ------
    TypeError
        If `augmentation` is not an augmentation step.
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> from skmlp.augment import Annealed, Shift
    >>> Annealed(Shift(2), final_strength=0.5, begin=0.5).at(0.75)
    Shift(pixels=1.5, fill=0.0)
    """

    augmentation: Distortion
    final_strength: float = 0.3
    begin: float = 0.7

    def __post_init__(self):
        check_fraction(self, "final_strength", "begin")
        check_step(self, "augmentation", self.augmentation)

    def __call__(self, images: ArrayLike, rng: np.random.Generator) -> FloatArray:
        """Distort images at full strength, like `augmentation` itself."""
        return self.augmentation(images, rng)

    def displace(self, coordinates: FloatArray, rng: np.random.Generator) -> None:
        """Displace the coordinates at full strength."""
        self.augmentation.displace(coordinates, rng)

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Change the intensities at full strength."""
        return self.augmentation.transform_intensities(images, rng)

    def scaled(self, strength: float) -> Self:
        """Return a copy with a scaled step."""
        return replace(self, augmentation=self.augmentation.scaled(strength))

    def at(self, progress: float) -> Distortion:
        """Return the augmentation with the strength at a given time.

        Parameters
        ----------
        progress : float
            Completed fraction of the training run, in the range [0, 1].

        Returns
        -------
        augmentation : augmentation step
            The scaled augmentation.
        """
        step = self.augmentation.at(progress)
        if progress <= self.begin:
            return step
        fraction = (progress - self.begin) / (1 - self.begin)
        return step.scaled(1 - fraction * (1 - self.final_strength))


@lru_cache(maxsize=64)
def make_digit_distortions(side, strength):
    """Make the steps of `DigitDistortions` for images with a given shorter side."""
    size = side / 28
    # The displacements of an elastic distortion are proportional to alpha / sigma.
    elastic = Elastic(sigma=4 * size, alpha=30 * size**2)
    affine = Affine(rotation=12, scale=0.12, shear=0.15)
    steps = Compose([affine, Shift(1.5 * size), elastic, StrokeWidth(gain=3, threshold=0.4)])
    return steps.scaled(strength)


def check_step(step, name, value):
    """Raise TypeError unless a parameter is an augmentation step that can be combined and scaled."""
    if not isinstance(value, Distortion):
        raise TypeError(
            f"{type(step).__name__}: {name} must be an augmentation step, such as Shift(2) or DigitDistortions(), got "
            f"{value!r}."
        )


# Augmentations that the parameter `augmentation` of estimators accepts by name
AUGMENTATIONS = {"digits": DigitDistortions()}
