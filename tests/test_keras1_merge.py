"""A Sequential of Keras 1 that begins with a Merge of branches is a functional model with the same weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from _keras1_made import gate_arrays, item, sequential, write

import kerastorch as kt
from kerastorch import Input, Model, layers
from kerastorch.compat import to_spec
from kerastorch.errors import CorruptFileError, UnsupportedFileError
from kerastorch.spec import ModelSpec

Config = dict[str, Any]
LSTM = {
    "output_dim": 3,
    "init": "glorot_uniform",
    "inner_init": "orthogonal",
    "forget_bias_init": "one",
    "activation": "tanh",
    "inner_activation": "hard_sigmoid",
}


def dense(name: str, units: int, features: int | None = None) -> Config:
    shape = {} if features is None else {"batch_input_shape": [None, features]}
    return item("Dense", name, output_dim=units, activation="linear", bias=True, **shape)


def merge(name: str, *branches: Config, mode: str = "concat", **options: Any) -> Config:
    indices = [0] * len(branches)
    made: Config = {"mode": mode, "mode_type": "raw", "concat_axis": -1, "dot_axes": -1, "output_mask": None}
    made |= {"node_indices": indices, "tensor_indices": indices, "layers": list(branches), **options}
    return item("Merge", name, **made)


def functional(*layers: Config, outputs: list[Any]) -> Config:
    inputs = [[layer["name"], 0, 0] for layer in layers if layer["class_name"] == "InputLayer"]
    return {
        "class_name": "Model",
        "config": {"name": "m", "layers": list(layers), "input_layers": inputs, "output_layers": outputs},
    }


def called(layer: Config, *sources: str) -> Config:
    nodes = [[[source, 0, 0] for source in sources]] if sources else []
    return {**layer, "name": layer["config"]["name"], "inbound_nodes": nodes}


def read(config: Config) -> ModelSpec:
    return to_spec(config, "1.2.2")[0]


def arrays_of(name: str, *shapes: tuple[int, ...]) -> list[tuple[str, np.ndarray]]:
    rng = np.random.default_rng(sum(map(ord, name)))
    return [(f"{name}_{part}", rng.normal(size=shape).astype("f4")) for part, shape in zip("Wb", shapes, strict=False)]


WORDS_AND_NUMBERS = sequential(
    merge(
        "both",
        sequential(
            item("Embedding", "words", input_dim=7, output_dim=2, init="uniform", input_length=4, mask_zero=True,
                 input_dtype="int32", batch_input_shape=[None, 4]),
            item("LSTM", "reader", **LSTM),
        ),
        sequential(dense("numbers", 3, 5), item("Activation", "squash", activation="tanh")),
    ),
    item("Dropout", "noise", p=0.5),
    dense("head", 2),
)  # fmt: skip


def test_a_file_of_two_branches(tmp_path: Path) -> None:
    """Keras 1 stored the layers of the branches one by one, then the others; a Merge is in no list."""
    stored = {
        "words": arrays_of("words", (7, 2)),
        "reader": list(gate_arrays("reader", "icfo", 2, 3, 0).items()),
        "numbers": arrays_of("numbers", (5, 3), (3,)),
        "squash": [],
        "noise": [],
        "head": arrays_of("head", (6, 2), (2,)),
    }
    model = kt.load_model(write(tmp_path / "m.h5", stored, WORDS_AND_NUMBERS))
    assert [layer.name for layer in model._sublayers() if isinstance(layer, layers.Layer)] == [
        "words_input", "words", "reader", "numbers_input", "numbers", "squash", "both", "noise", "head",
    ]  # fmt: skip
    assert model.input_shape == [(None, 4), (None, 5)]

    words, numbers = Input((4,), dtype="int32"), Input((5,))
    embedded = layers.Embedding(7, 2, mask_zero=True)(words)
    read = layers.LSTM(3, recurrent_activation="hard_sigmoid_keras2")(embedded)
    squashed = layers.Activation("tanh")(layers.Dense(3)(numbers))
    mine = Model([words, numbers], layers.Dense(2)(layers.Concatenate()([read, squashed])))
    gates = dict(stored["reader"])
    kernels = [np.concatenate([gates[f"reader_{kind}_{gate}"] for gate in "ifco"], axis=-1) for kind in ("W", "U", "b")]
    by_layer = {"embedding": [stored["words"][0][1]], "lstm": kernels}
    for layer in mine.layers:
        if isinstance(layer, layers.Embedding):
            layer.set_weights(by_layer["embedding"])
        elif isinstance(layer, layers.LSTM):
            layer.set_weights(by_layer["lstm"])
        elif isinstance(layer, layers.Dense):
            layer.set_weights([array for _, array in stored["numbers" if layer.units == 3 else "head"]])
    x = [np.array([[1, 2, 0, 0], [3, 0, 4, 5]], "i4"), np.random.default_rng(1).normal(size=(2, 5)).astype("f4")]
    assert_close(model.predict(x), mine.eval().predict(x))  # one and the same kernels
    assert np.abs(model.predict([x[0], 0 * x[1]]) - model.predict(x)).max() > 0.01

    swapped = {**stored, "numbers": stored["head"], "head": stored["numbers"]}
    with pytest.raises(kt.KerasTorchError, match="numbers"):
        kt.load_model(write(tmp_path / "swapped.h5", swapped, WORDS_AND_NUMBERS))


def test_the_weights_of_a_file_go_into_the_same_model(tmp_path: Path) -> None:
    config = sequential(merge("m", sequential(dense("a", 2, 3)), sequential(dense("b", 2, 3)), mode="sum"))
    stored = {"a": arrays_of("a", (3, 2), (2,)), "b": arrays_of("b", (3, 2), (2,))}
    model = kt.load_model(write(tmp_path / "m.h5", stored, config))
    x, y = np.ones((1, 3), "f4"), 2 * np.ones((1, 3), "f4")
    (a_kernel, a_bias), (b_kernel, b_bias) = ([array for _, array in stored[name]] for name in "ab")
    assert_close(model.predict([x, y]), x @ a_kernel + a_bias + y @ b_kernel + b_bias)


def test_branches_in_branches() -> None:
    """A branch may begin with branches itself, or be a functional model; its layers are then the model's own."""
    inner = functional(
        called(item("InputLayer", "p", batch_input_shape=[None, 3], input_dtype="float32")),
        called(item("InputLayer", "q", batch_input_shape=[None, 3], input_dtype="float32")),
        called({**merge("pq", mode="mul"), "config": {"name": "pq", "mode": "mul"}}, "p", "q"),
        outputs=[["pq", 0, 0]],
    )
    first = sequential(
        merge("ab", sequential(dense("a", 2, 4)), sequential(dense("b", 2, 4)), mode="max"), dense("c", 3)
    )
    spec = read(sequential(merge("all", first, inner, mode="concat"), dense("d", 1)))
    assert spec.kind == "Functional"
    assert [layer.name for layer in spec.layers] == [
        "a_input", "a", "b_input", "b", "ab", "c", "p", "q", "pq", "all", "d",
    ]  # fmt: skip
    assert [ref.layer for ref in spec.inputs] == ["a_input", "b_input", "p", "q"]
    assert spec.outputs.layer == "d"
    rules = [rule.text for rule in to_spec(sequential(merge("all", first, inner), dense("d", 1)), "1.2.2")[2]]
    assert "the Sequential of branches is read as a functional model with the inputs of the branches" in rules
    assert len(rules) == len(set(rules)) + 3  # the arguments of each Dense are renamed once


