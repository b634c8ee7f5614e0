"""Where the weights of a layer stand: below models around, and in the containers of Keras 3 and TensorFlow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from _made_weights import (
    arrays_of,
    assert_weights,
    chain,
    refused,
    two_dense,
    two_places,
    write_legacy,
    write_tree,
)

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers

# ---------------------------------------------------------------- a model around the others


def nested(name: str = "inner") -> Sequential:
    return Sequential([Input((4,)), chain("a", "b", name=name)])


@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("prefix", ["", "model_1/"])
def test_a_group_for_the_whole_model(tmp_path: Path, prefix: str, by_name: bool) -> None:
    """`model_1` was saved as the only layer of another: all its weights stand in one group."""
    model = chain("a", "b")
    arrays = arrays_of(model)
    stored = two_dense(("a", "b"), arrays, prefix)
    path = write_legacy(tmp_path / "w.h5", {"input_1": [], "model_1": [*stored["a"], *stored["b"]]})
    kt.load_weights(model, path, by_name=by_name)
    assert_weights(model, arrays)


def test_a_group_for_the_whole_model_says_other_names(tmp_path: Path) -> None:
    model = chain("x", "y")
    arrays = arrays_of(model)
    stored = two_dense(("a", "b"), arrays)
    path = write_legacy(tmp_path / "w.h5", {"model_1": [*stored["a"], *stored["b"]]})
    assert "are not those of the model's layers" in refused(model, path, by_name=True)
    kt.load_weights(model, path)
    assert_weights(model, arrays)


@pytest.mark.parametrize("by_name", [False, True])
def test_names_of_weights_with_the_model_in_front(tmp_path: Path, by_name: bool) -> None:
    model = Sequential([Input((5, 3)), layers.LSTM(2, name="lstm_1"), layers.Dense(1, name="dense_1")])
    arrays = arrays_of(model)
    names = ["lstm_1/kernel:0", "lstm_1/recurrent_kernel:0", "lstm_1/bias:0", "dense_1/kernel:0", "dense_1/bias:0"]
    weights = [(f"model_1/{name}", array) for name, array in zip(names, arrays, strict=True)]
    path = write_legacy(tmp_path / "w.h5", {"lstm_1": weights[:3], "dense_1": weights[3:]})
    kt.load_weights(model, path, by_name=by_name)
    assert_weights(model, arrays)


def test_the_model_has_a_model_around_and_the_legacy_file_not(tmp_path: Path) -> None:
    model = nested()
    arrays = arrays_of(model)
    kt.load_weights(model, write_legacy(tmp_path / "w.h5", two_dense(("d1", "d2"), arrays)))
    assert_weights(model, arrays)


def deeper(name: str = "outer") -> Sequential:
    return Sequential([Input((4,)), nested()], name=name)


@pytest.mark.parametrize(
    ("model", "by_name"),
    [(chain("a", "b"), False), (nested(), False), (deeper(), False), (chain("a", "b"), True)],
)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_trees_of_another_depth(tmp_path: Path, depth: int, model: Model, by_name: bool) -> None:
    arrays = arrays_of(model, depth)
    above = {"layers/sequential/" * level: (f"m{level}", []) for level in range(depth)}
    stored = {**above, **two_places(("a", "b"), arrays, "layers/sequential/" * depth)}
    path = write_tree(tmp_path / "w.weights.h5", {place.rstrip("/"): item for place, item in stored.items()})
    report = kt.load_weights(model, path, by_name=by_name)
    assert_weights(model, arrays)
    ours = 0 if by_name or model.layers[0].name == "a" else 2 if model.name == "outer" else 1
    assert len(report.rules) == (ours != depth)


def test_a_model_beside_others_is_no_wrapper(tmp_path: Path) -> None:
    """Two weighted layers at the top: nothing is looked for at another depth."""
    model = chain("a", "b")
    arrays = arrays_of(model)
    stored = {**two_places(("a", "b"), arrays, "layers/sequential/"), "layers/dense": ("c", arrays[:2])}
    assert "left over" in refused(model, write_tree(tmp_path / "w.weights.h5", stored))


# ---------------------------------------------------------------- trees


def test_class_and_order_say_which_layer_it_is(tmp_path: Path) -> None:
    """Two LSTMs and two Dense in turn: `lstm_1` is the second LSTM, whatever stands between."""
    model = Sequential(
        [
            Input((5, 3)),
            layers.LSTM(3, return_sequences=True),
            layers.Dense(3),
            layers.LSTM(3, return_sequences=True),
            layers.Dense(3),
        ]
    )
    arrays = arrays_of(model)
    stored = {
        "layers/dense": (None, arrays[3:5]),
        "layers/dense_1": (None, arrays[8:]),
        "layers/lstm/cell": (None, arrays[:3]),
        "layers/lstm_1/cell": (None, arrays[5:8]),
    }
    kt.load_weights(model, write_tree(tmp_path / "w.weights.h5", stored))
    assert_weights(model, arrays)


def test_names_that_an_old_tree_does_not_say(tmp_path: Path) -> None:
    model = chain("a", "b")
    arrays = arrays_of(model)
    path = write_tree(tmp_path / "w.weights.h5", two_places((None, None), arrays))
    assert "does not say the names of its layers" in refused(model, path, by_name=True)
    kt.load_weights(model, path)
    assert_weights(model, arrays)


def test_two_layers_of_one_name_in_a_tree(tmp_path: Path) -> None:
    model = chain("a", "b")
    path = write_tree(tmp_path / "w.weights.h5", two_places(("a", "a"), arrays_of(model)))
    assert "two layers named 'a'" in refused(model, path, by_name=True)


def test_layers_that_stand_twice(tmp_path: Path) -> None:
    """TensorFlow 2.13: four Dense are dense, dense_2, dense_4, dense_6; one without weights counts once."""
    model = Sequential(
        [
            Input((4,)),
            layers.Dense(4),
            layers.Dropout(0.1),
            layers.Dense(4),
            Sequential([Input((4,)), layers.Dense(4), layers.Dense(4)]),
            layers.Dense(4),
        ]
    )
    arrays = arrays_of(model)
    root = "_layer_checkpoint_dependencies"
    places = [
        f"{root}/dense",
        f"{root}/dense_2",
        f"{root}/sequential/{root}/dense",
        f"{root}/sequential/{root}/dense_2",
        f"{root}/dense_4",
    ]
    stored = {place: (None, arrays[2 * i : 2 * i + 2]) for i, place in enumerate(places)}
    kt.load_weights(model, write_tree(tmp_path / "w.weights.h5", stored))
    assert_weights(model, arrays)
    windows = {place.replace("/", "\\"): item for place, item in stored.items()}
    model.set_weights([array * 0 for array in arrays])
    kt.load_weights(model, write_tree(tmp_path / "windows.weights.h5", windows))
    assert_weights(model, arrays)
    wrong = {place.replace("dense_2", "dense_1"): item for place, item in stored.items()}
    assert "missing in the file" in refused(model, write_tree(tmp_path / "x.weights.h5", wrong))


def test_a_compiled_model_inside(tmp_path: Path) -> None:
    model = Sequential([Input((4,)), chain("a", "b"), layers.Dense(2, name="c")])
    arrays = arrays_of(model)
    stored = {
        **two_places(("a", "b"), arrays, "layers/sequential/"),
        "layers/sequential/optimizer": ("adam", [np.array(7)]),
        "layers/dense": ("c", arrays[4:]),
        "optimizer": ("sgd", [np.array(1), np.array(0.1)]),
    }
    report = kt.load_weights(model, write_tree(tmp_path / "w.weights.h5", stored))
    assert_weights(model, arrays)
    assert [item.what for item in report.skipped] == ["optimizer: 1 array", "optimizer 'sgd': 2 arrays"]
