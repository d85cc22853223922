"""The JavaScript port of Deslant, compared with Python."""

import json

import numpy as np
import pytest
from export.node import run_node

from skmlp import Deslant

# Deslants every image, and prints their pixels as JSON.
SCRIPT = """
import { readFileSync } from "node:fs";
import { deslant } from "./deslant.js";

const { images, shape, parameters } = JSON.parse(readFileSync("input.json"));
process.stdout.write(JSON.stringify(images.map((image) => [...deslant(image, shape, parameters)])));
"""


@pytest.mark.parametrize(
    ("max_shear", "spread"),
    [
        (0, (None, None)),
        (0.3, (None, None)),
        (1, (None, None)),
        (5.5, (None, None)),
        (0, (0.2, 0.15)),
        (1, (None, 0.15)),
        (1, (0.2, None)),
        (0.3, (0.9, 0.02)),
        (1, (0.02, 0.9)),
    ],
)
@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (9, 20), (1, 6), (6, 1)], ids=str)
def test_images_are_those_of_python(shape, max_shear, spread):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (100, shape[0] * shape[1])) * (rng.random((100, 1)) < 0.8)
    images[:50] *= rng.random(images[:50].shape) < 0.2
    binary = 255 * (rng.random((2000, images.shape[1])) < 0.3)
    images = np.concatenate([images, binary]).astype(np.uint8)
    parameters = {"maxShear": max_shear, "spread": spread}
    settings = {"images": images.tolist(), "shape": shape, "parameters": parameters}
    output = run_node(SCRIPT, input_files={"input.json": json.dumps(settings).encode()})
    deslanter = Deslant(max_shear, spread=spread, image_shape=shape)
    expected = deslanter.fit_transform(images)
    np.testing.assert_array_equal(json.loads(output), expected)
