"""The callback TrainingProgress."""

import re

import pytest
from rich.console import Console
from sklearn.datasets import load_digits

from skmlp import MLPDigitClassifier
from skmlp.callbacks import Checkpoint, OnEpoch, TrainingProgress


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300], y[:300]


def make_classifier(**changed):
    parameters = {"max_iter": 3, "n_iter_no_change": None, "input_scale": 1 / 16, "random_state": 0}
    return MLPDigitClassifier(**parameters | changed)


def test_lines_have_the_metrics_of_the_history(digits, capsys):
    model = make_classifier().set_callbacks(TrainingProgress()).fit(*digits)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for epoch, line in enumerate(lines):
        history = {name: values[epoch] for name, values in model.history_.items()}
        assert line.startswith(
            f"epoch {epoch + 1}/3  loss {history['loss']:.4f}  accuracy {100 * history['accuracy']:.1f} %  "
        )
        rate = float(re.search(r"([\d,]+) samples/s", line)[1].replace(",", ""))
        assert rate == pytest.approx(300 / history["seconds"], rel=0.01)


def test_second_fit(digits, capsys):
    model = make_classifier(max_iter=1).set_callbacks(TrainingProgress())
    model.fit(*digits).fit(*digits)
    rates = re.findall(r"epoch 1/1 .*  ([\d,]+) samples/s", capsys.readouterr().out)
    assert len(rates) == 2


def test_accuracy_of_the_validation_set(digits, capsys):
    X, y = digits
    model = make_classifier(max_iter=1).set_callbacks(TrainingProgress())
    model.fit(X, y, X_val=X[:50], y_val=y[:50])
    assert f"accuracy {100 * model.history_['val_accuracy'][0]:.1f} %" in capsys.readouterr().out


def test_resumed_training_continues_the_count(digits, capsys, tmp_path):
    path = tmp_path / "model.safetensors"
    stop = OnEpoch(lambda epoch, metrics: stop_training() if epoch == 2 else None)
    model = make_classifier().set_callbacks(Checkpoint(path), stop)
    with pytest.raises(InterruptedError):
        model.fit(*digits)
    MLPDigitClassifier.resume(path, *digits, callbacks=[TrainingProgress()])
    assert re.findall(r"epoch \d/\d", capsys.readouterr().out) == ["epoch 3/3"]


def stop_training():
    raise InterruptedError


def test_bar_in_a_terminal(digits, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    assert Console().is_terminal
    progress = TrainingProgress()
    fractions = []

    def advance(epoch, metrics):
        progress.add_samples(150, 300)
        fractions.append(epoch)

    make_classifier().set_callbacks(OnEpoch(advance), progress).fit(*digits)
    output = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", capsys.readouterr().out)
    last = output.strip().splitlines()[-1]
    assert re.fullmatch(
        r"epoch 3/3 ━+ loss \d\.\d{4}  accuracy \d+\.\d %  [\d,]+ samples/s", last.strip()
    )
    assert len(fractions) == 3
