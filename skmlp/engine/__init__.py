"""The numerics: training and prediction of a network, on NumPy and SciPy, without knowledge of estimators."""
