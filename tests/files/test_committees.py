"""Model files of committees: VotingClassifiers of scikit-learn whose members are classifiers or pipelines."""

import json
import tracemalloc

import numpy as np
import pytest
from forged_files import forge
from safetensors.numpy import load
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmlp import (
    Deslant,
    IDXReader,
    ImageResizer,
    MLPDigitClassifier,
    ModelFormatError,
    load_model,
    make_committee,
    read_model_header,
    save_model,
)
from skmlp.files.models import compute_model_digest

X, y = load_digits(return_X_y=True)
X_few, y_few = X[:200], y[:200]
LABELS = {
    "integers": y_few,
    "strings": np.array(list("abcdefghij"))[y_few],
    "objects": np.array(list("abcdefghij"), dtype=object)[y_few],
    "two classes": np.array(["no", "yes"])[y_few // 5],
    "booleans": y_few > 4,
    "small integers": y_few.astype(np.uint8) + 3,
}
MEMBERS = {
    "classifiers": [(), ()],
    "pipelines": [(Deslant(),), (IDXReader(scale=False), ImageResizer((5, 5)))],
    "both": [(), (Deslant(0.5),), ()],
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "committee.safetensors"


def make_model(seed=0, steps=(), **parameters):
    mlp = MLPDigitClassifier(
        (7,), input_scale=1 / 16, max_iter=3, n_iter_no_change=None, random_state=seed, **parameters
    )
    return make_pipeline(*map(clone, steps), mlp) if steps else mlp


def fit_committee(kind="both", labels=y_few, weights=None, dtype=np.float64, **options):
    """Return a committee that scikit-learn trains: its members have the indices of the labels as classes."""
    members = [(f"network {i}", make_model(i, steps)) for i, steps in enumerate(MEMBERS[kind])]
    committee = VotingClassifier(members, voting="soft", weights=weights, **options)
    return committee.fit(X_few.astype(dtype), labels)


def make_frozen(kind="both", labels=y_few, weights=None, dtype=np.float64):
    """Return a committee of members that were trained before: they have the labels as classes."""
    models = [make_model(i, steps) for i, steps in enumerate(MEMBERS[kind])]
    return make_committee([model.fit(X_few.astype(dtype), labels) for model in models], weights)


@pytest.mark.parametrize("make", [fit_committee, make_frozen])
@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("kind", MEMBERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loaded_committee_predicts_the_same(path, make, kind, labels, dtype):
    committee = make(kind, LABELS[labels], dtype=dtype)
    save_model(committee, path)
    loaded = load_model(path)
    assert type(loaded) is VotingClassifier
    np.testing.assert_array_equal(loaded.predict_proba(X), committee.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), committee.predict(X))
    np.testing.assert_array_equal(loaded.transform(X), committee.transform(X))
    assert loaded.predict(X).dtype == committee.predict(X).dtype
    assert loaded.classes_.dtype == committee.classes_.dtype
    for member, original in zip(loaded.estimators_, committee.estimators_, strict=True):
        assert type(member) is type(original)
        np.testing.assert_array_equal(member.classes_, original.classes_)


@pytest.mark.parametrize(
    "weights",
    [
        [2, 1, 1],
        [0.1, 0.2, 0.7],
        np.array([0.1, 0.2, 0.7], np.float32),
        [np.float32(0.1), np.float32(1), np.float32(1)],
        np.array([3, 0, 1], np.int32),
        (1, 0.5, 2),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_are_kept(path, weights, dtype):
    committee = fit_committee(weights=weights, dtype=dtype)
    save_model(committee, path)
    loaded = load_model(path)
    expected, found = committee.predict_proba(X), loaded.predict_proba(X)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    assert list(loaded.weights) == list(weights)


@pytest.mark.parametrize("weights", [[1, -1], [0, 0], [1, np.nan]], ids=str)
def test_invalid_weights_are_not_saved(path, weights):
    committee = make_frozen("classifiers").set_params(weights=weights)
    with pytest.raises(ValueError, match="weights must be 2 finite numbers of at least 0"):
        save_model(committee, path)
    assert not path.exists()


def test_attributes_are_those_that_fit_sets(path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X_few).add_prefix("pixel ")
    members = [("first", make_model(0)), ("second", make_model(1))]
    committee = VotingClassifier(members, voting="soft", flatten_transform=False)
    committee.fit(frame, LABELS["strings"])
    save_model(committee, path)
    loaded = load_model(path)
    assert vars(loaded).keys() == vars(committee).keys()
    np.testing.assert_array_equal(loaded.feature_names_in_, committee.feature_names_in_)
    assert loaded.transform(frame).shape == (2, 200, 10)
    assert list(loaded.named_estimators_) == ["first", "second"]
    assert loaded.named_estimators_["second"] is loaded.estimators_[1]
    assert loaded.n_features_in_ == 64
    assert loaded.estimators_[1].history_ == committee.estimators_[1].history_


def test_loaded_committee_can_be_trained_again(path):
    committee = fit_committee("classifiers")
    save_model(committee, path)
    retrained = load_model(path).fit(X_few, y_few)
    np.testing.assert_array_equal(retrained.predict_proba(X), committee.predict_proba(X))


def test_frozen_members_remain_frozen(path):
    save_model(make_frozen(), path)
    loaded = load_model(path)
    before = loaded.predict_proba(X)
    np.testing.assert_array_equal(loaded.fit(X, y % 10).predict_proba(X), before)


def test_frozen_members_of_another_committee(path):
    """The members have the indices of the labels as classes, although they are frozen."""
    networks = fit_committee(labels=LABELS["strings"]).estimators_
    members = [(f"network {i}", FrozenEstimator(each)) for i, each in enumerate(networks)]
    committee = VotingClassifier(members, voting="soft").fit(X_few, LABELS["strings"])
    save_model(committee, path)
    np.testing.assert_array_equal(load_model(path).predict(X), committee.predict(X))


def test_dropped_estimators_are_not_saved(path):
    members = [("first", make_model(0)), ("second", "drop"), ("third", make_model(2))]
    committee = VotingClassifier(members, voting="soft", weights=[1, 5, 2]).fit(X_few, y_few)
    save_model(committee, path)
    loaded = load_model(path)
    assert list(loaded.named_estimators_) == ["first", "third"]
    assert loaded.weights == [1, 2]
    np.testing.assert_array_equal(loaded.predict_proba(X), committee.predict_proba(X))


def test_other_transformers_need_skops(path, monkeypatch):
    pytest.importorskip("skops.io")
    models = [make_model(0, (StandardScaler(),)), make_model(1, (Deslant(), StandardScaler()))]
    committee = make_committee([model.fit(X_few, y_few) for model in models])
    save_model(committee, path)
    np.testing.assert_array_equal(load_model(path).predict_proba(X), committee.predict_proba(X))
    monkeypatch.setattr("skmlp.files.pipelines.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="load_model requires skops"):
        load_model(path)
    with pytest.raises(ImportError, match="save_model requires skops"):
        save_model(committee, path)


def test_the_header_describes_the_members(path):
    save_model(fit_committee("pipelines", weights=[2, 1]), path)
    header = read_model_header(path)
    assert header["estimator"] == "VotingClassifier"
    assert header["weights"] == {"type": "int64", "values": [2, 1]}
    assert header["classes"]["labels"] == list(range(10))
    assert header["versions"]["numpy"] == np.__version__
    first, second = header["members"]
    assert (first["name"], second["name"]) == ("network 0", "network 1")
    assert (first["frozen"], first["layer_sizes"]) == (False, [64, 7, 10])
    assert first["pipeline"]["transformers"][0]["type"] == "Deslant"
    assert second["layer_sizes"] == [25, 7, 10]
    assert load(path.read_bytes())["1.coefs.0"].shape == (25, 7)


def test_the_digest_covers_all_that_determines_the_predictions():
    committees = [
        make_frozen("classifiers"),
        make_frozen("classifiers", weights=[2, 1]),
        make_frozen("classifiers", LABELS["small integers"]),
        make_committee(make_frozen("classifiers").estimators_[::-1]),
    ]
    digests = {compute_model_digest(committee) for committee in committees}
    assert len(digests) == 4
    assert compute_model_digest(make_frozen("classifiers")) in digests


class TestUnsaved:
    """Committees that cannot be saved. No file is written."""

    @pytest.fixture(autouse=True)
    def _no_file(self, path):
        yield
        assert not path.exists()

    def test_not_fitted(self, path):
        with pytest.raises(NotFittedError):
            save_model(VotingClassifier([("network", make_model())], voting="soft"), path)

    def test_hard_voting(self, path):
        committee = fit_committee("classifiers").set_params(voting="hard")
        with pytest.raises(ValueError, match="must be 'soft', got 'hard'"):
            save_model(committee, path)

    def test_estimators_that_were_changed_after_fitting(self, path):
        committee = fit_committee("classifiers").set_params(**{"network 1": "drop"})
        with pytest.raises(ValueError, match=r"its 2 fitted members, got \['network 0'\]\. Fit it"):
            save_model(committee, path)

    def test_other_members(self, path):
        models = [make_model().fit(X_few, y_few), LogisticRegression(max_iter=5000)]
        committee = make_committee([models[0], models[1].fit(X_few, y_few)])
        with pytest.raises(TypeError, match=r"must be MLPDigitClassifiers, .* got .*Logistic"):
            save_model(committee, path)

    def test_committee_of_committees(self, path):
        with pytest.raises(TypeError, match=r"must be MLPDigitClassifiers, .* got .*Voting"):
            save_model(make_committee([make_frozen(), make_frozen()]), path)

    def test_members_of_other_classes(self, path):
        committee = make_frozen("classifiers")
        committee.estimators_[1] = make_model().fit(X_few, y_few % 3)
        with pytest.raises(ValueError, match=r"the same classes, .*, got \[0, 1, 2\] from model 1"):
            save_model(committee, path)

    def test_weights_of_another_type(self, path):
        committee = fit_committee("classifiers", weights=np.array([1, 2], np.float16))
        with pytest.raises(TypeError, match=r"must have a dtype among .*, got float16"):
            save_model(committee, path)


# Invalid files


@pytest.fixture
def content(path):
    save_model(make_frozen("both", weights=[1, 2, 3]), path)
    return path.read_bytes()


def test_forged_file_without_changes_can_be_loaded(content, path):
    forge(path, lambda description: None)
    assert len(load_model(path).estimators_) == 3


def test_damaged_content_is_detected(content, path):
    for number, position in enumerate(range(0, len(content), len(content) // 300)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (number % 8)
        path.write_bytes(damaged)
        with pytest.raises(ModelFormatError):
            load_model(path)
    for length in range(0, len(content), len(content) // 50):
        path.write_bytes(content[:length])
        with pytest.raises(ModelFormatError):
            load_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"members": []}, "expected a list of members, got"),
        ({"members": None}, "expected a list of members, got None"),
        ({"members": {"0": {}}}, "expected a list of members, got"),
        ({"members": [5]}, "got an invalid one"),
        ({"classes": {"type": "int64", "labels": [0, 1]}}, "models must have the same classes"),
        ({"classes": {"type": "int64", "labels": [[1]] * 10}}, "numbers, booleans or strings"),
        ({"classes": {"type": "U100000000", "labels": ["a"] * 10}}, "numbers, booleans or strings"),
        ({"weights": {"type": "int64", "values": [1, 2]}}, "must be 3 finite numbers"),
        ({"weights": {"type": "int64", "values": [0, 0, 0]}}, "must be 3 finite numbers"),
        ({"weights": {"type": "float64", "values": [1, 2, -1]}}, "must be 3 finite numbers"),
        ({"weights": {"type": "float64", "values": [1, 2, "nan"]}}, "must be 3 finite numbers"),
        ({"weights": {"type": "float64", "values": [1, 2, None]}}, "must be 3 finite numbers"),
        ({"weights": {"type": "float64", "values": "123"}}, "expected a list of weights"),
        ({"weights": {"type": "object", "values": [1, 2, 3]}}, "expected a list of weights"),
        ({"weights": {"type": "U100000000", "values": [1, 2, 3]}}, "expected a list of weights"),
        ({"weights": [1, 2, 3]}, "got an invalid one"),
        ({"weights": 1}, "got an invalid one"),
        ({"flatten_transform": 1}, "expected true or false, got 1"),
    ],
    ids=str,
)
def test_forged_descriptions_are_refused(content, path, change, message):
    forge(path, lambda description: description.update(change))
    with pytest.raises(ModelFormatError, match=message) as error:
        load_model(path)
    assert str(error.value).startswith(f"{path}: expected ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "member_1"}, "expected different names of members, without '__'"),
        ({"name": "a__b"}, "expected different names of members, without '__'"),
        ({"name": None}, "expected different names of members, without '__'"),
        ({"frozen": "yes"}, "expected true or false, got 'yes'"),
        ({"layer_sizes": [64, 8, 10]}, "expected arrays of the shapes"),
        ({"parameters": {"alpha": -1}}, "'alpha' parameter of MLPDigitClassifier"),
        ({"pipeline": {}}, "got an invalid one"),
        ({"classes": {"type": "int64", "labels": list(range(1, 11))}}, "the same classes"),
    ],
    ids=str,
)
def test_forged_members_are_refused(content, path, change, message):
    forge(path, lambda description: description["members"][0].update(change))
    with pytest.raises(ModelFormatError, match=message):
        load_model(path)


def test_members_of_other_images_are_refused(content, path):
    other = make_model().fit(X_few[:, :60], y_few)
    arrays = {"0.coefs.0": np.ascontiguousarray(other.coefs_[0])}

    def change(description):
        description["members"][0] |= {"n_features": 60, "layer_sizes": [60, 7, 10]}

    forge(path, change, arrays)
    with pytest.raises(ModelFormatError, match="same number of features, 60, got 64 from model 1"):
        load_model(path)


@pytest.mark.parametrize("name", ["coefs.0", "3.coefs.0", "-1.coefs.0", "00.coefs.0", "0", "."])
def test_arrays_of_unknown_members_are_refused(content, path, name):
    forge(path, lambda description: None, {name: np.zeros(3)})
    with pytest.raises(ModelFormatError, match=r"expected arrays of"):
        load_model(path)


def test_weights_of_networks_that_are_not_finite_are_refused(content, path):
    array = load(content)["2.coefs.1"].copy()
    array[0, 0] = np.nan
    forge(path, lambda description: None, {"2.coefs.1": array})
    with pytest.raises(ModelFormatError, match="expected finite weights"):
        load_model(path)


def test_committees_cannot_be_nested(content, path):
    def nest(description):
        member = json.loads(json.dumps(description))
        description["members"] = [member | {"name": "committee", "frozen": True}]

    forge(path, nest)
    with pytest.raises(ModelFormatError):
        load_model(path)


def test_forged_numbers_of_members_do_not_allocate_memory(content, path):
    forge(path, lambda description: description.update(members=[{"name": "a"}] * 1000))
    tracemalloc.start()
    try:
        with pytest.raises(ModelFormatError):
            load_model(path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
