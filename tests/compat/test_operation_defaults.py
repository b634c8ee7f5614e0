"""What a function of TensorFlow computes where a file leaves an argument out, and how attributes of a graph are read.

The values are those of TensorFlow 2's own signatures.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest
from _compat_made import called, functional, item, source

from kerastorch.compat import to_spec
from kerastorch.compat.operations._node_def import read_node_def
from kerastorch.spec import LayerSpec

X = {"class_name": "__input__", "config": 0}


def operation_of(function: str, **given: Any) -> tuple[str, dict[str, Any]]:
    """Function and arguments of the one operation that a call with these arguments is."""
    start = [{**source("x"), "name": "x"}]
    layer = called(item("TFOpLambda", "op", function=function, trainable=True, dtype="float32"), ["x", 0, 0, given])
    spec, _, _ = to_spec(functional([*start, layer], [["x", 0, 0]], [["op", 0, 0]]), "2.11.0")
    made = spec.layers[-1]
    assert isinstance(made, LayerSpec)
    return made.config["function"], dict(made.config["arguments"])


@pytest.mark.parametrize(
    ("function", "operation", "defaults"),
    [
        ("nn.softmax", "Softmax", {"axis": -1}),
        ("nn.log_softmax", "LogSoftmax", {"axis": -1}),
        ("nn.gelu", "Gelu", {"approximate": False}),
        ("nn.leaky_relu", "LeakyRelu", {"negative_slope": 0.2}),
    ],
)
def test_arguments_that_are_left_out(function: str, operation: str, defaults: dict[str, Any]) -> None:
    made, arguments = operation_of(function)
    assert made == operation
    assert {key: arguments[key] for key in defaults} == defaults
    assert X in arguments.values()


@pytest.mark.parametrize("function", ["nn.softmax", "nn.log_softmax"])
@pytest.mark.parametrize("axis", [1, -2])
def test_a_stated_axis_is_kept(function: str, axis: int) -> None:
    assert operation_of(function, axis=axis)[1]["axis"] == axis


def test_dropout_of_nothing_is_its_input() -> None:
    function, arguments = operation_of("nn.dropout", rate=0)
    assert function == "ConvertToTensor"
    assert arguments["x"] == X


# ---------------------------------------------------------------- node_def

# The numbers of types.proto, which are part of TensorFlow's file format.
TYPES = {
    1: ("DT_FLOAT", "float32"),
    2: ("DT_DOUBLE", "float64"),
    3: ("DT_INT32", "int32"),
    4: ("DT_UINT8", "uint8"),
    5: ("DT_INT16", "int16"),
    6: ("DT_INT8", "int8"),
    9: ("DT_INT64", "int64"),
    10: ("DT_BOOL", "bool"),
    14: ("DT_BFLOAT16", "bfloat16"),
    19: ("DT_HALF", "float16"),
}


def chunk(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


def with_attribute(value: bytes) -> str:
    """The binary form of a NodeDef whose attribute "a" has this value."""
    return (chunk(2, b"Op") + chunk(5, chunk(1, b"a") + chunk(2, value))).decode()


@pytest.mark.parametrize("number", TYPES)
def test_types_have_one_meaning_in_both_forms(number: int) -> None:
    name, dtype = TYPES[number]
    assert read_node_def(with_attribute(bytes([6 << 3, number])), "here").attributes == {"a": dtype}
    assert read_node_def({"op": "Op", "attr": {"a": {"type": name}}}, "here").attributes == {"a": dtype}
    listed = {"op": "Op", "attr": {"a": {"list": {"type": [name, "DT_FLOAT"]}}}}
    assert read_node_def(listed, "here").attributes == {"a": [dtype, "float32"]}


def test_a_type_that_is_not_known_stays_as_it_is() -> None:
    assert read_node_def(with_attribute(bytes([6 << 3, 7])), "here").attributes == {"a": 7}
    assert read_node_def({"op": "Op", "attr": {"a": {"type": "DT_STRING"}}}, "here").attributes == {"a": "DT_STRING"}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"list": {"i": ["1", "-2", "3"]}}, [1, -2, 3]),
        ({"list": {"s": [base64.b64encode(b"abc").decode(), base64.b64encode(b"d").decode()]}}, ["abc", "d"]),
        ({"list": {"b": [True, False]}}, [True, False]),
        ({"list": {"f": [0.5]}}, [0.5]),
        ({"list": {}}, []),
        ({"list": {"i": "12"}}, []),
        ({"i": "7"}, 7),
        ({"b": True}, True),
        ({"f": 0.25}, 0.25),
        ({"s": base64.b64encode(b"SAME").decode()}, "SAME"),
        ({}, None),
    ],
)
def test_attributes_in_json(value: Any, wanted: Any) -> None:
    found = read_node_def({"op": "Op", "input": ["x", "^y"], "attr": {"a": value}}, "here")
    assert found.attributes == {"a": wanted}
    assert found.inputs == 1


def test_numbers_in_the_binary_form() -> None:
    assert read_node_def(with_attribute(bytes([3 << 3, 5])), "here").attributes == {"a": 5}
    assert read_node_def(with_attribute(bytes([5 << 3, 0])), "here").attributes == {"a": False}
    assert read_node_def(with_attribute(chunk(2, b"SAME")), "here").attributes == {"a": "SAME"}
