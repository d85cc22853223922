"""The 15 corruptions of MNIST-C [1]_, from their published descriptions and severities.

Each function takes images of shape (n_images, 28, 28) with pixels from 0 to 1, a random generator and the severity, and
returns corrupted images. Values outside the range from 0 to 1 are clipped by `corrupt`. `CORRUPTIONS` contains the
functions by name, with the severities that are the defaults of the published program [2]_, which created the dataset.

The program uses scikit-image, OpenCV and ImageMagick. This module uses NumPy and SciPy only. The docstring of each
function says where its result may differ from the original. For all functions:

- The random numbers are different ones with the same distribution, so that the images are not those of the dataset.
- Pixels are rounded to integers. The program returns floats, and the rounding of the dataset is not documented.

References
----------
.. [1] Mu and Gilmer, "MNIST-C: A robustness benchmark for computer vision", ICML 2019 workshop on uncertainty and
   robustness in deep learning, https://arxiv.org/abs/1906.02337
.. [2] https://github.com/google-research/mnist-c
"""

from functools import partial

import numpy as np
from scipy import ndimage

SIZE = 28  # pixels per side
CENTER = (SIZE - 1) / 2
BLOCK = 1000  # images that are corrupted together, to limit the memory


def corrupt(name, X, seed=0):
    """Return images with one of the corruptions.

    Parameters
    ----------
    name : str
        Name in `CORRUPTIONS`.
    X : ndarray of shape (n_images, 784), dtype uint8
        One image per row.
    seed : int, default=0
        Seed of the random numbers. Each corruption has its own stream of random numbers.

    Returns
    -------
    corrupted : ndarray of shape (n_images, 784), dtype uint8
    """
    rng = np.random.default_rng([seed, list(CORRUPTIONS).index(name)])
    corrupted = np.empty_like(X)
    for start in range(0, len(X), BLOCK):
        block = slice(start, start + BLOCK)
        images = CORRUPTIONS[name](X[block].reshape(-1, SIZE, SIZE) / 255, rng)
        corrupted[block] = np.rint(255 * np.clip(images, 0, 1)).reshape(X[block].shape)
    return corrupted


# Noise


def add_shot_noise(images, rng, photons):
    """Draw each pixel from a Poisson distribution, with a mean of `photons` for white pixels."""
    return rng.poisson(photons * images) / photons


def add_impulse_noise(images, rng, fraction):
    """Replace a fraction of the pixels by black and white ones with equal probability."""
    is_replaced = rng.random(images.shape) < fraction
    return np.where(is_replaced, rng.integers(0, 2, images.shape), images)


# Blur


def apply_glass_blur(images, rng, sigma, reach, rounds):
    """Blur the images, exchange pixels with others nearby, and blur them again.

    In each round, from the last pixel to the first, each is exchanged with probability 1/2. The other pixel is up to
    `reach` pixels above and to the left, or up to ``reach - 1`` pixels below and to the right, with equal
    probability. The first blur is rounded down to 256 levels. As in the original, which calls the Gaussian filter of
    scikit-image for images with color channels, the blur acts along the columns only.
    """
    pixels = np.floor(255 * blur_columns(images, sigma)).reshape(len(images), -1).T.copy()
    each_image = np.arange(len(images))
    positions = range(SIZE - reach, reach, -1)
    for row, column in [(row, column) for row in positions for column in positions] * rounds:
        down, right = rng.integers(-reach, reach, (2, len(images)))
        is_exchanged = rng.random(len(images)) < 0.5
        first = SIZE * row + column
        second = first + is_exchanged * (SIZE * down + right)
        value = pixels[first].copy()
        pixels[first] = pixels[second, each_image]
        pixels[second, each_image] = value
    return blur_columns(pixels.T.reshape(images.shape) / 255, sigma)


def blur_columns(images, sigma):
    return ndimage.gaussian_filter1d(images, sigma, axis=1, mode="nearest")


