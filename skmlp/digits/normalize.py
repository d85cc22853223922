"""A picture of one digit, from a camera, a scanner or a drawing program, made into what MNIST is made of."""

from pathlib import Path

import numpy as np
from scipy import ndimage

# MNIST: the ink fits a box of 20 x 20 pixels, and its centre of mass is the centre of 28 x 28 (LeCun et al. 1998).
BOX_SIZE = 20
IMAGE_SIZE = 28
# Larger pictures are made about as small as this at once: a digit needs no more.
WORKING_SIZE = 200
SMALLEST_SIDE = 8
LARGEST_PICTURE = 80_000_000
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


class NoDigitError(ValueError):
    """There is nothing on the picture that could be a digit."""


def normalize_digit(picture):
    """Make a picture of one digit what the images of MNIST are [1]_.

    The picture turns grey, the background and its uneven light are taken away, whether the ink is darker or lighter is
    found out, and the ink is cut out, fitted into 20 x 20 pixels with its proportions kept, and put into 28 x 28 so
    that its centre of mass is in the middle.

    Parameters
    ----------
    picture : ndarray, PIL.Image.Image, str or Path
        Of shape (height, width), (height, width, 3) or (height, width, 4), the last of them opacity. Floats are
        brightness in any unit, integers and booleans too. Or an image of Pillow, or the name of a file that Pillow can
        read. At least 8 x 8 pixels.

    Returns
    -------
    image : ndarray of shape (28, 28)
        uint8: 0 for the background, 255 for ink.

    Raises
    ------
    NoDigitError
        If the picture is blank, or nothing on it stands out from its noise.
    ValueError
        If it is no picture.
    OSError
        If the file cannot be read.

    References
    ----------
    .. [1] LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings of
       the IEEE 86(11), 1998, section III.A.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp import normalize_digit
    >>> paper = np.full((90, 60), 200, dtype=np.uint8)
    >>> paper[20:70, 28:34] = 40  # a one in dark ink
    >>> image = normalize_digit(paper)
    >>> image.shape, image.dtype, int(image.max()), int(image[0, 0])
    ((28, 28), dtype('uint8'), 255, 0)
    """
    ink = find_ink(as_grey(picture))
    fitted = fit_into_box(ink)
    return centred(fitted)


# Reading


def as_grey(picture):
    """Turn a picture of any kind into a float array of brightness, small enough to work on."""
    if isinstance(picture, str | Path):
        picture = read_picture(picture)
    if not isinstance(picture, np.ndarray):
        picture = pillow_as_array(picture)
    if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] not in (1, 3, 4)):
        raise ValueError(
            "A picture must have the shape (height, width), (height, width, 3) or (height, width, 4). Got "
            f"{picture.shape}."
        )
    if picture.dtype.kind not in "biuf":
        raise ValueError(f"A picture must be made of real numbers. Got {picture.dtype}.")
    check_size(picture.shape[0], picture.shape[1])
    largest = 255 if picture.dtype == np.uint8 else max(1, picture.max())
    small = reduced(np.atleast_3d(picture))
    if not np.isfinite(small).all():
        raise ValueError("A picture must be made of finite numbers. Got NaN or infinity.")
    return mixed(small, float(largest))


def check_size(height, width):
    """Refuse pictures that are too small to show a digit, or too large for the memory."""
    if min(height, width) < SMALLEST_SIDE:
        raise ValueError(
            f"A picture must have at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels. Got {height} x {width}."
        )
    if height * width > LARGEST_PICTURE:
        raise ValueError(
            f"A picture must have at most {LARGEST_PICTURE:,} pixels. Got {height} x {width}: make it smaller."
        )


