"""ArchitectureDisplay: layers and artists."""

import pytest
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from skmlp import ArchitectureDisplay, MLPDigitClassifier

MLP = MLPDigitClassifier(
    (20, 10), activation=["relu", "tanh"], batch_norm=True, dropout=[0.5, 0], input_dropout=0.1
)


def test_layers_are_those_of_the_summary():
    layers = ArchitectureDisplay.from_estimator(MLP, n_features=64, n_classes=3).layers
    assert [layer.n_units for layer in layers] == [64, 20, 10, 3]
    assert [layer.operations for layer in layers] == [
        ("input", "dropout 0.1"),
        ("batch norm", "relu", "dropout 0.5"),
        ("batch norm", "tanh"),
        ("softmax",),
    ]
    n_parameters = sum(layer.n_parameters for layer in layers)
    assert n_parameters == MLP.summary(64, 3).n_parameters


def test_features_of_images_are_a_layer():
    mlp = MLPDigitClassifier((20,), image_features="gradients", input_dropout=0.1)
    layers = ArchitectureDisplay.from_estimator(mlp, n_features=784, n_classes=10).layers
    assert layers[0] == (784, 0, ("input",))
    assert layers[1] == (8 * 81, 0, ("image features", "dropout 0.1"))
    assert layers[2] == (20, (8 * 81 + 1) * 20, ("relu",))


def test_fitted_classifier_needs_no_sizes():
    X, y = load_digits(return_X_y=True)
    mlp = MLPDigitClassifier((7,), max_iter=1, n_iter_no_change=None).fit(X, y)
    display = ArchitectureDisplay.from_estimator(mlp)
    assert [layer.n_units for layer in display.layers] == [64, 7, 10]


def test_artists():
    ax = Figure().subplots()
    display = ArchitectureDisplay.from_estimator(
        MLP, n_features=64, n_classes=3, ax=ax, box_kw={"linewidth": 2}
    )
    assert display.ax_ is ax
    assert len(display.boxes_) == 4
    heights = [box.get_height() for box in display.boxes_]
    assert sorted(heights, reverse=True) == heights
    assert {box.get_linewidth() for box in display.boxes_} == {2}
    assert ax.get_title() == f"{MLP.summary(64, 3).n_parameters:,} parameters"
    texts = [text.get_text() for text in display.texts_]
    assert texts[:2] == ["64", "input\ndropout 0.1"]
    assert texts[-3:] == [f"{layer.n_parameters:,}" for layer in display.layers[1:]]


def test_sizes_are_required_before_fit():
    with pytest.raises(ValueError, match="n_features must be an integer of at least 1 before fit"):
        ArchitectureDisplay.from_estimator(MLP)
