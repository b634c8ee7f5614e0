"""The sketch of a model of which layers are missing: places, neighbours, and every shape that can be told."""

from __future__ import annotations

import json
from typing import Any

import pytest

import kerastorch as kt
from kerastorch.compat import read_config
from kerastorch.errors import ArgumentError, MissingLayersError
from kerastorch.models._order import in_order
from kerastorch.models.sketch import Place, _join, sketch
from kerastorch.spec import Call, TensorRef

Config = dict[str, Any]


def input_layer(name: str, *shape: int | None) -> Config:
    return {
        "class_name": "InputLayer",
        "name": name,
        "inbound_nodes": [],
        "config": {"name": name, "batch_input_shape": [None, *shape], "dtype": "float32"},
    }


def layer(class_name: str, name: str, *sources: Any, **config: Any) -> Config:
    """A layer of a functional model in the dialect of tf.keras; each source: a name, or (name, call, output)."""
    refs = [[source, 0, 0, {}] if isinstance(source, str) else [*source, {}] for source in sources]
    return {
        "class_name": class_name,
        "name": name,
        "config": {"name": name, "trainable": True, "dtype": "float32", **config},
        "inbound_nodes": [refs] if refs else [],
    }


def graph(*items: Config, inputs: list[str], outputs: list[Any], name: str = "m") -> Config:
    ends = [[each, 0, 0] if isinstance(each, str) else list(each) for each in outputs]
    return {
        "class_name": "Functional",
        "config": {
            "name": name,
            "layers": list(items),
            "input_layers": [[each, 0, 0] for each in inputs],
            "output_layers": ends,
        },
    }


def places(config: Config) -> dict[str, Place]:
    reading = read_config(config, "2.11.0", "tensorflow", partly=True)
    found = sketch(reading.spec)
    assert [place.path for place in found] == list(dict.fromkeys(place.path for place in found))
    return {place.path: place for place in found}


def test_a_graph_with_a_missing_layer() -> None:
    found = places(
        graph(
            input_layer("words", 7, 4),
            input_layer("more", 7, 3),
            layer("LSTM", "encoder", "words", units=5, return_sequences=True),
            layer("Mine", "own", "encoder"),
            layer("Concatenate", "both", "encoder", "more", axis=-1),
            layer("Concatenate", "all", "both", "own", axis=-1),
            layer("Dense", "tags", "both", units=2),
            inputs=["words", "more"],
            outputs=["tags", "all"],
        )
    )
    assert [name for name, place in found.items() if place.is_missing] == ["own"]
    assert {name: place.outputs for name, place in found.items()} == {
        "words": ((None, 7, 4),),
        "more": ((None, 7, 3),),
        "encoder": ((None, 7, 5),),
        "own": (None,),
        "both": ((None, 7, 8),),
        "all": (None,),
        "tags": ((None, 7, 2),),
    }
    assert {name: place.before for name, place in found.items()} == {
        "words": (),
        "more": (),
        "encoder": ("words",),
        "own": ("encoder",),
        "both": ("encoder", "more"),
        "all": ("both", "own"),
        "tags": ("both",),
    }
    assert {name: place.behind for name, place in found.items()} == {
        "words": ("encoder",),
        "more": ("both",),
        "encoder": ("own", "both"),
        "own": ("all",),
        "both": ("all", "tags"),
        "all": (),
        "tags": (),
    }
    assert found["own"].inputs == ((None, 7, 5),)
    assert found["both"].inputs == ((None, 7, 5), (None, 7, 3))
    assert found["all"].inputs == ((None, 7, 8), None)
    assert {place.model for place in found.values()} == {"m"}
    assert found["own"].class_name == "Mine"


def test_an_output_of_several_is_taken_by_its_number() -> None:
    found = places(
        graph(
            input_layer("x", 6, 3),
            layer("LSTM", "rnn", "x", units=4, return_sequences=True, return_state=True),
            layer("Dense", "of_state", ("rnn", 0, 1), units=2),
            layer("Dense", "of_steps", ("rnn", 0, 0), units=2),
            layer("Mine", "own", ("rnn", 0, 2)),
            inputs=["x"],
            outputs=["of_state", "of_steps", "own"],
        )
    )
    assert found["rnn"].outputs == ((None, 6, 4), (None, 4), (None, 4))
    assert found["of_state"].outputs == ((None, 2),)
    assert found["of_steps"].outputs == ((None, 6, 2),)
    assert found["own"].inputs == ((None, 4),)


def test_an_output_that_a_layer_may_not_have_has_no_shape() -> None:
    """Of a missing layer nobody knows how many outputs it has."""
    items = [input_layer("x", 6, 3), layer("Mine", "own", "x"), layer("Dense", "d", ("own", 0, 1), units=2)]
    try:
        found = {name: place.outputs for name, place in places(graph(*items, inputs=["x"], outputs=["d"])).items()}
    except IndexError as error:
        pytest.fail(f"the sketch fails: {error}")
    assert found == {"x": ((None, 6, 3),), "own": (None,), "d": (None,)}


def test_paths_are_joined() -> None:
    assert (_join("a", "b"), _join("a/b", "c"), _join("", "b")) == ("a/b", "a/b/c", "b")


