"""`make_committee`: the average of fitted classifiers, compared with NumPy's average and with scikit-learn's `fit`."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from skmlp import Deslant, IDXReader, ImageResizer, MLPDigitClassifier, make_committee

X, y = load_digits(return_X_y=True)
X_few, y_few = X[:200], y[:200]
LABELS = {
    "integers": y_few,
    "strings": np.array(list("abcdefghij"))[y_few],
    "objects": np.array(list("abcdefghij"), dtype=object)[y_few],
    "two classes": y_few > 4,
    "floats": y_few * 2.0,
    "many classes": np.arange(200) % 50,
}


def fit(seed=0, labels=y_few, steps=(), X=X_few):
    mlp = MLPDigitClassifier(
        (7,), input_scale=1 / 16, max_iter=3, n_iter_no_change=None, random_state=seed
    )
    return (make_pipeline(*steps, mlp) if steps else mlp).fit(X, labels)


@pytest.mark.parametrize("weights", [None, [2, 1, 1], np.array([0.5, 0.25, 0]), (1, 1.5, 3)])
@pytest.mark.parametrize("kind", LABELS)
def test_probabilities_are_averaged(kind, weights):
    labels = LABELS[kind]
    models = [
        fit(0, labels),
        fit(1, labels, [Deslant()]),
        FrozenEstimator(fit(2, labels, [IDXReader(scale=False), ImageResizer((5, 5))])),
    ]
    committee = make_committee(models, weights)
    each = [model.predict_proba(X) for model in models]
    expected = np.average(each, axis=0, weights=weights)
    np.testing.assert_array_equal(committee.predict_proba(X), expected)
    np.testing.assert_array_equal(committee.predict(X), np.unique(labels)[expected.argmax(axis=1)])
    assert committee.predict(X).dtype == models[0].classes_.dtype
    assert committee.n_features_in_ == 64
    assert committee.score(X_few, labels) == np.mean(committee.predict(X_few) == labels)


def test_committee_is_the_one_that_scikit_learn_fits():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X_few).add_prefix("pixel ")
    models = [fit(0, X=frame), fit(1, X=frame)]
    committee = make_committee(models, [3, 1])
    members = [(f"member_{i}", FrozenEstimator(model)) for i, model in enumerate(models)]
    fitted = VotingClassifier(members, voting="soft", weights=[3, 1]).fit(frame, y_few)
    assert type(committee) is VotingClassifier
    assert vars(committee).keys() == vars(fitted).keys()
    for name in ("classes_", "feature_names_in_"):
        np.testing.assert_array_equal(getattr(committee, name), getattr(fitted, name))
    assert committee.get_params(deep=False).keys() == fitted.get_params(deep=False).keys()
    assert committee.weights == fitted.weights
    assert list(committee.named_estimators_) == list(fitted.named_estimators_)
    assert [member.estimator for member in committee.estimators_] == models
    np.testing.assert_array_equal(committee.transform(frame), fitted.transform(frame))
    names = committee.get_feature_names_out()
    assert list(names) == list(fitted.get_feature_names_out())


def test_fit_does_not_train_the_members():
    models = [fit(0), fit(1)]
    committee = make_committee(models)
    before = committee.predict_proba(X)
    np.testing.assert_array_equal(committee.fit(X_few, y_few).predict_proba(X), before)
    np.testing.assert_array_equal(clone(committee).fit(X_few, y_few).predict_proba(X), before)


def test_iterator_of_models():
    committee = make_committee(fit(seed) for seed in range(2))
    assert len(committee.estimators_) == 2


def test_other_classifiers_can_be_members():
    models = [fit(), LogisticRegression(max_iter=5000).fit(X_few, y_few)]
    committee = make_committee(models)
    expected = np.mean([model.predict_proba(X) for model in models], axis=0)
    np.testing.assert_allclose(committee.predict_proba(X), expected, rtol=1e-12)


def test_pipelines_whose_first_steps_do_not_know_the_features():
    reader = make_pipeline(IDXReader(scale=False), fit())
    passthrough = make_pipeline("passthrough", fit())
    committee = make_committee([reader, passthrough])
    np.testing.assert_array_equal(committee.predict(X), fit().predict(X))


@pytest.mark.parametrize("step", ["passthrough", None, IDXReader(scale=False)])
def test_number_of_features_if_the_first_step_does_not_state_it(step):
    pipeline = make_pipeline(step, fit())
    assert not hasattr(pipeline, "n_features_in_")  # as in scikit-learn
    frozen = FrozenEstimator(pipeline)
    for models in ([pipeline, fit(1)], [frozen]):
        committee = make_committee(models)
        assert committee.n_features_in_ == 64
        assert clone(committee).fit(X_few, y_few).n_features_in_ == 64
    assert not hasattr(frozen, "n_features_in_")


def test_number_of_features_of_a_nested_pipeline():
    nested = make_pipeline(make_pipeline("passthrough", Deslant()), fit())
    nested.fit(X_few, y_few)
    make_committee([nested, fit()])
    with pytest.raises(ValueError, match="features, 64, got 36 from model 1"):
        make_committee([nested, fit(X=X_few[:, :36])])


@pytest.mark.parametrize(
    ("make_models", "error", "message"),
    [
        (list, ValueError, r"at least one fitted classifier, got none\. Pass"),
        (lambda: "models", TypeError, "models must be a list of fitted classifiers, got 'models'"),
        (lambda: {"a": fit()}, TypeError, r"must be a list .*, got \{'a': (.|\n)* Pass its values"),
        (fit, TypeError, r"must be a list of .*, got MLPDigitClassifier\. Pass .* in a list\."),
        (
            lambda: fit(steps=[Deslant()]),
            TypeError,
            r"must be a list of .*, got a Pipeline that ends with MLP",
        ),
        (
            lambda: make_committee([fit()]),
            TypeError,
            r"must be a list of .*, got VotingClassifier\.",
        ),
        (lambda: 3, TypeError, "must be a list of fitted classifiers, got 3"),
        (lambda: None, TypeError, "must be a list of fitted classifiers, got None"),
        (lambda: [MLPDigitClassifier], TypeError, "classifiers with predict_proba, got <class"),
        (lambda: [fit(), None], TypeError, "classifiers with predict_proba, got None"),
        (lambda: [MLPDigitClassifier()], NotFittedError, "not fitted"),
        (lambda: [make_pipeline(Deslant(), MLPDigitClassifier())], NotFittedError, "not fitted"),
        (
            lambda: [fit(), PCA().fit(X)],
            TypeError,
            r"with predict_proba, got sklearn\.\S+\.PCA\. Pass",
        ),
        (lambda: [fit(), "passthrough"], TypeError, "classifiers with predict_proba, got 'pass"),
        (
            lambda: [fit(), fit(labels=y_few % 3)],
            ValueError,
            r"the same classes, \[0, 1, .*\], got \[0, 1, 2\] from model 1",
        ),
        (
            lambda: [fit(labels=LABELS["strings"]), fit()],
            ValueError,
            r"the same classes, \['a', .*\], got \[0, 1, .* from model 1",
        ),
        (
            lambda: [fit(), fit(X=X_few[:, :60])],
            ValueError,
            "the same number of features, 64, got 60 from model 1",
        ),
        (
            lambda: [fit(labels=np.eye(10, dtype=int)[y_few])],
            ValueError,
            "one class per sample, got a multilabel classifier as model 0",
        ),
        (
            lambda: [fit(labels=np.eye(10, dtype=int)[y_few], steps=[Deslant()])],
            ValueError,
            "one class per sample, got a multilabel classifier as model 0",
        ),
    ],
)
def test_invalid_models(make_models, error, message):
    with pytest.raises(error, match=message):
        make_committee(make_models())


def test_messages_are_short():
    labels = np.array([f"label {index:02}" for index in range(80)])[np.arange(200) % 80]
    others = np.where(labels == labels[0], labels[1], labels)
    names = {f"{'long' * 50} {index}": index for index in range(200)}
    for models, weights in [
        (names, None),
        ([fit(labels=labels), fit(labels=others)], None),
        ([fit(labels=labels), SVC(class_weight=dict.fromkeys(range(200), 1))], None),
        ([fit(), fit()], np.zeros(1000)),
    ]:
        with pytest.raises((TypeError, ValueError)) as caught:
            make_committee(models, weights)
        assert len(str(caught.value)) < 600
    with pytest.raises(
        ValueError, match=r"got 79 classes, \['label 01', .* \.\.\. from model 1\. Combine"
    ):
        make_committee([fit(labels=labels), fit(labels=others)])


@pytest.mark.parametrize(
    "weights",
    [
        [1e308, 1e308],
        [5e-324, 0],
        [1],
        [1, 2, 3],
        [1, -1],
        [0, 0],
        [1, np.nan],
        [1, np.inf],
        ["1", "2"],
        [[1, 2]],
        1,
        [True, False],
        [],
        [[1], [1, 2]],
        "equal",
        {"a": 1, "b": 2},
        [1, None],
        [1, 1j],
        [1, 10**400],
    ],
    ids=str,
)
def test_invalid_weights(weights):
    with pytest.raises(ValueError, match="weights must be 2 finite numbers of at least 0, one per"):
        make_committee([fit(0), fit(1)], weights)
