"""MLflow records metrics and stores models, here in files instead of its database, which takes longer to create."""

import numpy as np
import pytest


@pytest.fixture
def tracking_client(tmp_path, monkeypatch):
    """Return a client of MLflow whose runs are stored in a temporary directory."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    pytest.importorskip("skops")
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("mlflow.pyfunc")  # without the warnings of this import
    mlflow.set_tracking_uri(tmp_path / "mlruns")
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(None)


def test_metrics_and_model_are_logged(tracking_client, split, mlp):
    X_train, X_test, y_train, _ = split
    # Begin of the documentation: mlflow
    import mlflow

    from skmlp import SKOPS_TRUSTED_TYPES
    from skmlp.callbacks import OnEpoch

    log = OnEpoch(lambda epoch, metrics: mlflow.log_metrics(metrics, step=epoch))
    with mlflow.start_run() as run:
        mlp.set_callbacks(log).fit(X_train, y_train).set_callbacks()
        options = {"skops_trusted_types": list(SKOPS_TRUSTED_TYPES), "pip_requirements": ["skmlp"]}
        model = mlflow.sklearn.log_model(mlp, name="digits", **options)
    loaded = mlflow.sklearn.load_model(model.model_uri)
    # End of the documentation: mlflow
    np.testing.assert_array_equal(loaded.predict_proba(X_test), mlp.predict_proba(X_test))
    history = tracking_client.get_metric_history(run.info.run_id, "loss")
    assert [metric.step for metric in history] == list(range(1, 11))
    assert [metric.value for metric in history] == mlp.loss_curve_
