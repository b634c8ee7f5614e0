"""Constant tensors among the arguments of calls: in graphs, copies, configs and files."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kerastorch as kt
from kerastorch import Input, Model, layers
from kerastorch.errors import CorruptFileError, LoadError, SaveError, UnsupportedFileError
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
