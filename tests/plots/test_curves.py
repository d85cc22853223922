import io
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from skmlp.plots.curves import TrainingCurveDisplay


@pytest.fixture(autouse=True)
def _no_window(monkeypatch):
    mpl.use("agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def make_history(n_epochs, *, validation=True):
    epochs = np.arange(1, n_epochs + 1)
    history = {
        "loss": list(1 / epochs),
        "accuracy": list(1 - 0.3 / epochs),
        "learning_rate": [float("nan")] * n_epochs,
        "seconds": [0.1] * n_epochs,
    }
    if validation:
        history["val_loss"] = list(0.2 + 0.01 * np.abs(epochs - 3))
        history["val_accuracy"] = list(0.9 - 0.01 * np.abs(epochs - 4))
    return history


def two_axes():
    return Figure(figsize=(8, 3), layout="constrained").subplots(1, 2)


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_curves_are_the_history():
    history = make_history(5)
    display = TrainingCurveDisplay.from_history(history, axes=two_axes())
    for ax, name in zip(display.axes_, ("loss", "accuracy"), strict=True):
        training, validation = ax.get_lines()[:2]
        np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3, 4, 5])
        np.testing.assert_array_equal(training.get_ydata(), history[name])
        np.testing.assert_array_equal(validation.get_ydata(), history[f"val_{name}"])
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", name)


def test_best_epoch_is_the_lowest_loss_and_the_highest_accuracy():
    display = TrainingCurveDisplay.from_history(make_history(6), axes=two_axes())
    assert labels(display.axes_[0])[2] == "best: 0.2000 at epoch 3"
    assert labels(display.axes_[1])[2] == "best: 90.00 % at epoch 4"
    ring = display.axes_[1].get_lines()[2]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (4, 0.9)


def test_name_of_the_second_set():
    display = TrainingCurveDisplay.from_history(
        make_history(3), validation_name="test", axes=two_axes()
    )
    assert labels(display.axes_[0])[:2] == ["training", "test"]


def test_without_a_second_set():
    display = TrainingCurveDisplay.from_history(make_history(3, validation=False), axes=two_axes())
    assert display.val_loss is None
    assert labels(display.axes_[0]) == labels(display.axes_[1]) == ["training"]


@pytest.mark.parametrize("n_epochs", [1, 2, 7, 10, 11, 20, 25, 99, 100, 1000])
def test_epochs_are_ticked_by_whole_numbers_from_one(n_epochs):
    display = TrainingCurveDisplay.from_history(make_history(n_epochs), axes=two_axes())
    ticks = display.axes_[0].get_xticks()
    assert ticks[0] == 1
    assert ticks[-1] <= n_epochs
    assert len(ticks) <= 11
    np.testing.assert_array_equal(ticks, np.unique(ticks.astype(int)))


@pytest.mark.parametrize("n_epochs", [1, 3, 100])
@pytest.mark.parametrize("validation", [False, True])
def test_accuracy_is_shown_in_per_cent(n_epochs, validation):
    history = make_history(n_epochs, validation=validation)
    display = TrainingCurveDisplay.from_history(history, axes=two_axes())
    FigureCanvasAgg(display.figure_).draw()
    ticks = [label.get_text() for label in display.axes_[1].get_yticklabels()]
    assert len(set(ticks)) == len(ticks) > 1
    assert all(tick.endswith(" %") and len(tick) <= 8 for tick in ticks)
    assert display.axes_[1].get_ylim()[1] <= 1.03
    assert display.axes_[0].get_ylim()[0] == 0


def test_second_set_that_is_not_a_number_throughout():
    history = make_history(3) | {"val_loss": [np.nan] * 3}
    display = TrainingCurveDisplay.from_history(history, axes=two_axes())
    assert labels(display.axes_[0]) == ["training", "validation"]


def test_picture_can_be_saved_without_pyplot():
    figure = Figure(layout="constrained")
    TrainingCurveDisplay.from_history(make_history(4), axes=figure.subplots(1, 2))
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    assert picture.getvalue().startswith(b"\x89PNG")


def test_new_figure_where_no_axes_are_given():
    display = TrainingCurveDisplay.from_history(make_history(4))
    assert display.axes_.shape == (2,)
    assert display.figure_ is display.axes_[0].figure


def test_from_estimator():
    fitted = SimpleNamespace(history_=make_history(3))
    display = TrainingCurveDisplay.from_estimator(
        fitted, validation_name="held out", axes=two_axes()
    )
    assert "held out" in labels(display.axes_[0])
    np.testing.assert_array_equal(display.loss, fitted.history_["loss"])


def test_plot_again_elsewhere():
    display = TrainingCurveDisplay(loss=[0.5, 0.2], accuracy=[0.8, 0.9])
    axes = two_axes()
    assert display.plot(axes=axes) is display
    assert display.figure_ is axes[0].figure


def test_estimator_that_is_not_fitted():
    with pytest.raises(ValueError, match=r"SimpleNamespace has none\. Call its fit first"):
        TrainingCurveDisplay.from_estimator(SimpleNamespace())


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ({"loss": [1.0]}, r"missing: \['accuracy'\]"),
        ({"loss": [], "accuracy": []}, "at least one epoch"),
        ({"loss": [1.0, 0.5], "accuracy": [0.5]}, "equally long.*'loss': 2, 'accuracy': 1"),
    ],
)
def test_history_that_cannot_be_drawn(history, message):
    with pytest.raises(ValueError, match=message):
        TrainingCurveDisplay.from_history(history)


def test_wrong_number_of_axes():
    with pytest.raises(ValueError, match=r"must be two matplotlib axes.*got 1"):
        TrainingCurveDisplay.from_history(make_history(2), axes=Figure().subplots())
