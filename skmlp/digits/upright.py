"""Augmentation step that removes the slant of distorted digits."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from skmlp.digits.deslant import deslant
from skmlp.digits.distortion import Distortion, check_finite, check_non_negative
from skmlp.digits.spread import check_spread
from skmlp.typing import FloatArray


@dataclass(frozen=True)
class Upright(Distortion):
    """Removal of the slant that digits have after the other steps, and scaling, as by :class:`skmlp.Deslant`.

    This is the last step of a :class:`Compose` for the classifier of a :class:`~sklearn.pipeline.Pipeline` that begins
    with :class:`skmlp.Deslant`, whose parameters `max_shear` and `spread` should be the same. The digits that the
    pipeline predicts are upright, but the distortions make those in training slanted again. With this step, they are
    upright, too. Its strength is fixed: `scaled` and :class:`Annealed` do not change it.

    Parameters
    ----------
    max_shear : float, default=1.0
        Maximum shift per row, in pixels, at least 0, as in :class:`skmlp.Deslant`.
    spread : (float or None, float or None), default=(None, None)
        Standard deviations of the rows and the columns of the ink to which digits are scaled, divided by the height and
        the width of the images, in the range (0, 1), as in :class:`skmlp.Deslant`. None does not change
        the size and the position in the direction.
    fill : float, default=0.0
        Value of the background.

    Raises
    ------
    ValueError
        If a parameter is not finite or out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skmlp import Deslant, MLPDigitClassifier
    >>> from skmlp.augment import Compose, DigitDistortions, Upright
    >>> augmentation = Compose([DigitDistortions(), Upright()])
    >>> model = make_pipeline(Deslant(), MLPDigitClassifier(augmentation=augmentation))
    >>> images = np.eye(8)[np.newaxis]
    >>> Upright()(images, np.random.default_rng(0))[0].sum(axis=0)
    array([0., 0., 0., 4., 4., 0., 0., 0.])
    """

    max_shear: float = 1.0
    spread: tuple[float | None, float | None] = (None, None)
    fill: float = 0.0

    def __post_init__(self):
        check_finite(self, "fill")
        check_non_negative(self, "max_shear")
        object.__setattr__(self, "spread", check_spread(self.spread, "Upright: spread"))

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Shear each image so that its principal axis becomes upright, and scale it."""
        if self.fill:
            images = images - self.fill
        deslant(images, self.max_shear, self.spread, out=images)
        if self.fill:
            images += self.fill
        return images

    def scaled(self, strength: float) -> Self:
        """Return the step itself."""
        return self
