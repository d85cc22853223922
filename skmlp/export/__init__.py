"""Export of fitted classifiers to other programs."""

from skmlp.export.html import to_html

__all__ = ["to_html"]
