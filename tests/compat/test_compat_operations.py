"""Operations in configs of every era: what they become, what is refused and how, and junk in any place."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from _compat_made import Config, called, functional, item, places, refused, source

from kerastorch.compat import to_spec
from kerastorch.compat.operations import _graph_operations, _tensorflow
from kerastorch.compat.operations._node_def import read_node_def
from kerastorch.compat.operations._rows import Row
from kerastorch.errors import CorruptFileError, KerasTorchError
from kerastorch.models import build_model
from kerastorch.operations import OPERATIONS
from kerastorch.spec import LayerSpec, TensorRef

X = {"class_name": "__input__", "config": 0}
Y = {"class_name": "__input__", "config": 1}


def op_lambda(function: str, node: Any, name: str = "op", kind: str = "TFOpLambda") -> Config:
    return called(item(kind, name, function=function, trainable=True, dtype="float32"), node)


def graph_layer(node_def: Any, constants: Any, node: Any) -> Config:
    layer = {
        "class_name": "TensorFlowOpLayer",
        "config": {"name": "op", "trainable": True, "dtype": "float32", "node_def": node_def, "constants": constants},
    }
    return {**layer, "name": "tf_op_layer_op", "inbound_nodes": [node]}


def model(*layers: Config, output: Any = None) -> Config:
    start = [{**source("x"), "name": "x"}, {**source("y"), "name": "y"}]
    return functional([*start, *layers], [["x", 0, 0], ["y", 0, 0]], output or [[layers[-1]["name"], 0, 0]])


def operations(config: Config, version: str = "2.11.0") -> list[tuple[Any, ...]]:
    """Function, arguments and inputs of each operation, in order."""
    spec, _, _ = to_spec(config, version)
    return [
        (layer.config["function"], dict(layer.config["arguments"]), layer.calls[0].args[0])
        for layer in spec.layers
        if isinstance(layer, LayerSpec) and layer.class_name == "Operation"
    ]


# ---------------------------------------------------------------------------------------------- the tables


def test_the_tables_name_operations_and_arguments_that_are_there() -> None:
    rows = [*_tensorflow.FUNCTIONS.items()]
    rows += [(name, row.row) for name, row in _graph_operations.OPERATIONS.items()]
    for name, row in rows:
        assert isinstance(row, Row)
        if isinstance(row.make, str):
            assert {*row.names.values(), *row.fixed} - {""} <= set(OPERATIONS[row.make].names), name
    assert len(rows) > 200


@pytest.mark.parametrize(
    ("function", "node", "wanted"),
    [
        ("__operators__.add", ["x", 0, 0, {"y": 1, "name": None}], ("Add", {"x1": X, "x2": 1}, TensorRef("x"))),
        (
            "math.subtract",
            ["_CONSTANT_VALUE", -1, 1.0, {"y": ["x", 0, 0]}],
            ("Subtract", {"x1": 1.0, "x2": X}, TensorRef("x")),
        ),
        (
            "concat",
            [["x", 0, 0, {"axis": -1}], ["y", 0, 0, {"axis": -1}]],
            ("Concatenate", {"xs": [X, Y], "axis": -1}, [TensorRef("x"), TensorRef("y")]),
        ),
        (
            "compat.v1.squeeze",
            ["x", 0, 0, {"axis": None, "name": None, "squeeze_dims": [1]}],
            ("Squeeze", {"x": X, "axis": [1]}, TensorRef("x")),
        ),
        (
            "math.argmax",
            ["x", 0, 0, {"output_type": "int64"}],
            ("Argmax", {"x": X, "axis": 0, "keepdims": False}, TensorRef("x")),
        ),
        (
            "split",
            ["x", 0, 0, {"num_or_size_splits": [2, -1, 1], "axis": 1}],
            ("Split", {"x": X, "indices_or_sections": [2, -1], "axis": 1}, TensorRef("x")),
        ),
    ],
)
def test_functions_of_tensorflow(function: str, node: Any, wanted: Any) -> None:
    assert operations(model(op_lambda(function, node))) == [wanted]


def test_one_function_may_be_several_operations() -> None:
    node = ["x", 0, 0, {"b": ["y", 0, 0], "transpose_b": True}]
    swap, product = operations(model(op_lambda("linalg.matmul", node)))
    assert swap == ("Swapaxes", {"x": X, "axis1": -1, "axis2": -2}, TensorRef("y"))
    assert product == ("Matmul", {"x1": X, "x2": Y}, [TensorRef("x"), TensorRef("op_1")])


def test_names_that_are_taken_are_not_taken_again() -> None:
    other = called(item("Dense", "op_1", units=4), [["x", 0, 0, {}]])
    node = ["op_1", 0, 0, {"b": ["y", 0, 0], "transpose_b": True}]
    spec, _, _ = to_spec(model(other, op_lambda("linalg.matmul", node)), "2.11.0")
    assert [layer.name for layer in spec.layers] == ["x", "y", "op_1", "op_2", "op"]


def test_slices_of_tf_keras() -> None:
    spec = [{"start": None, "stop": None, "step": None}, {"class_name": "__ellipsis__"}, None, -1]
    ((function, arguments, _),) = operations(
        model(op_lambda("__operators__.getitem", ["x", 0, 0, {"slice_spec": spec}], kind="SlicingOpLambda"))
    )
    everything = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}
    assert function == "GetItem"
    assert arguments["key"] == [everything, {"class_name": "__ellipsis__", "config": {}}, None, -1]


def test_what_nothing_needs_is_left_out() -> None:
    dense = called(item("Dense", "d", units=2), [["x", 0, 0, {}]])
    unused = op_lambda("no.such.function", ["x", 0, 0, {}])
    spec, _, _ = to_spec(model(unused, dense), "2.11.0")
    assert [layer.name for layer in spec.layers] == ["x", "y", "d"]


# ---------------------------------------------------------------------------------------------- TensorFlow 2.0 to 2.3

STRIDED = {
    "name": "s",
    "op": "StridedSlice",
    "input": ["x", "s/stack", "s/stack_1", "s/stack_2"],
    "attr": {
        "T": {"type": "DT_FLOAT"},
        "Index": {"type": "DT_INT32"},
        "begin_mask": {"i": "1"},
        "end_mask": {"i": "1"},
        "shrink_axis_mask": {"i": "2"},
        "ellipsis_mask": {"i": "0"},
        "new_axis_mask": {"i": "4"},
    },
}


def test_graph_operations() -> None:
    constants: Config = {
        "1": [0, -1, 0],
        "2": [0, 0, 0],
        "3": {"class_name": "__numpy__", "config": {"value": [1, 1, 1]}},
    }
    ((function, arguments, given),) = operations(model(graph_layer(STRIDED, constants, [["x", 0, 0, {}]])), "2.3.0-tf")
    everything = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": 1}}
    assert (function, given) == ("GetItem", TensorRef("x"))
    assert arguments["key"] == [everything, -1, None]
    split = {"name": "s", "op": "Split", "input": ["s/split_dim", "x"], "attr": {"num_split": {"i": "2"}}}
    found = operations(model(graph_layer(split, {"0": -1}, [["x", 0, 0, {}]])), "2.3.0-tf")
    assert found == [("Split", {"x": X, "indices_or_sections": 2, "axis": -1}, TensorRef("x"))]
    joined = {"name": "c", "op": "ConcatV2", "input": ["x", "y", "c/axis"], "attr": {"N": {"i": "2"}}}
    found = operations(model(graph_layer(joined, {"2": 1}, [["x", 0, 0, {}], ["y", 0, 0, {}]])), "2.3.0-tf")
    assert found == [("Concatenate", {"xs": [X, Y], "axis": 1}, [TensorRef("x"), TensorRef("y")])]


def test_the_binary_form() -> None:
    """A NodeDef by hand: name, op, two inputs and one that only runs before, two attributes and a list."""

    def chunk(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2, len(data)]) + data

    def attribute(name: bytes, value: bytes) -> bytes:
        return chunk(5, chunk(1, name) + chunk(2, value))

    data = chunk(1, b"s") + chunk(2, b"Squeeze") + chunk(3, b"x") + chunk(3, b"y") + chunk(3, b"^z")
    data += attribute(b"T", bytes([6 << 3, 1])) + attribute(b"keep_dims", bytes([5 << 3, 1]))
    data += attribute(b"squeeze_dims", chunk(1, chunk(3, bytes([1, 2])))) + attribute(b"alpha", b"\x25\x00\x00\x00\x3f")
    node = read_node_def(data.decode(), "here")
    assert (node.operation, node.inputs) == ("Squeeze", 2)
    assert node.attributes == {"T": "float32", "keep_dims": True, "squeeze_dims": [1, 2], "alpha": 0.5}
    for size in range(1, len(data)):
        try:
            read_node_def(data[:size].decode(), "here")
        except CorruptFileError:
            continue
    for broken in ("\x12\x7f", "\x0a", "\x12\x01", "", 3, None, "\u0012" * 9):
        with pytest.raises(CorruptFileError, match="here: "):
            read_node_def(broken, "here")


@pytest.mark.parametrize(
    ("node_def", "constants", "match"),
    [
        ({"op": "Add", "input": ["x", "y", "z"]}, {"1": 1}, "Add has 3 inputs, and the file has 2"),
        ({"op": "Add", "input": ["x", "c"]}, {"one": 1}, "expected an object of constants"),
        ({"op": "Add", "input": "x"}, {}, "node_def is none of TensorFlow's"),
        ({"op": "Sum", "input": ["x", "c"], "attr": {"keep_dims": 3}}, {"1": 1}, "expected an attribute of a node_def"),
        ({"op": "Einsum", "input": ["x"], "attr": {"equation": {"s": "?"}}}, {}, "expected an attribute of a node_def"),
    ],
)
def test_broken_graph_operations(node_def: Any, constants: Any, match: str) -> None:
    refused(model(graph_layer(node_def, constants, [["x", 0, 0, {}]])), match, "2.3.0-tf", CorruptFileError)


# ---------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("function", "node", "match"),
    [
        (
            "image.resize",
            ["x", 0, 0, {"size": [3, 4]}],
            r"Model 'm': 'op': the operation 'image.resize' with .*args=\[<output 0 of 'x'>\], size=\[3, 4\].* is not "
            "supported: kerastorch has no such function of TensorFlow. Replace it in Keras",
        ),
        ("einsum", ["_CONSTANT_VALUE", -1, "btf,bsf->bts", {}], "Keras left some of its arguments out of the file"),
        ("__operators__.ne", ["x", 0, 0, {}], "left some of its arguments out of the file"),
        ("boolean_mask", ["x", 0, 0, {"mask": ["y", 0, 0]}], "how many values it returns depends on the data"),
        ("where", ["x", 0, 0, {}], "how many places it finds depends on the data"),
        ("nn.dropout", ["x", 0, 0, {"rate": 0.5}], "draws random numbers in every call, in inference too"),
        ("cast", ["x", 0, 0, {}], "Cast lacks dtype"),
        ("cast", ["x", 0, 0, {"dtype": "float32", "speed": 3}], "its argument 'speed' is not known"),
        ("concat", [["x", 0, 0, {"axis": ["y", 0, 0]}]], "axis is computed in the graph; it must be a constant"),
        ("sequence_mask", ["x", 0, 0, {"maxlen": 10**12}], "maxlen is not between 0 and 1,000,000"),
        ("nn.bias_add", ["x", 0, 0, {"bias": [1.0], "data_format": "NCHW"}], "put the channels last"),
    ],
)
def test_functions_that_are_refused(function: str, node: Any, match: str) -> None:
    refused(model(op_lambda(function, node)), match, "2.11.0")


def test_functions_elsewhere_than_in_a_graph() -> None:
    config = {
        "class_name": "Sequential",
        "config": {"name": "s", "layers": [item("TFOpLambda", "op", function="cast")]},
    }
    refused(config, "kerastorch does not have: 'TFOpLambda'", "2.11.0")


def keras3_model(operation: Config) -> Config:
    start = {**item("InputLayer", "x", batch_shape=[None, 7, 4]), "name": "x", "inbound_nodes": []}
    return functional([start, operation], [["x", 0, 0]], [[operation["name"], 0, 0]])


def keras3_operation(class_name: str, *args: Any, module: Any = "keras.src.ops.numpy", **config: Any) -> Config:
    made = {**item(class_name, "op", **config), "name": "op", "inbound_nodes": [{"args": list(args), "kwargs": {}}]}
    return {**made, "module": module, "registered_name": class_name} if module else made


KT = {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}


@pytest.mark.parametrize("module", ["keras.src.ops.numpy", None])
def test_operations_of_keras_3(module: Any) -> None:
    """With a module, as in .keras files; without, as in .h5 files, where only the config tells it from a layer."""
    array = {"class_name": "__numpy__", "config": {"value": [1.0, 2.0, 3.0, 4.0], "dtype": "float32"}}
    config = keras3_model(keras3_operation("Multiply", KT, array, module=module))
    assert operations(config, "3.15.0") == [("Multiply", {"x1": X, "x2": array}, TensorRef("x"))]
    config = keras3_model(keras3_operation("Repeat", KT, module=module, repeats=2, axis=1))
    assert operations(config, "3.15.0") == [("Repeat", {"x": X, "repeats": 2, "axis": 1}, TensorRef("x"))]


@pytest.mark.parametrize(
    ("operation", "match"),
    [
        (
            keras3_operation("Fft", KT, module="keras.src.ops.math"),
            "Model 'm': 'op': the operation 'Fft' with .*<output 0 of 'x'>.* is not supported: kerastorch has no such "
            "operation",
        ),
        (keras3_operation("Mean", KT, axes=1), "Mean has no argument 'axes'; it takes x, axis, keepdims"),
        (keras3_operation("Mean", KT, 1, axis=1), "Mean: 'axis' is given twice"),
        (keras3_operation("Add", KT), "Add lacks x2"),
        (
            keras3_operation("Map", KT, {"class_name": "__lambda__", "config": {}}, module="keras.src.ops.core"),
            "an argument of class '__lambda__' is not supported",
        ),
        (
            keras3_operation("Add", KT, 1, module="my.ops"),
            "kerastorch does not have: 'Add' .a class of one's own. 'op'",
        ),
    ],
)
def test_operations_of_keras_3_that_are_refused(operation: Config, match: str) -> None:
    refused(keras3_model(operation), match, "3.15.0")


# ---------------------------------------------------------------------------------------------- junk and bombs


SLICE = {"class_name": "__slice__", "config": {"start": 1, "stop": 3, "step": None}}
JUNK_MODELS = {
    "keras3": (
        "3.15.0",
        keras3_model(keras3_operation("GetItem", KT, [SLICE, 0, None, {"class_name": "__ellipsis__", "config": {}}])),
    ),
    "keras3_reduced": ("3.15.0", keras3_model(keras3_operation("Sum", KT, axis=[1], keepdims=True))),
    "lambda": ("2.11.0", model(op_lambda("split", ["x", 0, 0, {"num_or_size_splits": [1, 3], "axis": -1}]))),
    "graph": (
        "2.3.0-tf",
        model(graph_layer(STRIDED, {"1": [0, -1, 0], "2": [0, 0, 0], "3": [1, 1, 1]}, [["x", 0, 0, {}]])),
    ),
}


@pytest.mark.parametrize(
    "junk", [None, 3, -1, 10**12, 1.5, True, "x", "", [], {}, ["x", 0, 0], {"class_name": "__slice__"}]
)
@pytest.mark.parametrize("label", JUNK_MODELS)
def test_junk_anywhere_is_refused_or_built(label: str, junk: Any) -> None:
    version, original = JUNK_MODELS[label]
    to_spec(original, version)
    longest = 0
    for index in range(len(places(original))):
        config = copy.deepcopy(original)
        holder, key = places(config)[index]
        holder[key] = copy.deepcopy(junk)
        try:
            spec, _, _ = to_spec(config, version)
            with torch.device("meta"):
                build_model(spec)
        except KerasTorchError as error:
            longest = max(longest, len(str(error)))
    assert longest < 2_000


@pytest.mark.parametrize(
    "layers",
    [
        [op_lambda("compat.v1.shape", ["x", 0, 0, {}], "s"), op_lambda("tile", ["s", 0, 0, {"multiples": [10**12]}])],
        [op_lambda("compat.v1.shape", ["x", 0, 0, {}], "s"), op_lambda("repeat", ["s", 0, 0, {"repeats": 10**12}])],
        [op_lambda("compat.v1.shape", ["x", 0, 0, {}], "s"), op_lambda("one_hot", ["s", 0, 0, {"depth": 10**12}])],
        [
            op_lambda("compat.v1.shape", ["x", 0, 0, {}], "s"),
            op_lambda("pad", ["s", 0, 0, {"paddings": [[0, 10**12]]}]),
        ],
        [op_lambda("compat.v1.size", ["x", 0, 0, {}], "s"), op_lambda("range", ["s", 0, 0, {"limit": 10**15}])],
        [
            op_lambda("tile", ["x", 0, 0, {"multiples": [1, 10**9, 10**9]}], "s"),
            op_lambda("cast", ["s", 0, 0, {"dtype": "int32"}]),
        ],
    ],
)
def test_nothing_large_is_made_while_a_model_is_built(layers: list[Config]) -> None:
    spec, _, _ = to_spec(model(*layers), "2.11.0")
    try:
        build_model(spec)
    except KerasTorchError:
        return  # refused: it was not made either
