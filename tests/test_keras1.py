"""Files of Keras 1: names, classes and weights of its own, and the numbers that they had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _keras1_made import gate_arrays, item, sequential, write

import kerastorch as kt
from kerastorch import Input, Sequential, layers
from kerastorch.compat import to_spec
from kerastorch.errors import MismatchError, UnsupportedFileError
from kerastorch.spec import LayerSpec

RECURRENT = {
    "output_dim": 3,
    "init": "glorot_uniform",
    "inner_init": "orthogonal",
    "activation": "tanh",
    "inner_activation": "hard_sigmoid",
    "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.5},
    "U_regularizer": None,
    "b_regularizer": None,
    "dropout_W": 0.25,
    "dropout_U": 0.5,
    "consume_less": "gpu",
    "return_sequences": False,
    "go_backwards": False,
    "stateful": False,
    "unroll": False,
    "input_dim": None,
    "input_length": None,
}


def one(config: dict[str, Any], index: int = 1) -> tuple[LayerSpec, list[str]]:
    spec, writer, rules = to_spec(config, "1.2.2")
    assert writer.era == "keras1"
    layer = spec.layers[index]
    assert isinstance(layer, LayerSpec)
    return layer, [rule.text for rule in rules]


def test_recurrent_arguments() -> None:
    layer, rules = one(
        sequential(item("LSTM", "l", **RECURRENT, forget_bias_init="one", batch_input_shape=[None, 4, 2]))
    )
    assert layer.class_name == "LSTM"
    expected = {
        "units": 3,
        "recurrent_activation": "hard_sigmoid_keras2",
        "unit_forget_bias": True,
        "implementation": 2,
        "dropout": 0.25,
        "recurrent_dropout": 0.5,
        "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.5}},
    }
    assert {key: layer.config[key] for key in expected} == expected
    assert any("output_dim -> units" in rule for rule in rules)
    gru, _ = one(sequential(item("GRU", "g", **RECURRENT, batch_input_shape=[None, 4, 2])))
    assert gru.config["reset_after"] is False


def test_dense_embedding_dropout_and_batch_normalization() -> None:
    spec, _, rules = to_spec(
        sequential(
            item("Embedding", "e", input_dim=9, output_dim=4, init="uniform", input_length=5, dropout=0.2,
                 input_dtype="int32", batch_input_shape=[None, 5]),
            item("Dropout", "p", p=0.3),
            item("BatchNormalization", "b", epsilon=1e-3, mode=0, axis=-1, momentum=0.9, gamma_regularizer=None),
            item("Dense", "d", output_dim=2, init="normal", activation="linear", bias=False,
                 W_constraint={"name": "MaxNorm", "m": 2, "axis": 0}),
        ),
        "1.1.0",
    )  # fmt: skip
    _, embedding, dropout, _, dense = spec.layers
    assert embedding.config["embeddings_initializer"]["class_name"] == "RandomUniform"
    assert dropout.config["rate"] == 0.3
    assert (dense.config["units"], dense.config["use_bias"]) == (2, False)
    assert dense.config["kernel_constraint"] == {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}}
    assert any("acts in training only" in rule.text for rule in rules)


def test_time_distributed_dense_and_merge() -> None:
    layer, rules = one(
        sequential(item("TimeDistributedDense", "t", output_dim=2, bias=True, input_dim=3, input_length=4))
    )
    assert layer.class_name == "TimeDistributed"
    assert layer.config["layer"].config["units"] == 2
    assert "TimeDistributedDense is read as TimeDistributed(Dense)" in rules

    def graph(**merge: Any) -> dict[str, Any]:
        inputs = [
            {
                **item("InputLayer", name, batch_input_shape=[None, 3], input_dtype="float32"),
                "name": name,
                "inbound_nodes": [],
            }
            for name in "ab"
        ]
        merged = {**item("Merge", "m", **merge), "name": "m", "inbound_nodes": [[["a", 0, 0], ["b", 0, 0]]]}
        return {
            "class_name": "Model",
            "config": {
                "name": "g",
                "layers": [*inputs, merged],
                "input_layers": [["a", 0, 0], ["b", 0, 0]],
                "output_layers": [["m", 0, 0]],
            },
        }

    x = [np.array([[1.0, 2.0, 3.0]]), np.array([[4.0, 5.0, 7.0]])]
    for mode, expected in (
        ("sum", [[5, 7, 10]]),
        ("mul", [[4, 10, 21]]),
        ("ave", [[2.5, 3.5, 5]]),
        ("max", [[4, 5, 7]]),
        ("concat", [[1, 2, 3, 4, 5, 7]]),
        ("dot", [[35]]),
    ):
        text = json.dumps(
            {**graph(mode=mode, mode_type="raw", concat_axis=-1, dot_axes=[[1], [1]]), "keras_version": "1.2.2"}
        )
        assert np.array_equal(kt.model_from_json(text).predict(x), np.array(expected, "f4"))
    with pytest.raises(UnsupportedFileError, match="code in files is never run"):
        to_spec(graph(mode="lambda x: x", mode_type="lambda"), "1.2.2")


@pytest.mark.parametrize(("name", "order", "now"), [("LSTM", "icfo", "ifco"), ("GRU", "zrh", "zrh")])
def test_an_array_for_each_gate(tmp_path: Path, name: str, order: str, now: str) -> None:
    forward, backward = (gate_arrays(f"{way}_r", order, 2, 3, seed) for seed, way in enumerate(("forward", "backward")))
    inner = {**RECURRENT, **({"forget_bias_init": "one"} if name == "LSTM" else {})}
    config = sequential(
        item(
            "Bidirectional", "both", layer=item(name, "r", **inner), merge_mode="concat", batch_input_shape=[None, 4, 2]
        )
    )
    model = kt.load_model(write(tmp_path / "m.h5", {"both": [*forward.items(), *backward.items()]}, config))
    expected = [
        np.concatenate([arrays[f"{way}_r_{kind}_{gate}"] for gate in now], axis=-1)
        for way, arrays in (("forward", forward), ("backward", backward))
        for kind in "WUb"
    ]
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(model.get_weights(), expected, strict=True))


def test_gates_in_another_order_than_their_names_are_refused(tmp_path: Path) -> None:
    arrays = list(gate_arrays("l", "ifco", 2, 3, 0).items())  # Keras 1 wrote i c f o
    model = Sequential([Input((4, 2)), layers.LSTM(3, recurrent_activation="hard_sigmoid_keras2")])
    before = model.get_weights()
    with pytest.raises(MismatchError, match="expected 3 arrays"):
        kt.load_weights(model, write(tmp_path / "w.h5", {"l": arrays}))
    assert all(np.array_equal(mine, old) for mine, old in zip(model.get_weights(), before, strict=True))
    right = list(gate_arrays("l", "icfo", 2, 3, 0).items())
    kt.load_weights(model, write(tmp_path / "r.h5", {"l": right}))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (item("LSTM", "l", **{**RECURRENT, "consume_less": "more"}), "consume_less = 'more'; known are cpu, mem, gpu"),
        (item("BatchNormalization", "b", mode=1), "a mode other than 0"),
        (
            item("Dense", "d", output_dim=2, W_regularizer={"name": "EigenvalueRegularizer", "k": 1}),
            "W_regularizer = .* not supported",
        ),
        (item("SReLU", "x"), r"does not have: 'SReLU' \(Keras 1 only, no later Keras has it\) 'x'"),
        (item("ParametricSoftplus", "x"), r"'ParametricSoftplus' \(Keras 1 only"),
        (item("Merge", "m", mode="join"), "mode 'join' hands on all its inputs"),
        (item("Merge", "m", mode="sum", output_mask="4wEA"), "an output_mask of its own"),
    ],
)
def test_what_no_later_keras_has_is_refused(config: dict[str, Any], message: str) -> None:
    config["config"]["batch_input_shape"] = [None, 4, 2]
    with pytest.raises(UnsupportedFileError, match=message):
        to_spec(sequential(config), "1.2.2")
