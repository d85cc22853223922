"""Export of fitted classifiers to other programs."""
