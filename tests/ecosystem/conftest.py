"""Data and a classifier for the tests with other libraries, as in docs/howto/other_tools.rst."""

import pytest


@pytest.fixture
def split():
    """Return samples and labels for training and for the test."""
    # Begin of the documentation: data
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    # End of the documentation: data
    return X_train, X_test, y_train, y_test


@pytest.fixture
def mlp():
    """Return a classifier that is not fitted."""
    # Begin of the documentation: classifier
    from skmlp import MLPDigitClassifier

    mlp = MLPDigitClassifier(
        (32,),
        learning_rate_init=0.01,
        input_scale=1 / 16,
        max_iter=10,
        n_iter_no_change=None,
        random_state=0,
    )
    # End of the documentation: classifier
    return mlp  # noqa: RET504, because the documentation shows the assignment


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    """Change to a temporary directory, and turn off telemetry."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DO_NOT_TRACK", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
