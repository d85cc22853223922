"""Preparation of the examples that Sphinx-Gallery runs."""

import warnings
from pathlib import Path

filters = []


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
