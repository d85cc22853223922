"""Synthetic pictures of digits on paper, with the labels and positions of the digits.

A digit is drawn as its coverage: the fraction of each pixel that is covered by ink. `compose_digit` and `compose_page`
place digits on a canvas. Each function in `CONDITIONS` renders a canvas as a picture under a condition, such as ruled
paper, with a severity from 0 to 1.
"""

from functools import lru_cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from export.strokes import cover_segment, draw_digit
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from sklearn.datasets import load_digits

MATPLOTLIB_FONTS = Path(mpl.get_data_path(), "fonts", "ttf")
PAPER, INK = 0.85, 0.15  # default brightness
MM_PER_INCH = 25.4


# Digits


class Glyph(NamedTuple):
    """A digit, cropped to its ink.

    Attributes
    ----------
    label : int
    coverage : ndarray of shape (height, width)
        The fraction of each pixel that is covered by ink, from 0 to 1.
    """

    label: int
    coverage: np.ndarray


class FontDigits:
    """Digits of fonts, given as paths of font files. By default, fonts that come with matplotlib."""

    def __init__(self, paths=None):
        names = (
            "DejaVu*.ttf",
            "STIXGeneral*.ttf",
            "cmr10.ttf",
            "cmb10.ttf",
            "cmss10.ttf",
            "cmtt10.ttf",
        )
        paths = paths or [path for name in names for path in sorted(MATPLOTLIB_FONTS.glob(name))]
        self._paths = [str(path) for path in paths if "Display" not in str(path)]

    def draw(self, label, height, rng):
        """Return a digit of a random font, `height` pixels high, slightly rotated."""
        font = load_font(self._paths[rng.integers(len(self._paths))], max(8, round(1.35 * height)))
        left, top, right, bottom = font.getbbox(str(label))
        margin = height // 3
        picture = Image.new("L", (int(right - left) + 2 * margin, int(bottom - top) + 2 * margin))
        ImageDraw.Draw(picture).text((margin - left, margin - top), str(label), 255, font)
        picture = picture.rotate(rng.uniform(-8, 8), Image.Resampling.BICUBIC)
        return crop_glyph(label, np.asarray(picture) / 255, height)


class StrokeDigits:
    """Digits drawn as random strokes, see `export.strokes`."""

    def draw(self, label, height, rng):
        """Return a random digit, `height` pixels high."""
        drawing = draw_digit(label, rng)
        points = np.concatenate(drawing.strokes)
        low, high = points.min(axis=0), points.max(axis=0)
        scale = height / (high[1] - low[1] + drawing.width)
        radius = max(0.5, scale * drawing.width / 2)
        corner = radius + 1
        width = int(scale * (high[0] - low[0]) + 2 * corner) + 1
        coverage = np.zeros((int(scale * (high[1] - low[1]) + 2 * corner) + 1, width))
        for stroke in drawing.strokes:
            pixels = scale * (stroke - low) + corner - 0.5
            for start, end in pairwise(pixels):
                cover_segment(coverage, start, end, radius)
        return crop_glyph(label, coverage)


class ImageDigits:
    """Digits of a data set of images with light ink on black, enlarged with sharp edges.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width)
    labels : ndarray of shape (n_images,)
    """

    def __init__(self, images, labels):
        self._images, self._labels = images / images.max(), labels

    def draw(self, label, height, rng):
        """Return a random image of the label, enlarged to `height` pixels."""
        image = self._images[rng.choice(np.flatnonzero(self._labels == label))]
        return enlarge_image(label, image, height)


def make_bundled_digits():
    """Return scikit-learn's bundled digits, of 8 x 8 pixels, which were written by 43 persons."""
    images, labels = load_digits(return_X_y=True)
    return ImageDigits(images.reshape(-1, 8, 8), labels)


def enlarge_image(label, image, height):
    """Return a digit, enlarged by cubic splines so that its ink is `height` pixels high, with sharp edges."""
    image = np.pad(image, 2)
    rows = np.flatnonzero((image > 0.5).any(axis=1))
    factor = height / (rows[-1] - rows[0] + 1)
    enlarged = ndimage.zoom(image, factor, order=3, mode="grid-constant", grid_mode=True)
    sharpness = max(1, factor / 1.5)
    return crop_glyph(label, np.clip(0.5 + sharpness * (enlarged - 0.5), 0, 1))


