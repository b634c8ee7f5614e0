"""What each Keras may write: the closed tables. Data only; `_layers.py`, `_objects.py` and `_graph.py` read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..spec import Era

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


# Read in the sources of Keras 2.0.2, 2.0.9, 2.1.6, 2.2.4, 2.3.1, 3.15 and of tf_keras 2.21 (classes v1 and v2).
KERAS_1 = Profile("Keras 1", "keras1", "hard_sigmoid_keras2", "hard_sigmoid", False)
KERAS_2 = Profile("Keras 2.0-2.2", "keras2", "hard_sigmoid_keras2", "hard_sigmoid", False)
KERAS_23 = Profile("Keras 2.3", "keras2", "hard_sigmoid_keras2", "sigmoid", False)
TF_1 = Profile("TensorFlow 1", "tf.keras", "hard_sigmoid_keras2", "hard_sigmoid", False)
TF_2 = Profile("TensorFlow 2", "tf.keras", "hard_sigmoid_keras2", "sigmoid", True)
KERAS_3 = Profile("Keras 3", "keras3", "hard_sigmoid", "sigmoid", True, "sigmoid")
PROFILES = (KERAS_1, KERAS_2, KERAS_23, TF_1, TF_2, KERAS_3)

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
    "implementation": _ONLY_2,
    "units": frozenset({"keras2", "tf.keras", "keras3"}),
    **dict.fromkeys(("W_regularizer", "inner_init", "inner_activation", "consume_less", "nb_filter"), _ONLY_1),
}
# A class name -> likewise.
CLASS_ERAS: Mapping[str, frozenset[Era]] = {
    "__keras_tensor__": _ONLY_3,
    "DTypePolicy": _ONLY_3,
    "Policy": frozenset({"tf.keras"}),
    "Functional": _TF_ON,
    "Model": _OLD,
    **dict.fromkeys(("TimeDistributedDense", "Merge", "MaxoutDense", "Highway", "Graph"), _ONLY_1),
    **dict.fromkeys(("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal"), _TF_ON),
}

# ---------------------------------------------------------------------------------------------- layers


@dataclass(frozen=True)
class Form:
    """One layer class: the arguments of its constructor today, and the arguments of its call after the input."""

    keys: frozenset[str]
    required: tuple[str, ...] = ()
    eras: frozenset[Era] = frozenset({"keras2", "tf.keras", "keras3"})
    call: tuple[str, ...] = ()  # in the order of Keras 3's signature
    ignored: frozenset[str] = frozenset()  # read and dropped: they change no number and no shape
    old: frozenset[str] = frozenset()  # keys of the eras before Keras 3 about which UNLESS decides
    unless: frozenset[str] = frozenset()  # likewise, of every era


def _keys(*groups: str) -> frozenset[str]:
    return frozenset(" ".join(groups).split())


_WEIGHT = "kernel_initializer bias_initializer kernel_regularizer bias_regularizer kernel_constraint bias_constraint"
_RECURRENT_WEIGHT = "recurrent_initializer recurrent_regularizer recurrent_constraint"
_SEQUENCE = "return_sequences return_state go_backwards stateful"
_RNN = (
    f"units activation use_bias {_WEIGHT} {_RECURRENT_WEIGHT} dropout recurrent_dropout {_SEQUENCE} unroll "
    "zero_output_for_mask seed implementation"
)
_NORM = (
    "axis epsilon center scale beta_initializer gamma_initializer beta_regularizer gamma_regularizer "
    "beta_constraint gamma_constraint"
)
_LORA = "lora_rank lora_alpha quantization_config"
_RNN_OLD = _keys("time_major num_constants enable_caching_device return_runtime")
_RNN_CALL = ("initial_state", "mask", "training")


def _rnn(extra: str = "") -> Form:
    return Form(_keys(_RNN, extra), ("units",), call=_RNN_CALL, ignored=_keys("use_cudnn"), old=_RNN_OLD)


def _cell(extra: str = "") -> Form:
    keys = _keys(
        f"units activation use_bias {_WEIGHT} {_RECURRENT_WEIGHT} dropout recurrent_dropout seed implementation", extra
    )
    return Form(keys, ("units",), call=("states", "training"), old=_keys("enable_caching_device"))


def _cudnn(extra: str = "") -> Form:
    keys = _keys("units", _WEIGHT, _RECURRENT_WEIGHT, _SEQUENCE, extra)
    return Form(keys, ("units",), frozenset({"keras2", "tf.keras"}), _RNN_CALL, _keys("unroll"), _RNN_OLD)


def _conv_lstm(*eras: Era) -> Form:
    keys = _keys(
        "filters kernel_size strides padding data_format dilation_rate activation recurrent_activation use_bias",
        f"unit_forget_bias {_WEIGHT} {_RECURRENT_WEIGHT} dropout recurrent_dropout seed {_SEQUENCE} unroll",
        "zero_output_for_mask",
    )
    ignored = _keys("implementation")  # what it chose in Keras 2 is the same computation
    return Form(keys, ("filters", "kernel_size"), frozenset(eras), _RNN_CALL, ignored, _RNN_OLD)


_PLAIN = Form(frozenset())
LAYERS: Mapping[str, Form] = {
    "LSTM": _rnn("recurrent_activation unit_forget_bias"),
    "GRU": _rnn("recurrent_activation reset_after"),
    "SimpleRNN": _rnn(),
    "CuDNNLSTM": _cudnn("unit_forget_bias"),
    "CuDNNGRU": _cudnn(),
    "ConvLSTM1D": _conv_lstm("tf.keras", "keras3"),
    "ConvLSTM2D": _conv_lstm("keras2", "tf.keras", "keras3"),
    "ConvLSTM3D": _conv_lstm("tf.keras", "keras3"),
    "RNN": Form(_keys("cell unroll zero_output_for_mask", _SEQUENCE), ("cell",), call=_RNN_CALL, old=_RNN_OLD),
    "LSTMCell": _cell("recurrent_activation unit_forget_bias"),
    "GRUCell": _cell("recurrent_activation reset_after"),
    "SimpleRNNCell": _cell(),
    "StackedRNNCells": Form(_keys("cells"), ("cells",), call=("states", "training"), old=_keys("reverse_state_order")),
    "Bidirectional": Form(
        _keys("layer merge_mode backward_layer weights"), ("layer",), call=_RNN_CALL, old=_keys("num_constants")
    ),
    "TimeDistributed": Form(_keys("layer"), ("layer",), call=("training", "mask")),
    "Embedding": Form(
        _keys("input_dim output_dim embeddings_initializer embeddings_regularizer embeddings_constraint mask_zero")
        | _keys("weights", _LORA),
        ("input_dim", "output_dim"),
        ignored=_keys("input_length sparse"),  # `sparse` is how TensorFlow stores a gradient
    ),
    "Masking": Form(_keys("mask_value")),
    "Dense": Form(_keys("units activation use_bias", _WEIGHT, _LORA), ("units",)),
    "Dropout": Form(_keys("rate noise_shape seed"), ("rate",), call=("training",)),
    "SpatialDropout1D": Form(_keys("rate seed"), ("rate",), call=("training",), ignored=_keys("noise_shape")),
    "Activation": Form(_keys("activation"), ("activation",)),
    "RepeatVector": Form(_keys("n"), ("n",)),
    "Flatten": Form(_keys("data_format")),
    "Reshape": Form(_keys("target_shape"), ("target_shape",)),
    "Permute": Form(_keys("dims"), ("dims",)),
    "Concatenate": Form(_keys("axis")),
    "Add": _PLAIN,
    "Subtract": _PLAIN,
    "Multiply": _PLAIN,
    "Average": _PLAIN,
    "Maximum": _PLAIN,
    "Minimum": _PLAIN,
    "Dot": Form(_keys("axes normalize"), ("axes",)),
    "BatchNormalization": Form(
        _keys(_NORM, "momentum moving_mean_initializer moving_variance_initializer renorm synchronized"),
        call=("training", "mask"),
        ignored=_keys("renorm_clipping renorm_momentum fused"),
        old=_keys("virtual_batch_size adjustment"),
    ),
    "LayerNormalization": Form(_keys(_NORM, "rms_scaling")),
    "InputLayer": Form(
        _keys("batch_shape dtype"), old=_keys("input_tensor type_spec"), unless=_keys("sparse ragged optional")
    ),
}
CONVOLUTIONS = frozenset({"ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU", "Bidirectional", "RNN"}) | CONVOLUTIONS
# Layers whose files may leave out recurrent_activation -> the field of `Profile` with what it is then.
RECURRENT_ACTIVATION: Mapping[str, str] = {
    **dict.fromkeys(("LSTM", "GRU", "LSTMCell", "GRUCell"), "recurrent_activation"),
    **dict.fromkeys(CONVOLUTIONS, "conv_recurrent_activation"),
}
MERGING = frozenset({"Concatenate", "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Dot"})
MODELS = frozenset({"Sequential", "Functional", "Model"})
MODEL_KEYS = _keys("name trainable dtype layers input_layers output_layers build_input_shape")
MODEL_CALL = ("training", "mask")

# Every layer may carry these.
BASE_KEYS = _keys("name trainable dtype activity_regularizer")
# Of a first layer; so are input_dim and input_length where they are no arguments.
SHAPE_KEYS = _keys("batch_input_shape input_shape batch_size input_dtype")
# Arguments of today that are left out while they say nothing: some Keras writes them, few layers need them.
ELIDED: Mapping[str, tuple[Any, ...]] = {
    "activity_regularizer": (None,),
    "weights": (None,),
    "lora_rank": (None,),
    "lora_alpha": (None,),
    "quantization_config": (None,),
    "renorm": (False,),
    "synchronized": (False,),
    "rms_scaling": (False,),
    "seed": (None,),
    "noise_shape": (None,),
}


@dataclass(frozen=True)
class Unless:
    """A key that is dropped while it has one of the harmless values, and refused with the reason otherwise."""

    harmless: tuple[Any, ...]
    reason: str


UNLESS: Mapping[str, Unless] = {
    "time_major": Unless((False, None), "inputs (timesteps, batch, features) are not supported; put the batch first"),
    "num_constants": Unless((None, 0), "constants of a recurrent layer are not supported; make them part of the input"),
    "enable_caching_device": Unless((False, True, None), ""),
    "return_runtime": Unless((False, None), "it is a switch of TensorFlow's own tests"),
    "reverse_state_order": Unless((False, None), "the states are in the order of the cells; save without it"),
    "virtual_batch_size": Unless((None,), "statistics over parts of a batch are not supported; leave it out"),
    "adjustment": Unless((None,), "it is a Python function, which no file holds; leave it out"),
    "sparse": Unless((False, None), "sparse inputs are not supported; make the input dense"),
    "ragged": Unless((False, None), "ragged inputs are not supported; pad the sequences and mask the padding"),
    "optional": Unless((False, None), "optional inputs are not supported; make the input required"),
    "input_tensor": Unless((None,), "an input bound to a TensorFlow tensor is not supported; give it a shape"),
    "type_spec": Unless((None,), "an input made from a TypeSpec is not supported; give it a shape"),
    "quantization_config": Unless((None,), "quantized layers are not supported; save the model before quantizing it"),
    "lora_rank": Unless((None,), "LoRA weights are not supported; merge them in Keras and save again"),
}

SIZES = _keys("units n input_dim output_dim filters")  # whole numbers of 1 and more
BOOLEANS = _keys(
    "use_bias unit_forget_bias reset_after unroll zero_output_for_mask mask_zero normalize center scale", _SEQUENCE
)
TUPLES = _keys("target_shape dims axes noise_shape kernel_size strides dilation_rate")  # lists of whole numbers

# ---------------------------------------------------------------------------------------------- activations

_NAMES_2 = _keys("softmax elu selu softplus softsign relu tanh sigmoid hard_sigmoid exponential linear")
_NAMES_TF = _NAMES_2 | _keys("swish silu gelu mish relu6 leaky_relu log_softmax softmax_v2 log_softmax_v2")
_NAMES_3 = _NAMES_2 | _keys(
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
# A layer used as an activation -> the function that it is with exactly these arguments.
ACTIVATION_LAYERS: Mapping[str, tuple[tuple[str, Mapping[str, Any]], ...]] = {
    "ReLU": (
        ("relu", {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}),
        ("relu6", {"max_value": 6.0, "negative_slope": 0.0, "threshold": 0.0}),
    ),
    "LeakyReLU": (("leaky_relu", {"alpha": 0.2}), ("leaky_relu", {"negative_slope": 0.2})),
    "ELU": (("elu", {"alpha": 1.0}),),
    "Softmax": (("softmax", {"axis": -1}),),
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
    "Constant": _keys("value"),
    "RandomNormal": _keys("mean stddev seed"),
    "RandomUniform": _keys("minval maxval seed"),
    "TruncatedNormal": _keys("mean stddev seed"),
    "VarianceScaling": _keys("scale mode distribution seed input_axes output_axes"),
    "Orthogonal": _keys("gain seed"),
    "Identity": _keys("gain"),
    **dict.fromkeys(_SCALED, _keys("seed input_axes output_axes")),
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
    {"L1": _keys("l1"), "L2": _keys("l2"), "L1L2": _keys("l1 l2"), "OrthogonalRegularizer": _keys("factor mode")},
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
        "MaxNorm": _keys("max_value axis"),
        "NonNeg": frozenset(),
        "UnitNorm": _keys("axis"),
        "MinMaxNorm": _keys("min_value max_value rate axis"),
    },
    {
        **{name: name for name in ("MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm")},
        **{"max_norm": "MaxNorm", "maxnorm": "MaxNorm", "non_neg": "NonNeg", "nonneg": "NonNeg"},
        **{"unit_norm": "UnitNorm", "unitnorm": "UnitNorm", "min_max_norm": "MinMaxNorm"},
    },
)
KINDS: Mapping[str, Kind] = {"_initializer": INITIALIZERS, "_regularizer": REGULARIZERS, "_constraint": CONSTRAINTS}

# ---------------------------------------------------------------------------------------------- dtypes

POLICIES = _keys(
    "float16 float32 float64 bfloat16 mixed_float16 mixed_bfloat16 int8 int16 int32 int64",
    "uint8 uint16 uint32 uint64 bool",
)
POLICY_CLASSES = frozenset({"DTypePolicy", "FloatDTypePolicy", "Policy", "PolicyV1"})

# ---------------------------------------------------------------------------------------------- masks of Keras 3

# Keras 3 writes the masks that it passed along by itself into the file, as operations of the graph.
MASK_OPERATIONS = frozenset({"NotEqual", "Any", "LogicalOr", "ExpandDims", "ZerosLike", "OnesLike", "Concatenate"})
KEEPS_MASK = _keys(
    "Dense Dropout SpatialDropout1D Activation BatchNormalization LayerNormalization TimeDistributed",
)
