"""Training and prediction of a network on NumPy and SciPy, independent of the estimator."""
