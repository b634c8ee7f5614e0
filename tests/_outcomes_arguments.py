"""What an argument of a layer means in a file of each Keras, in every spelling and misspelt: a set of outcomes.

Activations, initializers, regularizers and constraints by name, as functions, layers, objects and code; dtypes, sizes,
axes, paddings; what Keras 1 called otherwise; Lambdas. See `_outcomes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from zlib import crc32

from _outcomes import plain
from _outcomes_layers import told

from kerastorch.compat import read_config
from kerastorch.spec import Offered

WRITERS = ("1.2.2", "2.1.6", "2.2.4", "2.2.4-tf", "2.3.1", "2.11.0", "3.5.0", "3.15.1", None)


def of_array(value: Any, kind: str = "__numpy__") -> dict[str, Any]:
    return {"class_name": kind, "config": {"value": value, "dtype": "float32"}}


def of(name: Any, module: Any = "keras", registered: Any = None, /, **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": config, "registered_name": registered}


def bare(name: Any, /, **config: Any) -> dict[str, Any]:
    return {"class_name": name, "config": config}


FUNCTION = {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"}
CODE = {"class_name": "__lambda__", "config": {"code": "4wEA", "defaults": None, "closure": None}}
ACTIVATIONS: tuple[Any, ...] = (
    *(
        None,
        "relu",
        "ReLU",
        "tanh",
        "hard_sigmoid",
        "swish",
        "silu",
        "gelu",
        "mish",
        "log_softmax",
        "celu",
        "nobody",
        "",
        3,
        True,
        [],
    ),
    *(
        FUNCTION,
        {**FUNCTION, "config": "mine"},
        {**FUNCTION, "registered_name": "mine>relu"},
        {**FUNCTION, "module": "mine"},
        CODE,
    ),
    *({**FUNCTION, "registered_name": "relu"}, {**FUNCTION, "config": 3}, {**FUNCTION, "module": None}),
    *(
        bare("ReLU"),
        bare("ReLU", max_value=6),
        bare("ReLU", max_value=6.0, name="r", trainable=True),
        bare("ReLU", slope=3),
    ),
    *(
        bare("ReLU", negative_slope=0.20000000298, max_value=None, threshold=0.0),
        bare("LeakyReLU", alpha=0.2),
        bare("LeakyReLU"),
    ),
    *(
        bare("LeakyReLU", negative_slope=0.2),
        bare("LeakyReLU", negative_slope=0.01),
        bare("ELU", alpha=1.0),
        bare("ELU", alpha=0.5),
    ),
    *(
        bare("ThresholdedReLU", theta=0.5),
        bare("ThresholdedReLU"),
        bare("Softmax", axis=-1),
        bare("Softmax", axis=1),
        bare("PReLU"),
    ),
    *(
        bare("Softmax", axis=[1, 2], robust_masking=True),
        bare("Activation", activation="tanh"),
        bare("Activation"),
        bare("Dense"),
    ),
    *(
        of("LeakyReLU", "keras.layers", negative_slope=0.5),
        of("LeakyReLU", "mine", negative_slope=0.5),
        of("Mine", "mine"),
    ),
    *(
        bare("LeakyReLU", alpha="x"),
        bare("LeakyReLU", alpha=of_array(0.5)),
        bare("LeakyReLU", alpha=True),
        bare(None),
        {},
    ),
)
OBJECTS: tuple[Any, ...] = (
    *(
        None,
        "zeros",
        "Zeros",
        "zero",
        "one",
        "glorot_uniform",
        "GlorotUniform",
        "uniform",
        "normal",
        "lecun_uniform",
        "nobody",
        3,
        [],
        {},
    ),
    *(
        "l2",
        "L2",
        "l1_l2",
        "maxnorm",
        "max_norm",
        "MaxNorm",
        "non_neg",
        "nonneg",
        "unit_norm",
        "orthogonal",
        "identity",
        CODE,
    ),
    *(
        bare("Zeros"),
        bare("Constant", value=0.5),
        bare("Constant", value=of_array([1.0, 2.0])),
        bare("Constant", value=of_array(1.0, "x")),
    ),
    *(
        bare("VarianceScaling", scale=1.0, mode="fan_avg", distribution="normal", seed=None),
        bare("VarianceScaling", scale=2.0),
    ),
    *(
        bare("VarianceScaling", distribution="uniform", mode="fan_in"),
        bare("RandomNormal", mean=0.0, stddev=0.1, seed=3, dtype="float32"),
    ),
    *(
        bare("Orthogonal", gain=1.5),
        bare("Orthogonal", speed=3),
        bare("L1L2", l1=0.5, l2=0.25),
        bare("L1L2"),
        bare("L2", l2=0.5),
    ),
    *(
        bare("MaxNorm", max_value=2, axis=0),
        bare("MinMaxNorm", rate=0.5),
        bare("OrthogonalRegularizer", factor=0.5, mode="rows"),
    ),
    *(
        of("Zeros", "keras.initializers"),
        of("Zeros", "mine"),
        of("Mine", "mine", "mine>Mine", a=1),
        of("Zeros", "keras", "x>Zeros"),
    ),
    *(
        {"name": "L1L2", "l1": 0.5},
        {"name": "WeightRegularizer", "l1": 0.5, "l2": 0.25},
        {"name": "L1L2", "l3": 1},
        {"name": "MaxNorm", "m": 2},
    ),
    *(
        {"name": "MaxNorm"},
        {"name": "MaxNorm", "m": 2, "axis": 1},
        {"name": "NonNeg"},
        {"name": "UnitNorm", "axis": 0},
        {"name": "Own"},
    ),
    *(
        bare("GlorotUniform", seed=None, input_axes=None, output_axes=None),
        bare("GlorotUniform", input_axes=[0]),
        bare(3),
    ),
)
DTYPES: tuple[Any, ...] = (
    *("float32", "mixed_float16", "mixed_bfloat16", "int32", "string", "float", "nobody", None, 3, [], {}),
    *(
        bare("Policy", name="mixed_float16"),
        bare("Policy", name="float16", loss_scale=None),
        bare("PolicyV1", name="float32"),
    ),
    *(
        bare("DTypePolicy", name="float64"),
        bare("DTypePolicy"),
        bare("QuantizedDTypePolicy", mode="int8", source_name=None),
    ),
    *(
        of("DTypePolicy", "mine", name="float32"),
        bare("Policy", name="infer"),
        bare("Policy", name=3),
        bare("Mine", name="float32"),
    ),
)
SIZES: tuple[Any, ...] = (
    *(
        None,
        0,
        1,
        2,
        -1,
        2.0,
        True,
        "2",
        "valid",
        "same",
        "causal",
        [2],
        [2, 3],
        [[1, 2], [3, 4]],
        [1, [2, 3]],
        [],
        {},
        [None],
    ),
    *(
        {"class_name": "__tuple__", "items": [2, 3]},
        {"top_pad": 1, "left_pad": 2},
        {"left_pad": 1, "right_pad": 2},
        {"x": 1},
        [1, 2, 3, 4],
    ),
    *(
        of_array([1.0, 2.0]),
        {"type": "ndarray", "value": [0.5]},
        {"type": "ndarray", "value": ["x"]},
        0.5,
        [[1, 2], [1, 2]],
    ),
)
# Class -> arguments without which it is nothing, and the arguments that are tried with which values.
LAYERS: dict[str, tuple[dict[str, Any], dict[str, tuple[Any, ...]]]] = {
    "Dense": (
        {"units": 2},
        {
            "activation": ACTIVATIONS,
            **dict.fromkeys(
                ("kernel_initializer", "kernel_regularizer", "bias_constraint", "activity_regularizer"), OBJECTS
            ),
            **{"dtype": DTYPES, "units": SIZES, "use_bias": SIZES, "trainable": SIZES, "batch_input_shape": SIZES},
        },
    ),
    "LSTM": (
        {"units": 2, "recurrent_activation": "sigmoid"},
        {"recurrent_activation": ACTIVATIONS, "dropout": SIZES, "stateful": SIZES},
    ),
    "GRU": (
        {"units": 2, "recurrent_activation": "sigmoid", "reset_after": False},
        {"reset_after": SIZES, "time_major": SIZES},
    ),
    "Activation": ({"activation": "relu"}, {"activation": ACTIVATIONS, "dtype": DTYPES}),
    "BatchNormalization": ({}, {"axis": SIZES, "epsilon": SIZES, "mode": SIZES, "momentum": SIZES, "fused": SIZES}),
    "LayerNormalization": ({}, {"axis": SIZES, "epsilon": SIZES}),
    "Normalization": ({}, {"axis": SIZES, "mean": SIZES, "variance": SIZES}),
    "Conv2D": (
        {"filters": 2, "kernel_size": 3},
        {"kernel_size": SIZES, "padding": SIZES, "dilation_rate": SIZES, "groups": SIZES},
    ),
    "ZeroPadding2D": ({}, {"padding": SIZES, "data_format": SIZES}),
    "ZeroPadding1D": ({}, {"padding": SIZES}),
    "MaxPooling2D": ({}, {"pool_size": SIZES, "padding": SIZES, "strides": SIZES}),
    "UpSampling2D": ({}, {"size": SIZES, "interpolation": ("nearest", "bilinear", "bicubic", None, 3)}),
    "Embedding": (
        {"input_dim": 5, "output_dim": 2},
        {"mask_zero": SIZES, "input_length": SIZES, "dropout": SIZES, "embeddings_initializer": OBJECTS},
    ),
    "Masking": ({}, {"mask_value": SIZES}),
    "Reshape": ({"target_shape": [2]}, {"target_shape": SIZES}),
    "Permute": ({"dims": [1]}, {"dims": SIZES}),
    "RepeatVector": ({"n": 2}, {"n": SIZES}),
    "Dropout": ({"rate": 0.5}, {"rate": SIZES, "noise_shape": SIZES}),
    "LeakyReLU": ({}, {"alpha": SIZES, "negative_slope": SIZES}),
    "InputLayer": (
        {"batch_input_shape": [None, 2]},
        {"batch_input_shape": SIZES, "dtype": DTYPES, "ragged": SIZES, "sparse": SIZES},
    ),
    "Convolution2D": (
        {"nb_filter": 2, "nb_row": 3, "nb_col": 3, "border_mode": "valid", "dim_ordering": "tf"},
        {
            "border_mode": SIZES,
            "dim_ordering": ("th", "tf", "x", None),
            "subsample": SIZES,
            "init": OBJECTS,
            "W_regularizer": OBJECTS,
            "b_constraint": OBJECTS,
        },
    ),
    "Deconvolution2D": (
        {"nb_filter": 2, "nb_row": 3, "nb_col": 3, "output_shape": [None, 4, 4, 2]},
        {"output_shape": SIZES},
    ),
    "TimeDistributedDense": ({"output_dim": 2}, {"activation": ACTIVATIONS, "input_dim": SIZES, "input_length": SIZES}),
    "Merge": (
        {"mode": "sum"},
        {
            "mode": ("sum", "mul", "concat", "ave", "cos", "dot", "max", "join", "x", None, 3),
            "mode_type": ("raw", "lambda", None),
            "concat_axis": SIZES,
            "dot_axes": ([[1], [1]], [[1, 2], [1]], 1, [1, 2], -1),
            "output_mask": (None, "x"),
            "layers": ([], None, [bare("Dense")]),
        },
    ),
    "Lambda": (
        {"function": "mine", "function_type": "function"},
        {
            "function": ("mine", "nobody", ["4wEA", None, None], CODE, {**FUNCTION, "config": "mine"}, None, 3),
            "function_type": ("function", "lambda", "raw", None),
            "output_shape": ([2], None, "mine", ["4wEA"], 3),
            "output_shape_type": ("raw", "function", "lambda", None),
            "mask": (None, "mine", ["4wEA"], {**FUNCTION, "config": "mine"}),
            "mask_type": ("function", None),
            "arguments": ({"a": 1}, {}, None, []),
        },
    ),
    "Mine": ({"units": 3}, {"units": SIZES, "activation": ACTIVATIONS, "dtype": DTYPES, "trainable": SIZES}),
}
OFFERED = Offered({"Mine": None, "LeakyReLU": "LeakyReLU"}, frozenset({"mine"}), {})
KEPT = 5  # of so many about one is kept


def read() -> Iterator[tuple[str, Callable[[], Any]]]:
    for name, (needed, tried) in LAYERS.items():
        for argument, values in tried.items():
            for number, value in enumerate(values):
                for version in WRITERS:
                    for offered in (None, OFFERED):
                        label = f"{name} with {argument}={value!r}, {version}{', given' if offered else ''}"
                        if crc32(label.encode()) % (KEPT if offered is None else 4 * KEPT):
                            continue
                        config = {"name": "it", **needed, argument: value}
                        if number % 2 == 0:
                            config["input_dim" if version in ("1.2.2",) else "name"] = 4 if version == "1.2.2" else "it"
                        model = {"class_name": "Sequential", "config": [{"class_name": name, "config": config}]}
                        yield (
                            label,
                            lambda model=model, version=version, offered=offered: read_config(
                                model, version, "tensorflow", offered
                            ),
                        )
        for key in needed:
            for version in WRITERS:
                config = {"name": "it", **{other: value for other, value in needed.items() if other != key}}
                model = {"class_name": "Sequential", "config": [{"class_name": name, "config": config}]}
                yield (
                    f"{name} without {key}, {version}",
                    lambda model=model, version=version: read_config(model, version),
                )


@cache
def arguments() -> dict[str, Callable[[], Any]]:
    return {key: told(lambda case=case: plain(case())) for key, case in read()}
