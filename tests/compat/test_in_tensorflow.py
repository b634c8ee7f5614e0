"""Operations of today as calls of TensorFlow's functions: the whole call, or why there is none."""

from __future__ import annotations

from typing import Any

import pytest

from kerastorch.compat.operations import in_tensorflow
from kerastorch.compat.operations._expression import NotSupported
from kerastorch.operations import OPERATIONS
from kerastorch.spec import TensorRef

X, Y, I, B = (TensorRef(name) for name in "xyib")
# Three axes each.
TENSORS = {X: ("float32", 3), Y: ("float32", 3), I: ("int32", 3), B: ("bool", 3)}


def call(function: str, **arguments: Any) -> Any:
    """The symbol, the first argument and the options."""
    operation = OPERATIONS[function]
    given = {**dict.fromkeys(operation.names), **operation.config, **arguments}
    try:
        made = in_tensorflow(function, given, TENSORS)
    except NotSupported as error:
        return str(error)
    return made.symbol, made.first, dict(made.options)


@pytest.mark.parametrize(
    ("function", "arguments", "wanted"),
    [
        ("Swapaxes", {"x": X, "axis1": 0, "axis2": 2}, ("transpose", X, {"perm": [2, 1, 0]})),
        ("Fliplr", {"x": X}, ("reverse", X, {"axis": [1]})),
        ("Flipud", {"x": X}, ("reverse", X, {"axis": [0]})),
        ("Ravel", {"x": X}, ("reshape", X, {"shape": [-1]})),
        (
            "Pad",
            {"x": X, "pad_width": [[0, 0], [1, 2], [0, 0]], "mode": "constant", "constant_values": None},
            ("pad", X, {"constant_values": 0.0, "paddings": [[0, 0], [1, 2], [0, 0]]}),
        ),
        (
            "Pad",
            {"x": X, "pad_width": [[0, 0], [1, 2], [0, 0]], "mode": "reflect", "constant_values": None},
            ("pad", X, {"paddings": [[0, 0], [1, 2], [0, 0]], "mode": "reflect"}),
        ),
        (
            "Pad",
            {"x": X, "pad_width": [[0, 0], [1, 2], [0, 0]], "mode": "constant", "constant_values": 3},
            ("pad", X, {"constant_values": 3.0, "paddings": [[0, 0], [1, 2], [0, 0]]}),
        ),
        ("Flip", {"x": X, "axis": 1}, ("reverse", X, {"axis": [1]})),
        ("Flip", {"x": X, "axis": [0, 2]}, ("reverse", X, {"axis": [0, 2]})),
        ("Norm", {"x": X, "axis": 1}, "TensorFlow has no single function that computes it"),
        ("Norm", {"x": X, "axis": [1, 2]}, "TensorFlow has no single function that computes it"),
        ("Squeeze", {"x": X, "axis": 1}, ("squeeze", X, {"axis": [1]})),
        ("Squeeze", {"x": X, "axis": [0, 1]}, ("squeeze", X, {"axis": [0, 1]})),
        ("Tile", {"x": X, "repeats": 3}, ("tile", X, {"multiples": [1, 1, 3]})),
        ("Tile", {"x": X, "repeats": [1, 2, 3]}, ("tile", X, {"multiples": [1, 2, 3]})),
        ("ConvertToTensor", {"x": X, "dtype": "int32"}, ("cast", X, {"dtype": "int32"})),
        ("ConvertToTensor", {"x": X, "dtype": "float32"}, ("convert_to_tensor", X, {"dtype": "float32"})),
        ("ConvertToTensor", {"x": X, "dtype": None}, ("convert_to_tensor", X, {})),
        ("Cast", {"x": X, "dtype": "float64"}, ("cast", X, {"dtype": "float64"})),
        ("ExpandDims", {"x": X, "axis": [0, 1]}, "it adds several axes at once"),
        ("ExpandDims", {"x": X, "axis": -1}, ("expand_dims", X, {"axis": -1})),
        ("Take", {"x": X, "indices": [0, 2], "axis": 1}, ("gather", X, {"indices": [0, 2], "axis": 1})),
        ("Take", {"x": X, "indices": [0, -2], "axis": 1}, "its indices count from the end"),
        ("Take", {"x": X, "indices": -1, "axis": 1}, "its indices count from the end"),
        ("Roll", {"x": X, "shift": 1, "axis": None}, "it rolls the values of all axes in one row"),
        ("Roll", {"x": X, "shift": 1, "axis": 2}, ("roll", X, {"shift": 1, "axis": 2})),
        ("Less", {"x1": 2, "x2": X}, ("math.greater", X, {"y": 2.0})),
        ("Greater", {"x1": 2, "x2": X}, ("math.less", X, {"y": 2.0})),
        ("LessEqual", {"x1": 2, "x2": X}, ("math.greater_equal", X, {"y": 2.0})),
        ("GreaterEqual", {"x1": 2, "x2": X}, ("math.less_equal", X, {"y": 2.0})),
        ("Add", {"x1": 2, "x2": X}, ("__operators__.add", X, {"y": 2.0})),
        ("Subtract", {"x1": 2, "x2": X}, ("math.subtract", 2.0, {"y": X})),
        ("Subtract", {"x1": X, "x2": 2}, ("math.subtract", X, {"y": 2.0})),
        ("Multiply", {"x1": 2.5, "x2": X}, ("math.multiply", X, {"y": 2.5})),
        ("Maximum", {"x1": X, "x2": Y}, ("math.maximum", X, {"y": Y})),
        ("Minimum", {"x1": 1, "x2": I}, ("math.minimum", I, {"y": 1})),
        ("Equal", {"x1": 0, "x2": I}, ("math.equal", I, {"y": 0})),
        ("Add", {"x1": I, "x2": 2}, ("__operators__.add", I, {"y": 2})),
        ("Add", {"x1": I, "x2": 2.5}, "it mixes int32 with the number 2.5"),
        ("Add", {"x1": X, "x2": I}, "its inputs are of float32 and int32, which TensorFlow does not mix"),
        ("Sqrt", {"x": I}, "its input is of int32, of which TensorFlow computes something else"),
        ("Exp", {"x": X}, ("math.exp", X, {})),
        ("Exp", {"x": I}, "its input is of int32, of which TensorFlow computes something else"),
        ("Any", {"x": X}, "its input is of float32, and TensorFlow takes bool"),
        ("Any", {"x": B}, ("math.reduce_any", B, {"axis": None})),
        ("LogicalNot", {"x": B}, ("math.logical_not", B, {})),
        ("LogicalNot", {"x": X}, "its input is of float32, and TensorFlow takes bool"),
        ("Where", {"condition": B, "x1": X, "x2": Y}, ("where", B, {"x": X, "y": Y})),
        ("Where", {"condition": B, "x1": X, "x2": 0}, ("where", B, {"x": X, "y": 0.0})),
        ("Split", {"x": X, "indices_or_sections": 2, "axis": 1}, ("split", X, {"num_or_size_splits": 2, "axis": 1})),
        (
            "Split",
            {"x": X, "indices_or_sections": [1, 3], "axis": 1},
            ("split", X, {"num_or_size_splits": [1, 2, -1], "axis": 1}),
        ),
        (
            "Split",
            {"x": X, "indices_or_sections": [1, -1], "axis": 2},
            ("split", X, {"num_or_size_splits": [1, -1, 1], "axis": 2}),
        ),
        ("Concatenate", {"xs": [X, Y], "axis": -1}, ("concat", [X, Y], {"axis": -1})),
        ("Stack", {"x": [X, Y], "axis": 1}, ("stack", [X, Y], {"axis": 1})),
        ("Sum", {"x": X, "axis": 1, "keepdims": True}, ("math.reduce_sum", X, {"axis": 1, "keepdims": True})),
        ("Mean", {"x": X}, ("math.reduce_mean", X, {"axis": None})),
        ("Clip", {"x": X, "x_min": 0, "x_max": 1}, ("clip_by_value", X, {"clip_value_min": 0, "clip_value_max": 1})),
        ("OneHot", {"x": I, "num_classes": 4}, ("one_hot", I, {"depth": 4, "axis": -1})),
        ("LeakyRelu", {"x": X, "negative_slope": 0.3}, ("nn.leaky_relu", X, {"alpha": 0.3})),
        ("Transpose", {"x": X, "axes": [0, 2, 1]}, ("transpose", X, {"perm": [0, 2, 1]})),
        ("Transpose", {"x": X}, ("transpose", X, {})),
        ("Reshape", {"x": X, "newshape": [-1, 4]}, ("reshape", X, {"shape": [-1, 4]})),
        ("Matmul", {"x1": X, "x2": Y}, ("linalg.matmul", X, {"b": Y})),
        ("Argmax", {"x": X, "axis": 1}, ("math.argmax", X, {"axis": 1})),
        ("Argmax", {"x": X}, "TensorFlow has no single function that computes it"),
        ("Cumsum", {"x": X, "axis": 1}, ("math.cumsum", X, {"axis": 1})),
        ("Repeat", {"x": X, "repeats": 2, "axis": 1}, ("repeat", X, {"repeats": 2, "axis": 1})),
        ("Divide", {"x1": X, "x2": Y}, ("math.truediv", X, {"y": Y})),
        ("Amax", {"x": X, "axis": 1}, ("math.reduce_max", X, {"axis": 1})),
        ("Abs", {"x": X}, ("math.abs", X, {})),
        ("TopK", {"x": X, "k": 2}, ("math.top_k", X, {"k": 2})),
        ("GetItem", {"x": X, "key": 1}, ("__operators__.getitem", X, {"slice_spec": [1]})),
        ("Absolute", {"x": X}, ("math.abs", X, {})),
        ("Erf", {"x": X}, ("math.erf", X, {})),
        ("Hypot", {"x1": X, "x2": Y}, "TensorFlow has no single function that computes it"),
        ("Silu", {"x": X}, ("nn.silu", X, {})),
        ("Power", {"x1": X, "x2": 2}, ("math.pow", X, {"y": 2.0})),
        ("Shape", {"x": X}, ("shape", X, {})),
        (
            "GetItem",
            {"x": X, "key": [{"class_name": "__ellipsis__"}, 1]},
            (
                "__operators__.getitem",
                X,
                {
                    "slice_spec": [
                        {"start": None, "stop": None, "step": None},
                        {"start": None, "stop": None, "step": None},
                        1,
                    ]
                },
            ),
        ),
        (
            "GetItem",
            {"x": X, "key": [0, None, {"class_name": "__ellipsis__"}]},
            (
                "__operators__.getitem",
                X,
                {
                    "slice_spec": [
                        0,
                        None,
                        {"start": None, "stop": None, "step": None},
                        {"start": None, "stop": None, "step": None},
                    ]
                },
            ),
        ),
        (
            "GetItem",
            {"x": X, "key": [0, {"class_name": "__slice__", "config": {"start": 1, "stop": None, "step": 2}}]},
            ("__operators__.getitem", X, {"slice_spec": [0, {"start": 1, "stop": None, "step": 2}]}),
        ),
    ],
)
def test_a_call_of_tensorflow(function: str, arguments: dict[str, Any], wanted: Any) -> None:
    assert call(function, **arguments) == wanted
