"""What stands in a file for layers that a Keras does not have: read again it computes the same, without a Keras."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close

import kerastorch as kt
from kerastorch import layers as L
from kerastorch.compat.training import translate_training
from kerastorch.errors import SaveError
from kerastorch.saving import to_json
from kerastorch.saving._order import order_in_keras2, order_in_keras3
from kerastorch.spec import Era, TrainingConfig, Writer

from ._cases import outputs_of, randomize

LOCAL: dict[str, tuple[Callable[[], L.Layer], tuple[int, ...]]] = {
    f"LocallyConnected{len(size)}D, {layout}, {bias}": (
        lambda size=size, stride=stride, layout=layout, bias=bias: getattr(L, f"LocallyConnected{len(size)}D")(
            3, size, strides=stride, data_format=layout, use_bias=bias == "bias", activation="tanh", name="it"
        ),
        (*image, 2) if layout == "channels_last" else (2, *image),
    )
    for size, stride, image in (((3,), 2, (8,)), ((2, 3), (2, 1), (6, 5)))
    for layout in ("channels_last", "channels_first")
    for bias in ("bias", "no bias")
}
CUDNN: dict[str, tuple[Callable[[], L.Layer], tuple[int, ...]]] = {
    "CuDNNLSTM": (lambda: L.CuDNNLSTM(4, name="it"), (5, 3)),
    "CuDNNGRU": (lambda: L.CuDNNGRU(4, return_sequences=True, name="it"), (5, 3)),
    "Highway": (lambda: L.Highway(activation="tanh", name="it"), (4,)),
    "MaxoutDense": (lambda: L.MaxoutDense(4, nb_feature=3, name="it"), (5,)),
}


@pytest.mark.parametrize(
    ("dialect", "name"), [("keras3", name) for name in (*LOCAL, *CUDNN)] + [("keras2", name) for name in CUDNN]
)
def test_a_stand_in_computes_the_same(tmp_path: Path, rng: np.random.Generator, dialect: Any, name: str) -> None:
    make, shape = {**LOCAL, **CUDNN}[name]
    model = kt.Sequential([kt.Input(shape), make()]).eval()
    randomize(model, rng)
    report = kt.save_model(model, tmp_path / "m.keras", dialect=dialect)
    assert [rule.text.split(",")[0].split(" is written as ")[0] for rule in report.rules] == [name.split(",")[0]]
    back = kt.load_model(tmp_path / "m.keras")
    assert type(back.get_layer("it")) is not type(model.get_layer("it"))
    data = [rng.normal(size=(4, *shape)).astype("float32")]
    (mine,), (theirs,) = outputs_of(model, data), outputs_of(back, data)
    assert_close(torch.as_tensor(theirs), torch.as_tensor(mine))  # sums of the same products in another order


@pytest.mark.parametrize("name", LOCAL)
def test_tf_keras_has_local_convolutions_itself(tmp_path: Path, rng: np.random.Generator, name: str) -> None:
    make, shape = LOCAL[name]
    model = kt.Sequential([kt.Input(shape), make()])
    randomize(model, rng)
    assert kt.save_model(model, tmp_path / "m.keras", dialect="keras2").rules == ()
    back = kt.load_model(tmp_path / "m.keras")
    assert type(back.get_layer("it")) is type(model.get_layer("it"))
    for mine, theirs in zip(model.get_weights(), back.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


# ---------------------------------------------------------------- masks, for Keras 3


def merged(name: str, same: bool, used: bool = True) -> kt.Model:
    a, b = kt.Input((6,), name="a"), kt.Input((6,), name="b")
    embed = L.Embedding(9, 3, mask_zero=True, name="words")
    left = embed(a)
    joined = getattr(L, name)(keras2_masks=True, name="it")([left, L.ReLU(name="r")(left) if same else embed(b)])
    return kt.Model([a] if same else [a, b], (L.LSTM(4) if used else L.Flatten())(joined))


@pytest.mark.parametrize("name", ["Add", "Subtract", "Average", "Concatenate"])
def test_masks_that_are_merged_otherwise(tmp_path: Path, name: str) -> None:
    for model in (merged(name, same=True), merged(name, same=False, used=False)):
        assert kt.save_model(model, tmp_path / "m.keras").rules == ()
    with pytest.raises(SaveError) as caught:
        kt.save_model(merged(name, same=False), tmp_path / "other.keras")
    assert str(caught.value) == (
        f"{name} 'it': its inputs have different masks. Keras 3 counts a step that counts in any of them, Keras 2 one "
        "that counts in all; give both inputs the same mask."
    )


# ---------------------------------------------------------------- attention, for tf-keras


def attention(layer: L.Layer, features: tuple[int, int]) -> kt.Model:
    query, value = kt.Input((6, features[0]), name="q"), kt.Input((5, features[1]), name="v")
    key = kt.Input((5, features[0]), name="k")
    return kt.Model([query, value, key], layer([query, value, key]))


def test_the_scale_of_an_additive_attention(tmp_path: Path) -> None:
    with pytest.raises(SaveError) as caught:
        kt.save_model(attention(L.AdditiveAttention(name="it"), (4, 3)), tmp_path / "m.keras", dialect="keras2")
    assert str(caught.value) == (
        "AdditiveAttention 'it': tf-keras's scale needs a query of 3 features, as the value has, got 4."
    )
    for features, options in (((4, 3), {"use_scale": False}), ((4, 4), {})):
        model = attention(L.AdditiveAttention(name="it", **options), features)
        assert kt.save_model(model, tmp_path / "m.keras", dialect="keras2").rules == ()


# ---------------------------------------------------------------- the order of the layers in a graph


def test_the_order_in_which_tf_keras_lists_a_graph() -> None:
    """From the far end: the tensors of a call's first argument, then its options as they are written."""

    def layer(name: str, *calls: Any, kind: str = "Dense") -> dict[str, Any]:
        return {"name": name, "class_name": kind, "config": {"name": name}, "inbound_nodes": list(calls)}

    graph = {
        "layers": [
            layer("x", kind="InputLayer"),
            layer("key", [["x", 0, 0, {}]]),
            layer("value", [["x", 0, 0, {}]]),
            layer("query", [["x", 0, 0, {}]]),
            layer(
                "heads",
                [
                    [
                        "query",
                        0,
                        0,
                        {"value": ["value", 0, 0], "mask": ["_CONSTANT_VALUE", -1, True], "key": ["key", 0, 0]},
                    ]
                ],
            ),
            layer("twice", [["heads", 0, 0, {}]], [["twice", 0, 0, {}]]),
        ],
        "output_layers": [["twice", 1, 0]],
    }
    assert order_in_keras2(graph) == ["x", "query", "value", "key", "heads", "twice"]


