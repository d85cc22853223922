"""The parts of models: steps of Pipelines, and members of VotingClassifiers."""

import numpy as np
import pytest
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skmlp import Deslant, IDXReader, ImageResizer, MLPDigitClassifier, make_committee
from skmlp.model_parts import (
    Committee,
    average_log_probabilities,
    get_names,
    get_weights,
    is_committee,
    list_members,
    split_model,
)

X = np.random.default_rng(0).random((40, 36))
y = np.arange(40) % 3


def fit(*steps, seed=0):
    mlp = MLPDigitClassifier((4,), max_iter=2, n_iter_no_change=None, random_state=seed)
    return (make_pipeline(*steps, mlp) if steps else mlp).fit(X, y)


NESTED = make_pipeline(
    "passthrough", make_pipeline(StandardScaler(), None), make_pipeline(MinMaxScaler(), fit())
)


def test_classifier():
    mlp = fit()
    parts = split_model(mlp)
    assert parts.transformers == ()
    assert parts.classifier is mlp
    assert parts.transform(X) is X


def test_steps_of_nested_pipelines():
    parts = split_model(NESTED.fit(X, y))
    types = [type(step) for step in parts.steps]
    assert types == [StandardScaler, MinMaxScaler, MLPDigitClassifier]
    np.testing.assert_array_equal(
        parts.classifier.predict_proba(parts.transform(X)), NESTED.predict_proba(X)
    )


def test_steps_that_are_frozen():
    mlp = fit()
    parts = split_model(FrozenEstimator(make_pipeline(FrozenEstimator(Deslant()), mlp)))
    assert [type(step) for step in parts.transformers] == [Deslant]
    assert parts.classifier is mlp


@pytest.mark.parametrize("model", [Pipeline([]), make_pipeline("passthrough"), "passthrough", None])
def test_no_classifier(model):
    with pytest.raises(TypeError, match="must be a classifier, or a Pipeline that ends with one"):
        split_model(model)


@pytest.mark.parametrize(
    ("model", "n_features"),
    [
        (fit(), 36),
        (make_pipeline(IDXReader(scale=False), "passthrough", fit()), 36),
        (fit(ImageResizer((4, 2))), 36),
        (MLPDigitClassifier(), None),
        (make_pipeline(Deslant(), MLPDigitClassifier()), None),
    ],
)
def test_number_of_features(model, n_features):
    assert split_model(model).n_features == n_features


@pytest.mark.parametrize(
    ("model", "shape", "takes_images"),
    [
        (fit(), None, True),
        (MLPDigitClassifier(image_shape=(4, 9)), (4, 9), True),
        (fit(Deslant(image_shape=(9, 4))), (9, 4), True),
        (fit(IDXReader(scale=False), Deslant(image_shape=(4, 9))), (4, 9), True),
        (fit(StandardScaler(), Deslant(image_shape=(4, 9))), None, False),
    ],
)
def test_images(model, shape, takes_images):
    parts = split_model(model)
    assert parts.image_shape == shape
    assert parts.takes_images == takes_images


class TestCommittees:
    def test_members(self):
        models = [fit(), fit(Deslant())]
        committee = make_committee(models)
        assert is_committee(committee)
        assert list_members(committee) == models
        assert get_weights(committee) is None

    def test_other_models_are_their_own_member(self):
        for model in (fit(), fit(Deslant()), LogisticRegression()):
            assert not is_committee(model)
            assert list_members(model) == [model]

    def test_dropped_members(self):
        members = [("first", fit()), ("second", fit(seed=1)), ("third", fit(seed=2))]
        committee = VotingClassifier(members, voting="soft", weights=[1, 2, 3])
        committee.set_params(second="drop").fit(X, y)
        assert get_names(committee) == ["first", "third"]
        assert get_weights(committee) == [1, 3]
        each = [member.predict_proba(X) for member in list_members(committee)]
        expected = np.average(each, axis=0, weights=get_weights(committee))
        np.testing.assert_array_equal(committee.predict_proba(X), expected)

    @pytest.mark.parametrize("weights", [None, [1, 3, 2]])
    def test_view(self, weights):
        members = [("first", fit()), ("second", fit(Deslant())), ("third", fit(seed=2))]
        committee = VotingClassifier(members, voting="soft", weights=weights)
        committee.set_params(second="drop").fit(X, np.array(list("abc"))[y])
        view = Committee.from_estimator(committee, split_model)
        assert [member.name for member in view.members] == ["first", "third"]
        fractions = [0.5, 0.5] if weights is None else [1 / 3, 2 / 3]
        assert [member.weight for member in view.members] == pytest.approx(fractions)
        for parts, model in zip(view.models, committee.estimators_, strict=True):
            np.testing.assert_array_equal(parts.predict_proba(X), model.predict_proba(X))
        probabilities = committee.predict_proba(X)
        np.testing.assert_array_equal(view.predict_proba(X), probabilities)
        np.testing.assert_array_equal(view.predict(X), committee.predict(X))
        np.testing.assert_allclose(np.exp(view.predict_log_proba(X)), probabilities, rtol=1e-5)

    @pytest.mark.parametrize(
        ("shapes", "expected"),
        [
            ([None, None], None),
            ([None, (4, 9)], (4, 9)),
            ([(4, 9), (4, 9)], (4, 9)),
            ([(4, 9), (6, 6)], None),
        ],
    )
    def test_features_of_a_view(self, shapes, expected):
        models = [fit().set_params(image_shape=shape) for shape in shapes]
        view = Committee.from_estimator(make_committee(models), split_model)
        assert view.n_features_in_ == 36
        assert view.image_shape == expected
        assert view.classes_.tolist() == [0, 1, 2]

    @pytest.mark.parametrize("weights", [None, [1, 3]])
    def test_average_of_log_probabilities(self, weights):
        each = np.random.default_rng(0).dirichlet([1, 1, 1], size=(2, 5))
        expected = np.average(each, axis=0, weights=weights)
        averages = average_log_probabilities(np.log(each), weights)
        np.testing.assert_allclose(np.exp(averages), expected, rtol=1e-12)

    def test_average_of_probabilities_that_are_0(self):
        averages = average_log_probabilities([[[-2000.0, 0]], [[-1000.0, 0]]], [1, 1])
        np.testing.assert_allclose(averages, [[-1000 - np.log(2), 0]])
