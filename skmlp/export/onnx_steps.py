"""Conversion of the steps of a Pipeline before the classifier to operators of ONNX."""

import numpy as np
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from skmlp.digits.deslant import Deslant
from skmlp.digits.moments import STEPS_PER_PIXEL
from skmlp.digits.reader import IDXReader
from skmlp.digits.resizer import ROUNDING_OFFSET, ImageResizer, make_averages
from skmlp.digits.spread import MAX_STEP, MIN_STEP, check_spread
from skmlp.export.onnx_graph import get_onnx_type, to_float32

PIXEL_MAX = 255
# The difference of two pixels of smaller absolute values is finite in float32.
LARGE_PIXEL = 2.0 ** (np.finfo(np.float32).maxexp - 1)

# The functions below take a graph, a fitted transformer, the name of the samples as float32, and whether the
# transformer gets them as uint8. They return the name of the transformed samples.


def add_reader(graph, reader, values, is_uint8):
    """Add the transformation of an IDXReader."""
    if get_image_shape(reader) is not None:
        values = graph.add("Flatten", values, axis=1)
    if reader.scale and is_uint8:
        values = graph.add("Div", values, to_float32(PIXEL_MAX))
    return values


def add_resizer(graph, resizer, values, is_uint8):
    """Add the transformation of an ImageResizer, in the order of `resize`."""
    rows, columns = map(make_averages, resizer.image_shape_, resizer.shape)
    images = graph.add("Reshape", values, np.array([-1, *resizer.image_shape_]))
    reduced = graph.add("MatMul", to_float32(rows), images)
    resized = graph.add("MatMul", reduced, to_float32(columns.T))
    values = graph.add("Reshape", resized, np.array([-1, len(rows) * len(columns)]))
    if not is_uint8:
        return values
    return graph.add("Floor", graph.add("Add", values, to_float32(ROUNDING_OFFSET)))


def add_deslanter(graph, deslanter, values, is_uint8):
    """Add the transformation of a Deslant, in the order of `deslant`."""
    height, width = deslanter.image_shape_
    images = graph.add("Reshape", values, np.array([-1, height, width]))
    if is_uint8:
        upright = add_rounding(graph, add_sheared(graph, deslanter, images))
    else:
        upright = add_sheared_in_range(graph, deslanter, images)
    vertical, horizontal = check_spread(deslanter.spread)
    if horizontal is not None:
        upright = add_scaled_columns(graph, upright, width, horizontal, is_uint8)
    if vertical is not None:
        transposed = graph.add("Transpose", upright, perm=[0, 2, 1])
        transposed = add_scaled_columns(graph, transposed, height, vertical, is_uint8)
        upright = graph.add("Transpose", transposed, perm=[0, 2, 1])
    return graph.add("Reshape", upright, np.array([-1, height * width]))


def add_rounding(graph, images):
    """Add the rounding of pixels to integers."""
    return graph.add("Floor", graph.add("Add", images, to_float32(0.5)))


def add_sheared_in_range(graph, deslanter, images):
    """Add the shearing of images of halved pixels if the difference of two pixels can exceed the range of float32."""
    largest = graph.add("ReduceMax", graph.add("Abs", images), axes=[1, 2], keepdims=1)
    is_large = graph.add("GreaterOrEqual", largest, to_float32(LARGE_PIXEL))

    def scale_large(images, factor):
        factors = graph.add("Where", is_large, to_float32(factor), to_float32(1))
        return graph.add("Mul", images, factors)

    return scale_large(add_sheared(graph, deslanter, scale_large(images, 0.5)), 2)


def add_sheared(graph, deslanter, images):
    """Add the shearing of images, in the order of `compute_shifts` and `shift_rows`."""
    width = deslanter.image_shape_[1]
    shifts = add_shifts(graph, deslanter, images)
    whole = graph.add("Floor", shifts)
    fractions = cast(graph, graph.add("Sub", shifts, whole), np.float32)
    padded = graph.add("Pad", images, np.array([0, 0, 1, 0, 0, 1]))
    starts = graph.add("Clip", whole, np.array(-width - 1.0), np.array(float(width)))
    columns = graph.add("Add", cast(graph, starts, np.int64), np.arange(1, width + 2))
    columns = graph.add("Clip", columns, np.array(0), np.array(width + 1))
    samples = graph.add("GatherElements", padded, columns, axis=2)
    first, second = (
        graph.add("Slice", samples, np.array([start]), np.array([start + width]), np.array([2]))
        for start in (0, 1)
    )
    difference = graph.add("Mul", graph.add("Sub", second, first), fractions)
    return graph.add("Add", difference, first)


