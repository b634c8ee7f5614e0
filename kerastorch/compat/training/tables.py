"""The names and arguments of optimizers, losses and metrics, in Keras 3.15 and in Keras 2. Data only.

`tests/saving/test_training_live.py` makes every row in both.
"""

from __future__ import annotations

from collections.abc import Mapping

# ---------------------------------------------------------------- optimizers

# What every optimizer takes; `learning_rate` and `name` besides.
COMMON = ("weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema", "ema_momentum")
COMMON += ("ema_overwrite_frequency",)

# Optimizers of both -> their own arguments.
OPTIMIZERS: Mapping[str, tuple[str, ...]] = {
    "SGD": ("momentum", "nesterov"),
    "RMSprop": ("rho", "momentum", "epsilon", "centered"),
    "Adam": ("beta_1", "beta_2", "epsilon", "amsgrad"),
    "AdamW": ("beta_1", "beta_2", "epsilon", "amsgrad"),
    "Adadelta": ("rho", "epsilon"),
    "Adagrad": ("initial_accumulator_value", "epsilon"),
    "Adamax": ("beta_1", "beta_2", "epsilon"),
    "Nadam": ("beta_1", "beta_2", "epsilon"),
    "Ftrl": (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    ),
}
# Of both too, but tf-keras reads them out of .keras files only.
KERAS_FILE_OPTIMIZERS: Mapping[str, tuple[str, ...]] = {
    "Lion": ("beta_1", "beta_2"),
    "Adafactor": ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step"),
}
KERAS3_OPTIMIZERS = ("Muon", "ScheduleFreeAdamW", "LossScaleOptimizer", "Lamb", "MultiOptimizer")
# Of which no .h5 file is opened, by era.
NOT_IN_H5: Mapping[str, tuple[str, ...]] = {
    "keras3": ("Lamb", "MultiOptimizer"),
    "tf.keras": tuple(KERAS_FILE_OPTIMIZERS),
}
# Other names of Keras's own for them, in lower case.
OPTIMIZER_NAMES: Mapping[str, str] = {
    **{name.lower(): name for name in (*OPTIMIZERS, *KERAS_FILE_OPTIMIZERS, *KERAS3_OPTIMIZERS)},
    **{f"experimental{name.lower()}": name for name in ("SGD", "Adam", "Adagrad", "Adadelta")},
    "lossscaleoptimizerv3": "LossScaleOptimizer",
}
SCHEDULES: Mapping[str, tuple[str, ...]] = {
    "ExponentialDecay": ("initial_learning_rate", "decay_steps", "decay_rate", "staircase"),
    "InverseTimeDecay": ("initial_learning_rate", "decay_steps", "decay_rate", "staircase"),
    "PiecewiseConstantDecay": ("boundaries", "values"),
    "PolynomialDecay": ("initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle"),
    "CosineDecay": ("initial_learning_rate", "decay_steps", "alpha", "warmup_target", "warmup_steps"),
    "CosineDecayRestarts": ("initial_learning_rate", "first_decay_steps", "t_mul", "m_mul", "alpha"),
}
# How an optimizer of Keras 1 and 2 trains otherwise in Keras 3, whatever its arguments.
TRAINS_OTHERWISE: Mapping[str, str] = {
    "RMSprop": "adds epsilon under the root in Keras 3, not to the root",
    "Adagrad": "adds epsilon under the root in Keras 3, not to the root",
    "Nadam": "warms its momentum up with 0.96**step in Keras 3, not with 0.96**(0.004 * step)",
}

# ---------------------------------------------------------------- losses

