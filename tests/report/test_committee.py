"""Reports on committees: figures compared with those of scikit-learn and of the members, and the page."""

import numpy as np
import pandas as pd
import pytest
from helpers import load_small_digits
from scipy.sparse import csr_matrix
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmlp import Deslant, ImageResizer, MLPDigitClassifier, make_committee, save_model
from skmlp.files.models import compute_model_digest

pytestmark = pytest.mark.usefixtures("without_drawing")

X, y = load_small_digits()
X_train, y_train, X_test, y_test = X[:200], y[:200], X[200:], y[200:]
WEIGHTS = [2, 1, 1]


def fit(seed, *steps, labels=y_train, samples=X_train, **parameters):
    defaults = {"learning_rate_init": 0.01, "max_iter": 8, "n_iter_no_change": None}
    mlp = MLPDigitClassifier((16,), random_state=seed, **defaults | parameters)
    return (make_pipeline(*steps, mlp) if steps else mlp).fit(samples, labels)


@pytest.fixture(scope="module")
def models():
    return [fit(0), fit(1, Deslant()), fit(2, ImageResizer((6, 5)), "passthrough")]


@pytest.fixture(scope="module")
def committee(models):
    return make_committee(models, WEIGHTS)


@pytest.fixture
def report(committee, report_on):
    return report_on(committee, X_test, y_test, X_train=X_train, y_train=y_train)


def test_figures_of_the_committee(report, committee, tmp_path):
    figures = report.figures
    probabilities = committee.predict_proba(X_test).astype(float)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    accuracy = committee.score(X_test, y_test)
    assert figures["summary"]["accuracy"] == accuracy
    assert figures["summary"]["training_accuracy"] == committee.score(X_train, y_train)
    assert figures["calibration"]["accuracy"] == accuracy
    expected = log_loss(y_test, probabilities)
    assert figures["calibration"]["log_loss"] == pytest.approx(expected, rel=1e-5)
    assert np.trace(figures["confusion"]["matrix"]) == round(accuracy * len(y_test))
    assert figures["robustness"]["accuracy"] == pytest.approx(accuracy)
    wrong = set(np.flatnonzero(committee.predict(X_test) != y_test).tolist())
    assert {mistake["index"] for mistake in figures["mistakes"]} <= wrong
    assert all(mistake["nearest"] is None for mistake in figures["mistakes"])
    assert figures["label_errors"]["subset"] == "training"
    assert figures["training"] is None
    assert figures["network"] is None
    save_model(committee, tmp_path / "committee")
    size = (tmp_path / "committee").stat().st_size
    assert figures["cost"]["n_file_bytes"] == size


def test_members(report, models):
    figures = report.figures["members"]
    predicted = [model.predict(X_test) for model in models]
    for row, model, weight, labels in zip(
        figures["members"], models, WEIGHTS, predicted, strict=True
    ):
        assert row["accuracy"] == accuracy_score(y_test, labels)
        expected = log_loss(y_test, model.predict_proba(X_test).astype(float))
        assert row["log_loss"] == pytest.approx(expected, rel=1e-4)
        assert row["weight"] == weight / sum(WEIGHTS)
        assert row["n_epochs"] == 8
    assert [row["name"] for row in figures["members"]] == ["member_0", "member_1", "member_2"]
    transformers = [row["transformers"] for row in figures["members"]]
    assert transformers == [[], ["Deslant"], ["ImageResizer"]]
    assert [row["layer_sizes"][0] for row in figures["members"]] == [64, 64, 30]
    assert figures["mean_accuracy"] == pytest.approx(np.mean(np.array(predicted) == y_test))
    is_unanimous = (predicted[0] == predicted[1]) & (predicted[1] == predicted[2])
    assert figures["n_unanimous"] == is_unanimous.sum()
    expected = np.mean(predicted[0][is_unanimous] == y_test[is_unanimous])
    assert figures["unanimous_accuracy"] == pytest.approx(expected)


def test_reproducibility_and_cost(report, committee, models):
    figures = report.figures["reproducibility"]
    assert figures["model_digest"] == compute_model_digest(committee)
    assert [member["seed"] for member in figures["members"]] == [0, 1, 2]
    assert figures["members"][1]["transformers"] == ["Deslant()"]
    assert figures["members"][0]["parameters"]["hidden_layer_sizes"] == "(16,)"
    networks = [models[0], models[1][-1], models[2][-1]]
    n_parameters = sum(each.size for mlp in networks for each in (*mlp.coefs_, *mlp.intercepts_))
    assert report.figures["cost"]["n_parameters"] == n_parameters
    n_products = sum(each.size for mlp in networks for each in mlp.coefs_)
    assert report.figures["cost"]["n_multiply_adds"] == n_products


