"""The summary: counts that can be checked by hand, before and after fit."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skmlp import MLPDigitClassifier

X, y = load_digits(return_X_y=True)


def test_the_keras_example_has_its_known_count():
    summary = MLPDigitClassifier((512, 512), dropout=0.2).summary(784, 10)
    assert summary.n_parameters == 669_706
    assert "669,706 parameters, 2.55 MB" in str(summary)
    assert str(summary).count("dropout 0.2") == 2


@pytest.mark.parametrize("hidden", [(), (7,), (30, 20)])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("labels", [y, y > 4, y < 10, np.eye(10, dtype=int)[y]])
def test_the_count_is_that_of_the_fitted_arrays(hidden, batch_norm, labels):
    mlp = MLPDigitClassifier(hidden, batch_norm=batch_norm, max_iter=1, tol=0.0)
    with pytest.warns():
        mlp.fit(X.astype(np.float32), labels)
    arrays = mlp.coefs_ + mlp.intercepts_
    if batch_norm:
        # The shifts take the place of the biases of the hidden layers, which are zero.
        assert not any(biases.any() for biases in mlp.intercepts_[:-1])
        arrays = mlp.coefs_ + mlp.intercepts_[-1:]
        arrays += mlp.batch_norm_["gain"] + mlp.batch_norm_["shift"]
    summary = mlp.summary()
    assert summary.n_parameters == sum(array.size for array in arrays)
    assert summary.n_bytes == sum(array.nbytes for array in arrays)


def test_the_table_shows_every_layer_in_order():
    mlp = MLPDigitClassifier(
        (30, 20), ["gelu", "tanh"], batch_norm=True, dropout=[0.5, 0], input_dropout=0.1
    )
    names = [line.split("  ")[0] for line in str(mlp.summary(64, 2)).splitlines()[2:-2]]
    assert names == [
        *("input", "dropout 0.1", "dense", "batch norm", "gelu", "dropout 0.5"),
        *("dense", "batch norm", "tanh", "dense", "logistic"),
    ]


def test_after_fit_the_fitted_layers_count():
    mlp = MLPDigitClassifier((7,), max_iter=1, dropout=0.5)
    with pytest.warns():
        mlp.fit(X, y)
    before = str(mlp.summary())
    mlp.set_params(hidden_layer_sizes=(30, 20), batch_norm=True)
    assert str(mlp.summary(n_features=1, n_classes=2)) == before


def test_the_html_form_has_the_same_cells():
    summary = MLPDigitClassifier((7,)).summary(64, 10)
    html = summary._repr_html_()
    for name, units, count in summary.rows:
        assert f"<td>{name}</td><td>(n, {units:,})</td><td>{count:,}</td>" in html
    assert html.startswith("<table>")
    assert html.endswith("</table>")


@pytest.mark.parametrize("known", [{}, {"n_features": 64}, {"n_classes": 10}])
def test_before_fit_both_numbers_are_needed(known):
    with pytest.raises(
        ValueError, match=r"before fit: n_.* must be an integer of at least 1\. Got None"
    ):
        MLPDigitClassifier().summary(**known)


@pytest.mark.parametrize("numbers", [(64, 0), (0, 10), (-1, 10), (64, 2.5), (64, True)], ids=str)
def test_numbers_that_are_no_sizes_are_refused(numbers):
    with pytest.raises(ValueError, match=r"must be an integer of at least 1\. Got"):
        MLPDigitClassifier().summary(*numbers)
