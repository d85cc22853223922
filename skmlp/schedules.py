"""Learning-rate schedules for the parameter `learning_rate` of :class:`skmlp.MLPDigitClassifier`."""

from skmlp.engine.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    Position,
    StepDecay,
    Warmup,
)

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "InverseScaling",
    "OneCycle",
    "Position",
    "StepDecay",
    "Warmup",
]
