"""Names that options accept.

They are repeated here because importing them would load NumPy for --help. A test compares them with
the names of the estimator and the recipes.
"""

ACTIVATIONS = (
    "identity",
    "logistic",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "softplus",
)
FIRST_ORDER_SOLVERS = ("adam", "adamw", "nadam", "rmsprop", "sgd")
SOLVERS = (*FIRST_ORDER_SOLVERS, "lbfgs")
SCHEDULES = ("constant", "invscaling", "adaptive", "step", "exponential", "cosine", "one_cycle")
INITIAL_WEIGHTS = (
    "auto",
    "he_normal",
    "he_uniform",
    "glorot_normal",
    "glorot_uniform",
    "orthogonal",
)
CLASS_WEIGHTS = ("balanced",)
AUGMENTATIONS = ("digits",)
IMAGE_FEATURES = ("gradients",)
MONITORS = ("accuracy", "loss")
RECIPES = (
    "softmax",
    "one-hidden",
    "relu-256-sgd",
    "relu-128-adam",
    "dropout-512",
    "small-sample",
    "fast",
    "tiny",
    "plain",
    "accurate",
)
COMMITTEES = ("committee",)