@lru_cache(maxsize=256)
def load_font(path, size):
    """Return a font of a size in pixels."""
    return ImageFont.truetype(path, size)


def crop_glyph(label, coverage, height=None):
    """Return a digit without rows and columns that have no ink, resized to `height` pixels."""
    rows, columns = (np.flatnonzero((coverage > 0.3).any(axis=axis)) for axis in (1, 0))
    coverage = coverage[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    if height is not None:
        width = max(1, round(coverage.shape[1] * height / coverage.shape[0]))
        coverage = np.asarray(
            Image.fromarray(coverage).resize((width, height), Image.Resampling.HAMMING)
        )
    return Glyph(label, coverage)


# Canvases


class Canvas(NamedTuple):
    """Digits on an empty canvas.

    Attributes
    ----------
    coverage : ndarray of shape (height, width)
        The fraction of each pixel that is covered by ink, from 0 to 1.
    labels : tuple of int
        Digits in reading order.
    boxes : ndarray of int of shape (n_digits, 4)
        Left, top, right and bottom of each digit; right and bottom are exclusive.
    lines : tuple of int
        Line of each digit, from 0.
    dpi : float
        Pixels per inch.
    """

    coverage: np.ndarray
    labels: tuple[int, ...]
    boxes: np.ndarray
    lines: tuple[int, ...]
    dpi: float

    def convert_mm(self, millimeters):
        """Convert millimeters to pixels."""
        return millimeters * self.dpi / MM_PER_INCH


def compose_digit(source, label, rng, dpi=150.0):
    """Return a canvas with one digit at a random position.

    Parameters
    ----------
    source : object with the method draw(label, height, rng)
    label : int
    rng : numpy.random.Generator
    dpi : float, default=150
        Pixels per inch. The digit is 8 to 20 mm high.

    Returns
    -------
    canvas : Canvas
    """
    height = max(14, round(rng.uniform(8, 20) * dpi / MM_PER_INCH))
    glyph = source.draw(label, height, rng)
    top, bottom, left, right = rng.uniform(0.3, 1.2, 4) * height
    coverage = np.pad(glyph.coverage, ((int(top), int(bottom)), (int(left), int(right))))
    box = int(left), int(top), int(left) + glyph.coverage.shape[1], int(top) + height
    return Canvas(coverage, (label,), np.array([box]), (0,), dpi)


def compose_page(
    source, rng, *, dpi=150.0, n_lines=(2, 5), n_digits=(3, 8), gap=(0.25, 0.9), slope=0.03
):
    """Return a canvas with several lines of digits.

    Parameters
    ----------
    source : object with the method draw(label, height, rng)
    rng : numpy.random.Generator
    dpi : float, default=150
        Pixels per inch. The digits are 6 to 11 mm high.
    n_lines : tuple of int, default=(2, 5)
        Minimum and maximum of the number of lines.
    n_digits : tuple of int, default=(3, 8)
        Minimum and maximum of the number of digits per line.
    gap : tuple of float, default=(0.25, 0.9)
        Minimum and maximum of the gap between digits, relative to their height.
    slope : float, default=0.03
        Maximum slope of the lines.

    Returns
    -------
    canvas : Canvas
    """
    height = rng.uniform(6, 11) * dpi / MM_PER_INCH
    slope = rng.uniform(-slope, slope)
    pitch = height * rng.uniform(1.5, 2.2)
    glyphs, boxes, lines = [], [], []
    for line in range(rng.integers(n_lines[0], n_lines[1] + 1)):
        left = height * rng.uniform(0.4, 1.2)
        for _ in range(rng.integers(n_digits[0], n_digits[1] + 1)):
            glyph = source.draw(
                int(rng.integers(10)), max(8, round(height * rng.uniform(0.85, 1.12))), rng
            )
            rows, columns = glyph.coverage.shape
            bottom = height * 1.8 + line * pitch + slope * left + rng.normal(0, 0.04) * height
            box = round(left), round(bottom) - rows, round(left) + columns, round(bottom)
            glyphs.append(glyph)
            boxes.append(box)
            lines.append(line)
            left += columns + height * rng.uniform(*gap)
    boxes = np.array(boxes)
    boxes[:, 1::2] += max(0, round(0.4 * height) - boxes[:, 1].min())
    shape = (
        boxes[:, 3].max() + round(height * rng.uniform(0.4, 1)),
        boxes[:, 2].max() + round(height),
    )
    coverage = np.zeros(shape, np.float32)
    for glyph, (left, top, right, bottom) in zip(glyphs, boxes, strict=True):
        part = coverage[top:bottom, left:right]
        np.maximum(part, glyph.coverage, out=part)
    return Canvas(coverage, tuple(glyph.label for glyph in glyphs), boxes, tuple(lines), dpi)


# Conditions


def shade(coverage, paper=PAPER, ink=INK):
    """Return the brightness of paper with ink, from 0 to 1. `paper` may be a number or an array."""
    return paper + coverage * (np.minimum(ink, paper) - paper)


def mix(severity, mild, severe):
    """Return a value between those for the severities 0 and 1."""
    return mild + severity * (severe - mild)


def plain(canvas, severity, rng):
    """Dark ink on light paper, with less contrast."""
    return shade(canvas.coverage, PAPER, mix(severity, 0.1, 0.6))


def crop(canvas, severity, rng):
    """Crop to the ink, without a margin or with one on some sides."""
    rows, columns = (np.flatnonzero((canvas.coverage > 0.3).any(axis=axis)) for axis in (1, 0))
    margins = rng.integers(0, 1 + round(mix(severity, 4, 0)), 4)
    top, left = max(0, rows[0] - margins[0]), max(0, columns[0] - margins[1])
    coverage = canvas.coverage[top : rows[-1] + 1 + margins[2], left : columns[-1] + 1 + margins[3]]
    gray = shade(coverage, PAPER, mix(severity, 0.1, 0.4)) + rng.normal(0, 0.02, coverage.shape)
    return gray if rng.random() < 0.7 else 1 - gray


def noisy_crop(canvas, severity, rng):
    """Crop to the ink with a gradient of light and noise."""
    gray = crop(canvas, 1, rng)
    light = np.linspace(1, mix(severity, 1, 0.65), gray.shape[1])
    return gray * light + rng.normal(0, mix(severity, 0.02, 0.07), gray.shape)


def hard_shadow(canvas, severity, rng):
    """Place the edge of a shadow across the picture."""
    return cast_shadow(canvas, rng, mix(severity, 0.8, 0.4)) * shade(canvas.coverage)


def cast_shadow(canvas, rng, darkness):
    """Return the light under a shadow with a straight edge through the middle half of the canvas."""
    shape = canvas.coverage.shape
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    angle = rng.uniform(0, 2 * np.pi)
    center = rng.uniform(0.25, 0.75, 2) * shape
    distance = (rows - center[0]) * np.sin(angle) + (columns - center[1]) * np.cos(angle)
    softness = canvas.convert_mm(rng.uniform(0.1, 1.5))
    return 1 - (1 - darkness) * np.clip(0.5 + distance / softness, 0, 1)


def ruled_paper(canvas, severity, rng):
    """Draw horizontal lines."""
    return shade(canvas.coverage, rule(canvas, severity, rng, axes=(0,)))


def squared_paper(canvas, severity, rng):
    """Draw horizontal and vertical lines, 5 mm apart."""
    return shade(canvas.coverage, rule(canvas, severity, rng, axes=(0, 1)))


def rule(canvas, severity, rng, axes):
    """Return the brightness of paper with lines, which are slightly rotated."""
    shape = canvas.coverage.shape
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    pitch = canvas.convert_mm(5 if len(axes) == 2 else rng.uniform(7, 10))
    width = max(1.0, canvas.convert_mm(rng.uniform(0.15, 0.4)))
    angle = rng.uniform(-0.02, 0.02)
    coordinates = rows + angle * columns, columns - angle * rows
    lines = np.zeros(shape)
    for axis in axes:
        position = (coordinates[axis] + rng.uniform(0, pitch)) % pitch
        distance = np.minimum(position, pitch - position)
        np.maximum(lines, np.clip(width / 2 + 0.5 - distance, 0, 1), out=lines)
    return PAPER + lines * (mix(severity, 0.75, 0.4) - PAPER)


def vignetting(canvas, severity, rng):
    """Darken the corners, as a cheap lens does."""
    rows, columns = (np.linspace(-1, 1, size) for size in canvas.coverage.shape)
    radius = np.add.outer(rows**2, columns**2) / 2
    return shade(canvas.coverage) * (1 - mix(severity, 0.2, 0.75) * radius**1.5)


def thick_marker(canvas, severity, rng):
    """Thicken the strokes."""
    radius = mix(severity, 0.02, 0.06) * np.ptp(canvas.boxes[0, 1::2])
    outside = ndimage.distance_transform_edt(canvas.coverage < 0.5)
    return shade(np.maximum(canvas.coverage, np.clip(radius + 0.5 - outside, 0, 1)))


COLORS = {
    "blue": (0.15, 0.25, 0.7),
    "red": (0.8, 0.15, 0.15),
    "green": (0.1, 0.55, 0.25),
    "orange": (0.95, 0.6, 0.15),
    "light blue": (0.35, 0.65, 0.95),
    "pencil": (0.5, 0.5, 0.52),
}
PAPERS = {
    "white": (0.93, 0.92, 0.9),
    "yellow": (0.97, 0.9, 0.55),
    "blue": (0.65, 0.8, 0.92),
}


def colored_ink(canvas, severity, rng):
    """Write with colored ink on white or colored paper."""
    names = ("blue", "red", "green") if severity < 0.5 else tuple(COLORS)
    ink = COLORS[names[rng.integers(len(names))]]
    paper = PAPERS["white" if severity < 0.5 else rng.choice(list(PAPERS))]
    picture = np.stack(
        [shade(canvas.coverage, p, i) for p, i in zip(paper, ink, strict=True)], axis=2
    )
    return picture + rng.normal(0, 0.01, picture.shape)


def blots(canvas, severity, rng):
    """Draw specks and blots of ink beside the digits, smaller than a digit."""
    coverage = canvas.coverage.copy()
    distance = ndimage.distance_transform_edt(coverage < 0.05)
    height = np.median(canvas.boxes[:, 3] - canvas.boxes[:, 1])
    rows, columns = np.mgrid[: coverage.shape[0], : coverage.shape[1]]
    for _ in range(round(mix(severity, 2, 8) * max(1, len(canvas.labels) / 4))):
        radius = height * rng.uniform(0.02, mix(severity, 0.05, 0.11))
        candidates = np.argwhere(distance > 2.5 * radius)
        if len(candidates) == 0:
            continue
        row, column = candidates[rng.integers(len(candidates))]
        stretch = rng.uniform(0.7, 1.4)
        offset = np.hypot((rows - row) * stretch, (columns - column) / stretch)
        np.maximum(coverage, np.clip(radius + 0.5 - offset, 0, 1), out=coverage)
    return shade(coverage)


def white_on_black(canvas, severity, rng):
    """Write with chalk on a board with traces of wiped chalk."""
    shape = canvas.coverage.shape
    texture = ndimage.gaussian_filter(rng.normal(0, 1, shape), canvas.convert_mm(4))
    board = 0.18 + mix(severity, 0, 0.06) * texture / texture.std()
    chalk = 0.85 - mix(severity, 0, 0.35) * rng.random(shape)
    return board + canvas.coverage * (chalk - board)


def broken_strokes(canvas, severity, rng):
    """Interrupt the strokes by narrow gaps, and by a texture as of a dry pen."""
    coverage = canvas.coverage.copy()
    rows, columns = np.mgrid[: coverage.shape[0], : coverage.shape[1]]
    for left, top, right, bottom in canvas.boxes:
        for _ in range(round(mix(severity, 1, 3))):
            inked = np.argwhere(canvas.coverage[top:bottom, left:right] > 0.5)
            row, column = inked[rng.integers(len(inked))] + (top, left)
            angle = rng.uniform(0, np.pi)
            offset = np.abs((rows - row) * np.sin(angle) + (columns - column) * np.cos(angle))
            near = np.hypot(rows - row, columns - column) < 0.25 * (bottom - top)
            half_gap = mix(severity, 0.01, 0.03) * (bottom - top)
            coverage[near] *= np.clip(offset - half_gap + 0.5, 0, 1)[near]
    return shade(coverage)


def noise(canvas, severity, rng):
    """Add the noise of a camera in dim light."""
    gray = shade(canvas.coverage)
    return gray + rng.normal(0, mix(severity, 0.03, 0.15), gray.shape)


def jpeg(canvas, severity, rng):
    """Compress with JPEG in a low quality."""
    gray = ndimage.gaussian_filter(shade(canvas.coverage), 0.6) + rng.normal(
        0, 0.01, canvas.coverage.shape
    )
    return compress(to_uint8(gray), round(mix(severity, 60, 12)))


def compress(pixels, quality):
    """Return pixels after compression with JPEG."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def form_field(canvas, severity, rng):
    """Draw a printed frame around each digit, or one around each line."""
    return shade(np.maximum(canvas.coverage, draw_frames(canvas, severity, rng)))


def draw_frames(canvas, severity, rng):
    """Return the coverage of frames: one per digit, or one per line with dividers or without."""
    picture = Image.new("L", canvas.coverage.shape[::-1])
    draw = ImageDraw.Draw(picture)
    width = max(1, round(canvas.convert_mm(rng.uniform(0.2, 0.5))))
    height = np.median(canvas.boxes[:, 3] - canvas.boxes[:, 1])
    margin = mix(severity, 0.3, 0.15) * height
    kind = rng.choice(["field", "frame", "comb"])
    for line in sorted(set(canvas.lines)):
        boxes = canvas.boxes[np.array(canvas.lines) == line]
        top, bottom = boxes[:, 1].min() - margin, boxes[:, 3].max() + margin
        limits = [
            boxes[0, 0] - margin,
            *((boxes[:-1, 2] + boxes[1:, 0]) / 2),
            boxes[-1, 2] + margin,
        ]
        if kind == "field":
            draw.rectangle((limits[0], top, limits[-1], bottom), outline=255, width=width)
        elif kind == "frame":
            for start, end in pairwise(limits):
                draw.rectangle((start, top, end, bottom), outline=255, width=width)
        else:
            draw.line((limits[0], bottom, limits[-1], bottom), 255, width)
            for limit in limits:
                draw.line((limit, bottom, limit, bottom - 0.4 * height), 255, width)
    return mix(rng.random(), 0.5, 1) * np.asarray(picture) / 255


def photo(canvas, severity, rng):
    """Combine a shadow, vignetting, blur, noise and JPEG on ruled, squared or blank paper."""
    axes = [(), (0,), (0, 1)][rng.integers(3)]
    paper = rule(canvas, 0.3 * severity, rng, axes)
    gray = shade(canvas.coverage, paper, mix(rng.random(), 0.1, 0.35))
    rows, columns = (np.linspace(-1, 1, size) for size in gray.shape)
    gray *= 1 - mix(severity, 0.1, 0.4) * np.add.outer(rows**2, columns**2) / 2
    gray *= cast_shadow(canvas, rng, mix(severity, 0.9, 0.55))
    gray = ndimage.gaussian_filter(gray, canvas.convert_mm(mix(severity, 0.03, 0.12)))
    gray += rng.normal(0, mix(severity, 0.01, 0.04), gray.shape)
    return compress(to_uint8(gray), round(mix(severity, 90, 50)))


CONDITIONS = {
    condition.__name__.replace("_", " "): condition
    for condition in (
        *(
            plain,
            crop,
            noisy_crop,
            hard_shadow,
            ruled_paper,
            squared_paper,
            vignetting,
            thick_marker,
        ),
        *(colored_ink, blots, white_on_black, broken_strokes, noise, jpeg, form_field, photo),
    )
}
# Conditions that are only possible for one digit
SINGLE_DIGIT_CONDITIONS = {"crop", "noisy crop"}


def render(canvas, condition, severity, rng):
    """Return a picture of a canvas as uint8, of shape (height, width) or (height, width, 3)."""
    return to_uint8(CONDITIONS[condition](canvas, severity, rng))


def to_uint8(picture):
    """Convert brightness from 0 to 1 to 8 bits."""
    if picture.dtype == np.uint8:
        return picture
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)


# Evaluation


def compute_edit_distance(first, second):
    """Return the minimum number of insertions, deletions and replacements between two sequences [1]_.

    References
    ----------
    .. [1] Wagner and Fischer, "The string-to-string correction problem", Journal of the ACM 21(1), 1974.
    """
    distances = list(range(len(second) + 1))
    for i, item in enumerate(first):
        diagonal, distances[0] = distances[0], i + 1
        for j, other in enumerate(second):
            replaced = diagonal + (item != other)
            diagonal = distances[j + 1]
            distances[j + 1] = min(replaced, distances[j] + 1, diagonal + 1)
    return distances[-1]
