"""Draw the diagrams of the pages "How it learns": `python docs/make_diagrams.py`, for light and for dark screens."""

from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skmlp import MLPDigitClassifier
from skmlp.engine.optimizers import SGD, Adam
from skmlp.engine.reference.activations import ACTIVATIONS
from skmlp.engine.reference.optimizers import UPDATE_RULES
from skmlp.schedules import Cosine, Exponential, OneCycle, Position, StepDecay, Warmup

IMAGES = Path(__file__).resolve().parent / "images"
STYLES = {"light": "default", "dark": "dark_background"}
RC = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "font.family": "sans-serif",
    "font.size": 10,
    "legend.frameon": False,
    "savefig.transparent": True,
    "svg.fonttype": "none",  # text instead of outlines
    "svg.hashsalt": "skmlp",
}


def draw_network():
    """Draw the network of the training step by hand."""
    figure, ax = plt.subplots(figsize=(5.6, 2.9), layout="constrained")
    layers = [
        ("features", "$x$", ["$x_1$", "$x_2$"]),
        ("hidden layer", "$a = \\max(0, W^{(1)} x + b^{(1)})$", ["$a_1$", "$a_2$"]),
        ("output layer", "$z = W^{(2)} a + b^{(2)}$", ["$z_0$", "$z_1$", "$z_2$"]),
        ("probabilities", "softmax", ["$p_0$", "$p_1$", "$p_2$"]),
    ]
    positions = [
        [(3 * i, (len(units) - 1) / 2 - k) for k in range(len(units))]
        for i, (_, _, units) in enumerate(layers)
    ]
    color, edge = plt.rcParams["text.color"], "C0"
    for i, (before, after) in enumerate(pairwise(positions)):
        for start in before:
            for end in after:
                ax.plot(*zip(start, end, strict=True), color=edge, lw=1, ls=":" if i == 2 else "-")
    for (title, formula, units), points in zip(layers, positions, strict=True):
        for (x, y), name in zip(points, units, strict=True):
            ax.text(
                x,
                y,
                name,
                ha="center",
                va="center",
                bbox={"boxstyle": "circle,pad=0.4", "fc": get_background(), "ec": edge},
            )
        ax.text(points[0][0], 1.65, title, ha="center", weight="bold", color=color)
        ax.text(points[0][0], -1.75, formula, ha="center", color=color, size=9)
    ax.set(xlim=(-1.2, 10.2), ylim=(-1.9, 1.9))
    ax.axis("off")
    return figure


def draw_activations():
    """Draw the activation functions and their derivatives."""
    figure, axes = plt.subplots(
        3, 4, figsize=(5.8, 4.6), sharex=True, sharey=True, layout="constrained"
    )
    z = np.linspace(-3, 3, 301)
    for ax, (name, activation) in zip(axes.flat, ACTIVATIONS.items(), strict=False):
        a, derivative = z[np.newaxis].copy(), np.ones((1, len(z)))
        work = np.empty_like(a)
        activation.forward(a, work)
        activation.backward(a, derivative, work)
        ax.axhline(0, color="gray", lw=0.5)
        ax.axvline(0, color="gray", lw=0.5)
        ax.plot(z, a[0], label="f(z)")
        ax.plot(z, derivative[0], "--", label="derivative")
        ax.set(title=name, xlim=(-3, 3), ylim=(-2, 3))
    for ax in axes.flat[len(ACTIVATIONS) :]:
        ax.remove()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="lower right")
    return figure


