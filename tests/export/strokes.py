"""Random strokes of digits, as people draw them on the canvas of an exported page."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

# Variants of each digit. Strokes are separated by ";". A stroke consists of points "x,y" in a square with sides of 100,
# with y downwards. It is smooth except at the points before "|".
SKELETONS = {
    0: [
        "50,0 22,14 10,50 22,86 50,100 78,86 90,50 78,14 48,1",
        "62,3 32,8 14,40 18,80 45,100 78,84 88,45 72,10 45,3",
    ],
    1: [
        "50,0 50,50 50,100",
        "30,24 42,14 54,0 | 52,50 50,100",  # with a serif
    ],
    2: [
        "14,24 32,4 62,3 80,24 68,50 40,76 12,98 | 50,96 90,96",
        "18,22 36,4 64,4 78,24 68,50 44,78 20,96 8,90 18,78 38,84 62,97 92,92",  # with a loop
    ],
    3: [
        "16,12 40,0 68,6 74,24 60,40 38,47 | 68,52 82,72 68,94 40,100 12,90",
        "18,6 46,0 76,10 70,32 48,46 | 78,56 80,80 54,98 14,96",
    ],
    4: [
        "22,0 16,28 14,54 | 48,54 86,50; 74,2 72,50 68,100",  # open
        "60,0 34,34 8,66 | 50,66 92,64; 62,0 62,50 61,100",  # closed
    ],
    5: [
        "26,2 23,22 20,44 | 48,38 76,52 78,78 54,98 14,92; 26,2 54,2 82,0",
        "80,3 54,2 28,4 | 24,24 22,42 | 52,38 78,54 76,82 48,99 14,94",  # in one stroke
    ],
    6: [
        "66,0 42,18 22,48 18,78 36,98 64,96 78,78 66,60 42,60 22,76",
        "46,0 30,30 20,64 28,94 56,98 74,80 64,58 42,58 22,74",
    ],
    7: [
        "12,6 46,4 84,3 | 60,46 42,100",
        "12,6 46,5 84,3 | 62,46 44,100; 36,50 56,49 76,48",  # with a bar
    ],
    8: [
        "76,14 52,0 28,10 28,30 50,46 74,64 74,90 50,100 26,90 26,66 50,46 72,30 76,12",
        "50,0 28,10 28,32 50,45 72,32 72,10 48,0; 50,45 24,58 24,88 50,100 "  # two circles
        "76,88 76,58 50,45",
    ],
    9: [
        "76,16 54,0 26,10 20,34 40,50 64,42 77,16 | 74,54 70,100",  # straight
        "76,20 54,1 28,8 22,32 42,48 66,40 76,18 | 78,56 66,90 44,100 22,90",  # curved
    ],
}


class Drawing(NamedTuple):
    """Strokes on a square canvas with sides of 1.

    Attributes
    ----------
    strokes : list of ndarray of shape (n_points, 2)
        Polylines: x to the right, y downwards.
    width : float
        Width of the strokes.
    """

    strokes: list
    width: float


def draw_digit(digit, rng):
    """Draw a digit with a random variant, shape, slant, size, position and stroke width."""
    variants = SKELETONS[digit]
    strokes = [sample_stroke(stroke) for stroke in variants[rng.integers(len(variants))].split(";")]
    warp = draw_warp(rng, 0.03)
    angle, slant = np.clip(rng.normal((0, 0.1), (0.07, 0.15)), -0.25, 0.4)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    aspect_ratio = 0.75 * np.exp(rng.normal(0, 0.15))
    matrix = rotation @ [[aspect_ratio, -slant], [0, 1]]
    strokes = [
        (warp(stroke) + rng.normal(0, 0.012, 2)) @ matrix.T + draw_tremor(rng, stroke, 0.004)
        for stroke in strokes
    ]
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    size = rng.uniform(0.35, 0.8)
    scale = size / max(high - low)
    width = scale * rng.uniform(0.06, 0.13)
    corner = width / 2 + rng.uniform(0, 1 - width - scale * (high - low))
    return Drawing([corner + scale * (stroke - low) for stroke in strokes], width)


def sample_stroke(text):
    """Sample points of a stroke of a skeleton, and scale the square to sides of 1."""
    curves = [
        np.array([point.split(",") for point in curve.split()], float) / 100
        for curve in text.split("|")
    ]
    for i in range(1, len(curves)):
        curves[i] = np.concatenate([curves[i - 1][-1:], curves[i]])
    return np.concatenate([sample_curve(curve) for curve in curves])


def sample_curve(points, n_points_per_span=5):
    """Sample a Catmull-Rom spline through points."""
    before, after = 2 * points[0] - points[1], 2 * points[-1] - points[-2]
    points = np.concatenate([[before], points, [after]])
    t = np.linspace(0, 1, n_points_per_span, endpoint=False)[:, None]
    spans = [
        b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
        for a, b, c, d in zip(points, points[1:], points[2:], points[3:], strict=False)
    ]
    return np.concatenate([*spans, points[-2:-1]])


def draw_warp(rng, amplitude):
    """Return a function that displaces points by a random smooth field, so that connected strokes stay connected."""
    frequency = rng.uniform(-7, 7, (2, 4))
    phase = rng.uniform(0, 2 * np.pi, 4)
    directions = rng.normal(0, amplitude, (4, 2))
    return lambda points: points + np.sin(points @ frequency + phase) @ directions


def draw_tremor(rng, stroke, amplitude):
    """Return random smooth displacements along a stroke."""
    steps = np.hypot(*np.diff(stroke, axis=0, prepend=stroke[:1]).T)
    frequency = rng.uniform(3, 15, (1, 3))
    phase = rng.uniform(0, 2 * np.pi, (1, 3))
    return np.sin(np.cumsum(steps)[:, None] * frequency + phase) @ rng.normal(0, amplitude, (3, 2))


def render_drawing(drawing, size=280, *, ink=(0, 0, 0, 255), background=(255, 255, 255, 255)):
    """Render a drawing with round, anti-aliased strokes, as an array of shape (size, size, 4) of uint8."""
    coverage = np.zeros((size, size))
    radius = size * drawing.width / 2
    for stroke in drawing.strokes:
        points = size * stroke - 0.5
        for start, end in pairwise(points):
            cover_segment(coverage, start, end, radius)
    opacity = coverage[:, :, None]
    ink, background = np.array(ink, float), np.array(background, float)
    if background[3] == 0:  # the color of transparent pixels is black, as in a canvas
        pixels = np.where(opacity > 0, ink * [1, 1, 1, 0], 0) + opacity * [0, 0, 0, ink[3]]
    else:
        pixels = background + opacity * (ink - background)
    return np.rint(pixels).astype(np.uint8)


def cover_segment(coverage, start, end, radius):
    """Add a segment with round ends to the fraction of each pixel that is covered."""
    low = np.maximum(np.floor(np.minimum(start, end) - radius - 1), 0).astype(int)
    high = np.ceil(np.maximum(start, end) + radius + 2).astype(int)
    part = coverage[low[1] : high[1], low[0] : high[0]]
    rows, columns = np.ogrid[: part.shape[0], : part.shape[1]]
    x, y = columns + low[0] - start[0], rows + low[1] - start[1]
    dx, dy = end - start
    position = np.clip((x * dx + y * dy) / max(dx * dx + dy * dy, 1e-12), 0, 1)
    distance = np.hypot(x - position * dx, y - position * dy)
    np.maximum(part, np.clip(radius + 0.5 - distance, 0, 1), out=part)
