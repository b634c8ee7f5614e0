"""What each Keras may write: the closed tables. Data only; `_layers.py`, `_objects.py` and `_graph.py` read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..spec import Era
from .forms.form import keys

# ---------------------------------------------------------------------------------------------- who wrote it


@dataclass(frozen=True)
class Profile:
    """What one generation of Keras meant by a name or by an argument that the file leaves out."""

    title: str
    era: Era
    hard_sigmoid: str  # the name of that function today
    recurrent_activation: str  # default of LSTM and GRU
    reset_after: bool  # default of GRU
    conv_recurrent_activation: str = "hard_sigmoid"  # default of ConvLSTM1D, ConvLSTM2D and ConvLSTM3D
    bilinear_from_middles: bool = False  # UpSampling2D: of the places, not from their corners; False: or unknown


# Read in the sources of Keras 2.0.2, 2.0.9, 2.1.6, 2.2.4, 2.3.1, 3.15 and of tf_keras 2.21 (classes v1 and v2).
# How UpSampling2D interpolates also in those of TensorFlow; Keras 2.3 leaves it to the TensorFlow below it.
KERAS_1 = Profile("Keras 1", "keras1", "hard_sigmoid_keras2", "hard_sigmoid", False)
KERAS_2 = Profile("Keras 2.0-2.2", "keras2", "hard_sigmoid_keras2", "hard_sigmoid", False)
KERAS_23 = Profile("Keras 2.3", "keras2", "hard_sigmoid_keras2", "sigmoid", False)
TF_1 = Profile("TensorFlow 1", "tf.keras", "hard_sigmoid_keras2", "hard_sigmoid", False)
TF_2 = Profile("TensorFlow 2", "tf.keras", "hard_sigmoid_keras2", "sigmoid", True, bilinear_from_middles=True)
KERAS_3 = Profile("Keras 3", "keras3", "hard_sigmoid", "sigmoid", True, "sigmoid", True)
PROFILES = (KERAS_1, KERAS_2, KERAS_23, TF_1, TF_2, KERAS_3)

# The newest versions whose files the tests read.
NEWEST: Mapping[Era, str] = {"tf.keras": "2.21.0", "keras3": "3.15.1"}

_OLD: frozenset[Era] = frozenset({"keras1", "keras2", "tf.keras"})
_TF_ON: frozenset[Era] = frozenset({"tf.keras", "keras3"})
_ONLY_1: frozenset[Era] = frozenset({"keras1"})
_ONLY_2: frozenset[Era] = frozenset({"keras2", "tf.keras"})
_ONLY_3: frozenset[Era] = frozenset({"keras3"})

# A key of some config -> the eras that write it: for files that do not state their version.
KEY_ERAS: Mapping[str, frozenset[Era]] = {
    "batch_input_shape": _OLD,
    "batch_shape": _ONLY_3,
    "quantization_config": _ONLY_3,
    "module": _TF_ON,
    "registered_name": _TF_ON,
    "ragged": _TF_ON,
    "build_config": _TF_ON,
    "zero_output_for_mask": _TF_ON,
    "input_axes": _ONLY_3,
    "time_major": frozenset({"tf.keras"}),
    "softmax_robust_masking": frozenset({"tf.keras"}),
    "use_gate": _ONLY_3,
    "rms_scaling": _ONLY_3,
    "implementation": _ONLY_2,
    "units": frozenset({"keras2", "tf.keras", "keras3"}),
    **dict.fromkeys(("W_regularizer", "inner_init", "inner_activation", "consume_less", "nb_filter"), _ONLY_1),
    **dict.fromkeys(("pool_length", "border_mode", "dim_ordering"), _ONLY_1),
}
# A class name -> likewise.
CLASS_ERAS: Mapping[str, frozenset[Era]] = {
    "__keras_tensor__": _ONLY_3,
    "DTypePolicy": _ONLY_3,
    "Policy": frozenset({"tf.keras"}),
    "Functional": _TF_ON,
    **dict.fromkeys(("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"), frozenset({"tf.keras"})),
    "Model": _OLD,
    **dict.fromkeys(("TimeDistributedDense", "Merge", "MaxoutDense", "Highway", "Graph"), _ONLY_1),
    **dict.fromkeys(("AtrousConvolution1D", "AtrousConvolution2D", "Deconvolution2D"), _ONLY_1),
    **dict.fromkeys(("LocallyConnected1D", "LocallyConnected2D"), _OLD),
    **dict.fromkeys(("ParametricSoftplus", "SReLU"), _ONLY_1),
    **dict.fromkeys(
        ("Identity", "GroupNormalization", "SpectralNormalization", "UnitNormalization", "Normalization", "Rescaling"),
        _TF_ON,
    ),
    "ThresholdedReLU": _OLD,
    "RMSNormalization": _ONLY_3,
    **dict.fromkeys((f"Adaptive{kind}Pooling{n}D" for kind in ("Average", "Max") for n in (1, 2, 3)), _ONLY_3),
    **dict.fromkeys(("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal"), _TF_ON),
}

# ---------------------------------------------------------------------------------------------- models

# Classes of some Keras that are left out on purpose, with the reason.
LEFT_OUT: Mapping[str, str] = {
    "ParametricSoftplus": "Keras 1 only, no later Keras has it",
    "SReLU": "Keras 1 only, no later Keras has it",
}
MODELS = frozenset({"Sequential", "Functional", "Model"})
MODEL_KEYS = keys("name trainable dtype layers input_layers output_layers build_input_shape")
MODEL_CALL = ("training", "mask")

# ---------------------------------------------------------------------------------------------- activations

_NAMES_2 = keys("softmax elu selu softplus softsign relu tanh sigmoid hard_sigmoid exponential linear")
_NAMES_TF = _NAMES_2 | keys("swish silu gelu mish relu6 leaky_relu log_softmax softmax_v2 log_softmax_v2")
_NAMES_3 = _NAMES_2 | keys(
    "swish silu gelu mish relu6 leaky_relu log_softmax celu glu hard_shrink hard_silu hard_swish hard_tanh log_sigmoid",
    "soft_shrink sparse_plus sparse_sigmoid sparsemax squareplus tanh_shrink threshold",
)
ACTIVATIONS: Mapping[Era, frozenset[str]] = {
    "keras1": _NAMES_2,
    "keras2": _NAMES_2,
    "tf.keras": _NAMES_TF,
    "keras3": _NAMES_3,
}
ACTIVATION_RENAMES = {
    "swish": "silu",
    "hard_swish": "hard_silu",
    "softmax_v2": "softmax",  # the name of tf.nn.softmax itself
    "log_softmax_v2": "log_softmax",
}
# A layer used as an activation -> the functions that it is with exactly these arguments.
ACTIVATION_LAYERS: Mapping[str, tuple[tuple[str, Mapping[str, Any]], ...]] = {
    "ReLU": (
        ("relu", {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}),
        ("relu6", {"max_value": 6.0, "negative_slope": 0.0, "threshold": 0.0}),
    ),
    "LeakyReLU": (("leaky_relu", {"negative_slope": 0.2}),),
    "ELU": (("elu", {"alpha": 1.0}),),
    "Softmax": (("softmax", {"axis": -1}),),
    "ThresholdedReLU": (),
}
ACTIVATION_KEYS = frozenset({"activation", "recurrent_activation"})

# ---------------------------------------------------------------------------------------------- small objects


@dataclass(frozen=True)
class Kind:
    """Initializers, regularizers or constraints: arguments of each class, and the spellings that lead to it."""

    name: str
    classes: Mapping[str, frozenset[str]]
    spellings: Mapping[str, str]
    # What a bare string means in the eras before Keras 3, where that is not the class with its defaults.
    old_strings: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)


_SCALED = ("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal")
_INITIALIZERS: dict[str, frozenset[str]] = {
    "Zeros": frozenset(),
    "Ones": frozenset(),
    "Constant": keys("value"),
    "RandomNormal": keys("mean stddev seed"),
    "RandomUniform": keys("minval maxval seed"),
    "TruncatedNormal": keys("mean stddev seed"),
    "VarianceScaling": keys("scale mode distribution seed input_axes output_axes"),
    "Orthogonal": keys("gain seed"),
    "Identity": keys("gain"),
    **dict.fromkeys(_SCALED, keys("seed input_axes output_axes")),
}
_SNAKE = {
    "Zeros": "zeros",
    "Ones": "ones",
    "Constant": "constant",
    "RandomNormal": "random_normal",
    "RandomUniform": "random_uniform",
    "TruncatedNormal": "truncated_normal",
    "VarianceScaling": "variance_scaling",
    "Orthogonal": "orthogonal",
    "Identity": "identity",
    "GlorotUniform": "glorot_uniform",
    "GlorotNormal": "glorot_normal",
    "HeUniform": "he_uniform",
    "HeNormal": "he_normal",
    "LecunUniform": "lecun_uniform",
    "LecunNormal": "lecun_normal",
}
INITIALIZERS = Kind(
    "initializer",
    _INITIALIZERS,
    {
        **{name: name for name in _INITIALIZERS},
        **{f"{name}V2": name for name in _INITIALIZERS},  # TensorFlow 2.0-2.2
        **{snake: name for name, snake in _SNAKE.items()},
        "OrthogonalInitializer": "Orthogonal",
        "IdentityInitializer": "Identity",
        "zero": "Zeros",
        "one": "Ones",
        "uniform": "RandomUniform",
        "normal": "RandomNormal",
    },
)
REGULARIZERS = Kind(
    "regularizer",
    {"L1": keys("l1"), "L2": keys("l2"), "L1L2": keys("l1 l2"), "OrthogonalRegularizer": keys("factor mode")},
    {
        **{name: name for name in ("L1", "L2", "L1L2", "OrthogonalRegularizer")},
        "l1": "L1",
        "l2": "L2",
        "l1_l2": "L1L2",
        "orthogonal_regularizer": "OrthogonalRegularizer",
    },
    {"l1_l2": ("L1L2", {"l1": 0.01, "l2": 0.01})},  # a function with these defaults; Keras 3's are 0
)
CONSTRAINTS = Kind(
    "constraint",
    {
        "MaxNorm": keys("max_value axis"),
        "NonNeg": frozenset(),
        "UnitNorm": keys("axis"),
        "MinMaxNorm": keys("min_value max_value rate axis"),
    },
    {
        **{name: name for name in ("MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm")},
        **{"max_norm": "MaxNorm", "maxnorm": "MaxNorm", "non_neg": "NonNeg", "nonneg": "NonNeg"},
        **{"unit_norm": "UnitNorm", "unitnorm": "UnitNorm", "min_max_norm": "MinMaxNorm"},
    },
)
# The end of an argument's name -> its kind; `init` is Keras 1's.
KINDS: Mapping[str, Kind] = {
    "_initializer": INITIALIZERS,
    "init": INITIALIZERS,
    "_regularizer": REGULARIZERS,
    "_constraint": CONSTRAINTS,
}

# ---------------------------------------------------------------------------------------------- dtypes

POLICIES = keys(
    "float16 float32 float64 bfloat16 mixed_float16 mixed_bfloat16 int8 int16 int32 int64",
    "uint8 uint16 uint32 uint64 bool",
)
POLICY_CLASSES = frozenset({"DTypePolicy", "FloatDTypePolicy", "Policy", "PolicyV1"})