def test_models_in_models() -> None:
    inner = graph(
        input_layer("inner_in", None, 4),
        layer("Dense", "deep", "inner_in", units=3),
        layer("Mine", "deep_own", "deep"),
        inputs=["inner_in"],
        outputs=["deep", "deep_own"],
        name="inner",
    )
    chain: Config = {
        "class_name": "Sequential",
        "config": {
            "name": "chain",
            "layers": [input_layer("chain_in", None, 3), layer("GRU", "last", units=6), layer("Mine", "end")],
        },
    }
    inner_item = {**inner, "name": "inner", "inbound_nodes": [[["x", 0, 0, {}]]]}
    chain_item = {**chain, "name": "chain", "inbound_nodes": [[["inner", 1, 0, {}]]]}
    # A model inside a model has been called once when it was made.
    found = places(graph(input_layer("x", 9, 4), inner_item, chain_item, inputs=["x"], outputs=["chain"]))
    assert list(found) == [
        "x",
        "inner",
        "inner/inner_in",
        "inner/deep",
        "inner/deep_own",
        "chain",
        "chain/chain_in",
        "chain/last",
        "chain/end",
    ]
    assert found["inner/deep"].outputs == ((None, 9, 3),)
    assert found["inner/deep_own"].inputs == ((None, 9, 3),)
    assert found["inner"].outputs == ((None, 9, 3), None)
    assert found["chain/last"].inputs == ((None, 9, 3),)
    assert found["chain/last"].outputs == ((None, 6),)
    assert found["chain/last"].before == ("chain_in",)
    assert found["chain/last"].behind == ("end",)
    assert found["chain/chain_in"].before == ()
    assert found["chain/end"].behind == ()
    assert found["chain/end"].model == "chain"
    assert found["inner"].class_name
    assert not found["inner"].is_missing


@pytest.mark.parametrize("wrapper", ["TimeDistributed", "Bidirectional", "RNN"])
def test_what_holds_a_missing_layer_has_no_shape(wrapper: str) -> None:
    mine = {"class_name": "Mine", "config": {"name": "own"}}
    key = "cell" if wrapper == "RNN" else "layer"
    found = places(
        graph(
            input_layer("x", 6, 3),
            layer(wrapper, "around", "x", **{key: mine}),
            layer("Dense", "tags", "around", units=2),
            inputs=["x"],
            outputs=["tags"],
        )
    )
    assert found["x"].outputs == ((None, 6, 3),)
    assert found["around"].outputs == (None,)
    assert found["tags"].outputs == (None,)
    whole = {"class_name": "GRU", "config": {"name": "own", "units": 4}}
    if wrapper == "Bidirectional":
        known = places(
            graph(
                input_layer("x", 6, 3),
                layer(wrapper, "around", "x", layer=whole),
                layer("Mine", "own", "around"),
                inputs=["x"],
                outputs=["own"],
            )
        )
        assert known["around"].outputs == ((None, 8),)


def code(name: str, *sources: Any, **config: Any) -> Config:
    return layer("Lambda", name, *sources, function=["4wEA", None, None], function_type="lambda", **config)


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"output_shape": [5, 2], "output_shape_type": "raw"}, (None, 5, 2)),
        ({"output_shape": [5, 2]}, (None, 5, 2)),
        ({"output_shape": [None, 2]}, (None, None, 2)),
        ({"output_shape": None}, None),
        ({"output_shape": ["4wEA"], "output_shape_type": "lambda"}, None),
        ({"output_shape": ["x"], "output_shape_type": "raw"}, None),
        ({}, None),
    ],
)
def test_a_lambda_may_state_its_shape(config: Config, wanted: Any) -> None:
    found = places(graph(input_layer("x", 6, 3), code("f", "x", **config), inputs=["x"], outputs=["f"]))
    assert found["f"].is_missing
    assert found["f"].outputs == (wanted,)


def test_a_lambda_behind_a_layer_of_unknown_shape_states_its_own() -> None:
    found = places(
        graph(
            input_layer("x", 6, 3),
            layer("Mine", "own", "x"),
            code("f", "own", output_shape=[5, 2]),
            layer("Dense", "tags", "f", units=7),
            inputs=["x"],
            outputs=["tags"],
        )
    )
    assert found["f"].outputs == ((None, 5, 2),)
    assert found["tags"].outputs == ((None, 5, 7),)


def test_calls_that_wait_for_each_other_or_for_nothing() -> None:
    def call(*refs: TensorRef) -> Call:
        return Call((list(refs),))

    x = TensorRef("x")
    calls = {
        "b": (call(TensorRef("a")),),
        "a": (call(x), call(TensorRef("b"))),
        "c": (call(TensorRef("b"), TensorRef("a", 1)),),
    }
    assert list(in_order(calls, {("x", 0)})) == [("a", 0), ("b", 0), ("a", 1), ("c", 0)]
    for wrong in (TensorRef("b", 1), TensorRef("nobody"), TensorRef("b", -1)):
        with pytest.raises(
            ArgumentError, match=f"'c' takes its input from call {wrong.node} of '{wrong.layer}': there"
        ):
            list(in_order({**calls, "c": (call(wrong),)}, {("x", 0)}))
    circle = {"a": (call(TensorRef("b")),), "b": (call(TensorRef("a"), x),), "c": (call(x),)}
    with pytest.raises(ArgumentError, match=r"cycle through layers 'a', 'b'\."):
        list(in_order(circle, {("x", 0)}))


@pytest.mark.parametrize("calls", [[], [{"args": [0], "kwargs": {}}]], ids=["none", "of a number"])
def test_a_model_that_is_called_on_no_tensor_hides_nothing_that_is_missing(calls: list[Any]) -> None:
    x, y = kt.Input((3,), name="x"), kt.Input((3,), name="y")
    inner = kt.Model(y, kt.layers.Dense(3, name="deep")(y), name="inner")
    config = json.loads(kt.Model(x, inner(x)).to_json())
    config["config"]["layers"][0].update(class_name="Mine", registered_name="me>Mine", module=None)
    config["config"]["layers"][1]["inbound_nodes"] = calls
    with pytest.raises(MissingLayersError, match="Mine"):
        kt.model_from_json(json.dumps(config))