def test_such_a_sequential_inside_a_model() -> None:
    branches = sequential(merge("ab", sequential(dense("a", 2, 3)), sequential(dense("b", 2, 3))), dense("c", 1))
    config = functional(
        called(item("InputLayer", "x", batch_input_shape=[None, 3], input_dtype="float32")),
        called(item("InputLayer", "y", batch_input_shape=[None, 3], input_dtype="float32")),
        {**branches, "name": "inner", "inbound_nodes": [[["x", 0, 0], ["y", 0, 0]]]},
        outputs=[["inner", 1, 0]],
    )
    model = kt.model_from_json(json.dumps({**config, "keras_version": "1.2.2"}))
    assert model.output_shape == (None, 1)
    x, y = torch.randn(2, 3), torch.randn(2, 3)
    inner = next(layer for layer in model._sublayers() if isinstance(layer, Model))
    assert_close(model([x, y]), inner([x, y]), 0)


@pytest.mark.parametrize(
    ("config", "message", "kind"),
    [
        (merge("m", dense("a", 2, 3)), "A branch of a Merge is 'Dense'; a Sequential", UnsupportedFileError),
        (merge("m", functional(outputs=[["a", 0, 0], ["b", 0, 0]])), "is 'Model'; a Sequential", UnsupportedFileError),
        (merge("m", sequential(dense("a", 2, 3)), node_indices=[1]), r"their first outputs \(node_indices\)",
         UnsupportedFileError),
        (merge("m", sequential(dense("a", 2))), "'a': the first layer of a branch must state", UnsupportedFileError),
        (merge("m", sequential(dense("a", 2, 3), sequential(dense("b", 2, 3)))), "has no name in the file",
         UnsupportedFileError),
        (merge("m", sequential()), "A branch of a Merge has no layers", CorruptFileError),
        (merge("m", sequential(dense("a", 2, 3)), mode="join"), "mode 'join' hands on all its inputs",
         UnsupportedFileError),
        (merge("m", sequential(dense("a", 2, 3)), mode="4wEA", mode_type="lambda"), "code in files is never run",
         UnsupportedFileError),
        (merge("m", sequential(dense("a", 2, 3)), output_mask="4wEA", output_mask_type="lambda"),
         "an output_mask of its own", UnsupportedFileError),
        (merge("m", sequential(dense("a", 2, 3)), sequential(dense("a", 2, 3))), "more than one layer of the name",
         CorruptFileError),
    ],
)  # fmt: skip
def test_what_is_refused(config: Config, message: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=message):
        read(sequential(config, dense("z", 1)))


def test_a_merge_of_branches_behind_other_layers_is_refused() -> None:
    config = sequential(dense("a", 2, 3), merge("m", sequential(dense("b", 2, 3))))
    with pytest.raises(UnsupportedFileError, match="can only be the first layer of a Sequential"):
        read(config)
