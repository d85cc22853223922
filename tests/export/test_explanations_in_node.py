"""The explanations and perturbations of exported pages, against the formulas."""

import json

import numpy as np
import pytest
from export.node import run_node


def evaluate(modules, expression, **values):
    """Return the value of a JavaScript expression of `values`, with all names of the modules."""
    imports = "\n".join(f'import * as {name} from "./{name}.js";' for name in modules)
    script = f"""
        import {{ readFileSync }} from "node:fs";
        {imports}
        const values = JSON.parse(readFileSync("values.json", "utf8"));
        process.stdout.write(JSON.stringify({expression}));
    """
    return json.loads(run_node(script, input_files={"values.json": json.dumps(values).encode()}))


@pytest.mark.parametrize("background", [0, -1])
def test_occlusion_map_is_the_mean_decrease_of_all_patches(background):
    rng = np.random.default_rng(0)
    weights, image = rng.normal(size=(2, 6, 7))
    found = evaluate(
        ["explanations"],
        """(() => {
            const score = (x) => x.reduce((sum, value, i) => sum + value * values.weights[i], 0);
            const map = explanations.computeOcclusionMap(
                score, Float32Array.from(values.image), [6, 7], values.background, 4);
            let step = map.next();
            while (!step.done) step = map.next();
            return Array.from(step.value);
        })()""",
        weights=weights.ravel().tolist(),
        image=image.ravel().tolist(),
        background=background,
    )
    sums, counts = np.zeros((6, 7)), np.zeros((6, 7))
    for top in range(-2, 6, 2):
        for left in range(-2, 7, 2):
            patch = np.s_[max(0, top) : top + 4, max(0, left) : left + 4]
            sums[patch] += np.sum(weights[patch] * (image[patch] - background))
            counts[patch] += 1
    np.testing.assert_allclose(found, (sums / counts).ravel(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("out_activation", "multilabel", "logits", "expected"),
    [
        (
            "softmax",
            False,
            [1.0, 3.0, -2.0],
            lambda z: (
                z - np.log([np.exp(3) + np.exp(-2), np.exp(1) + np.exp(-2), np.exp(1) + np.exp(3)])
            ),
        ),
        ("softmax", False, [500.0, 0.0, 0.0], lambda z: z - [np.log(2), 500, 500]),
        ("logistic", False, [2.0], lambda z: [-2.0, 2.0]),
        ("logistic", True, [2.0, -3.0, 4.0], lambda z: z),
    ],
)
def test_log_odds(out_activation, multilabel, logits, expected):
    expected = expected(np.array(logits))
    found = evaluate(
        ["explanations"],
        "values.classes.map((index) => explanations.computeLogOdds(values.network, "
        "{ logits: Float32Array.from(values.logits) }, index))",
        network={"outActivation": out_activation, "multilabel": multilabel},
        logits=logits,
        classes=list(range(len(expected))),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_paths_follow_the_largest_contributions():
    edges = evaluate(
        ["explanations"],
        "explanations.findStrongestPaths(values.network, values.features, values.hidden, 1, 1, 1)",
        network={
            "layers": [
                {"fanIn": 3, "fanOut": 2, "weights": [1, 5, 1, 2, -3, 4]},
                {"fanIn": 2, "fanOut": 2, "weights": [9, 9, -1, 2]},
            ]
        },
        features=[1, 0, 2],
        hidden=[[3, 8]],
    )
    # Output 1 is -1 * 3 + 2 * 8: unit 1 contributes most. In unit 1, feature 2 contributes 2 * 4, feature 0 only 2.
    assert [(edge["layer"], edge["from"], edge["to"]) for edge in edges] == [
        (1, 1, 1),
        (0, 2, 1),
        (0, 0, 1),
    ]
    assert [edge["strength"] for edge in edges] == [1, 1, 0.25]


def test_paths_to_a_negative_activation_follow_what_makes_it_negative():
    edges = evaluate(
        ["explanations"],
        "explanations.findStrongestPaths(values.network, values.features, values.hidden, 0, 1, 1)",
        network={
            "layers": [
                {"fanIn": 2, "fanOut": 1, "weights": [1, -4]},
                {"fanIn": 1, "fanOut": 1, "weights": [-1]},
            ]
        },
        features=[1, 1],
        hidden=[[-3]],
    )
    assert [(edge["layer"], edge["from"]) for edge in edges] == [(1, 0), (0, 1)]


def test_noise_has_the_standard_deviation_and_stays_in_the_range():
    noisy = np.array(
        evaluate(
            ["perturbations"],
            "Array.from(perturbations.addNoise(new Float32Array(20000).fill(100), 20, 0, 255, 1))",
        )
    )
    assert noisy.mean() == pytest.approx(100, abs=1)
    assert noisy.std() == pytest.approx(20, rel=0.03)
    clipped = np.array(
        evaluate(
            ["perturbations"],
            "Array.from(perturbations.addNoise(new Float32Array(2000), 2, -1, 1, 1))",
        )
    )
    assert (clipped.min(), clipped.max()) == (-1, 1)


def test_dropped_units_are_a_fraction_and_the_others_are_scaled():
    (mask,) = evaluate(
        ["perturbations"],
        "perturbations.makeDropMasks([20000], 0.75, 1).map((mask) => Array.from(mask))",
    )
    assert set(mask) == {0, 4}
    assert np.mean(np.equal(mask, 0)) == pytest.approx(0.75, abs=0.01)
    assert evaluate(["perturbations"], "perturbations.makeDropMasks([3], 0, 1)") is None
