"""Calls of attention layers in every dialect, and their masks: those that are operations, and those that get lost."""

from __future__ import annotations

from typing import Any

import pytest
from _compat_made import Config, called, functional, item, one, refused, sequential

from kerastorch.compat import to_spec
from kerastorch.errors import CorruptFileError
from kerastorch.spec import Call, LayerSpec, TensorRef

HEADS: Config = {"num_heads": 2, "key_dim": 3}


def _tensor(layer: str, node: int = 0, tensor: int = 0) -> Config:
    history = {"keras_history": [layer, node, tensor]}
    return {"class_name": "__keras_tensor__", "config": {"shape": [None], "dtype": "float32", **history}}


def _call(layer: Config, *args: Any, **kwargs: Any) -> Config:
    return called(layer, {"args": list(args), "kwargs": kwargs})


def _input(name: str, *shape: int | None, dtype: str = "float32") -> Config:
    return {**item("InputLayer", name, batch_shape=[None, *shape], dtype=dtype), "name": name, "inbound_nodes": []}


def _operation(class_name: str, name: str, *args: Any, **config: Any) -> Config:
    return {**_call(item(class_name, name, **config), *args), "module": "keras.src.ops.numpy"}


def _calls(config: Config, version: str | None) -> dict[str, Call]:
    spec, _, _ = to_spec(config, version, None)
    return {layer.name: layer.calls[0] for layer in spec.layers if layer.calls}


def _blocks(recorded: bool) -> Config:
    """Embedding, two blocks of self-attention with residuals, LSTM; `recorded`: with all masks as operations."""
    first = {"query_mask": _tensor("not_equal"), "value_mask": _tensor("not_equal")} if recorded else {}
    second = {"query_mask": _tensor("or"), "value_mask": _tensor("or")} if recorded else {}
    layers = [
        _input("x", 5, dtype="int32"),
        _call(item("Embedding", "emb", input_dim=6, output_dim=4, mask_zero=True), _tensor("x")),
        _operation("NotEqual", "not_equal", _tensor("x"), 0),
        _call(item("MultiHeadAttention", "a", **HEADS), _tensor("emb"), _tensor("emb"), **first),
        _call(item("Add", "add"), [_tensor("emb"), _tensor("a")]),
        _operation("LogicalOr", "or", _tensor("not_equal"), _tensor("not_equal")),
        _call(item("MultiHeadAttention", "b", **HEADS), _tensor("add"), value=_tensor("add"), **second),
        _call(item("LSTM", "lstm", units=3), _tensor("b"), mask=_tensor("or"), training=False),
    ]
    return {**functional(layers, [["x", 0, 0]], ["lstm", 0, 0]), "class_name": "Functional"}


@pytest.mark.parametrize(
    ("version", "recorded", "lost"),
    [
        ("3.7.0", True, set()),
        ("3.8.0", True, {"query_mask"}),  # the value's mask is named by the file
        ("3.9.2", True, {"query_mask"}),
        ("3.10.0", False, {"query_mask", "value_mask"}),
        ("3.15.1", False, {"query_mask", "value_mask"}),
        (None, False, {"query_mask", "value_mask"}),
    ],
)
def test_the_second_block_loses_the_masks_that_its_keras_loses(
    version: str | None, recorded: bool, lost: set[str]
) -> None:
    calls = _calls(_blocks(recorded), version)
    assert calls["a"] == Call((TensorRef("emb"),), {"value": TensorRef("emb")})
    assert calls["b"] == Call((TensorRef("add"),), {"value": TensorRef("add"), **dict.fromkeys(lost)})
    assert calls["lstm"] == Call((TensorRef("b"),), {})
    _, _, rules = to_spec(_blocks(recorded), version, None)
    told = [rule.layer for rule in rules if "took a mask off its input" in rule.text]
    assert told == (["b"] if lost else [])


def test_a_dropout_that_hands_its_input_on_shares_its_mask() -> None:
    layers = [
        _input("x", 5, dtype="int32"),
        _call(item("Embedding", "emb", input_dim=6, output_dim=4, mask_zero=True), _tensor("x")),
        _call(item("Dropout", "drop", rate=0.5), _tensor("emb"), training=False),
        _call(item("MultiHeadAttention", "a", **HEADS), _tensor("drop"), _tensor("drop")),
        _call(item("Concatenate", "both", trainable=True), [_tensor("emb"), _tensor("a")]),
        _call(item("MultiHeadAttention", "b", **HEADS), _tensor("emb"), _tensor("both")),
    ]
    calls = _calls(functional(layers, [["x", 0, 0]], ["b", 0, 0]), "3.15.1")
    # Concatenate still has the mask of the first block.
    assert calls["b"].kwargs == {"value": TensorRef("both"), "query_mask": None}


