"""Calls of callbacks, and the estimators that callbacks receive."""

import pickle
import warnings

import numpy as np
import pytest
from helpers import Recorder, assert_same_model, make_classifier_factory
from sklearn.callback import ProgressBar, ScoringMonitor

from skmlp import MLPDigitClassifier
from skmlp.callbacks import Checkpoint, OnEpoch

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOLVERS = ["adam", "sgd", "lbfgs"]
every_solver = pytest.mark.parametrize("solver", SOLVERS)
make = make_classifier_factory()


@every_solver
def test_callbacks_are_called_for_fit_and_each_epoch(digits, solver):
    recorder = Recorder()
    make(solver=solver, max_iter=4).set_callbacks(recorder).fit(*digits)
    epochs = ["begin epoch", "end epoch"] * 4
    assert recorder.calls == ["setup", "begin fit", *epochs, "end fit", "teardown"]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"solver": "lbfgs"},
        {"solver": "lbfgs", "tol": 0, "max_iter": 300, "max_fun": 40},
        {"solver": "lbfgs", "tol": 0, "max_iter": 1000},  # ends when a line search fails
        {"solver": "lbfgs", "tol": 1e9},  # ends before the first iteration
    ],
    ids=str,
)
def test_hooks_for_epochs_are_called_in_pairs(digits, params):
    X, y = digits
    recorder = Recorder()
    estimator = make(**params).set_callbacks(recorder).fit(X.astype(np.float32), y)
    epochs = [call for call in recorder.calls if call.endswith("epoch")]
    assert epochs == ["begin epoch", "end epoch"] * len(estimator.loss_curve_)
    assert np.isfinite(estimator.loss_)


