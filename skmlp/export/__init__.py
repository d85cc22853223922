"""Export of fitted classifiers to other programs."""

from skmlp.export.c_source import CFootprint, to_c
from skmlp.export.html import to_html
from skmlp.export.onnx_model import to_onnx
from skmlp.export.scikit_learn import to_sklearn

__all__ = ["CFootprint", "to_c", "to_html", "to_onnx", "to_sklearn"]
