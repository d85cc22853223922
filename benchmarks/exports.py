"""Compare the exports of models: size, time per digit, accuracy, and difference from the model.

    python benchmarks/exports.py mnist-run/model.safetensors

The digits are the 10,000 test images of MNIST, predicted one at a time on one core, as in an application. The C code is
compiled by gcc -O2, and the page runs in node. Formats whose tools are missing, or that cannot express the model, are
left out.
"""

import argparse
import ctypes
import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import numpy as np
from data import find_mnist
from report import describe_machine, print_table

from skmlp import load_mnist, load_model
from skmlp.export import to_c, to_html, to_onnx, to_sklearn
from skmlp.export.checks import Predictions, compare_predictions
from skmlp.export.page_data import make_page_data
from skmlp.formatting import format_duration, format_percent, format_size

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "export"))

from node import run_node

COLUMNS = ("format", "size", "time per digit", "accuracy", "labels that differ", "difference", "")
NODE_SCRIPT = """
import { readFileSync } from "node:fs";
import { averageProbabilities, convertPixels, decodeMembers } from "./committee.js";

const page = JSON.parse(readFileSync("page.json"));
const members = await decodeMembers(page.members);
const pixels = readFileSync("pixels.bin");
const size = members[0].network.layers[0].fanIn;
const results = [];
const start = performance.now();
for (let first = 0; first < pixels.length; first += size) {
  const image = pixels.subarray(first, first + size);
  const passes = members.map(({ network, deslant }) => network.forward(convertPixels(image, page.input, deslant)));
  results.push(Array.from(averageProbabilities(members, passes)));
}
const seconds = (performance.now() - start) / 1000;
process.stdout.write(JSON.stringify({ results, seconds }));
"""


class Export(NamedTuple):
    """Result of a format: size of the file in bytes, time for all digits in seconds, and predictions."""

    size: int
    seconds: float
    predictions: Predictions
    remark: str = ""


def main():
    """Print a table for each model."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", metavar="MODEL", help="model file, trained on MNIST")
    paths = parser.parse_args().models
    X, y = load_mnist(find_mnist(), subset="test", return_X_y=True)
    print(describe_machine())
    for path in paths:
        print(f"\n{path}\n")
        print_table(COLUMNS, list(compare_formats(path, X, y)))


def compare_formats(path, X, y):
    """Yield a row of text for each format."""
    model = load_model(path)
    expected = Predictions(model.predict(X), model.predict_proba(X))
    for name, measure in FORMATS.items():
        with TemporaryDirectory() as directory:
            try:
                export = measure(model, X, Path(directory), path)
            except (ImportError, FileNotFoundError, TypeError, ValueError) as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
                continue
        comparison = compare_predictions(expected, export.predictions)
        yield [
            name,
            format_size(export.size),
            format_duration(export.seconds / len(X)),
            format_percent(np.mean(export.predictions.labels == y)),
            str(comparison.n_different),
            f"{comparison.largest_difference:.1e}",
            export.remark,
        ]


def predict_one_by_one(predict, X):
    """Return the time and the results of a function for each sample."""
    predict(X[:1])
    start = perf_counter()
    results = [predict(X[i : i + 1]) for i in range(len(X))]
    return perf_counter() - start, np.concatenate(results)


def label_rows(probabilities, model):
    """Return the Predictions for probabilities."""
    return Predictions(model.classes_[probabilities.argmax(axis=1)], probabilities)


def measure_skmlp(model, X, directory, path):
    """Measure the model itself."""
    seconds, probabilities = predict_one_by_one(model.predict_proba, X)
    return Export(Path(path).stat().st_size, seconds, label_rows(probabilities, model))


def measure_sklearn(model, X, directory, path):
    """Measure the MLPClassifier, and its file of skops."""
    classifier = to_sklearn(model, directory / "digits.skops")
    seconds, probabilities = predict_one_by_one(classifier.predict_proba, X)
    size = (directory / "digits.skops").stat().st_size
    return Export(size, seconds, label_rows(probabilities, model))


def measure_onnx(model, X, directory, path):
    """Measure the ONNX model with uint8 pixels."""
    to_onnx(model, directory / "digits.onnx", input_dtype=np.uint8)
    return run_onnxruntime(directory / "digits.onnx", model, X)


def measure_quantized_onnx(model, X, directory, path):
    """Measure the ONNX model after dynamic quantization."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    to_onnx(model, directory / "digits.onnx")
    quantize_dynamic(
        directory / "digits.onnx", directory / "int8.onnx", weight_type=QuantType.QUInt8
    )
    return run_onnxruntime(directory / "int8.onnx", model, X.astype(np.float32))


def run_onnxruntime(file, model, X):
    """Measure a file in onnxruntime with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    seconds, probabilities = predict_one_by_one(
        lambda x: session.run(["probabilities"], {"X": x})[0], X
    )
    return Export(file.stat().st_size, seconds, label_rows(probabilities, model))


def measure_c(model, X, directory, path):
    """Measure the C code."""
    footprint = to_c(model, directory / "digits.c")
    compiler = shutil.which("gcc")
    if compiler is None:
        raise FileNotFoundError("gcc was not found")
    flags = ["-std=c99", "-O2", "-shared", "-fPIC"]
    command = [compiler, *flags, directory / "digits.c", "-o", directory / "digits.so", "-lm"]
    subprocess.run(command, check=True)
    subprocess.run(
        [compiler, "-std=c99", "-Os", "-c", directory / "digits.c", "-o", directory / "digits.o"],
        check=True,
    )
    predict = ctypes.CDLL(str(directory / "digits.so")).skmlp_predict

    def predict_one(x):
        probabilities = np.empty((1, len(model.classes_)), np.float32)
        predict(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(probabilities.ctypes.data))
        return probabilities

    seconds, probabilities = predict_one_by_one(predict_one, X)
    remark = (
        f"flash {format_size(footprint.constants)} and {format_size(measure_code(directory))} of code, "
        f"RAM {format_size(footprint.stack)}"
    )
    size = (directory / "digits.c").stat().st_size
    return Export(size, seconds, label_rows(probabilities, model), remark)


def measure_code(directory):
    """Return the size of the machine code for this processor, optimized for size, in bytes."""
    output = subprocess.run(
        ["size", "-A", directory / "digits.o"], capture_output=True, text=True, check=True
    ).stdout
    sections = (line.split() for line in output.splitlines())
    return sum(int(words[1]) for words in sections if words and words[0].startswith(".text"))


def measure_html(model, X, directory, path):
    """Measure the page with 8-bit weights, in node."""
    to_html(model, directory / "digits.html", weights="int8")
    page = json.dumps(make_page_data(model, "int8"))
    files = {"page.json": page.encode(), "pixels.bin": X.tobytes()}
    output = json.loads(run_node(NODE_SCRIPT, input_files=files, timeout=600))
    size = (directory / "digits.html").stat().st_size
    return Export(size, output["seconds"], label_rows(np.array(output["results"]), model))


#: Functions that measure a format, by its name.
FORMATS = {
    "skmlp": measure_skmlp,
    "scikit-learn": measure_sklearn,
    "ONNX, float32": measure_onnx,
    "ONNX, 8 bits": measure_quantized_onnx,
    "C, 8 bits": measure_c,
    "HTML, 8 bits": measure_html,
}


if __name__ == "__main__":
    main()