def test_findings_about_one_network_are_not_checked(report):
    skipped = {
        check
        for check, finding in report.findings.items()
        if "only checked for single networks" in finding["text"]
    }
    assert skipped == {"unfinished_training", "increased_validation_loss", "dead_units"}
    assert {report.findings[check]["status"] for check in skipped} == {"not checked"}


@pytest.mark.parametrize("is_test_set", [True, False])
def test_member_that_monitored_the_test_set(report_on, is_test_set):
    X_val, y_val = (X_test, y_test) if is_test_set else (X_test[::2], y_test[::2])
    monitored = fit(1).fit(X_train, y_train, X_val=X_val, y_val=y_val)
    report = report_on(make_committee([fit(0), monitored]), X_test, y_test)
    status = report.findings["monitored_test_set"]["status"]
    assert status == ("attention" if is_test_set else "not checked")


@pytest.mark.parametrize(
    ("class_weights", "status"),
    [(["balanced", "balanced"], "not checked"), (["balanced", None], "attention")],
)
def test_members_with_weighted_validation_losses(report_on, class_weights, status):
    members = [
        fit(seed, class_weight=each).fit(X_train, y_train, X_val=X_test, y_val=y_test)
        for seed, each in enumerate(class_weights)
    ]
    finding = report_on(make_committee(members), X_test, y_test).findings["monitored_test_set"]
    assert finding["status"] == status
    is_skipped = "are weighted by class" in finding["text"]
    assert is_skipped == (status == "not checked")


def test_remedies_for_overfitting_that_no_member_uses(report_on):
    samples, labels = X_train[:60], y_train[:60]
    used = {"dropout": 0.1, "augmentation": "digits", "weight_decay": 1e-3}
    members = [fit(0, samples=samples, labels=labels, max_iter=30, **each) for each in ({}, used)]
    committee = make_committee(members)
    report = report_on(committee, X_test, y_test, X_train=samples, y_train=labels)
    expected = "Use more training samples or `early_stopping=True`."
    assert report.findings["overfitting"]["remedy"] == expected


def test_underconfident_members(report_on):
    options = [{}, {"label_smoothing": 0.5}]
    members = [fit(0, max_iter=60, **each) for each in options]
    finding = report_on(make_committee(members), X_train, y_train).findings["calibration"]
    assert finding["title"] == "Underconfident probabilities"
    assert finding["remedy"].endswith("Or use less `label_smoothing`.")


def test_remedy_for_overconfident_probabilities(report_on):
    confident = fit(0, max_iter=100)
    confident.coefs_[-1] *= 20
    finding = report_on(make_committee([confident]), X_test, y_test).findings["calibration"]
    assert finding["title"] == "Overconfident probabilities"
    assert "CalibratedClassifierCV(FrozenEstimator(committee)" in finding["remedy"]


def test_page(report):
    assert "Committee of 3 models" in report.html
    assert 'id="members"' in report.html
    assert "write a report on a member to see them" in report.html
    assert "last hidden layer" not in report.html
    for title in ("Training curves", "Network"):
        assert f">{title}</h2>" not in report.html
    assert "Deslant(), MLPDigitClassifier(hidden_layer_sizes=(16,), " in report.html


@pytest.mark.parametrize("labels", [y_train, np.array(list("abcdefghij"))[y_train]], ids=["0", "a"])
def test_committee_that_scikit_learn_has_trained(report_on, labels):
    """The classes of the members are the indices of the labels."""
    members = [("first", MLPDigitClassifier((8,))), ("second", MLPDigitClassifier((4,)))]
    for _, mlp in members:
        mlp.set_params(max_iter=5, n_iter_no_change=None)
    committee = VotingClassifier(members, voting="soft").fit(X_train, labels)
    figures = report_on(committee, X_train, labels).figures
    assert figures["summary"]["accuracy"] == committee.score(X_train, labels)
    assert [row["name"] for row in figures["members"]["members"]] == ["first", "second"]
    each = [member.predict(X_train) for member in committee.estimators_]
    expected = [np.mean(committee.classes_[indices] == labels) for indices in each]
    assert [row["accuracy"] for row in figures["members"]["members"]] == expected


def test_unanimous_members_that_are_wrong(report_on):
    mlp = fit(0)
    labels = (y_test + (np.arange(len(y_test)) % 3 == 0)) % 10  # a third are wrong
    figures = report_on(make_committee([mlp, mlp]), X_test, labels).figures["members"]
    assert figures["n_unanimous"] == len(y_test)
    assert figures["unanimous_accuracy"] == mlp.score(X_test, labels) < 0.8


