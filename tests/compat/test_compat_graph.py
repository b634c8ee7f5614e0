"""Calls and graphs, their limits, and junk in any place."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from _compat_made import Config, called, chain, functional, item, places, read, refused, sequential, source

from kerastorch.compat import to_spec
from kerastorch.errors import CorruptFileError, KerasTorchError
from kerastorch.spec import Call, ModelSpec, TensorRef

# ---------------------------------------------------------------------------------------------- functional graphs


def test_layers_named_twice_or_not_at_all() -> None:
    model = chain(item("Dense", "d", units=2))
    model["config"]["layers"][1]["name"] = "other"
    refused(model, "has two names: 'other' and 'd'", "2.2.4", CorruptFileError)


@pytest.mark.parametrize(
    ("node", "match"),
    [
        ([["nobody", 0, 0, {}]], "'nobody' is referred to, and there is no such layer"),
        ([["x", 1, 0, {}]], r"output 0 of call 1 of layer 'x' is referred to, and the layer has 1 call"),
        ([["x", 0, 1, {}]], "output 1 of call 0 of layer 'x'"),
        ([["x", -1, 0, {}]], "output 0 of call -1 of layer 'x'"),
        ([["x", True, 0, {}]], "expected a list, got 'x'"),
        ([["x", 0, 0, 3]], "expected an object of arguments, got 3"),
        ([], "a call without inputs"),
        ([["x", 0, 0, {"training": True}], ["x", 0, 0, {}]], "the inputs of one call name different arguments"),
        ("x", "expected a list"),
        ([["d", 0, 0, {}]], "the layers 'd' depend on each other in a circle"),
    ],
)
def test_broken_nodes(node: Any, match: str) -> None:
    layers = [{**source(), "name": "x"}, called(item("Dense", "d", units=2), node)]
    refused(functional(layers, [["x", 0, 0]], [["d", 0, 0]]), match, "2.2.4", CorruptFileError)


def test_circle() -> None:
    layers = [
        {**source(), "name": "x"},
        called(item("Add", "a"), [["x", 0, 0, {}], ["b", 0, 0, {}]]),
        called(item("Dense", "b", units=2), [["a", 0, 0, {}]]),
    ]
    refused(
        functional(layers, [["x", 0, 0]], [["b", 0, 0]]),
        "'a', 'b' depend on each other in a circle",
        error=CorruptFileError,
    )


def test_a_layer_called_again_on_what_follows_it_is_no_circle() -> None:
    layers = [
        {**source(), "name": "x"},
        called(item("Dense", "a", units=4), [["x", 0, 0, {}]], [["b", 0, 0, {}]]),
        called(item("Dense", "b", units=4), [["a", 0, 0, {}]], [["a", 1, 0, {}]]),
    ]
    spec = read(functional(layers, [["x", 0, 0]], [["b", 1, 0]]))
    assert spec.outputs == TensorRef("b", 1)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"input_layers": [["d", 0, 0]]}, "'d' stands in input_layers and is no InputLayer"),
        ({"input_layers": []}, "input_layers is empty"),
        ({"input_layers": None}, "input_layers: expected a list"),
        ({"output_layers": [["gone", 0, 0]]}, "'gone' is referred to"),
        ({"output_layers": ["d", 0]}, "output_layers: expected a list"),
    ],
)
def test_broken_ends(change: Config, match: str) -> None:
    model = chain(item("Dense", "d", units=2))
    model["config"].update(change)
    refused(model, match, "2.2.4", CorruptFileError)


def test_layers_that_lead_nowhere() -> None:
    model = chain(item("Dense", "d", units=2))
    model["config"]["layers"].append({**source("y"), "name": "y"})
    refused(model, "the InputLayer 'y' does not stand in input_layers", error=CorruptFileError)
    model = chain(item("Dense", "d", units=2))
    model["config"]["layers"].append(called(item("Dense", "e", units=2)))
    refused(model, "layer 'e' is never called", error=CorruptFileError)


@pytest.mark.parametrize("tensor", [["d", 0, 0], [["d", 0, 0]]])
def test_one_output_in_either_form(tensor: Any) -> None:
    model = chain(item("Dense", "d", units=2))
    model["config"]["output_layers"] = tensor
    assert read(model, "2.15.0").outputs == TensorRef("d")


def test_states_of_keras_2() -> None:
    lstm = {"units": 3, "recurrent_activation": "sigmoid"}
    layers = [
        {**source(), "name": "x"},
        called(item("LSTM", "e", return_state=True, **lstm), [["x", 0, 0, {}]]),
        called(item("LSTM", "d", **lstm), [["x", 0, 0, {}], ["e", 0, 1, {}], ["e", 0, 2, {}]]),
        called(item("LSTM", "f", **lstm), [["x", 0, 0, {"initial_state": [["e", 0, 1], ["e", 0, 2]], "mask": None}]]),
        called(item("Add", "out"), [["d", 0, 0, {}], ["f", 0, 0, {}]]),
    ]
    spec = read(functional(layers, [["x", 0, 0]], [["out", 0, 0]]), "2.3.0-tf")
    states = {"initial_state": [TensorRef("e", 0, 1), TensorRef("e", 0, 2)]}
    assert (spec.layers[2].calls[0].args, spec.layers[2].calls[0].kwargs) == ((TensorRef("x"),), states)
    assert spec.layers[3].calls[0] == Call((TensorRef("x"),), {**states, "mask": False})
    layers[3]["inbound_nodes"][0][0][3]["constants"] = [["e", 0, 1]]
    refused(functional(layers, [["x", 0, 0]], [["out", 0, 0]]), "no cell of Keras's own takes constants")


def test_constants_stand_behind_the_states() -> None:
    def calls(count: object, *behind: str) -> Any:
        nodes = [[name, 0, 0, {}] for name in ("x", *behind)]
        rnn = item("RNN", "r", cell=item("SimpleRNNCell", "c", units=3), num_constants=count)
        layers = [{**source(name), "name": name} for name in ("x", *behind)] + [called(rnn, nodes)]
        ends = [[name, 0, 0] for name in ("x", *behind)]
        spec = read(functional(layers, ends, [["r", 0, 0]]), "2.15.0")
        assert spec.layers[-1].config.get("num_constants", 0) == (count or 0)  # type: ignore[union-attr]
        return spec.layers[-1].calls[0].kwargs

    a, b, h = TensorRef("a"), TensorRef("b"), TensorRef("h")
    assert calls(None, "h") == {"initial_state": [h]}
    assert calls(2, "h", "a", "b") == {"initial_state": [h], "constants": [a, b]}
    assert calls(2, "a", "b") == {"constants": [a, b]}
    with pytest.raises(CorruptFileError, match="called with 1 tensor behind its input, and it has 2 constants"):
        calls(2, "a")
    for wrong in (-1, "2", True, 1.0):
        with pytest.raises(CorruptFileError, match="num_constants: expected a whole number"):
            calls(wrong, "a")
    rnn = item("RNN", "r", cell=item("SimpleRNNCell", "c", units=3))
    layers = [
        *({**source(name), "name": name} for name in ("x", "a")),
        called(rnn, [["x", 0, 0, {"constants": [["a", 0, 0]]}]]),
    ]
    spec = read(functional(layers, [["x", 0, 0], ["a", 0, 0]], [["r", 0, 0]]), "2.15.0")
    assert spec.layers[-1].calls[0].kwargs == {"constants": [a]}


def test_arguments_of_calls() -> None:
    layers = [{**source(), "name": "x"}, called(item("Dense", "d", units=2), [["x", 0, 0, {"speed": 3}]])]
    refused(functional(layers, [["x", 0, 0]], [["d", 0, 0]]), "Layer 'd' .Dense. is called with 'speed'")
    layers[1]["inbound_nodes"] = [[["_CONSTANT_VALUE", -1, 3.0, {}]]]
    refused(functional(layers, [["x", 0, 0]], [["d", 0, 0]]), "a constant as an input is not supported")


def _keras3(layer: Config, *args: Any, **kwargs: Any) -> Config:
    return called(layer, {"args": list(args), "kwargs": kwargs})


def _tensor(layer: str, node: int = 0, tensor: int = 0) -> Config:
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None], "dtype": "float32", "keras_history": [layer, node, tensor]},
    }


def test_positional_arguments_of_keras_3() -> None:
    start = {**item("InputLayer", "x", batch_shape=[None, 7, 4]), "name": "x", "inbound_nodes": []}
    mask = {**item("InputLayer", "m", batch_shape=[None, 7], dtype="bool"), "name": "m", "inbound_nodes": []}
    layers = [start, mask, _keras3(item("GRU", "g", units=4), _tensor("x"), None, _tensor("m"), training=False)]
    spec = read(functional(layers, [["x", 0, 0], ["m", 0, 0]], ["g", 0, 0]), "3.1.0")
    assert (spec.layers[2].calls[0].args, spec.layers[2].calls[0].kwargs) == (
        (TensorRef("x"),),
        {"mask": TensorRef("m")},
    )
    layers[2] = _keras3(item("GRU", "g", units=4), _tensor("x"), {"class_name": "__slice__", "config": {}})
    refused(functional(layers[:1] + layers[2:], ["x", 0, 0], ["g", 0, 0]), "an argument of class '__slice__'", "3.1.0")
    broken = _tensor("x")
    broken["config"]["keras_history"] = ["x", 0]
    layers[2] = _keras3(item("GRU", "g", units=4), broken)
    refused(
        functional(layers[:1] + layers[2:], ["x", 0, 0], ["g", 0, 0]), "as keras_history", "3.1.0", CorruptFileError
    )


# ---------------------------------------------------------------------------------------------- size


def test_deep_graphs_are_linear() -> None:
    def seconds(count: int) -> float:
        model = chain(*(item("Dense", f"d{index}", units=4) for index in range(count)))
        start = time.process_time()
        assert len(read(model).layers) == count + 1
        return time.process_time() - start

    seconds(100)
    small, large = seconds(1_000), seconds(8_000)
    assert large / small < 40, "eight times the layers took more than forty times as long"


NESTED = r"nested more than \d+ deep"


def _nested(depth: int, wrapper: bool) -> Config:
    model = item("Dense", "d", units=2)
    for _ in range(depth):
        model = item("TimeDistributed", "t", layer=model) if wrapper else sequential(model) | {"name": "s"}
    return model if not wrapper else sequential(model)


def test_nesting() -> None:
    read(_nested(100, wrapper=False))
    refused(_nested(101, wrapper=False), NESTED)
    read(_nested(99, wrapper=True))
    refused(_nested(100, wrapper=True), NESTED)
    refused(_nested(5_000, wrapper=True), NESTED)
    refused(_nested(5_000, wrapper=True), NESTED, None)


def test_nested_arguments() -> None:
    node: Any = ["x", 0, 0, {}]
    for _ in range(5_000):
        node = [node]
    layers = [{**source(), "name": "x"}, called(item("Add", "d"), node)]
    refused(functional(layers, [["x", 0, 0]], [["d", 0, 0]]), NESTED)
    for _ in range(4_840):
        layers[1]["inbound_nodes"] = layers[1]["inbound_nodes"][0]
    refused(
        functional(layers, [["x", 0, 0]], [["d", 0, 0]]), "Layer 'd' .Add., inbound_nodes: nested more than 100 deep"
    )
    units: Any = 3
    for _ in range(5_000):
        units = [units]
    refused(sequential(item("Dense", "d", units=units)), NESTED)


@pytest.mark.parametrize(
    "junk", [None, 3, -1, 1.5, True, "x", "", [], {}, [["x", 0, 0]], {"class_name": "Lambda", "config": {}}]
)
def test_junk_anywhere_is_refused_or_read(junk: Any) -> None:
    """Whatever stands in any place of a config: a model comes out, or one of our errors."""
    original = functional(
        [
            {**source(), "name": "x"},
            called(
                item("Bidirectional", "b", layer=item("GRU", "g", units=2, kernel_initializer=item("Zeros"))),
                [["x", 0, 0, {}]],
            ),
            called(
                item("Dense", "d", units=2, dtype=item("Policy", "float32"), activation="relu"),
                [["b", 0, 0, {"mask": None}]],
            ),
            called(sequential(item("Dense", "i", units=2, input_dim=2)) | {"name": "s"}, [["d", 0, 0, {}]]),
        ],
        [["x", 0, 0]],
        {"y": ["s", 1, 0]},
    )
    read(original)
    longest = 0
    for index in range(len(places(original))):
        config = copy.deepcopy(original)
        holder, key = places(config)[index]
        holder[key] = copy.deepcopy(junk)
        for version in ("2.2.4", "3.15.1", None):
            try:
                to_spec(config, version)
            except KerasTorchError as error:
                longest = max(longest, len(str(error)))
    assert 0 < longest < 2_000


@pytest.mark.parametrize("first", [0, 1])
def test_nested_models_count_from_their_making_or_from_their_first_call(first: int) -> None:
    """Keras 2 counts the making of a nested model as a call of it, except for a Sequential without an input shape."""
    inner = {"class_name": "Sequential", "name": "s", "config": [item("Dense", "i", units=4)]}
    layers = [
        {**source(), "name": "x"},
        {**inner, "inbound_nodes": [[["x", 0, 0, {}]], [["s", first, 0, {}]]]},
    ]
    spec = read(functional(layers, [["x", 0, 0]], [["s", first + 1, 0]]), "2.1.2")
    nested = spec.layers[1]
    assert isinstance(nested, ModelSpec)
    assert [call.args for call in nested.calls] == [(TensorRef("x"),), (TensorRef("s", 0),)]
    assert spec.outputs == TensorRef("s", 1)