# Short names -> the long ones. Keras 3.15 does not open an .h5 file whose loss has a short one.
LONG_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("mse", "MSE"), "mean_squared_error"),
    **dict.fromkeys(("mae", "MAE"), "mean_absolute_error"),
    **dict.fromkeys(("mape", "MAPE"), "mean_absolute_percentage_error"),
    **dict.fromkeys(("msle", "MSLE"), "mean_squared_logarithmic_error"),
    **dict.fromkeys(("bce", "BCE"), "binary_crossentropy"),
    **dict.fromkeys(("kld", "KLD"), "kl_divergence"),
}
# Functions of every Keras -> the name in Keras 3.
_OLD_FUNCTIONS: Mapping[str, str] = {
    **{name: name for name in ("mse", "mae", "mape", "msle", "MSE", "MAE", "MAPE", "MSLE")},
    **{f"mean_{kind}_error": f"mean_{kind}_error" for kind in ("squared", "absolute", "absolute_percentage")},
    "mean_squared_logarithmic_error": "mean_squared_logarithmic_error",
    **{name: name for name in ("hinge", "squared_hinge", "categorical_hinge", "poisson")},
    **{f"{kind}_crossentropy": f"{kind}_crossentropy" for kind in ("binary", "categorical", "sparse_categorical")},
    "logcosh": "log_cosh",
    "kullback_leibler_divergence": "kl_divergence",
    "kld": "kld",
    "KLD": "KLD",
    "cosine_proximity": "cosine_similarity",
    "cosine": "cosine_similarity",
}
# Functions that came with Keras 2.3 and tf.keras; before, such a name was one of the user's own.
_NEW_FUNCTIONS: Mapping[str, str] = {
    "huber": "huber",
    "huber_loss": "huber",
    "log_cosh": "log_cosh",
    "kl_divergence": "kl_divergence",
    "cosine_similarity": "cosine_similarity",
    "bce": "bce",
    "BCE": "BCE",
    "binary_focal_crossentropy": "binary_focal_crossentropy",
    "categorical_focal_crossentropy": "categorical_focal_crossentropy",
}
OLD_LOSSES = _OLD_FUNCTIONS
LOSSES: Mapping[str, str] = {**_OLD_FUNCTIONS, **_NEW_FUNCTIONS}
KERAS3_LOSSES = ("dice", "tversky", "circle", "ctc")

_OF_CLASSES = ("from_logits", "label_smoothing", "axis")
# Classes of both -> their arguments besides `name` and `reduction`.
LOSS_CLASSES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError"), ()),
    **dict.fromkeys(("MeanSquaredLogarithmicError", "KLDivergence", "LogCosh", "Poisson"), ()),
    **dict.fromkeys(("Hinge", "SquaredHinge", "CategoricalHinge"), ()),
    **dict.fromkeys(("BinaryCrossentropy", "CategoricalCrossentropy"), _OF_CLASSES),
    "SparseCategoricalCrossentropy": ("from_logits", "ignore_class"),
    "BinaryFocalCrossentropy": ("apply_class_balancing", "alpha", "gamma", *_OF_CLASSES),
    "CategoricalFocalCrossentropy": ("alpha", "gamma", *_OF_CLASSES),
    "CosineSimilarity": ("axis",),
    "Huber": ("delta",),
}
KERAS3_LOSS_CLASSES = ("Dice", "Tversky", "Circle", "CTC")
# `reduction` -> in the other Keras; what is not here, the other one does not have.
REDUCTIONS: Mapping[str | None, str] = {
    "auto": "sum_over_batch_size",
    "sum_over_batch_size": "sum_over_batch_size",
    "sum": "sum",
    "none": "none",
    None: "none",
}

# ---------------------------------------------------------------- metrics

