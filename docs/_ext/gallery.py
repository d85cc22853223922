"""Order and preparation of the examples that Sphinx-Gallery runs."""

import warnings
from pathlib import Path

# First the lessons, from a complete program to a network without any library, then one topic each.
ORDER = (
    *("mnist", "sgd", "adam", "hidden_layers", "dropout_network", "from_scratch"),
    *("regularization", "class_weight", "calibration", "mistakes", "saliency"),
    *("grid_search", "deslant", "gradient_features", "noise", "own_digits", "page_of_digits"),
    *("streaming", "resume"),
)
filters = []


class LessonOrder:
    """Sort key of the examples. Each example must be in ORDER."""

    def __init__(self, directory):
        pass

    def __call__(self, file_name):
        """Return the position of an example."""
        return ORDER.index(Path(file_name).stem.removeprefix("plot_"))


def prepare_example(gallery_conf, fname, when):
    """Turn warnings into errors while an example runs, and delete the models that it has saved."""
    if when == "before":
        filters[:] = warnings.filters
        warnings.simplefilter("error")
    else:
        warnings.filters[:] = filters
        examples = Path(gallery_conf["src_dir"], gallery_conf["examples_dirs"])
        for path in examples.glob("*.safetensors"):
            path.unlink()
