"""skore evaluates fitted classifiers."""

import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss, recall_score


def test_metrics_of_the_report_equal_those_of_scikit_learn(split, mlp):
    pytest.importorskip("skore")
    X_train, X_test, y_train, y_test = split
    # Begin of the documentation: skore
    from skore import EstimatorReport

    report = EstimatorReport(mlp, X_train=X_train, y_train=y_train, X_test=X_test, y_test=y_test)
    accuracy = report.metrics.accuracy()
    # End of the documentation: skore
    fitted = clone(mlp).fit(X_train, y_train)
    assert accuracy == fitted.score(X_test, y_test) > 0.95
    assert report.metrics.accuracy(data_source="train") == fitted.score(X_train, y_train)
    expected = log_loss(y_test, fitted.predict_proba(X_test))
    assert report.metrics.log_loss() == pytest.approx(expected)
    recalls = recall_score(y_test, fitted.predict(X_test), average=None)
    assert report.metrics.recall() == pytest.approx(dict(enumerate(recalls)))