def apply_motion_blur(images, rng, radius, sigma, max_angle):
    """Average each pixel with those along a line at a random angle of up to `max_angle` degrees.

    This is the motion blur of ImageMagick: the weight of the pixel at distance d from 0 to ``2 * radius``, on one side
    only, is proportional to exp(-d^2 / (2 sigma^2)). Pixels outside the image have the values of its border, and the
    result is rounded down to 256 levels, as by ImageMagick 6.9. Other versions may round differently.
    """
    angles = np.radians(rng.uniform(-max_angle, max_angle, len(images)))
    distances = np.arange(2 * radius + 1)
    weights = np.exp(-0.5 * (distances / sigma) ** 2)
    each_image, each_pixel = np.arange(len(images))[:, np.newaxis, np.newaxis], np.arange(SIZE)
    blurred = np.zeros_like(images)
    for distance, weight in zip(distances, weights / weights.sum(), strict=True):
        down, right = (np.ceil(distance * f(angles) - 0.5).astype(int) for f in (np.sin, np.cos))
        rows = np.clip(each_pixel + down[:, np.newaxis], 0, SIZE - 1)
        columns = np.clip(each_pixel + right[:, np.newaxis], 0, SIZE - 1)
        blurred += weight * images[each_image, rows[:, :, np.newaxis], columns[:, np.newaxis]]
    return np.floor(255 * blurred + 1e-6) / 255  # 1e-6 exceeds rounding errors


# Affine transformations


def shear(images, rng, angle):
    """Shear the images along the rows by `angle` in radians, to the left or to the right.

    The matrix has the columns (1, 0) and (-sin(angle), cos(angle)), as in scikit-image at the time of publication.
    Newer versions use (-tan(angle), 1), which keeps the height of the digit.
    """
    return warp_both_ways(
        images,
        rng,
        lambda sign: [[1, -np.sin(sign * angle)], [0, np.cos(angle)]],
    )


def scale(images, rng, factor):
    """Scale the images by `factor`, by linear interpolation without smoothing, as the original."""
    return warp(images, np.eye(2) / factor)


def rotate(images, rng, angle):
    """Rotate the images by `angle` in radians, clockwise or counterclockwise."""
    return warp_both_ways(
        images,
        rng,
        lambda sign: [
            [np.cos(angle), -np.sin(sign * angle)],
            [np.sin(sign * angle), np.cos(angle)],
        ],
    )


def translate(images, rng, distance):
    """Translate the images by `distance` pixels along both axes, in one of the four diagonal directions."""
    padded = np.pad(images, ((0, 0), (distance, distance), (distance, distance)))
    translated = np.empty_like(images)
    starts = rng.choice([0, 2 * distance], (len(images), 2))
    for row, column in np.unique(starts, axis=0):
        is_chosen = (starts == (row, column)).all(axis=1)
        translated[is_chosen] = padded[is_chosen, row : row + SIZE, column : column + SIZE]
    return translated


def warp_both_ways(images, rng, make_matrix):
    """Transform each image by ``make_matrix(1)`` or ``make_matrix(-1)``, with equal probability."""
    signs = rng.choice([-1, 1], len(images))
    warped = np.empty_like(images)
    for sign in (-1, 1):
        warped[signs == sign] = warp(images[signs == sign], make_matrix(sign))
    return warped


def warp(images, matrix):
    """Return the pixels at ``matrix @ (x, y)``, relative to the center, by linear interpolation.

    The pixels outside of an image are black.
    """
    inverse = np.eye(3)
    inverse[1:, 1:] = np.asarray(matrix)[::-1, ::-1]  # for (row, column) instead of (x, y)
    center = np.array([0, CENTER, CENTER])
    offset = center - inverse @ center
    return ndimage.affine_transform(images, inverse, offset, order=1, mode="grid-constant")


# Light, weather and dirt


def brighten(images, rng, amount):
    """Add `amount` to all pixels."""
    return images + amount


def invert_stripes(images, rng, width):
    """Invert `width` columns of pixels at the left and at the right."""
    inverted = 1 - images
    inverted[:, :, width:-width] = images[:, :, width:-width]
    return inverted


def add_fog(images, rng, thickness, decay):
    """Add a random height map, and restore the maximum of each image."""
    maximum = images.max(axis=(1, 2), keepdims=True)
    maps_per_call = 16  # their pixels fit in the cache of a processor core
    fog = [
        draw_plasma(rng, len(images[start : start + maps_per_call]), decay)[:, :SIZE, :SIZE]
        for start in range(0, len(images), maps_per_call)
    ]
    return (images + thickness * np.concatenate(fog)) * maximum / (maximum + thickness)


