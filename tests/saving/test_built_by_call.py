"""Sequential models that a call or `build` has given their shapes, not an Input: saved, and read again."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from _close import KERAS, assert_close
from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import UnsupportedError

from ._cases import outputs_of, randomize

FLOATS = (2, 5, 3)
WORDS = "words"


def dense() -> Sequential:
    return Sequential([layers.Dense(4, activation="tanh"), layers.Dense(2)])


def called(model: Sequential, *shape: int) -> Sequential:
    model(torch.zeros(shape))
    return model


def built(shape: Any) -> Sequential:
    model = dense()
    model.build(shape)
    return model


def words(*behind: Any) -> Sequential:
    model = Sequential([layers.Embedding(9, 4, mask_zero=True), *behind])
    model(torch.ones(2, 5, dtype=torch.int64))
    return model


def grown() -> Sequential:
    model = called(dense(), *FLOATS)
    model.pop()
    model.add(layers.GRU(3))
    return model


def loaded_then_called() -> Sequential:
    config = json.loads(called(dense(), *FLOATS).to_json())
    config["config"]["layers"] = config["config"]["layers"][1:]  # as Keras writes one that was not built
    model: Any = kt.model_from_json(json.dumps(config))
    assert not model.built
    return called(model, *FLOATS)


def two_lengths() -> Model:
    inner = Sequential([layers.LSTM(3), layers.Dense(2)])
    long, short = Input((5, 3)), Input((4, 3))
    return Model([long, short], layers.Add()([inner(long), inner(short)]))


def in_a_graph() -> Model:
    start = Input((5, 3))
    return Model(start, layers.Dense(2)(Sequential([Sequential([layers.LSTM(3)])])(start)))


def stateful() -> Sequential:
    return called(Sequential([layers.LSTM(3, stateful=True), layers.Dense(1)]), *FLOATS)


def named_like_the_input() -> Sequential:
    return called(Sequential([layers.Dense(2), layers.Dense(2, name="chain_input")], name="chain"), *FLOATS)


MODELS: dict[str, Callable[[], Model]] = {
    "called": lambda: called(dense(), *FLOATS),
    "built": lambda: built((None, 5, 3)),
    "built_for_a_batch": lambda: built((2, 5, 3)),
    "built_for_any_length": lambda: built((None, None, 3)),
    "built_for_this_batch_and_any_length": lambda: built((2, None, 3)),
    "nested_first": lambda: called(Sequential([dense(), layers.Dense(1)]), *FLOATS),
    "nested_behind": lambda: called(Sequential([layers.Dense(3), Sequential([layers.GRU(2)])]), *FLOATS),
    "behind_an_input": lambda: Sequential([Input((5, 3)), Sequential([layers.GRU(2)]), layers.Dense(1)]),
    "in_a_graph": in_a_graph,
    "two_lengths": two_lengths,
    "for_each_step": lambda: called(Sequential([layers.TimeDistributed(dense())]), *FLOATS),
    "words": lambda: words(layers.LSTM(3)),
    "words_nested": lambda: called_on_words(Sequential([Sequential([layers.Embedding(9, 4)]), layers.GRU(2)])),
    "grown": grown,
    "loaded_then_called": loaded_then_called,
    "copied": lambda: copy.deepcopy(called(dense(), *FLOATS)),
    "pickled": lambda: pickle.loads(pickle.dumps(called(dense(), *FLOATS))),
    "stateful": stateful,
    "named_like_the_input": named_like_the_input,
}


def called_on_words(model: Sequential) -> Sequential:
    model(torch.ones(2, 5, dtype=torch.int64))
    return model


def data_for(name: str, rng: np.random.Generator) -> list[np.ndarray]:
    if name.startswith(WORDS):
        return [rng.integers(1, 9, (2, 5)).astype("int32")]
    shapes = [(2, 5, 3), (2, 4, 3)] if name == "two_lengths" else [(2, 5, 3)]
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def made(name: str, rng: np.random.Generator) -> tuple[Model, list[np.ndarray], list[np.ndarray]]:
    """The model with random weights, inputs, and what it computes of them."""
    model = MODELS[name]().eval()
    randomize(model, rng)
    inputs = data_for(name, rng)
    outputs = outputs_of(model, inputs)
    model.reset_states()
    return model, inputs, outputs


@pytest.mark.parametrize("dialect", ["keras3", "keras2"])
@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("name", MODELS)
def test_written_and_read(
    tmp_path: Path, rng: np.random.Generator, name: str, ending: str, dialect: Literal["keras3", "keras2"]
) -> None:
    model, inputs, wanted = made(name, rng)
    path, again = tmp_path / f"m{ending}", tmp_path / f"again{ending}"
    report = kt.save_model(model, path, dialect=dialect)
    assert report.rules == ()
    back = kt.load_model(path)
    for mine, theirs in zip(wanted, outputs_of(back, inputs), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    kt.save_model(back, again, dialect=dialect)
    assert path.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("dialect", ["keras3", "keras2"])
@pytest.mark.parametrize("name", MODELS)
def test_text_and_weights(
    tmp_path: Path, rng: np.random.Generator, name: str, dialect: Literal["keras3", "keras2"]
) -> None:
    model, inputs, wanted = made(name, rng)
    text = kt.to_json(model, dialect=dialect)
    for ending in (".weights.h5", ".h5"):
        path = str(tmp_path / f"w{ending}")
        kt.save_weights(model, path, dialect=dialect)
        back = kt.model_from_json(text)
        back.load_weights(path)
        for mine, theirs in zip(wanted, outputs_of(back, inputs), strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("dialect", ["keras3", "keras2"])
@pytest.mark.parametrize("name", MODELS)
def test_keras_opens_it(
    keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, name: str, dialect: Literal["keras3", "keras2"]
) -> None:
    model, inputs, wanted = made(name, rng)
    for ending in (".keras", ".h5"):
        path = tmp_path / f"m{ending}"
        kt.save_model(model, path, dialect=dialect)
        found, weights = keras_worker.call(dialect, "saved:run", str(path), inputs)
        assert_close(found, wanted, KERAS)
        assert len(weights) == len(model.variables)
    text, path = kt.to_json(model, dialect=dialect), tmp_path / "w.weights.h5"
    kt.save_weights(model, path, dialect=dialect)
    found, _ = keras_worker.call(dialect, "saved:run", "", inputs, str(path), text)
    assert_close(found, wanted, KERAS)


def test_the_config_says_the_input() -> None:
    def first(model: Sequential) -> dict[str, Any]:
        item = model.get_config()["layers"][0]
        assert item["class_name"] == "InputLayer"
        return {key: item["config"][key] for key in ("batch_shape", "dtype")}

    assert first(called(dense(), *FLOATS)) == {"batch_shape": [None, 5, 3], "dtype": "float32"}
    assert first(built((2, 5, 3))) == {"batch_shape": [2, 5, 3], "dtype": "float32"}
    assert first(words(layers.LSTM(3))) == {"batch_shape": [None, 5], "dtype": "int32"}
    double = Sequential([layers.Dense(2, dtype="float64")])
    double.build((None, 3))
    assert first(double)["dtype"] == "float64"
    inner = two_lengths().layers[2]
    assert first(inner) == {"batch_shape": [None, None, 3], "dtype": "float32"}  # type: ignore[arg-type]
    assert dense().get_config()["layers"][0]["class_name"] == "Dense"


def test_a_config_makes_it_again(rng: np.random.Generator) -> None:
    model, inputs, wanted = made("nested_first", rng)
    for other in (type(model).from_config(model.get_config()), kt.clone_model(model)):
        other.eval().set_weights(model.get_weights())
        np.testing.assert_array_equal(outputs_of(other, inputs)[0], wanted[0])


def test_it_still_takes_other_lengths(rng: np.random.Generator) -> None:
    model, _, _ = made("called", rng)
    model.get_config()
    assert tuple(model(torch.zeros(1, 9, 3)).shape) == (1, 9, 2)
    assert tuple(kt.clone_model(model)(torch.zeros(1, 9, 3)).shape) == (1, 9, 2)


def test_a_batch_size_binds_stateful_models_alone(tmp_path: Path, rng: np.random.Generator) -> None:
    for name, free in (("built_for_a_batch", True), ("built_for_this_batch_and_any_length", True), ("stateful", False)):
        model, inputs, wanted = made(name, rng)
        kt.save_model(model, tmp_path / "m.keras")
        back = kt.load_model(tmp_path / "m.keras")
        three = np.concatenate([inputs[0], inputs[0][:1]])
        if free:
            assert_close(outputs_of(back, [three])[0][:2], wanted[0])
        else:
            with pytest.raises(kt.errors.ShapeError, match=r"expected shape \(2, 5, 3\), got \(3, 5, 3\)"):
                back(torch.as_tensor(three))


def test_several_tensors_have_no_input(tmp_path: Path) -> None:
    model = Sequential([layers.Add(), layers.Dense(2)])
    model([torch.zeros(2, 3), torch.zeros(2, 3)])
    with pytest.raises(UnsupportedError, match=r"several tensors.*functional Model"):
        kt.save_model(model, tmp_path / "m.keras")
    assert not (tmp_path / "m.keras").exists()
