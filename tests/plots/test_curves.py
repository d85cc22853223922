"""TrainingCurveDisplay: lines, axes, legends and errors."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from skmlp.plots.curves import TrainingCurveDisplay


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


def make_axes():
    return Figure(figsize=(8, 3), layout="constrained").subplots(1, 2)


def get_legend_labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_lines_show_the_history():
    history = make_history(5)
    display = TrainingCurveDisplay.from_history(history, ax=make_axes())
    for ax, name in zip(display.axes_, ("loss", "accuracy"), strict=True):
        training, validation = ax.get_lines()[:2]
        np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3, 4, 5])
        np.testing.assert_array_equal(training.get_ydata(), history[name])
        np.testing.assert_array_equal(validation.get_ydata(), history[f"val_{name}"])
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", name)


def test_best_epoch_has_the_lowest_loss_or_the_highest_accuracy():
    display = TrainingCurveDisplay.from_history(make_history(6), ax=make_axes())
    assert get_legend_labels(display.axes_[0])[2] == "best: 0.2000 at epoch 3"
    assert get_legend_labels(display.axes_[1])[2] == "best: 90.00 % at epoch 4"
    marker = display.axes_[1].get_lines()[2]
    assert (marker.get_xdata()[0], marker.get_ydata()[0]) == (4, 0.9)


def test_legend_shows_validation_name():
    display = TrainingCurveDisplay.from_history(
        make_history(3), validation_name="test", ax=make_axes()
    )
    assert get_legend_labels(display.axes_[0])[:2] == ["training", "test"]


def test_validation_curves_are_optional():
    display = TrainingCurveDisplay.from_history(make_history(3, validation=False), ax=make_axes())
    assert ("", "val_loss") not in display.lines_
    assert (
        get_legend_labels(display.axes_[0]) == get_legend_labels(display.axes_[1]) == ["training"]
    )


@pytest.mark.parametrize("n_epochs", [1, 2, 7, 10, 11, 20, 25, 99, 100, 1000])
def test_epoch_ticks_are_integers_that_start_at_one(n_epochs):
    display = TrainingCurveDisplay.from_history(make_history(n_epochs), ax=make_axes())
    ticks = display.axes_[0].get_xticks()
    assert ticks[0] == 1
    assert ticks[-1] <= n_epochs
    assert len(ticks) <= 11
    np.testing.assert_array_equal(ticks, np.unique(ticks.astype(int)))


@pytest.mark.parametrize("n_epochs", [1, 3, 100])
@pytest.mark.parametrize("validation", [False, True])
def test_accuracy_axis_shows_percentages(n_epochs, validation):
    history = make_history(n_epochs, validation=validation)
    display = TrainingCurveDisplay.from_history(history, ax=make_axes())
    FigureCanvasAgg(display.figure_).draw()
    ticks = [label.get_text() for label in display.axes_[1].get_yticklabels()]
    assert len(set(ticks)) == len(ticks) > 1
    assert all(tick.endswith(" %") and len(tick) <= 8 for tick in ticks)
    assert display.axes_[1].get_ylim()[1] <= 1.03
    assert display.axes_[0].get_ylim()[0] == 0


def test_no_best_epoch_is_marked_if_all_values_are_nan():
    history = make_history(3) | {"val_loss": [np.nan] * 3}
    display = TrainingCurveDisplay.from_history(history, ax=make_axes())
    assert get_legend_labels(display.axes_[0]) == ["training", "validation"]


def test_figure_without_pyplot_can_be_saved():
    figure = Figure(layout="constrained")
    TrainingCurveDisplay.from_history(make_history(4), ax=figure.subplots(1, 2))
    file = io.BytesIO()
    figure.savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")


def test_plot_without_axes_creates_a_figure():
    display = TrainingCurveDisplay.from_history(make_history(4))
    assert display.axes_.shape == (2,)
    assert display.figure_ is display.axes_[0].figure


def test_from_estimator_plots_history():
    fitted = SimpleNamespace(history_=make_history(3))
    display = TrainingCurveDisplay.from_estimator(
        fitted, validation_name="held-out", ax=make_axes()
    )
    assert "held-out" in get_legend_labels(display.axes_[0])
    np.testing.assert_array_equal(display.lines_["", "loss"].get_ydata(), fitted.history_["loss"])


def test_plot_can_be_repeated_on_other_axes():
    display = TrainingCurveDisplay.from_history({"loss": [0.5, 0.2], "accuracy": [0.8, 0.9]})
    axes = make_axes()
    assert display.plot(ax=axes) is display
    assert display.figure_ is axes[0].figure


def test_from_estimator_raises_if_not_fitted():
    with pytest.raises(ValueError, match=r"got SimpleNamespace without .*\. Call fit first"):
        TrainingCurveDisplay.from_estimator(SimpleNamespace())


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ({"loss": [1.0]}, r"got \['loss'\]\. Add 'accuracy'"),
        ({"loss": [], "accuracy": []}, "equal lengths of at least 1"),
        ({"loss": [1.0, 0.5], "accuracy": [0.5]}, "equal lengths.*'loss': 2, 'accuracy': 1"),
    ],
)
def test_from_history_raises_on_invalid_history(history, message):
    with pytest.raises(ValueError, match=message):
        TrainingCurveDisplay.from_history(history)


def test_from_history_raises_on_wrong_number_of_axes():
    with pytest.raises(ValueError, match=r"must be two matplotlib axes, .*got 1"):
        TrainingCurveDisplay.from_history(make_history(2), ax=Figure().subplots())


# Learning rate, and several runs


def add_rates(history):
    return history | {"learning_rate": list(0.1 / np.arange(1, len(history["loss"]) + 1))}


def test_learning_rate_has_a_panel():
    history = add_rates(make_history(4))
    display = TrainingCurveDisplay.from_history(history)
    assert display.n_panels == len(display.axes_) == 3
    line = display.lines_["", "learning_rate"]
    np.testing.assert_array_equal(line.get_ydata(), history["learning_rate"])
    assert display.axes_[2].get_ylabel() == "learning rate"
    assert display.axes_[2].get_ylim()[0] == 0


def test_learning_rate_is_not_plotted_in_two_given_axes():
    display = TrainingCurveDisplay.from_history(add_rates(make_history(4)), ax=make_axes())
    assert len(display.axes_) == 2
    assert ("", "learning_rate") not in display.lines_


def test_unknown_learning_rate_has_no_panel():
    assert TrainingCurveDisplay.from_history(make_history(4)).n_panels == 2
    with pytest.raises(ValueError, match="got 3"):
        TrainingCurveDisplay.from_history(make_history(4), ax=Figure().subplots(1, 3))


def test_several_runs_have_their_own_colors_and_names():
    histories = {"one": make_history(5), "two": make_history(8, validation=False)}
    display = TrainingCurveDisplay.from_histories(histories, validation_name="test")
    assert set(display.lines_) == {
        *(("one", key) for key in ("loss", "accuracy", "val_loss", "val_accuracy")),
        *(("two", key) for key in ("loss", "accuracy")),
    }
    for (name, key), line in display.lines_.items():
        np.testing.assert_array_equal(line.get_ydata(), histories[name][key])
    colors = [display.lines_[name, "loss"].get_color() for name in histories]
    assert colors[0] != colors[1]
    assert display.lines_["one", "val_loss"].get_color() == colors[0]
    assert display.lines_["one", "loss"].get_linestyle() != "-"
    assert display.lines_["one", "val_loss"].get_linestyle() == "-"
    assert get_legend_labels(display.axes_[0]) == [
        "one, test, best: 0.2000 at epoch 3",
        "two",
        "training",
    ]
    assert display.axes_[0].get_xlim()[1] > 8


def test_best_epochs_are_kept():
    display = TrainingCurveDisplay.from_histories({"one": make_history(6)})
    marker = display.best_["one", "val_accuracy"]
    assert (marker.get_xdata()[0], marker.get_ydata()[0]) == (4, 0.9)


def test_line_arguments_have_precedence():
    display = TrainingCurveDisplay.from_history(
        make_history(3), line_kw={"linewidth": 3, "marker": None}
    )
    assert {line.get_linewidth() for line in display.lines_.values()} == {3}


def test_one_run_with_a_name():
    display = TrainingCurveDisplay.from_histories({"one": make_history(6)})
    labels = get_legend_labels(display.axes_[0])
    assert labels == ["one, training", "one, validation, best: 0.2000 at epoch 3"]


@pytest.mark.parametrize("line_kw", [{"lw": 3}, {"c": "k"}, {"ls": ":"}, {"ms": 2}])
def test_arguments_may_be_abbreviated(line_kw):
    TrainingCurveDisplay.from_history(make_history(3), line_kw=line_kw)


def test_no_histories():
    with pytest.raises(ValueError, match="histories must contain at least one history, got none"):
        TrainingCurveDisplay.from_histories({})