def draw_plasma(rng, n_maps, decay, size=256):
    """Return height maps from 0 to 1 of shape (n_maps, size, size), by the diamond-square algorithm.

    The maps are periodic and start with one point. Each step halves the distance of the points: the new points are the
    mean of their four neighbors and a uniform random number, whose range is divided by ``decay**2`` from step to step.
    (The original multiplies the range and the number by `decay`, so that the square results.) The maps have type
    float32 instead of float64.
    """
    heights = np.zeros((n_maps, size, size), np.float32)
    step, amplitude = size, np.float32(1)
    while step > 1:
        half = step // 2
        corners, centers = heights[:, ::step, ::step], heights[:, half::step, half::step]
        right, below = np.roll(corners, -1, axis=2), np.roll(corners, -1, axis=1)

        def average(a, b, c, d, amplitude=amplitude):
            noise = amplitude * (2 * rng.random(a.shape, np.float32) - 1)
            return (a + b + c + d) / 4 + noise

        centers[:] = average(corners, right, below, np.roll(right, -1, axis=1))
        rows, columns = heights[:, ::step, half::step], heights[:, half::step, ::step]
        rows[:] = average(corners, right, centers, np.roll(centers, 1, axis=1))
        columns[:] = average(corners, below, centers, np.roll(centers, 1, axis=2))
        step, amplitude = half, amplitude / np.float32(decay**2)
    heights -= heights.min(axis=(1, 2), keepdims=True)
    return heights / heights.max(axis=(1, 2), keepdims=True)


def add_spatter(images, rng, mean, deviation, sigma, threshold, edge_sigma, gray):
    """Cover the images with random gray spots.

    The spots are where smoothed Gaussian noise exceeds `threshold`. Their smoothed mask is their opacity; an opacity
    of less than 0.8 counts as 0.
    """
    noise = rng.normal(mean, deviation, images.shape)
    liquid = ndimage.gaussian_filter(noise, (0, sigma, sigma), mode="nearest")
    mask = (liquid > threshold).astype(float)
    opacity = ndimage.gaussian_filter(mask, (0, edge_sigma, edge_sigma), mode="nearest")
    opacity[opacity < 0.8] = 0
    return (1 - opacity) * images + opacity * gray


# Lines


def add_dotted_line(images, rng, dot):
    """Add a line from a random row at the left to one at the right, with gaps; dots and gaps are `dot` pixels wide."""
    start, end = rng.integers(0, SIZE - 1, (2, len(images)))
    line = draw_segments(np.zeros(len(images)), start, np.full(len(images), SIZE - 1), end)
    is_gap = np.arange(SIZE) // dot % 2 == 0
    line[:, :, is_gap] = 0
    return images + line


