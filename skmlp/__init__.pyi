"""Public names of skmlp, for editors, type checkers and the lazy imports of __init__.py."""

from skmlp import augment as augment
from skmlp import callbacks as callbacks
from skmlp import dask as dask
from skmlp import export as export
from skmlp import recipes as recipes
from skmlp import schedules as schedules
from skmlp import typing as typing
from skmlp.digits.augmenter import DigitAugmenter as DigitAugmenter
from skmlp.digits.deslant import Deslant as Deslant
from skmlp.digits.idx import IDXHeader as IDXHeader
from skmlp.digits.idx import read_idx as read_idx
from skmlp.digits.idx import read_idx_header as read_idx_header
from skmlp.digits.idx import write_idx as write_idx
from skmlp.digits.mnist import download_mnist as download_mnist
from skmlp.digits.mnist import fetch_mnist as fetch_mnist
from skmlp.digits.mnist import load_mnist as load_mnist
from skmlp.digits.normalize import normalize_digit as normalize_digit
from skmlp.digits.reader import IDXReader as IDXReader
from skmlp.digits.resizer import ImageResizer as ImageResizer
from skmlp.engine.backend_choice import get_kernels as get_kernels
from skmlp.engine.backend_choice import set_kernels as set_kernels
from skmlp.engine.compilation import compile_kernels as compile_kernels
from skmlp.estimator.classifier import MLPDigitClassifier as MLPDigitClassifier
from skmlp.exceptions import CheckpointError as CheckpointError
from skmlp.exceptions import ClusterError as ClusterError
from skmlp.exceptions import ExportError as ExportError
from skmlp.exceptions import IDXFormatError as IDXFormatError
from skmlp.exceptions import ModelFormatError as ModelFormatError
from skmlp.exceptions import NoDigitError as NoDigitError
from skmlp.exceptions import NonFiniteLossError as NonFiniteLossError
from skmlp.exceptions import TrainingInterruptedWarning as TrainingInterruptedWarning
from skmlp.files.models import load_model as load_model
from skmlp.files.models import read_model_header as read_model_header
from skmlp.files.models import save_model as save_model
from skmlp.plots.architecture import ArchitectureDisplay as ArchitectureDisplay
from skmlp.plots.curves import TrainingCurveDisplay as TrainingCurveDisplay
from skmlp.plots.gallery import DigitGalleryDisplay as DigitGalleryDisplay
from skmlp.plots.rates import LearningRateDisplay as LearningRateDisplay
from skmlp.plots.reliability import ReliabilityDisplay as ReliabilityDisplay
from skmlp.plots.saliency import SaliencyDisplay as SaliencyDisplay
from skmlp.plots.weights import WeightImageDisplay as WeightImageDisplay
from skmlp.report.writing import write_report as write_report
from skmlp.skops_types import SKOPS_TRUSTED_TYPES as SKOPS_TRUSTED_TYPES
from skmlp.versions import show_versions as show_versions

__version__: str
