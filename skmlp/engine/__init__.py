"""The learning machine: NumPy and SciPy only, and no knowledge of estimators."""
