"""MLPDigitClassifier.summary before and after fit."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skmlp import MLPDigitClassifier

X, y = load_digits(return_X_y=True)


def test_parameters_of_a_known_network_are_counted():
    summary = MLPDigitClassifier((512, 512), dropout=0.2).summary(784, 10)
    assert summary.n_parameters == 669_706
    assert "669,706 parameters, 2.55 MiB" in str(summary)
    assert str(summary).count("dropout 0.2") == 2


@pytest.mark.parametrize("hidden", [(), (7,), (30, 20)])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("labels", [y, y > 4, y < 10, np.eye(10, dtype=int)[y]])
def test_parameter_count_matches_the_fitted_arrays(hidden, batch_norm, labels):
    mlp = MLPDigitClassifier(hidden, batch_norm=batch_norm, max_iter=1, tol=0.0)
    with pytest.warns():
        mlp.fit(X.astype(np.float32), labels)
    arrays = mlp.coefs_ + mlp.intercepts_
    if batch_norm:
        # The shifts replace the biases of the hidden layers, which are zero.
        assert not any(biases.any() for biases in mlp.intercepts_[:-1])
        arrays = mlp.coefs_ + mlp.intercepts_[-1:]
        arrays += mlp.batch_norm_["gain"] + mlp.batch_norm_["shift"]
    summary = mlp.summary()
    assert summary.n_parameters == sum(array.size for array in arrays)
    assert summary.n_bytes == sum(array.nbytes for array in arrays)


def test_table_lists_the_layers_in_order():
    mlp = MLPDigitClassifier(
        (30, 20), ["gelu", "tanh"], batch_norm=True, dropout=[0.5, 0], input_dropout=0.1
    )
    names = [line.split("  ")[0] for line in str(mlp.summary(64, 2)).splitlines()[2:-2]]
    assert names == [
        *("input", "dropout 0.1", "dense", "batch norm", "gelu", "dropout 0.5"),
        *("dense", "batch norm", "tanh", "dense", "logistic"),
    ]


def test_summary_after_fit_describes_the_fitted_layers():
    mlp = MLPDigitClassifier((7,), max_iter=1, dropout=0.5)
    with pytest.warns():
        mlp.fit(X, y)
    before = str(mlp.summary())
    mlp.set_params(hidden_layer_sizes=(30, 20), batch_norm=True)
    assert str(mlp.summary(n_features=1, n_classes=2)) == before


def test_html_contains_the_same_cells():
    summary = MLPDigitClassifier((7,)).summary(64, 10)
    html = summary._repr_html_()
    for name, units, count in summary.rows:
        assert f"<td>{name}</td><td>(n, {units:,})</td><td>{count:,}</td>" in html
    assert html.startswith("<table>")
    assert html.endswith("</table>")


@pytest.mark.parametrize("known", [{}, {"n_features": 64}, {"n_classes": 10}])
def test_summary_before_fit_requires_both_numbers(known):
    with pytest.raises(
        ValueError, match=r"^n_.* must be an integer of at least 1 before fit, got None\."
    ):
        MLPDigitClassifier().summary(**known)


@pytest.mark.parametrize("numbers", [(64, 0), (0, 10), (-1, 10), (64, 2.5), (64, True)], ids=str)
def test_summary_raises_on_invalid_numbers(numbers):
    with pytest.raises(ValueError, match=r"must be an integer of at least 1 before fit, got"):
        MLPDigitClassifier().summary(*numbers)
