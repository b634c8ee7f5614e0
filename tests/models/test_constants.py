"""Constant tensors among the arguments of calls: in graphs, copies, configs and files."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kerastorch as kt
from kerastorch import Input, Model, layers
from kerastorch.errors import CorruptFileError, KerasTorchError, LoadError, SaveError, UnsupportedFileError
from kerastorch.models.mask_flow import follow_masks

RNG = np.random.default_rng(0)
STATE = RNG.normal(size=(2, 4))
MASK = np.array([[1, 1, 0, 1, 0], [0, 1, 1, 0, 0]], bool)
X = torch.as_tensor(RNG.normal(size=(2, 5, 3)).astype("float32"))


def make(state: Any = STATE) -> tuple[Model, layers.GRU, layers.Dense]:
    x = Input((5, 3), batch_size=2)
    gru, dense = layers.GRU(4, return_sequences=True), layers.Dense(2)
    y = gru(x, mask=MASK, initial_state=state)
    return Model(x, dense(layers.Concatenate()([y, torch.as_tensor(STATE)[:, None].expand(2, 5, 4)]))), gru, dense


def expected(gru: layers.GRU, dense: layers.Dense, x: torch.Tensor = X) -> torch.Tensor:
    state = torch.as_tensor(STATE).float().to(x.dtype)  # the layer was made in float32
    y = gru(x, mask=torch.as_tensor(MASK), initial_state=state)
    return dense(torch.cat([y, state[:, None].expand(2, 5, 4)], -1))


@pytest.mark.parametrize("given", [STATE, torch.as_tensor(STATE)], ids=["array", "tensor"])
def test_in_a_graph(given: Any) -> None:
    model, gru, dense = make(given)
    assert torch.equal(model(X), expected(gru, dense))
    assert not any("constant" in name for name in model.state_dict())
    assert model.count_params() == gru.count_params() + dense.count_params()
    assert [layer.name for layer in model.layers][1:] == [gru.name, model.layers[2].name, dense.name]


def test_they_are_no_view_of_the_array_that_was_given() -> None:
    state = STATE.astype("float32")
    model, gru, dense = make(state)
    before = expected(gru, dense)
    state += 1
    assert torch.equal(model(X), before)


COPIES: dict[str, Callable[[Model], Model]] = {
    "deepcopy": copy.deepcopy,
    "config": lambda model: Model.from_config(model.get_config()),
    "clone": kt.clone_model,
    "pickle": lambda model: _pickled(model),
}


def _pickled(model: Model) -> Model:
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize("how", COPIES)
def test_copies_have_them(how: str) -> None:
    model, *_ = make()
    twin = COPIES[how](model)
    twin.set_weights(model.get_weights())
    assert torch.equal(twin(X), model(X))
    assert twin.get_config()["layers"][1]["inbound_nodes"] == model.get_config()["layers"][1]["inbound_nodes"]
    again = twin.layers[1].output  # the graph is made anew
    assert again.shape == (2, 5, 4)


def test_they_follow_the_model() -> None:
    model, gru, dense = make()
    model.double()
    found = model(X.double())
    assert found.dtype == torch.float64
    assert torch.equal(found, expected(gru, dense, X.double()))
    assert {value.device.type for value in copy.deepcopy(model).to("meta").buffers()} == {"meta"}


def test_in_summaries_and_masks() -> None:
    model, gru, _ = make()
    text: list[str] = []
    model.summary(print_fn=text.append)
    assert f"{gru.name} (GRU)" in text[0]
    assert "(2, 5, 4)" in text[0]
    assert model.compute_output_shape((2, 5, 3)) == (2, 5, 2)
    visit = next(visit for visit in follow_masks(model) if visit.layer is gru)
    assert set(visit.arguments) >= {"mask", "initial_state"}
    assert visit.what == "used"


def test_a_file_of_keras_3(tmp_path: Path) -> None:
    model, *_ = make()
    for ending in (".keras", ".h5"):
        kt.save_model(model, tmp_path / f"m{ending}")
        again = kt.load_model(tmp_path / f"m{ending}")
        assert torch.equal(again(X), model.eval()(X))
        assert {value.device.type for value in again.buffers()} == {"cpu"}


def test_what_other_kerases_do_not_take(tmp_path: Path) -> None:
    model, gru, _ = make()
    with pytest.raises(SaveError, match=rf"layer '{gru.name}' \(GRU\) is called with a constant tensor, which"):
        kt.save_model(model, tmp_path / "m.keras", dialect="keras2")
    x = Input((5, 3))
    front = Model(x, layers.Add(name="sum")([np.ones((1, 5, 3)), x]))
    with pytest.raises(SaveError, match=r"the first input of Add 'sum' is a constant tensor, which Keras 3 takes"):
        kt.save_model(front, tmp_path / "m.keras")
    assert torch.equal(front(X), X + 1)


def _with(value: Any, dtype: Any = "float32") -> str:
    model, *_ = make()
    config = {"class_name": "Functional", "config": model.get_config(), "keras_version": "3.15.1"}
    constant = config["config"]["layers"][1]["inbound_nodes"][0]["kwargs"]["initial_state"]
    constant["config"] = {"value": value, "dtype": dtype}
    return json.dumps(config)


@pytest.mark.parametrize(
    ("value", "dtype", "error", "match"),
    [
        ([[1.0], [2.0, 3.0]], "float32", CorruptFileError, r"expected numbers, or lists of numbers of one shape"),
        (
            [["1"]],
            "float32",
            CorruptFileError,
            r"inbound_nodes: \[\['1'\]\] is no constant of dtype 'float32':",
        ),
        (None, "float32", CorruptFileError, "None is no constant"),
        ([[300]], "int8", CorruptFileError, "expected numbers of that dtype"),
        ([[1.5]], "int32", CorruptFileError, "expected numbers of that dtype"),
        ([[1]], "bool", CorruptFileError, "expected numbers of that dtype"),
        ([[1.0]], "float8", UnsupportedFileError, "known are bool, int8, .*float64"),
        ([[1.0]], ["a"], UnsupportedFileError, r"no constant of dtype \['a'\]"),
    ],
)
def test_damaged_constants(value: Any, dtype: Any, error: type[LoadError], match: str) -> None:
    with pytest.raises(error, match=match):
        kt.model_from_json(_with(value, dtype))


def test_a_file_that_lacks_a_layer_shows_the_others() -> None:
    """What is known of a model of which a layer is missing: shapes behind a constant, too."""
    text = _with(STATE.tolist()).replace('"Dense"', '"Mine"')
    with pytest.raises(LoadError, match=r"Mine"):
        kt.model_from_json(text)


def test_what_stands_for_a_layer_gets_them() -> None:
    config = json.loads(_with(STATE.tolist()))
    config["config"]["layers"][1]["class_name"] = config["config"]["layers"][1]["registered_name"] = "Mine"
    config["config"]["layers"][1]["module"] = "mine"
    name = config["config"]["layers"][1]["config"]["name"]

    def by_name(x: torch.Tensor, initial_state: torch.Tensor) -> torch.Tensor:
        return x[..., :1] * initial_state[:, None]

    def in_order(x: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        return by_name(x, state)

    for function in (by_name, in_order):
        model = kt.model_from_json(json.dumps(config), replace={name: function})
        state = torch.as_tensor(STATE).float()
        inner = Model(model.input, model.layers[1].output)
        assert torch.equal(inner(X), by_name(X, state))


def test_what_calls_of_a_file_state_beside_tensors() -> None:
    """A causal attention, and a mask that tf.keras was told not to use, are no tensors and no faults of the file."""
    x = kt.Input((4, 3), name="x")
    attention = layers.Attention(name="a")([x, x], use_causal_mask=True)
    heads = layers.MultiHeadAttention(2, 3, name="h")(x, x, use_causal_mask=True)
    model = kt.Model(x, [attention, heads])
    again = kt.model_from_json(kt.to_json(model))
    again.set_weights(model.get_weights())
    data = torch.randn(2, 4, 3)
    for ours, theirs in zip(again.eval()(data), model.eval()(data), strict=True):
        assert torch.equal(ours, theirs)


def called_on_constants(layer: Any, value: Any) -> str:
    """A config in which a layer is called with a constant alone."""
    x = Input((4, 3), name="x")
    config = json.loads(Model(x, layers.Add(name="sum")([x, layer(x)])).to_json())
    item = next(item for item in config["config"]["layers"] if item["name"] == layer.name)
    item["inbound_nodes"][0]["args"] = [{"class_name": "__tensor__", "config": {"value": value, "dtype": "float32"}}]
    return json.dumps(config)


@pytest.mark.parametrize("kind", ["layer", "model", "large", "word"])
def test_a_call_of_a_file_with_constants_alone_is_never_computed(kind: str, tmp_path: Path) -> None:
    value = STATE[None, :, :3].tolist()
    inner = Input((4, 3))
    text = called_on_constants(
        {
            "layer": layers.Dense(3, name="d"),
            "model": Model(inner, layers.Dense(3)(inner), name="d"),
            "large": layers.ZeroPadding1D(0, name="d"),
            "word": layers.IntegerLookup(vocabulary=[1, 2], name="d"),
        }[kind],
        value,
    )
    said = "layer 'd' is called with constants alone: expected a tensor of the model"
    if kind == "large":  # it would take gigabytes
        text = text.replace('"padding": [0, 0]', f'"padding": [0, {10**9}]')
        assert str(10**9) in text
    if kind == "word":
        text, said = text.replace(json.dumps(value), '"a"'), "layer 'd' is called with"
        text = text.replace('{"class_name": "__tensor__", "config": {"value": "a", "dtype": "float32"}}', '"a"')
    with pytest.raises(UnsupportedFileError, match=said):
        kt.model_from_json(text)
    path = tmp_path / "m.json"
    path.write_text(text)
    assert kind == "word" or kt.scan(path).status == 4


def test_a_file_whose_model_is_called_with_constants_alone(tmp_path: Path) -> None:
    inner, x = Input((4, 3)), Input((4, 3), name="x")
    layer = Model(inner, layers.Dense(3)(inner), name="d")
    path, text = tmp_path / "m.keras", called_on_constants(layer, STATE[None, :, :3].tolist())
    kt.save_model(Model(x, layers.Add(name="sum")([x, layer(x)])), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, "config.json": text}.items():
            archive.writestr(name, data)
    with pytest.raises(UnsupportedFileError, match="layer 'd' is called with constants alone"):
        kt.load_model(path)
    assert kt.scan(path).status == 4


def test_rows_of_several_lengths_are_no_constant() -> None:
    x = Input((4, 3), name="x")
    text = Model(x, kt.ops.not_equal(x, 0.5)).to_json()
    assert text.count("0.5") == 1
    with pytest.raises(UnsupportedFileError, match="expected numbers in rows of one length"):
        kt.model_from_json(text.replace("0.5", "[[1, 2], [3]]"))


@pytest.mark.parametrize("wrong", [{}, {"a": 1}, None])
@pytest.mark.parametrize("name", ["NotEqual", "Add", "Matmul", "Outer", "Take", "Power"])
def test_an_operand_that_is_neither_a_tensor_nor_numbers(name: str, wrong: Any) -> None:
    x = kt.Input((3,), name="x")
    tensor = {"shape": [None, 3], "dtype": "float32", "keras_history": ["x", 0, 0]}
    config = json.loads(kt.Model(x, kt.ops.not_equal(x, 0.0)).to_json())
    item = next(item for item in config["config"]["layers"] if item["class_name"] == "NotEqual")
    args = [{"class_name": "__keras_tensor__", "config": tensor}, wrong]
    item.update(class_name=name, registered_name=name, inbound_nodes=[{"args": args, "kwargs": {}}])
    with pytest.raises(KerasTorchError, match="tensor"):
        kt.model_from_json(json.dumps(config))
    function = {"NotEqual": "not_equal"}.get(name, name.lower())
    with pytest.raises(KerasTorchError, match="tensor"):
        getattr(kt.ops, function)(torch.ones(3), wrong)


@pytest.mark.parametrize("number", [2**31, -(2**40), 2**70])
def test_a_number_that_its_dtype_does_not_hold(number: int) -> None:
    x = torch.ones(3, dtype=torch.int32)
    for call in (lambda: kt.ops.add(x, number), lambda: kt.ops.take(x, number), lambda: kt.ops.outer(x, [number])):
        with pytest.raises(KerasTorchError, match=f"{number}.*does not fit into int32"):
            call()
