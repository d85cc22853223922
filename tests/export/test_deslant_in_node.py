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

const { images, shape, maxShear } = JSON.parse(readFileSync("input.json"));
process.stdout.write(JSON.stringify(images.map((image) => [...deslant(image, shape, maxShear)])));
"""


@pytest.mark.parametrize("max_shear", [0, 0.3, 1, 5.5])
@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (9, 20), (1, 6), (6, 1)], ids=str)
def test_images_are_those_of_python(shape, max_shear):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (100, shape[0] * shape[1])) * (rng.random((100, 1)) < 0.8)
    images[:50] *= rng.random(images[:50].shape) < 0.2
    binary = 255 * (rng.random((2000, images.shape[1])) < 0.3)
    images = np.concatenate([images, binary]).astype(np.uint8)
    settings = {"images": images.tolist(), "shape": shape, "maxShear": max_shear}
    output = run_node(SCRIPT, input_files={"input.json": json.dumps(settings).encode()})
    expected = Deslant(max_shear, image_shape=shape).fit_transform(images)
    np.testing.assert_array_equal(json.loads(output), expected)
