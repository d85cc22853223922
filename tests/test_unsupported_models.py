"""Messages about models that a function does not support: they say what to pass instead, and that is accepted."""

import re

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skmlp import Deslant, MLPDigitClassifier, make_committee, save_model, write_report
from skmlp.export import to_c, to_html, to_onnx, to_sklearn

X = np.random.default_rng(0).integers(0, 256, (60, 36)).astype(np.uint8)
y = np.arange(60) % 3
DESLANT = Deslant().fit(X)


def fit(seed=0):
    mlp = MLPDigitClassifier(
        (4,), input_scale=1 / 255, max_iter=2, n_iter_no_change=None, random_state=seed
    )
    return mlp.fit(X, y)


NETWORK = fit()
COMMITTEE = make_committee([NETWORK, fit(1)])
OTHER = LogisticRegression().fit(X / 255, y)
SCALER = StandardScaler().fit(X)
HARD_VOTING = "committee with hard voting in a pipeline"  # refused with a message of its own
MODELS = {
    "network": NETWORK,
    "committee": COMMITTEE,
    "pipeline": make_pipeline(DESLANT, NETWORK),
    "frozen network": FrozenEstimator(NETWORK),
    "frozen committee": FrozenEstimator(COMMITTEE),
    "frozen pipeline": FrozenEstimator(make_pipeline(DESLANT, NETWORK)),
    "frozen last step": make_pipeline(DESLANT, FrozenEstimator(NETWORK)),
    "frozen step only": make_pipeline("passthrough", FrozenEstimator(NETWORK)),
    "nested pipeline": make_pipeline(make_pipeline(DESLANT, "passthrough"), NETWORK),
    "pipeline in a pipeline": make_pipeline(DESLANT, make_pipeline(NETWORK)),
    "committee after a transformer": make_pipeline(DESLANT, COMMITTEE),
    "committee in a pipeline": make_pipeline("passthrough", COMMITTEE),
    "committee after a scaler": make_pipeline(SCALER, COMMITTEE),
    "committee after other transformers": make_pipeline(PCA(36).fit(X), COMMITTEE),
    HARD_VOTING: make_pipeline(make_committee(COMMITTEE.estimators_).set_params(voting="hard")),
    "committee with another member": make_committee([NETWORK, OTHER]),
    "committee with another member in a pipeline": make_pipeline(make_committee([NETWORK, OTHER])),
    "committee of others": make_committee([OTHER]),
    "committee of committees": make_committee([COMMITTEE]),
    "other classifier": OTHER,
}
FUNCTIONS = {
    "write_report": lambda model, path: write_report(model, X, y, path),
    "save_model": save_model,
    "to_html": to_html,
    "to_onnx": to_onnx,
    "to_c": to_c,
    "to_sklearn": lambda model, path: to_sklearn(model),
}
PIPELINES = r"Pass a committee of Pipelines, each of which contains the transformers and a member\."
MEMBER = r"Pass a member of the committee, or use skmlp\.export\.to_onnx, which also exports committees\."
ONLY_MEMBER = r"Pass a member of the committee\."
NETWORKS_ONLY = r"Pass a member of the committee that is, or ends with, an MLPDigitClassifier\."
TRANSFORMED_ONLY = r"Pass a member of the committee, which takes the transformed samples\."
TRANSFORMED = (
    r"Pass a member of the committee, which takes the transformed samples, or use skmlp\.export\.to_onnx with a "
    r"committee of Pipelines, each of which contains the transformers and a member\."
)
OTHER_MEMBERS = ("committee with another member", "committee of others", "committee of committees")
OTHER_MODELS = ("other classifier", "committee with another member in a pipeline", *OTHER_MEMBERS)
# What to pass instead of a model: the expression is accepted, possibly for transformed samples.
INSTEAD = {
    "write_report": {
        "pipeline": "mlp[-1] and the transformed samples",
        "frozen network": "mlp.estimator",
        "frozen committee": "mlp.estimator",
        "frozen pipeline": "mlp.estimator[-1] and the transformed samples",
        "frozen last step": "mlp[-1].estimator and the transformed samples",
        "frozen step only": "mlp[-1].estimator",
        "nested pipeline": "mlp[-1] and the transformed samples",
        "pipeline in a pipeline": "mlp[-1][-1] and the transformed samples",
        "committee after a transformer": "mlp[-1] and the transformed samples",
        "committee in a pipeline": "mlp[-1]",
        "committee after a scaler": "mlp[-1] and the transformed samples",
        "committee after other transformers": "mlp[-1] and the transformed samples",
    },
    "save_model": {
        "frozen network": "model.estimator",
        "frozen committee": "model.estimator",
        "frozen pipeline": "model.estimator",
        "frozen step only": "model[-1].estimator",
        "committee in a pipeline": "model[-1]",
    },
    "to_html": {
        "committee in a pipeline": "model[-1]",
        "committee after a scaler": "model[-1], which takes the transformed samples",
        "committee after other transformers": "model[-1], which takes the transformed samples",
    },
    "to_onnx": {
        "committee in a pipeline": "estimator[-1]",
        "committee after other transformers": "estimator[-1], which takes the transformed samples",
    },
    "to_c": {},
    "to_sklearn": {
        "pipeline": "mlp[-1], which takes the transformed samples, or use skmlp.export.to_onnx",
        "frozen network": "mlp.estimator",
        "frozen pipeline": "mlp.estimator[-1], which takes the transformed samples, or use skmlp",
        "frozen step only": "mlp[-1].estimator",
    },
}
# Of the formats of single networks
NETWORK_FORMATS = {
    "committee": MEMBER,
    "frozen committee": MEMBER,
    "committee after a scaler": TRANSFORMED,
    "committee after other transformers": TRANSFORMED_ONLY,
    HARD_VOTING: ONLY_MEMBER,
    "committee with another member": NETWORKS_ONLY,
    "committee with another member in a pipeline": NETWORKS_ONLY,
    "committee of others": "Train an MLPDigitClassifier",
    "committee of committees": "Train an MLPDigitClassifier",
    "other classifier": "Train an MLPDigitClassifier",
}
# Other advice
ADVICE = {
    "write_report": {
        "other classifier": "Pass another classifier as compare_with",
        **dict.fromkeys(OTHER_MEMBERS, "Pass it as compare_with"),
    },
    "save_model": {
        "frozen last step": r"Pass a Pipeline of all transformers and model\[-1\]\.estimator\.",
        "pipeline in a pipeline": r"Pass a Pipeline of all transformers and model\[-1\]\[-1\]\.",
        "committee after a transformer": PIPELINES,
        "committee after a scaler": PIPELINES,
        "committee after other transformers": PIPELINES,
        **dict.fromkeys(["other classifier", *OTHER_MEMBERS], "Save other estimators by skops"),
    },
    "to_html": {
        "committee after a transformer": PIPELINES,
        **dict.fromkeys(
            OTHER_MODELS,
            r"Train an MLPDigitClassifier, or combine several by make_committee\.",
        ),
    },
    "to_onnx": {
        "committee after a transformer": PIPELINES,
        "committee after a scaler": PIPELINES,
        **dict.fromkeys(OTHER_MODELS, r"Use skl2onnx\.to_onnx"),
    },
    "to_c": {
        **NETWORK_FORMATS,
        "committee in a pipeline": (
            r"Pass a member of the committee, or use skmlp\.export\.to_onnx with model\[-1\]\."
        ),
        "committee after a transformer": "Pass a Pipeline of the transformers and a member of the",
    },
    "to_sklearn": {
        **NETWORK_FORMATS,
        "committee in a pipeline": (
            r"Pass a member of the committee, or use skmlp\.export\.to_onnx with mlp\[-1\]\."
        ),
        "committee after a transformer": TRANSFORMED,
    },
}
ACCEPTED = {
    "write_report": {"network", "committee"},
    "save_model": {"network", "committee", "pipeline", "nested pipeline"},
    **{
        name: set(MODELS) - {HARD_VOTING, *INSTEAD[name], *ADVICE[name]}
        for name in ("to_html", "to_onnx", "to_c")
    },
    "to_sklearn": {"network"},
}