def add_shifts(graph, deslanter, images):
    """Add the computation of the shifts of a Deslant, as float64 of shape (n_images, height, 1)."""
    height, width = deslanter.image_shape_
    ink = cast(graph, graph.add("Abs", images), np.float64)
    row_ink = graph.add("ReduceSum", ink, np.array([2]))
    column_moments = graph.add("MatMul", ink, np.arange(float(width))[:, np.newaxis])
    rows = np.arange(float(height))[:, np.newaxis]

    def sum_rows(values):
        return graph.add("ReduceSum", values, np.array([1]))

    total = sum_rows(row_ink)
    row_moments = sum_rows(graph.add("Mul", row_ink, rows))
    distances = graph.add("Sub", graph.add("Mul", total, rows), row_moments)
    variances = sum_rows(graph.add("Mul", graph.add("Mul", row_ink, rows), distances))
    covariances = sum_rows(graph.add("Mul", column_moments, distances))
    limit = float(deslanter.max_shear)
    shears = graph.add(
        "Clip", add_quotient(graph, covariances, variances), np.array(-limit), np.array(limit)
    )
    shifts = graph.add("Mul", shears, add_quotient(graph, distances, total))
    return add_rounding_to_steps(graph, shifts)


def add_quotient(graph, numerators, denominators):
    """Add the quotient of float64 values, which is 0 where the denominator is."""
    is_positive = graph.add("Greater", denominators, np.array(0.0))
    return graph.add(
        "Div", numerators, graph.add("Where", is_positive, denominators, np.array(np.inf))
    )


def add_rounding_to_steps(graph, positions):
    """Add the rounding of positions in pixels to multiples of a small step."""
    steps = graph.add("Mul", positions, np.array(float(STEPS_PER_PIXEL)))
    return graph.add("Div", graph.add("Round", steps), np.array(float(STEPS_PER_PIXEL)))


def add_scaled_columns(graph, images, width, spread, is_uint8):
    """Add the scaling of images in horizontal direction, in the order of `scale_columns`."""
    columns = np.arange(float(width))[:, np.newaxis]
    positions = add_positions(graph, images, width, spread)
    distances = graph.add("Abs", graph.add("Sub", columns, positions))
    weights = graph.add("Max", graph.add("Sub", np.array(1.0), distances), np.array(0.0))
    scaled = graph.add("MatMul", images, cast(graph, weights, np.float32))
    return add_rounding(graph, scaled) if is_uint8 else scaled


def add_positions(graph, images, width, spread):
    """Add the computation of the positions of `compute_positions`, as float64 of shape (n_images, 1, width)."""
    column_ink = graph.add(
        "ReduceSum", cast(graph, graph.add("Abs", images), np.float64), np.array([1])
    )
    columns = np.arange(float(width))[:, np.newaxis]
    total, first, second = (graph.add("MatMul", column_ink, columns**power) for power in range(3))
    square = graph.add("Mul", first, first)
    numerator = graph.add("Sub", graph.add("Mul", total, second), square)
    variance = add_quotient(graph, numerator, graph.add("Mul", total, total))
    deviation = graph.add("Sqrt", graph.add("Max", variance, np.array(0.0)))
    step = graph.add("Div", deviation, np.array(float(spread) * width))
    step = graph.add("Clip", step, np.array(MIN_STEP), np.array(MAX_STEP))
    middle = (width - 1) / 2
    is_blank = graph.add("Equal", total, np.array(0.0))
    center, step = (
        add_rounding_to_steps(graph, graph.add("Where", is_blank, np.array(default), values))
        for values, default in ((add_quotient(graph, first, total), middle), (step, 1.0))
    )
    return graph.add("Add", center, graph.add("Mul", step, np.arange(float(width)) - middle))


def add_standard_scaler(graph, scaler, values, is_uint8):
    """Add the transformation of a StandardScaler."""
    shift = scaler.mean_ if scaler.with_mean else None
    return add_shift_and_scale(graph, values, shift=shift, scale=scaler.scale_)


def add_robust_scaler(graph, scaler, values, is_uint8):
    """Add the transformation of a RobustScaler."""
    return add_shift_and_scale(graph, values, shift=scaler.center_, scale=scaler.scale_)


def add_max_abs_scaler(graph, scaler, values, is_uint8):
    """Add the transformation of a MaxAbsScaler."""
    values = add_shift_and_scale(graph, values, scale=scaler.scale_)
    return add_clip(graph, values, -1, 1) if scaler.clip else values


