"""Conversion of gradient features to operators of ONNX."""

import numpy as np

from skmlp.digits.gradients import N_DIRECTIONS, ROOT_OFFSET, make_weights
from skmlp.export.onnx_graph import to_float32


def add_image_inputs(graph, inputs, pixels):
    """Add the computation of ImageInputs to a graph.

    Parameters
    ----------
    graph : Graph
    inputs : ImageInputs
    pixels : str
        Name of the pixels, of shape (n_samples, n_pixels) and dtype float32.

    Returns
    -------
    features : str
        Name of the inputs of the network, of shape (n_samples, n_inputs).
    """
    pixels = graph.add("Mul", pixels, to_float32(inputs.scale))
    images = graph.add("Reshape", pixels, np.array([-1, *inputs.image_shape]))
    components = add_components(graph, *add_gradient(graph, images, inputs.image_shape))
    rows, columns = (
        to_float32(make_weights(*sizes))
        for sizes in zip(inputs.features.grid, inputs.image_shape, strict=True)
    )
    averages = graph.add("MatMul", rows, graph.add("MatMul", components, columns.T))
    n_strengths = N_DIRECTIONS * len(rows) * len(columns)
    averages = graph.add("Reshape", averages, np.array([-1, n_strengths]))
    roots = graph.add("Sqrt", graph.add("Add", averages, to_float32(ROOT_OFFSET)))
    strengths = graph.add("Sub", roots, to_float32(np.sqrt(ROOT_OFFSET)))
    if not inputs.features.include_pixels:
        return strengths
    return graph.add("Concat", strengths, pixels, axis=1)


def add_gradient(graph, images, shape):
    """Add the Sobel filters of images, and return the names of the horizontal and the vertical derivatives."""
    smooth_rows, smooth_columns = (make_band(size, (1, 2, 1)) for size in shape)
    derive_rows, derive_columns = (make_band(size, (-1, 0, 1)) / 4 for size in shape)
    horizontal = graph.add(
        "MatMul",
        to_float32(smooth_rows),
        graph.add("MatMul", images, to_float32(derive_columns.T)),
    )
    vertical = graph.add(
        "MatMul",
        to_float32(derive_rows),
        graph.add("MatMul", images, to_float32(smooth_columns.T)),
    )
    return horizontal, vertical


def make_band(size, weights):
    """Return the matrix that adds the neighbors of each element, multiplied by three weights."""
    return sum(weight * np.eye(size, k=k) for k, weight in enumerate(weights, start=-1))


def add_components(graph, horizontal, vertical):
    """Add the components in the eight directions, of shape (n_samples, 8, height, width)."""
    root = to_float32(np.sqrt(0.5))
    falling = graph.add("Mul", graph.add("Add", vertical, horizontal), root)
    rising = graph.add("Mul", graph.add("Sub", vertical, horizontal), root)
    # Vectors along the first four directions, and across them, up to their sign
    axes = (horizontal, vertical), (falling, rising), (vertical, horizontal), (rising, falling)
    components = [
        graph.add("Relu", graph.add("Sub", along, graph.add("Abs", across)))
        for sign in (1, -1)
        for along, across in (
            (along if sign > 0 else graph.add("Neg", along), across) for along, across in axes
        )
    ]
    stacked = [graph.add("Unsqueeze", component, np.array([1])) for component in components]
    return graph.add("Concat", *stacked, axis=1)