def list_cases(expected):
    return [(function, kind) for function, kinds in expected.items() for kind in sorted(kinds)]


@pytest.fixture(autouse=True)
def _without_drawing(monkeypatch):
    """Leave the charts empty, because drawing them takes most of the time of a report."""
    monkeypatch.setattr(
        "matplotlib.figure.Figure.savefig", lambda self, file, **options: file.write("<svg></svg>")
    )


@pytest.fixture(autouse=True)
def _optional_packages(request):
    if request.getfixturevalue("function") == "to_onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")


class TestMessages:
    @pytest.mark.parametrize(("function", "kind"), list_cases(ACCEPTED))
    def test_accepted_models(self, function, kind, tmp_path):
        FUNCTIONS[function](MODELS[kind], tmp_path / "file")

    @pytest.mark.parametrize(("function", "kind"), list_cases(INSTEAD))
    def test_what_to_pass_instead_is_accepted(self, function, kind, tmp_path):
        model, instead = MODELS[kind], INSTEAD[function][kind]
        with pytest.raises(TypeError, match=rf"must be .*, got .*\. Pass {re.escape(instead)}"):
            FUNCTIONS[function](model, tmp_path / "file")
        expression = re.match(r"\w+[^ ,]+", instead)[0]
        replacement = eval(expression, dict.fromkeys(("mlp", "model", "estimator"), model))
        FUNCTIONS[function](replacement, tmp_path / "file")

    @pytest.mark.parametrize(("function", "kind"), list_cases(ADVICE))
    def test_other_advice(self, function, kind, tmp_path):
        with pytest.raises(TypeError, match=rf"must be .*, got .*\. {ADVICE[function][kind]}"):
            FUNCTIONS[function](MODELS[kind], tmp_path / "file")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("function", ["save_model", "to_html", "to_onnx"])
    def test_committee_of_pipelines_is_accepted(self, function, tmp_path):
        members = [make_pipeline(DESLANT, member) for member in COMMITTEE.estimators_]
        if function == "save_model":
            members = [make_pipeline(DESLANT, member.estimator) for member in COMMITTEE.estimators_]
        FUNCTIONS[function](make_committee(members), tmp_path / "file")