def test_the_order_in_which_keras3_lists_a_graph() -> None:
    def tensor(name: str, call: int = 0) -> dict[str, Any]:
        return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call, 0]}}

    def layer(name: str, *calls: Any, kind: str = "Dense") -> dict[str, Any]:
        return {"name": name, "class_name": kind, "config": {"name": name}, "inbound_nodes": list(calls)}

    def call(*tensors: Any, **named: Any) -> dict[str, Any]:
        return {"args": list(tensors), "kwargs": named}

    graph = {
        "layers": [
            layer("x", kind="InputLayer"),
            layer("key", call(tensor("x"))),
            layer("value", call(tensor("x"))),
            layer("query", call(tensor("x"))),
            layer("heads", call(tensor("query"), value=tensor("value"), key=tensor("key"))),
            layer("twice", call(tensor("heads")), call(tensor("twice"))),
        ],
        "output_layers": [["twice", 1, 0]],
    }
    # Named arguments by their names.
    assert order_in_keras3(graph) == ["x", "query", "key", "value", "heads", "twice"]


# ---------------------------------------------------------------- one metric, not in a list


@pytest.mark.parametrize("era", ["keras2", "tf.keras"])
def test_the_metric_of_the_only_output(era: Era) -> None:
    """As itself, under the name of the output, or in a list."""
    metric = {"class_name": "AUC", "config": {"num_thresholds": 7, "name": "auc"}}
    found = []
    for stated in (metric, {"out": metric}, [metric], {"out": [metric]}, {"other": metric}):
        config = {"optimizer_config": {"class_name": "SGD", "config": {"lr": 0.5}}, "loss": "mse", "metrics": stated}
        known = TrainingConfig(json.dumps(config), "h5", Writer(era, "2.3.1"))
        written, _ = translate_training(known, "keras", "keras3", ("out",), "net")
        assert written is not None
        found.append(written["metrics"])
    (first,) = found[0]
    assert first["class_name"] == "AUC"
    assert first["config"]["num_thresholds"] == 7
    assert found[1:] == [[first], [first], [first], None]


# ---------------------------------------------------------------- arguments that are none of tf-keras's


def test_an_attention_of_before_masks_arrived(tmp_path: Path) -> None:
    def model(mask_zero: bool) -> kt.Model:
        x = kt.Input((6,), name="x")
        y = L.Embedding(9, 4, mask_zero=mask_zero, name="words")(x)
        return kt.Model(x, L.MultiHeadAttention(2, 3, implicit_masks=False, name="it")(y, y))

    for dialect in ("keras2", "keras3"):
        with pytest.raises(SaveError) as caught:
            kt.save_model(model(True), tmp_path / "m.keras", dialect=dialect)  # type: ignore[arg-type]
        assert str(caught.value) == (
            "MultiHeadAttention 'it': a mask arrives that the layer must not use, and in the Keras that opens the file "
            "it would."
        )
        text = to_json(model(False), dialect=dialect)  # type: ignore[arg-type]
        assert "implicit_masks" not in text


def test_what_is_causal_in_every_call_says_so_in_each() -> None:
    x = kt.Input((6, 4), name="x")
    model = kt.Model(x, L.Attention(causal=True, name="it")([x, L.ReLU(name="r")(x)]))
    (item,) = [
        item for item in json.loads(to_json(model, dialect="keras2"))["config"]["layers"] if item["name"] == "it"
    ]
    assert "causal" not in item["config"]
    assert item["inbound_nodes"][0][0][3] == {"use_causal_mask": True}


def test_several_batch_axes_need_no_word() -> None:
    model = kt.Sequential([kt.Input((3, 6, 4)), L.Conv1D(2, 3, many_batch_axes=True, name="it")])
    assert "many_batch_axes" not in to_json(model, dialect="keras2")
    with pytest.raises(SaveError, match="Conv1D 'it': its input has several batch axes, of which Keras 3 takes one"):
        to_json(model, dialect="keras3")