def test_one_of_two_masks_is_refused() -> None:
    layers = [
        _input("x", 5, dtype="int32"),
        _call(item("Embedding", "emb", input_dim=6, output_dim=4, mask_zero=True), _tensor("x")),
        _call(item("MultiHeadAttention", "a", **HEADS), _tensor("emb"), _tensor("emb")),
        _call(item("Attention", "dots"), [_tensor("a"), _tensor("emb")]),
    ]
    model = functional(layers, [["x", 0, 0]], ["dots", 0, 0])
    refused(model, "that of 'emb' was taken off by a MultiHeadAttention before.*pass mask=", "3.15.1")
    assert _calls(model, "3.7.0")["dots"].kwargs == {}


def test_a_mask_that_is_an_input() -> None:
    layers = [
        _input("x", 5, 4),
        _input("m", 5, dtype="bool"),
        _call(item("MultiHeadAttention", "a", **HEADS), _tensor("x"), _tensor("x"), query_mask=_tensor("m")),
        _call(
            item("MultiHeadAttention", "b", **HEADS), query=_tensor("a"), value=_tensor("x"), value_mask=_tensor("m")
        ),
        _call(item("Attention", "dots"), [_tensor("b"), _tensor("x")], mask=[_tensor("m"), None]),
        _operation("ConvertToTensor", "convert", _tensor("m"), dtype=None, sparse=None),
        _call(item("LSTM", "lstm", units=3), _tensor("dots"), mask=_tensor("convert")),
    ]
    model = functional(layers, [["x", 0, 0], ["m", 0, 0]], ["lstm", 0, 0])
    old, new = _calls(model, "3.7.0"), _calls(model, "3.15.1")
    assert old["a"].kwargs == {"value": TensorRef("x"), "query_mask": TensorRef("m")}
    assert new["a"].kwargs == {"value": TensorRef("x"), "query_mask": None}  # whatever the call says
    assert new["b"].args == (TensorRef("a"),)
    assert new["b"].kwargs == {"value": TensorRef("x"), "value_mask": TensorRef("m"), "query_mask": None}
    assert new["dots"] == Call(([TensorRef("b"), TensorRef("x")],), {"mask": [TensorRef("m"), None]})
    assert new["lstm"].kwargs == {}


@pytest.mark.parametrize(("version", "implicit"), [("2.6.0", False), ("2.9.0", False), ("2.10.0", True)])
def test_masks_of_tf_keras(version: str, implicit: bool) -> None:
    layers = [
        {**item("InputLayer", "x", batch_input_shape=[None, 5, 4]), "name": "x", "inbound_nodes": []},
        called(
            item("MultiHeadAttention", "a", **HEADS, query_shape=[None, 5, 4], attention_axes=[1], output_shape=None),
            [["x", 0, 0, {"value": ["x", 0, 0], "use_causal_mask": False}]],
        ),
    ]
    spec, _, rules = to_spec(functional(layers, [["x", 0, 0]], [["a", 0, 0]]), version, "tensorflow")
    layer = spec.layers[1]
    assert isinstance(layer, LayerSpec)
    assert layer.calls == (Call((TensorRef("x"),), {"value": TensorRef("x"), "use_causal_mask": False}),)
    assert layer.config.get("implicit_masks", True) is implicit
    assert any("takes no masks from its inputs" in rule.text for rule in rules) is not implicit


def test_keys() -> None:
    made = one("MultiHeadAttention", "3.15.1", **HEADS, attention_axes=[1], output_shape=None, use_gate=True)
    assert made == {**HEADS, "attention_axes": (1,), "use_gate": True}
    assert one("Attention", "2.6.0", causal=True, use_scale=False) == {"causal": True, "use_scale": False}
    grouped = {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}
    for name in ("GroupQueryAttention", "GroupedQueryAttention"):
        assert one(name, "3.15.1", **grouped) == grouped
    einsum = {"equation": "abc,cd->abd", "output_shape": [None, 4], "bias_axes": "d"}
    assert one("EinsumDense", "3.15.1", **einsum) == {**einsum, "output_shape": (None, 4)}
    refused(sequential(item("Attention", "l")), "no class Attention", "2.2.4")
    flawed = sequential(item("MultiHeadAttention", "l", key_dim=True, num_heads=2))
    refused(flawed, "key_dim: expected a whole number", "3.15.1", CorruptFileError)
