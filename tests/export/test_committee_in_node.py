"""The average of the probabilities of several networks in JavaScript, compared with Python."""

import json

import numpy as np
import pytest
from export.node import run_node
from sklearn.datasets import load_digits
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import make_pipeline

from skmlp import Deslant, GradientFeatures, MLPDigitClassifier, make_committee
from skmlp.export.page_data import make_page_data

X, y = load_digits(return_X_y=True)
X = np.rint(X * (255 / 16)).astype(np.uint8)  # Deslant rounds the pixels of the page, from 0 to 255
X_few, y_few, X_test = X[:300], y[:300], X[-200:]
TOLERANCE = 1e-5
# Predicts from every image, and prints the probabilities as JSON.
SCRIPT = """
import { readFileSync } from "node:fs";
import { averageProbabilities, convertPixels, decodeMembers } from "./committee.js";

const { page, images } = JSON.parse(readFileSync("input.json"));
const members = await decodeMembers(page.members);
const rows = images.map((pixels) => {
  const passes = members.map(({ network, deslant }) => network.forward(convertPixels(pixels, page.input, deslant)));
  return Array.from(averageProbabilities(members, passes));
});
process.stdout.write(JSON.stringify(rows));
"""


def make_network(hidden_layer_sizes=(20,), seed=0, **parameters):
    defaults = {"input_scale": 1 / 255, "learning_rate_init": 0.01}
    return MLPDigitClassifier(
        hidden_layer_sizes,
        max_iter=8,
        n_iter_no_change=None,
        random_state=seed,
        **defaults | parameters,
    )


def make_models():
    """Return models that differ in layers, activation, scale and transformers."""
    return [
        make_network((20, 10), activation="gelu", batch_norm=True),
        make_network((), input_scale=1 / 80),
        make_pipeline(Deslant(), make_network((30, 12, 8), seed=1, activation="tanh")),
        make_pipeline("passthrough", Deslant(0.3), make_network(seed=2, ema_decay=0.9)),
        make_network(image_features=GradientFeatures((4, 6), include_pixels=False)),
        make_pipeline(Deslant(), make_network((20, 10), image_features="gradients")),
    ]


@pytest.fixture(scope="module")
def models():
    return [model.fit(X_few, y_few) for model in make_models()]


def predict(model, images):
    """Return the probabilities of the page of a model, in JavaScript."""
    content = {"page": make_page_data(model, "float32"), "images": images.tolist()}
    output = run_node(SCRIPT, input_files={"input.json": json.dumps(content).encode()})
    return np.array(json.loads(output))


@pytest.mark.parametrize(
    "weights",
    [None, [1] * 6, [0.5, 3, 0, 1.25, 1, 0], [0, 0, 0, 2, 0, 0], [0, 0, 0, 0, 1, 2]],
    ids=str,
)
def test_average_is_that_of_the_members(models, weights):
    found = predict(make_committee(models, weights), X_test)
    each = [model.predict_proba(X_test) for model in models]
    expected = np.average(each, axis=0, weights=weights)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_model_that_is_no_committee(models):
    for model in (models[0], models[2], models[4], models[5]):
        expected = model.predict_proba(X_test)
        np.testing.assert_allclose(predict(model, X_test), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    "labels", [np.array(list("jihgfedcba"))[y_few], y_few > 4], ids=["letters", "two"]
)
def test_fitted_voting_classifier(labels):
    members = [(f"{index}", model) for index, model in enumerate(make_models())]
    committee = VotingClassifier(
        [*members, ("dropped", "drop")], voting="soft", weights=[1, 2, 3, 4, 5, 6, 7]
    )
    committee.fit(X_few, labels)
    expected = committee.predict_proba(X_test)
    np.testing.assert_allclose(predict(committee, X_test), expected, rtol=0, atol=TOLERANCE)
    page = make_page_data(committee)
    assert page["classes"] == np.unique(labels).tolist()
    assert [member["name"] for member in page["members"]] == ["0", "1", "2", "3", "4", "5"]


def test_agreement_is_that_of_the_results():
    script = """
    import { describeAgreement } from "./member_list.js";

    const passes = [[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.6, 0.2]].map((row) => ({
      probabilities: Float32Array.from(row),
    }));
    process.stdout.write([0, 1, 2].map((predicted) => describeAgreement(passes, predicted)).join("; "));
    """
    expected = "; ".join(f"predicted by {number} of 3 networks" for number in (1, 2, 0))
    assert run_node(script).decode() == expected
