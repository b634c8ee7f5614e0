"""Constant tensors among the arguments of calls, as each Keras writes them."""

from __future__ import annotations

from typing import Any

import pytest
from _compat_made import Config, called, functional, item, read, refused, source

from kerastorch.errors import CorruptFileError
from kerastorch.spec import Call, Constant, TensorRef

ROW = [0.5, -1.0, 2.0]
STATE = [ROW, [3.0, 4.0, 5.5]]  # of 2 rows
OTHER = [[7.0, 8.0], [9.0, 0.25]]
X: Config = {**source(), "name": "x"}


def plain(value: Any) -> Any:
    """Constants as tuples, which are equal when they hold the same."""
    if isinstance(value, Constant):
        return (value.dtype, value.value, value.shape)
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return {key: plain(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def call_of(layer: Config, node: Any, version: str = "2.15.0") -> Call:
    return read(functional([X, called(layer, node)], [["x", 0, 0]], [["l", 0, 0]]), version).layers[-1].calls[0]


GRU = item("GRU", "l", units=3, recurrent_activation="sigmoid")
LSTM = item("LSTM", "l", units=3, recurrent_activation="sigmoid")
IMAGES = item("ConvLSTM2D", "l", filters=1, kernel_size=[1, 1], recurrent_activation="sigmoid")
STACKED = item(
    "RNN",
    "l",
    cell=item("StackedRNNCells", "s", cells=[item("SimpleRNNCell", "a", units=3), item("SimpleRNNCell", "b", units=3)]),
)
FLOAT = ("float32", STATE, (2, 3))


@pytest.mark.parametrize(
    ("layer", "given", "expected"),
    [
        (GRU, {"initial_state": [STATE]}, {"initial_state": [FLOAT]}),
        (LSTM, {"initial_state": [STATE, OTHER]}, {"initial_state": [FLOAT, ("float32", OTHER, (2, 2))]}),
        (STACKED, {"initial_state": [STATE, STATE]}, {"initial_state": [FLOAT, FLOAT]}),
        (STACKED, {"initial_state": [[STATE, STATE], STATE]}, {"initial_state": [[FLOAT, FLOAT], FLOAT]}),
        (STACKED, {"initial_state": [[STATE, OTHER]]}, {"initial_state": [[FLOAT, ("float32", OTHER, (2, 2))]]}),
        (
            IMAGES,
            {"initial_state": [[[[ROW]]], [[[ROW]]]]},
            {"initial_state": [("float32", [[[ROW]]], (1, 1, 1, 3))] * 2},
        ),
        (GRU, {"mask": [[True, False]]}, {"mask": ("bool", [[True, False]], (1, 2))}),
        (item("Dropout", "l", rate=0.5), {"training": False}, {}),
    ],
)
def test_lists_of_tf_keras(layer: Config, given: Config, expected: Config) -> None:
    found = dict(call_of(layer, [["x", 0, 0, given]]).kwargs)
    assert plain({key: value for key, value in found.items() if key in expected}) == expected


def test_inputs_of_tf_keras() -> None:
    add = call_of(item("Add", "l"), [["x", 0, 0, {}], ["_CONSTANT_VALUE", -1, [STATE], {}]])
    assert plain(add.args) == [[TensorRef("x"), ("float32", [STATE], (1, 2, 3))]]
    bare = call_of(item("Add", "l"), [["x", 0, 0], ["_CONSTANT_VALUE", -1, [STATE]]])  # as both Kerases read it
    assert plain(bare.args) == plain(add.args)
    add = call_of(item("Add", "l"), [["_CONSTANT_VALUE", -1, [[1, 2]], {}], ["x", 0, 0, {}]])
    assert plain(add.args) == [[("int32", [[1, 2]], (1, 2)), TensorRef("x")]]
    masks = {"mask": [None, [[True, False]]]}
    both = call_of(item("Attention", "l"), [["x", 0, 0, masks], ["_CONSTANT_VALUE", -1, [STATE], masks]])
    assert plain(both.kwargs["mask"]) == [None, ("bool", [[True, False]], (1, 2))]


def test_keras_3() -> None:
    x = {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}
    for kind in ("__tensor__", "__numpy__"):
        constant = {"class_name": kind, "config": {"value": STATE, "dtype": "float64"}}
        node = {"args": [x], "kwargs": {"initial_state": [constant]}}
        layers = [item("InputLayer", "x", batch_shape=[None, 7, 4]), called(GRU, node)]
        layers[0] = {**layers[0], "name": "x", "inbound_nodes": []}
        spec = read(functional(layers, ["x", 0, 0], ["l", 0, 0]), "3.15.1")
        # Keras hands no mask to a call with several tensors, if constants are among them or not.
        assert plain(spec.layers[-1].calls[0].kwargs) == {"initial_state": [("float64", STATE, (2, 3))], "mask": None}


def test_what_is_no_array_is_named() -> None:
    model = functional(
        [X, called(item("Add", "l"), [["x", 0, 0, {}], ["_CONSTANT_VALUE", -1, "a", {}]])], [["x", 0, 0]], [["l", 0, 0]]
    )
    refused(
        model, r"'l' \(Add\), inbound_nodes: a constant as an input is not supported unless .* got \['a'\]", "2.15.0"
    )
    model["config"]["layers"][1] = called(GRU, [["x", 0, 0, {"initial_state": [[[1.0, 2], [True, 3.0]]]}]])
    refused(model, r"'l' \(GRU\), inbound_nodes: .* is no constant of dtype 'float32'", "2.15.0", CorruptFileError)
