"""The JavaScript port of GradientFeatures, compared with Python."""

import json

import numpy as np
import pytest
from export.node import run_node

from skmlp import GradientFeatures
from skmlp.export.network import ImageInputs
from skmlp.export.payload import describe_inputs

SHAPES = [(28, 28), (8, 8), (9, 20), (1, 6), (6, 1)]
GRIDS = [(9, 9), (2, 5), (1, 1), (12, 3)]
SCALE = 1 / 255
# Evaluates an expression for a GradientInputs and an array of numbers, and prints the result as JSON.
SCRIPT = """
import {{ readFileSync }} from "node:fs";
import {{ GradientInputs }} from "./gradients.js";

const {{ parameters, rows }} = JSON.parse(readFileSync("input.json"));
const inputs = new GradientInputs(parameters);
process.stdout.write(JSON.stringify({expression}));
"""


def evaluate(expression, shape, grid, include_pixels, rows=()):
    """Return the value of a JavaScript expression of `inputs` and `rows`."""
    features = GradientFeatures(grid, include_pixels=include_pixels)
    parameters = describe_inputs(ImageInputs(SCALE, features, shape))
    content = json.dumps({"parameters": parameters, "rows": np.asarray(rows).tolist()}).encode()
    output = run_node(SCRIPT.format(expression=expression), input_files={"input.json": content})
    return json.loads(output)


def make_images(shape):
    """Return images of noise, of few pixels, of a single value and of negative pixels, row by row."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, shape[0] * shape[1])).astype(np.float64)
    images[10:20] *= rng.random(images[10:20].shape) < 0.2
    images[20:30] -= 128
    images[30], images[31] = 0, 255
    return images


@pytest.mark.parametrize("include_pixels", [False, True])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_features_are_those_of_python(shape, grid, include_pixels):
    images = make_images(shape)
    found = evaluate(
        "rows.map((row) => [...inputs.compute(row)])", shape, grid, include_pixels, images
    )
    compute = GradientFeatures(grid, include_pixels=include_pixels)
    expected = compute(SCALE * images.reshape(-1, *shape))
    # The rounding error of float32, and of float64 under the root, whose derivative is 50 at 0
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-14)


@pytest.mark.parametrize("include_pixels", [False, True])
@pytest.mark.parametrize("shape", [(28, 28), (9, 20)], ids=str)
def test_places_are_those_of_the_grid_points_and_pixels(shape, include_pixels):
    grid = (3, 4)
    n_inputs = 8 * 12 + include_pixels * shape[0] * shape[1]
    indices = np.arange(n_inputs)
    found = evaluate(
        "rows.map((index) => inputs.locate(index))", shape, grid, include_pixels, indices
    )
    found = np.array([(place["y"], place["x"]) for place in found])
    for start, stop, sizes in [(0, 12, grid), (84, 96, grid), (96, n_inputs, shape)]:
        expected = [(y + 0.5, x + 0.5) for y in range(sizes[0]) for x in range(sizes[1])]
        np.testing.assert_allclose(found[start:stop], (np.array(expected) / sizes)[: stop - start])


@pytest.mark.parametrize("include_pixels", [False, True])
@pytest.mark.parametrize(("shape", "grid"), [((28, 28), (7, 14)), ((10, 20), (5, 4))], ids=str)
def test_picture_of_weights_has_a_part_for_each_direction(shape, grid, include_pixels):
    n_points, n_pixels = grid[0] * grid[1], shape[0] * shape[1]
    weights = np.arange(1, 8 * n_points + include_pixels * n_pixels + 1)
    expression = "[inputs.pictureShape, [...inputs.arrange(Float32Array.from(rows))]]"
    sizes, picture = evaluate(expression, shape, grid, include_pixels, weights)
    picture = np.array(picture, dtype=float).reshape(sizes)
    is_gap = np.isnan(picture)
    top, left = (int(np.flatnonzero(is_gap.all(axis=axis))[0]) for axis in (1, 0))
    bottom, right = sizes[0] - top, sizes[1] - left
    starts = {-1: (0, 0), 0: ((sizes[0] - top) // 2, (sizes[1] - left) // 2), 1: (bottom, right)}

    def get_part(vertical, horizontal, part_shape):
        y, x = starts[vertical][0], starts[horizontal][1]
        part = picture[y : y + top, x : x + left]
        steps = np.array(part.shape) // part_shape
        assert (part.shape == steps * part_shape).all()
        values = part[:: steps[0], :: steps[1]]
        np.testing.assert_array_equal(part, np.kron(values, np.ones(steps)))
        return values

    # Direction i is i * 45 degrees from the right, downwards.
    for direction in range(8):
        angle = direction * np.pi / 4
        place = round(np.sin(angle)), round(np.cos(angle))
        expected = weights[direction * n_points :][:n_points].reshape(grid)
        np.testing.assert_array_equal(get_part(*place, grid), expected)
    if include_pixels:
        expected = weights[8 * n_points :].reshape(shape)
        np.testing.assert_array_equal(get_part(0, 0, shape), expected)
    else:
        y, x = starts[0]
        assert np.isnan(picture[y : y + top, x : x + left]).all()
    np.testing.assert_array_equal(np.unique(picture[~is_gap]), weights)