# Names that `compile` itself reads.
SPECIAL_METRICS = ("accuracy", "acc", "crossentropy", "ce")
_CONFUSION = ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives")
_AT = ("num_thresholds", "class_id")
# Classes of both -> their arguments besides `name` and `dtype`.
METRIC_CLASSES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("MeanSquaredError", "RootMeanSquaredError", "MeanAbsoluteError"), ()),
    **dict.fromkeys(("MeanAbsolutePercentageError", "MeanSquaredLogarithmicError", "LogCoshError"), ()),
    **dict.fromkeys(("KLDivergence", "Poisson", "Hinge", "SquaredHinge", "CategoricalHinge"), ()),
    **dict.fromkeys(("Accuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy"), ()),
    "BinaryAccuracy": ("threshold",),
    "TopKCategoricalAccuracy": ("k",),
    "SparseTopKCategoricalAccuracy": ("k",),
    "BinaryCrossentropy": ("from_logits", "label_smoothing"),
    "CategoricalCrossentropy": _OF_CLASSES,
    "SparseCategoricalCrossentropy": ("from_logits", "ignore_class", "axis"),
    "CosineSimilarity": ("axis",),
    **dict.fromkeys(_CONFUSION, ("thresholds",)),
    **dict.fromkeys(("Precision", "Recall"), ("thresholds", "top_k", "class_id")),
    "AUC": (
        *("num_thresholds", "curve", "summation_method", "thresholds"),
        *("multi_label", "num_labels", "label_weights", "from_logits"),
    ),
    "PrecisionAtRecall": ("recall", *_AT),
    "RecallAtPrecision": ("precision", *_AT),
    "SensitivityAtSpecificity": ("specificity", *_AT),
    "SpecificityAtSensitivity": ("sensitivity", *_AT),
    "F1Score": ("average", "threshold"),
    "FBetaScore": ("average", "beta", "threshold"),
    "R2Score": ("class_aggregation", "num_regressors"),
    "BinaryIoU": ("target_class_ids", "threshold"),
    "IoU": ("num_classes", "target_class_ids", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis"),
    "MeanIoU": ("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis"),
    "OneHotIoU": ("num_classes", "target_class_ids", "ignore_class", "sparse_y_pred", "axis"),
    "OneHotMeanIoU": ("num_classes", "ignore_class", "sparse_y_pred", "axis"),
}
KERAS3_METRIC_CLASSES = ("ConcordanceCorrelation", "PearsonCorrelation")
# Functions -> the class that takes the mean of the function.
_OLD_METRICS: Mapping[str, str] = {
    "accuracy": "Accuracy",
    "binary_accuracy": "BinaryAccuracy",
    "categorical_accuracy": "CategoricalAccuracy",
    "sparse_categorical_accuracy": "SparseCategoricalAccuracy",
    "top_k_categorical_accuracy": "TopKCategoricalAccuracy",
    "sparse_top_k_categorical_accuracy": "SparseTopKCategoricalAccuracy",
    **dict.fromkeys(("mean_squared_error", "mse", "MSE"), "MeanSquaredError"),
    **dict.fromkeys(("mean_absolute_error", "mae", "MAE"), "MeanAbsoluteError"),
    **dict.fromkeys(("mean_absolute_percentage_error", "mape", "MAPE"), "MeanAbsolutePercentageError"),
    **dict.fromkeys(("mean_squared_logarithmic_error", "msle", "MSLE"), "MeanSquaredLogarithmicError"),
    **dict.fromkeys(("kullback_leibler_divergence", "kld", "KLD"), "KLDivergence"),
    **dict.fromkeys(("cosine_proximity", "cosine"), "CosineSimilarity"),
    "hinge": "Hinge",
    "squared_hinge": "SquaredHinge",
    "categorical_hinge": "CategoricalHinge",
    "logcosh": "LogCoshError",
    "poisson": "Poisson",
    "binary_crossentropy": "BinaryCrossentropy",
    "categorical_crossentropy": "CategoricalCrossentropy",
    "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
}
_NEW_METRICS: Mapping[str, str] = {
    "cosine_similarity": "CosineSimilarity",
    "kl_divergence": "KLDivergence",
    "log_cosh": "LogCoshError",
    **dict.fromkeys(("bce", "BCE"), "BinaryCrossentropy"),
}
OLD_METRICS = _OLD_METRICS
METRICS: Mapping[str, str] = {**_OLD_METRICS, **_NEW_METRICS}