def add_zigzag(images, rng, length, width):
    """Add a zigzag along a line from column 2 to column 25.

    The line starts in a random row and rises or falls by up to five rows. The vertices alternate between both sides of
    the line, `width` pixels away from it. The first one is at `length` pixels along the line, and the others are at
    intervals of ``2 * length``. The last segment, as in the original, does not end on the line exactly.
    """
    first, last = 2, 25
    start, change = rng.integers(0, SIZE - 1, len(images)), rng.integers(-5, 5, len(images))
    angle = np.arctan(change / (last - first))
    total = (last - first) / np.cos(angle)
    n_vertices = int((total.min() - length) // (2 * length)) + 1
    i = np.arange(n_vertices)
    inner = np.stack([(2 * i + 1) * length, (-1.0) ** i * width])[:, :, np.newaxis]
    rest = total % (2 * length)
    end = np.stack([total, inner[1, -1] / (2 * rest)])[:, np.newaxis]
    shape = (2, n_vertices, len(images))
    along, across = np.hstack([np.zeros_like(end), np.broadcast_to(inner, shape), end])
    columns = first + along * np.cos(angle) - across * np.sin(angle)
    rows = start + along * np.sin(angle) + across * np.cos(angle)
    zigzag = sum(
        draw_segments(columns[k], rows[k], columns[k + 1], rows[k + 1])
        for k in range(n_vertices + 1)
    )
    return images + zigzag


def draw_segments(first_column, first_row, last_column, last_row):
    """Draw one line segment per image, from left to right.

    A pixel at the vertical distance d of the line is 1 + log(1 - d / 2.3), or 0 if this is negative. The last column
    remains black if the segment ends in its center.
    """
    rows, columns = np.arange(SIZE)[:, np.newaxis], np.arange(SIZE)
    first_column, first_row, last_column, last_row = (
        values[:, np.newaxis, np.newaxis]
        for values in (first_column, first_row, last_column, last_row)
    )
    slope = (last_row - first_row) / (last_column - first_column)
    distance = np.abs(rows - first_row - slope * (columns - first_column))
    intensity = np.clip(1 + np.log1p(-np.minimum(distance / 2.3, 0.9)), 0, 1)
    is_inside = (np.floor(first_column) <= columns) & (columns < np.ceil(last_column))
    return np.where(is_inside, intensity, 0)


# Edges


def find_edges(images, rng, sigma, low, high):
    """Return the edges of the images by Canny's algorithm [1]_, as white lines of one pixel on black.

    The steps and thresholds are those of scikit-image: Gaussian smoothing, the gradient by Sobel's operator, the
    suppression of pixels that are not a maximum along the gradient, by linear interpolation, and hysteresis: a pixel
    whose gradient reaches `low` is an edge if it is connected to one whose gradient reaches `high`. Pixels at the
    border of an image are not edges. Where two neighboring gradients are equal, rounding errors may decide.

    References
    ----------
    .. [1] Canny, "A computational approach to edge detection", IEEE Transactions on Pattern Analysis and Machine
       Intelligence 8, 1986
    """
    smooth = ndimage.gaussian_filter(images, (0, sigma, sigma), mode="constant")
    smooth /= ndimage.gaussian_filter(np.ones((SIZE, SIZE)), sigma, mode="constant")
    down, right = apply_sobel(smooth, 1, 2), apply_sobel(smooth, 2, 1)
    magnitude = np.hypot(down, right)
    is_edge = np.zeros(images.shape, bool)
    is_edge[:, 1:-1, 1:-1] = magnitude[:, 1:-1, 1:-1] >= low
    is_edge[is_edge] = find_maxima(magnitude, down, right, np.nonzero(is_edge))
    in_one_image = np.zeros((3, 3, 3))
    in_one_image[1] = 1
    labels, n_labels = ndimage.label(is_edge, in_one_image)
    is_strong = np.zeros(n_labels + 1, bool)
    is_strong[labels[is_edge & (magnitude >= high)]] = True
    return is_strong[labels].astype(float)


def apply_sobel(images, axis, other_axis):
    """Return the derivatives along an axis, with weights (1, 2, 1) along the other axis of the images."""
    derivatives = ndimage.correlate1d(images, [-1, 0, 1], axis=axis)
    return ndimage.correlate1d(derivatives, [1, 2, 1], axis=other_axis)


def find_maxima(magnitude, down, right, pixels):
    """Return whether the gradient of each pixel is at least as large as on both sides along its direction.

    The magnitude on one side is interpolated between two neighbors: the one along the larger component of the gradient,
    and the diagonal one.
    """
    image, row, column = pixels
    down, right = down[pixels], right[pixels]
    is_steep = np.abs(down) >= np.abs(right)
    slope = np.minimum(np.abs(down), np.abs(right)) / np.maximum(np.abs(down), np.abs(right))
    diagonal = np.sign(down).astype(int), np.sign(right).astype(int)
    straight = np.where(is_steep, diagonal[0], 0), np.where(is_steep, 0, diagonal[1])
    is_maximum = np.ones(len(image), bool)
    for side in (1, -1):
        near = magnitude[image, row + side * straight[0], column + side * straight[1]]
        far = magnitude[image, row + side * diagonal[0], column + side * diagonal[1]]
        is_maximum &= slope * far + (1 - slope) * near <= magnitude[pixels]
    return is_maximum


# The comments give the severity, from 1 to 5, where the original has several.
CORRUPTIONS = {
    "shot noise": partial(add_shot_noise, photons=3),  # 5
    "impulse noise": partial(add_impulse_noise, fraction=0.17),  # 4
    "glass blur": partial(apply_glass_blur, sigma=0.7, reach=1, rounds=2),  # 1
    "motion blur": partial(apply_motion_blur, radius=10, sigma=3, max_angle=45),  # 1
    "shear": partial(shear, angle=0.4),  # 2
    "scale": partial(scale, factor=0.7),  # 3
    "rotate": partial(rotate, angle=0.4),  # 2
    "brightness": partial(brighten, amount=0.5),  # 5
    "translate": partial(translate, distance=3),  # 3
    "stripe": partial(invert_stripes, width=7),
    "fog": partial(add_fog, thickness=3, decay=1.4),  # 5
    "spatter": partial(
        add_spatter,
        mean=0.65,
        deviation=0.3,
        sigma=1,
        threshold=0.65,
        edge_sigma=1.5,
        gray=63 / 255,
    ),  # 4
    "dotted line": partial(add_dotted_line, dot=2),
    "zigzag": partial(add_zigzag, length=2, width=2),
    "Canny edges": partial(find_edges, sigma=1, low=0.1, high=0.2),
}