def reduced(picture):
    """Average blocks of pixels until the longer side is near the working size, and give float32."""
    factor = max(picture.shape) // WORKING_SIZE
    if factor < 2 or min(picture.shape[:2]) < SMALLEST_SIDE * factor:
        return picture.astype(np.float32)
    height, width = (size // factor for size in picture.shape[:2])
    whole = picture[: height * factor, : width * factor]
    blocks = whole.reshape(height, factor, width, factor, picture.shape[2])
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def mixed(picture, largest):
    """Mix colours into grey; what is transparent shows paper that is far from the ink."""
    if picture.shape[2] == 1:
        return picture[:, :, 0]
    grey = picture[:, :, :3] @ GREY
    if picture.shape[2] == 3:
        return grey
    opacity = picture[:, :, 3] / largest
    if not opacity.any():
        raise NoDigitError("The picture is transparent everywhere: there is no digit on it.")
    paper = 0.0 if np.average(grey, weights=opacity) > largest / 2 else largest
    return grey * opacity + paper * (1 - opacity)


def read_picture(path):
    """Read a file by Pillow, turned as the camera was held."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            # Before a pixel is decoded: a small file can unpack to gigabytes.
            check_size(image.height, image.width)
            return ImageOps.exif_transpose(image).copy()
    except UnidentifiedImageError:
        raise ValueError(f"{path}: this is no picture that Pillow can read.") from None
    except (ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: {error}") from None


def pillow_as_array(picture):
    """Turn an image of Pillow into an array."""
    from PIL import Image

    if not isinstance(picture, Image.Image):
        raise TypeError(
            f"A picture must be a NumPy array, an image of Pillow, or the name of a file. Got {type(picture).__name__}."
        )
    if picture.mode.startswith(("I", "F")):  # 16 bits and more
        return np.asarray(picture, dtype=np.float32)
    return np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))


# Ink and background


def find_ink(grey):
    """Give how much ink there is at each pixel, from 0 to 1, or raise NoDigitError."""
    contrast = grey - background(grey)
    contrast = ndimage.gaussian_filter(contrast, max(grey.shape) / 250)
    if tail_weight(-contrast) > tail_weight(contrast):
        contrast = -contrast
    noise = 1.4826 * float(np.median(np.abs(contrast)))
    threshold = otsu_threshold(contrast)
    inked = contrast > threshold
    full = float(np.median(contrast[inked])) if inked.any() else 0.0
    if full <= max(6 * noise, 0.02 * float(np.abs(grey).max()), np.finfo(np.float32).tiny):
        raise NoDigitError(
            "There is no digit on the picture: nothing stands out from the background. Give a picture with one digit, "
            "in ink that is clearly darker or lighter than the paper."
        )
    nothing = max(2 * noise, 0.1 * full)
    ink = np.clip((contrast - nothing) / (0.9 * full - nothing), 0, 1)
    return ink * belongs_to_digit(ink, inked)


def background(grey):
    """Fit the brightness of the paper by a surface of second degree, to the half of the pixels that it fits best."""
    rows, columns = (np.linspace(-1, 1, size, dtype=np.float32) for size in grey.shape)
    rows, columns = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))
    terms = np.stack([np.ones_like(rows), rows, columns, rows * columns, rows**2, columns**2])
    values = grey.ravel()
    surface = np.full_like(values, np.median(values))
    for _ in range(8):
        distance = np.abs(values - surface)
        paper = distance <= 2.5 * 1.4826 * np.median(distance)
        coefficients = np.linalg.lstsq(terms[:, paper].T, values[paper], rcond=None)[0]
        surface = coefficients @ terms
    return surface.reshape(grey.shape)


def tail_weight(contrast):
    """Give how far the larger half of the numbers reaches, the far ones counting more."""
    return float((np.maximum(contrast, 0).astype(np.float64) ** 3).sum())


def otsu_threshold(values, n_bins=256):
    """Give the threshold that parts numbers into two groups with the least variance within them [1]_.

    References
    ----------
    .. [1] Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
       Cybernetics 9(1), 1979.
    """
    counts, edges = np.histogram(values, n_bins)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    sums = np.cumsum(counts * centres)
    above = values.size - below
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    between = np.nan_to_num(below * above * distance**2)
    return float(edges[1:-1][between.argmax()])


def belongs_to_digit(ink, inked):
    """Tell which pixels are of the largest blot, of others that are not small beside it, or next to them."""
    labels, n_blots = ndimage.label(ink > 0.2, structure=np.ones((3, 3)))
    areas = ndimage.sum_labels(inked, labels, np.arange(n_blots + 1))
    areas[0] = 0
    kept = areas >= 0.08 * areas.max()
    kept[0] = False
    return ndimage.binary_dilation(kept[labels], iterations=2)


# The form of MNIST


def fit_into_box(ink):
    """Cut the ink out and scale its longer side to 20 pixels."""
    from PIL import Image

    rows, columns = (np.flatnonzero(ink.max(axis=axis) > 0.25) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX_SIZE / max(cut.shape)
    height, width = (max(1, round(size * scale)) for size in cut.shape)
    return np.asarray(
        Image.fromarray(cut.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    )


def centred(fitted):
    """Put ink of at most 20 x 20 pixels into 28 x 28, its centre of mass in the middle."""
    image = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.float32)
    corner = []
    for size, centre in zip(fitted.shape, ndimage.center_of_mass(fitted), strict=True):
        start = round(IMAGE_SIZE / 2 - centre)
        corner.append(min(max(start, 0), IMAGE_SIZE - size))
    top, left = corner
    image[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return np.rint(image * (255 / image.max())).astype(np.uint8)
