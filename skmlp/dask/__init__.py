"""Training on dask arrays, on one machine or on a cluster. Requires the extra ``skmlp[dask]``."""

from importlib.util import find_spec

if find_spec("dask") is None or find_spec("distributed") is None:
    raise ImportError(
        "skmlp.dask requires the packages dask and distributed, at least one of which is not installed. Install them "
        "with 'pip install \"skmlp[dask]\"'."
    )

from skmlp.dask.classifier import DaskMLPDigitClassifier
from skmlp.dask.idx import read_idx

__all__ = ["DaskMLPDigitClassifier", "read_idx"]
