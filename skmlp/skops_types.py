"""Types that skops must be given as trusted to load an estimator of skmlp."""

# Callbacks are not listed: a Checkpoint writes to the path that it contains, and OnEpoch calls a function of the user.
# Neither are the functions that a user can pass as a parameter.
SKOPS_TRUSTED_TYPES: tuple[str, ...] = (
    "numpy.dtype",  # IDXReader(dtype=np.dtype("float64"))
    "skmlp.digits.augment.Annealed",
    "skmlp.digits.augment.Compose",
    "skmlp.digits.augment.DigitDistortions",
    "skmlp.digits.augmenter.DigitAugmenter",
    "skmlp.digits.deslant.Deslant",
    "skmlp.digits.displacements.Affine",
    "skmlp.digits.displacements.Elastic",
    "skmlp.digits.displacements.Shift",
    "skmlp.digits.gradients.GradientFeatures",
    "skmlp.digits.intensities.Brightness",
    "skmlp.digits.intensities.Contrast",
    "skmlp.digits.intensities.Noise",
    "skmlp.digits.intensities.Outline",
    "skmlp.digits.intensities.StrokeWidth",
    "skmlp.digits.patches.InvertedMargins",
    "skmlp.digits.patches.Patches",
    "skmlp.digits.reader.IDXReader",
    "skmlp.digits.resizer.ImageResizer",
    "skmlp.digits.upright.Upright",
    "skmlp.engine.parameters.Layout",
    "skmlp.engine.schedules.Constant",
    "skmlp.engine.schedules.Cosine",
    "skmlp.engine.schedules.Exponential",
    "skmlp.engine.schedules.InverseScaling",
    "skmlp.engine.schedules.OneCycle",
    "skmlp.engine.schedules.StepDecay",
    "skmlp.engine.schedules.Warmup",
    "skmlp.engine.state.TrainState",
    "skmlp.engine.state.Weights",
    "skmlp.engine.stopping.Plateau",
    "skmlp.estimator.classifier.MLPDigitClassifier",
)