@every_solver
def test_callbacks_can_stop_training(digits, solver):
    X, y = digits
    estimator = make(solver=solver, max_iter=50).set_callbacks(Recorder(lambda epoch: epoch == 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.fit(X, y)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 3
    assert_same_model(estimator, make(solver=solver, max_iter=3).fit(X, y))


@every_solver
def test_callbacks_do_not_change_training(digits, solver):
    recorded = make(solver=solver).set_callbacks(Recorder()).fit(*digits)
    assert_same_model(recorded, make(solver=solver).fit(*digits))


@every_solver
def test_callback_models_do_not_change_later(digits, solver):
    X, y = digits
    recorder = Recorder()
    estimator = make(solver=solver, max_iter=4).set_callbacks(recorder).fit(X, y)
    for n_epochs, (model, seen) in enumerate(
        zip(recorder.models, recorder.probabilities, strict=True), start=1
    ):
        expected = make(solver=solver, max_iter=n_epochs).fit(X, y).predict_proba(X)
        np.testing.assert_allclose(seen, expected, rtol=1e-9)
        np.testing.assert_array_equal(model.predict_proba(X), seen)
    np.testing.assert_allclose(estimator.predict_proba(X), recorder.probabilities[-1], rtol=1e-12)


@every_solver
def test_callback_models_have_the_history_up_to_their_epoch(digits, solver):
    recorder = Recorder()
    estimator = make(solver=solver, max_iter=4).set_callbacks(recorder).fit(*digits)
    for n_epochs, model in enumerate(recorder.models, start=1):
        assert model.loss_curve_ == estimator.loss_curve_[:n_epochs]
        assert len(model.history_["loss"]) == n_epochs


def test_training_callback_models_does_not_change_training(digits):
    X, y = digits

    class Trainer(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name == "epoch":
                fitted_estimator.set_callbacks().partial_fit(X, y)

    estimator = make(max_iter=4).set_callbacks(Trainer()).fit(X, y)
    assert_same_model(estimator, make(max_iter=4).fit(X, y))


class PickleSizeRecorder(Recorder):
    """Callback that records the pickle size of the estimator passed to its hook."""

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.calls.append(len(pickle.dumps(estimator)))
        return False


@pytest.mark.parametrize("solver", SOLVERS)
def test_estimator_passed_to_callbacks_contains_no_samples(solver):
    X = np.random.default_rng(0).random((4000, 64))
    y = np.arange(4000) % 10
    callback = PickleSizeRecorder()
    make(solver=solver, max_iter=2).set_callbacks(callback).fit(X, y, X_val=X, y_val=y)
    # The samples take 2 MB. Their order and a few copies of the weights take 100 kB.
    sizes = [call for call in callback.calls if isinstance(call, int)]
    assert len(sizes) == 3
    assert max(sizes) < 200_000


@every_solver
@pytest.mark.parametrize("extra", ["none", "validation", "weights"])
def test_scoring_monitor_scores_each_epoch(digits, solver, extra):
    X, y = digits
    monitor = ScoringMonitor(scoring="accuracy")
    estimator = make(solver=solver, max_iter=4).set_callbacks(monitor)
    arguments = {
        "none": {},
        "validation": {"X_val": X[:50], "y_val": y[:50]},
        "weights": {"sample_weight": np.linspace(1, 9, 300)},
    }[extra]
    estimator.fit(X, y, **arguments)
    scores = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(scores) == 4
    final = estimator.score(X, y, arguments.get("sample_weight"))
    assert scores[-1] == pytest.approx(final, rel=1e-12)


@every_solver
def test_progress_bar_shows_training(digits, solver, capsys):
    make(solver=solver, max_iter=4).set_callbacks(ProgressBar()).fit(*digits)
    assert "MLPDigitClassifier - fit" in capsys.readouterr().out


@every_solver
@pytest.mark.parametrize("with_validation", [False, True])
def test_on_epoch_passes_the_metrics_of_each_epoch(digits, solver, with_validation):
    X, y = digits
    calls = []
    estimator = make(solver=solver, max_iter=4)
    estimator.set_callbacks(OnEpoch(lambda epoch, metrics: calls.append((epoch, metrics))))
    validation = {"X_val": X[:50], "y_val": y[:50]} if with_validation else {}
    estimator.fit(X, y, **validation)
    history = estimator.history_
    assert ("val_loss" in history) == with_validation
    rows = [dict(zip(history, row, strict=True)) for row in zip(*history.values(), strict=True)]
    assert calls == list(enumerate(rows, start=1))
    assert all(type(value) is float for _, metrics in calls for value in metrics.values())


@every_solver
@pytest.mark.parametrize("answer", [True, np.True_])
def test_on_epoch_stops_training(digits, solver, answer):
    callback = OnEpoch(lambda epoch, metrics: answer if epoch == 3 else None)
    estimator = make(solver=solver, max_iter=50).set_callbacks(callback).fit(*digits)
    assert_same_model(estimator, make(solver=solver, max_iter=3).fit(*digits))


def test_on_epoch_raises_the_exception_of_its_function(digits):
    def prune(epoch, metrics):
        raise LookupError(f"pruned after epoch {epoch}")

    with pytest.raises(LookupError, match="pruned after epoch 1"):
        make().set_callbacks(OnEpoch(prune)).fit(*digits)


def test_on_epoch_counts_the_epochs_before_training_was_resumed(digits, tmp_path):
    path = tmp_path / "run.safetensors"
    stop = OnEpoch(lambda epoch, metrics: epoch == 2)
    make(max_iter=5).set_callbacks(stop, Checkpoint(path)).fit(*digits)
    epochs = []
    record = OnEpoch(lambda epoch, metrics: epochs.append(epoch))
    MLPDigitClassifier.resume(path, *digits, callbacks=[record])
    assert epochs == [3, 4, 5]


@pytest.mark.parametrize("answer", ["yes", 1, np.ones(2)])
def test_on_epoch_refuses_other_answers(digits, answer):
    callback = OnEpoch(lambda epoch, metrics: answer)
    with pytest.raises(TypeError, match="function must return True, False or None, got "):
        make().set_callbacks(callback).fit(*digits)


def test_on_epoch_requires_a_function():
    with pytest.raises(TypeError, match=r"function must be callable as function\(epoch, metrics\)"):
        OnEpoch("print")