def add_min_max_scaler(graph, scaler, values, is_uint8):
    """Add the transformation of a MinMaxScaler, x scale_ + min_."""
    product = graph.add("Mul", values, to_float32(scaler.scale_))
    values = graph.add("Add", product, to_float32(scaler.min_))
    return add_clip(graph, values, *scaler.feature_range) if scaler.clip else values


def add_shift_and_scale(graph, values, *, shift=None, scale=None):
    """Add (values - shift) / scale; None leaves out the step."""
    if shift is not None:
        values = graph.add("Sub", values, to_float32(shift))
    if scale is not None:
        values = graph.add("Div", values, to_float32(scale))
    return values


def cast(graph, values, dtype):
    """Add the conversion of values to a dtype."""
    return graph.add("Cast", values, to=get_onnx_type(np.dtype(dtype)))


def add_clip(graph, values, smallest, largest):
    """Add the limitation of values to a range."""
    return graph.add("Clip", values, to_float32(smallest), to_float32(largest))


#: Functions that add a fitted transformer to a graph, by its type.
CONVERTERS = {
    IDXReader: add_reader,
    ImageResizer: add_resizer,
    Deslant: add_deslanter,
    StandardScaler: add_standard_scaler,
    MinMaxScaler: add_min_max_scaler,
    MaxAbsScaler: add_max_abs_scaler,
    RobustScaler: add_robust_scaler,
}


def check_steps(transformers):
    """Raise TypeError for a transformer that cannot be converted."""
    for transformer in transformers:
        if type(transformer) not in CONVERTERS:
            names = ", ".join(converted.__name__ for converted in CONVERTERS)
            raise TypeError(
                f"The steps before the classifier must be {names} or 'passthrough', got {type(transformer).__name__}. "
                "Use skl2onnx.to_onnx, which converts other transformers and calls the converter of MLPDigitClassifier."
            )


def get_input_shape(parts):
    """Return the shape of a sample of a model, given as its ModelParts."""
    first = parts.steps[0]
    if isinstance(first, IDXReader) and get_image_shape(first) is not None:
        return get_image_shape(first)
    return (parts.n_features,)


def get_image_shape(reader):
    """Return the image shape of an IDXReader, None if it was fitted on rows of pixels or not fitted."""
    return getattr(reader, "image_shape_", None)


def choose_input_dtype(pipelines):
    """Return the dtype of samples by default: uint8 if an IDXReader scales pixels, else float32.

    Parameters
    ----------
    pipelines : list of list
        Transformers of each Pipeline that takes the samples.
    """
    readers = [transformers[0] for transformers in pipelines if transformers]
    is_scaled = any(isinstance(reader, IDXReader) and reader.scale for reader in readers)
    return np.uint8 if is_scaled else np.float32


def add_steps(graph, transformers, values, input_dtype):
    """Add transformers to a graph.

    Parameters
    ----------
    graph : Graph
    transformers : list of fitted transformers
        Must pass `check_steps`.
    values : str
        Name of the samples.
    input_dtype : dtype
        Their dtype.

    Returns
    -------
    features : str
        Name of the features, of dtype float32.
    """
    is_uint8 = input_dtype == np.uint8
    if is_uint8:
        values = cast(graph, values, np.float32)
    for transformer in transformers:
        values = CONVERTERS[type(transformer)](graph, transformer, values, is_uint8)
        is_uint8 = is_uint8 and isinstance(transformer, ImageResizer | Deslant)
    return values


def enlarge(features, resizer):
    """Return images of the original size by repeating the pixels of resized images."""
    rows, columns = (
        make_averages(*sizes).argmax(axis=0)
        for sizes in zip(resizer.image_shape_, resizer.shape, strict=True)
    )
    images = features.reshape(-1, *resizer.shape)
    return images[:, rows][:, :, columns].reshape(len(features), -1)


def restore_samples(transformers, features, input_dtype):
    """Return samples, of the shape and dtype of the input, that transformers convert approximately to features."""
    for transformer in reversed(transformers):
        if isinstance(transformer, IDXReader):
            if transformer.scale and input_dtype == np.uint8:
                features = features * PIXEL_MAX
            features = features.reshape(-1, *(get_image_shape(transformer) or features.shape[1:]))
        elif isinstance(transformer, ImageResizer):
            features = enlarge(features, transformer)
        elif isinstance(transformer, Deslant):
            continue  # the samples of features are upright, or nearly so
        else:
            features = transformer.inverse_transform(features)
    if input_dtype == np.uint8:
        features = np.clip(np.rint(features), 0, PIXEL_MAX)
    return features.astype(input_dtype)