def draw_solvers():
    """Draw the first steps of solvers on a quadratic loss whose curvature depends on the direction."""
    solvers = {
        "sgd, no momentum": (SGD(momentum=0, nesterov=False), 0.09),
        "classical momentum": (SGD(momentum=0.8, nesterov=False), 0.03),
        "Nesterov momentum": (SGD(momentum=0.8), 0.03),
        "adam": (Adam(), 0.3),
    }
    curvatures = np.array([1.0, 20.0])
    x, y = np.meshgrid(np.linspace(-4.5, 1.5, 80), np.linspace(-1.2, 1.2, 80))
    figure, axes = plt.subplots(
        2, 2, figsize=(6, 3.8), sharex=True, sharey=True, layout="constrained"
    )
    for ax, (name, (optimizer, rate)) in zip(axes.flat, solvers.items(), strict=True):
        theta = np.array([-4.0, 1.0])
        path, arrays = [theta.copy()], optimizer.allocate(theta)
        for t in range(1, 31):
            gradient = curvatures * theta
            coefficients = optimizer.coefficients(rate, t, arrays)
            apply_rule = UPDATE_RULES[optimizer.kernel]
            apply_rule(theta, gradient, optimizer.moments(arrays), np.empty(2), coefficients)
            path.append(theta.copy())
        loss = (curvatures[0] * x**2 + curvatures[1] * y**2) / 2
        ax.contour(x, y, loss, levels=[0.1, 0.5, 1.5, 3, 6, 10, 15], colors="gray", linewidths=0.5)
        ax.plot(*np.transpose(path), "o-", ms=3, lw=1)
        ax.plot(0, 0, "+", color="C3", ms=10)
        ax.set(title=name, xlim=(-4.5, 1.5), ylim=(-1.2, 1.2))
    return figure


def draw_schedules():
    """Draw the learning rates of schedules over 90 epochs."""
    schedules = {
        '"constant", with warmup': Warmup(lambda position: 1.0, epochs=10),
        '"step"': StepDecay(1.0),
        '"exponential"': Exponential(1.0),
        '"cosine"': Cosine(1.0),
        '"one_cycle"': OneCycle(1.0),
    }
    epochs = np.linspace(0, 90, 901)
    positions = [Position(int(10 * epoch), epoch, 10, 90, 0) for epoch in epochs]
    figure, ax = plt.subplots(figsize=(5.2, 3.4), layout="constrained")
    styles = ("-", "--", "-.", "-", ":")
    for style, (name, schedule) in zip(styles, schedules.items(), strict=True):
        ax.plot(epochs, [schedule(position) for position in positions], style, label=name)
    ax.set(xlabel="epoch", ylabel=r"$\eta\ /\ \eta_0$", xlim=(0, 90), ylim=(0, None))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def draw_overfitting():
    """Draw the losses of a network that overfits."""
    X, y = load_digits(return_X_y=True)
    mlp = MLPDigitClassifier(
        (256,),
        learning_rate_init=0.01,
        input_scale=1 / 16,
        max_iter=60,
        n_iter_no_change=None,
        random_state=0,
    )
    mlp.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    epochs, val_loss = np.arange(1, 61), mlp.history_["val_loss"]
    best = int(np.argmin(val_loss))
    figure, ax = plt.subplots(figsize=(5.2, 2.6), layout="constrained")
    ax.plot(epochs, mlp.history_["loss"], label="training loss")
    ax.plot(epochs, val_loss, "--", label="validation loss")
    ax.plot(epochs[best], val_loss[best], "o", color="C1", label="smallest validation loss")
    ax.set(xlabel="epoch", ylabel="loss", xlim=(0, 60), ylim=(0, None))
    ax.legend()
    return figure


def get_background():
    """Return the color of the page."""
    return "black" if plt.rcParams["text.color"] == "white" else "white"


DIAGRAMS = {
    "network": draw_network,
    "activations": draw_activations,
    "solvers": draw_solvers,
    "schedules": draw_schedules,
    "overfitting": draw_overfitting,
}


def main():
    """Write each diagram to an SVG file for each theme."""
    for theme, style in STYLES.items():
        with plt.style.context([style, RC]):
            for name, draw in DIAGRAMS.items():
                figure, path = draw(), IMAGES / f"{name}_{theme}.svg"
                figure.savefig(path, metadata={"Date": None, "Creator": None})
                plt.close(figure)
                print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