def test_members_with_a_single_class(report_on):
    ones = np.ones(len(y_train), int)
    report = report_on(make_committee([fit(0, labels=ones), fit(1, labels=ones)]), X_train, ones)
    losses = [row["log_loss"] for row in report.figures["members"]["members"]]
    assert losses == [0, 0]
    assert "-0.0000" not in report.html


def test_log_losses_of_probabilities_near_0(report_on, make_softmax):
    """The losses of the committee and of its members are not clipped, so that they can be compared."""
    mlp = make_softmax(range(3))
    samples, labels = np.full((8, 3), [200.0, 0, 0]), np.arange(8) // 7
    exact = 200 / 8
    figures = report_on(make_committee([mlp, mlp], [1, 3]), samples, labels).figures
    single = report_on(mlp, samples, labels).figures
    losses = [each["log_loss"] for each in figures["members"]["members"]]
    losses += [each["calibration"]["log_loss"] for each in (figures, single)]
    assert losses == pytest.approx([exact] * 4)


def test_samples_with_names(report_on):
    frame, test = (pd.DataFrame(each).add_prefix("pixel ") for each in (X_train, X_test))
    committee = make_committee([fit(0, samples=frame), fit(1, Deslant(), samples=frame)])
    figures = report_on(committee, test, y_test).figures
    assert figures["summary"]["accuracy"] == committee.score(test, y_test)


def test_sparse_samples(report_on):
    committee = make_committee([fit(0), fit(1)])
    figures = report_on(committee, csr_matrix(X_test), y_test).figures
    assert figures["summary"]["accuracy"] == committee.score(X_test, y_test)


def test_pixels_from_0_to_255(report_on):
    """The networks that look for label errors scale the pixels, as the members do."""
    pixels = np.rint(255 * X).astype(np.uint8)
    samples = {"samples": pixels[:200], "input_scale": 1 / 255}
    committee = make_committee([fit(0, **samples), fit(1, Deslant(), **samples)])
    training = {"X_train": pixels[:200], "y_train": y_train}
    figures = report_on(committee, pixels[200:], y_test, **training).figures
    assert figures["label_errors"]["accuracy"] > 0.93  # without a scale, it is 0.9


def test_image_shape_of_the_members(report_on):
    shape = {"image_shape": (4, 16)}
    mlps = [fit(seed, **shape) for seed in range(2)]
    assert "<img" in report_on(make_committee(mlps), X_test, y_test).html
    report = report_on(make_committee([fit(0), fit(1)]), X_test, y_test, image_shape=False)
    assert "<img" not in report.html
    assert report.figures["robustness"] is None


def test_image_shape_that_one_member_stores(report_on):
    mlps = [fit(0, samples=X_train[:, :60]), fit(1, samples=X_train[:, :60], image_shape=(6, 10))]
    assert "<img" in report_on(make_committee(mlps), X_test[:, :60], y_test).html


@pytest.mark.parametrize("second", ["network", "pipeline", "committee"])
def test_comparison(committee, report_on, second):
    seconds = {"network": fit(5), "pipeline": fit(5, Deslant()), "committee": committee}
    report = report_on(committee, X_test, y_test, compare_with=seconds[second])
    comparison = report.figures["summary"]["comparison"]
    assert comparison["accuracy"] == seconds[second].score(X_test, y_test)
    report = report_on(fit(5), X_test, y_test, compare_with=committee)
    comparison = report.figures["summary"]["comparison"]
    assert comparison["accuracy"] == committee.score(X_test, y_test)


def test_pipelines_that_can_only_be_saved_by_skops(report_on, monkeypatch):
    monkeypatch.setattr("skmlp.files.pipelines.find_spec", lambda name: None)
    committee = make_committee([fit(0, StandardScaler()), fit(1)])
    figures = report_on(committee, X_test, y_test).figures
    assert figures["cost"]["n_file_bytes"] is None


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: VotingClassifier([("a", MLPDigitClassifier())], voting="soft"),
            NotFittedError,
            "not fitted",
        ),
        (
            lambda: VotingClassifier([("a", fit(0))]).fit(X_train, y_train),
            ValueError,
            "must be 'soft', got 'hard'",
        ),
        (
            lambda: make_committee([fit(0), LogisticRegression().fit(X_train, y_train)]),
            TypeError,
            r"mlp must be a committee of .* got one whose member 'member_1' is sklearn\..*\.LogisticRegression\.",
        ),
    ],
)
def test_other_committees(make, error, message, report_on):
    with pytest.raises(error, match=message):
        report_on(make(), X_test, y_test)


def test_samples_that_do_not_fit(committee, report_on):
    with pytest.raises(ValueError, match=r"63 features, but .* is expecting 64 features"):
        report_on(committee, X_test[:, 1:], y_test)