class Voting(VotingClassifier):
    pass


class Steps(Pipeline):
    pass


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("model", "found"),
    [
        (None, "None"),
        (MLPDigitClassifier, r"<class '.*MLPDigitClassifier'>"),
        ("model.safetensors", "'model.safetensors'"),
        (make_pipeline(DESLANT, FrozenEstimator(DESLANT)), "a Pipeline that ends with a Frozen"),
        (FrozenEstimator(DESLANT), "a FrozenEstimator of Deslant"),
        (OTHER, r"sklearn\.linear_model\._logistic\.LogisticRegression\."),
        (Voting([("a", NETWORK)]), r"(tests\.)?test_unsupported_models\.Voting\."),
    ],
    ids=["None", "class", "path", "pipeline", "frozen", "other classifier", "subclass"],
)
def test_what_the_messages_call_the_model(function, model, found, tmp_path):
    with pytest.raises(TypeError, match=rf"must be .*, got {found}"):
        FUNCTIONS[function](model, tmp_path / "file")


@pytest.mark.parametrize("function", ["write_report", "save_model", "to_sklearn"])
def test_subclass_of_pipeline(function, tmp_path):
    model = Steps([("deslant", DESLANT), ("network", NETWORK)])
    found = r"(tests\.)?test_unsupported_models\.Steps that ends with MLPDigitClassifier\. Pass"
    with pytest.raises(TypeError, match=rf"must be .*, got {found}"):
        FUNCTIONS[function](model, tmp_path / "file")


@pytest.mark.parametrize("function", ["write_report", "save_model", "to_html", "to_onnx"])
def test_what_the_messages_call_a_member(function, tmp_path):
    other = make_pipeline(SCALER, OTHER)
    with pytest.raises(TypeError, match=r"a Pipeline that ends with sklearn\.linear_model\._log"):
        FUNCTIONS[function](make_committee([NETWORK, other]), tmp_path / "file")


@pytest.mark.parametrize("function", ["to_html", "to_onnx", "to_c"])
@pytest.mark.parametrize("steps", [[], [DESLANT]], ids=["", "deslant"])
def test_last_step_that_does_nothing(function, steps, tmp_path):
    network = make_pipeline(*steps, NETWORK)
    written = []
    for model in (network, make_pipeline(*steps, NETWORK, "passthrough")):
        FUNCTIONS[function](model, tmp_path / "file")
        written.append((tmp_path / "file").read_bytes())
    assert written[0] == written[1]
