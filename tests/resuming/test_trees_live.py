"""State trees and compile configs, handed from Keras to kerastorch and back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import TRAINED, assert_close
from _keras_worker import KerasWorker
from workers import trees

import kerastorch as kt
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError

SHAPES = [weight.shape for weight in trees.model_of(kt).get_weights()]  # type: ignore[arg-type]
WEIGHTS = [np.random.default_rng(5).uniform(0.1, 0.9, shape).astype("float32") for shape in SHAPES]


def paths(tree: dict[str, Any], around: str = "") -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for key, value in tree.items():
        found |= paths(value, f"{around}{key}/") if isinstance(value, dict) else {f"{around}{key}": np.shape(value)}
    return found


@pytest.mark.parametrize("optimizer", ["Adam", "SGD", "RMSprop"])
def test_a_state_goes_on_on_the_other_side(keras_worker: KerasWorker, optimizer: str) -> None:
    theirs, config, wanted = keras_worker.call("keras3", "trees:tree_and_after", optimizer, WEIGHTS)
    ours, own_config, _ = trees.tree_and_after(kt, optimizer, WEIGHTS)  # type: ignore[arg-type]
    # Keras numbers the names of a process.
    named = {
        re.sub(r"^(optimizer_variables/[a-z_]+)_\d+/", r"\1/", path): shape for path, shape in paths(theirs).items()
    }
    assert paths(ours) == {path: shape for path, shape in named.items() if "seed_generator" not in path}
    for found, expected in zip(trees.after(kt, config, theirs), wanted, strict=True):  # type: ignore[arg-type]
        assert_close(found, expected, TRAINED)
    for found, expected in zip(
        keras_worker.call("keras3", "trees:after", own_config, ours), trees.after(kt, own_config, ours), strict=True  # type: ignore[arg-type]
    ):  # fmt: skip
        assert_close(found, expected, TRAINED)
    for key in ("loss", "loss_weights", "metrics", "weighted_metrics"):
        assert _plain(own_config[key]) == _plain(config[key])


def _plain(stated: Any) -> Any:
    """What a config says without where Keras has the class."""
    if isinstance(stated, dict):
        return {
            key: _plain(value) for key, value in stated.items() if key not in ("module", "registered_name", "dtype")
        }
    return [_plain(item) for item in stated] if isinstance(stated, list) else stated


def test_a_tree_comes_back() -> None:
    model = trees.trained(kt, "Adam", WEIGHTS, 2)  # type: ignore[arg-type]
    tree = model.get_state_tree()
    assert isinstance(tree["trainable_variables"]["whole"]["out"]["kernel"], torch.Tensor)
    numbers = model.evaluate(trees.X, trees.Y, verbose=0)
    model.train_on_batch(trees.X, trees.Y)
    assert not np.array_equal(
        model.get_weights()[0], tree["trainable_variables"]["whole"]["lstm"]["lstm_cell"]["kernel"]
    )
    model.set_state_tree(tree)
    assert model.evaluate(trees.X, trees.Y, verbose=0) == numbers
    again = model.get_state_tree(value_format="numpy_array")
    assert paths(again) == paths(tree)
    assert int(again["optimizer_variables"]["adam"]["iteration"]) == 2
    model.set_state_tree({"trainable_variables": {"whole": {"out": {"bias": np.array([1.0, 2.0])}}}})
    assert model.get_layer("out").get_weights()[1].tolist() == [1.0, 2.0]


def test_what_is_said() -> None:
    model = trees.model_of(kt)  # type: ignore[arg-type]
    assert model.get_compile_config() == {}
    assert model.get_state_tree()["optimizer_variables"] == {}
    before = model.get_weights()
    with pytest.raises(ArgumentError, match=r"value_format: expected one of .*'numpy_array'.*got 'list'"):
        model.get_state_tree("list")
    with pytest.raises(ArgumentError, match="trainable_variables has no 'whole/nowhere/kernel': it has 'whole/lstm/"):
        model.set_state_tree(
            {"trainable_variables": {"whole": {"out": {"bias": [1.0, 1.0]}, "nowhere": {"kernel": 1}}}}
        )
    with pytest.raises(ArgumentError, match=r"set_state_tree: expected some of .*got 'weights'"):
        model.set_state_tree({"weights": {}})
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ShapeError):
        model.set_state_tree({"trainable_variables": {"whole": {"out": {"bias": np.zeros(7)}}}})
    with pytest.raises(
        ArgumentError, match=r"compile_from_config: its optimizer: .*'Nowhere'.*get_compile_config returns"
    ):
        model.compile_from_config({"optimizer": {"class_name": "Nowhere", "config": {}}, "loss": "mse"})
    model.compile(torch.optim.SGD(model.parameters(), 0.1), "mse")
    with pytest.raises(UnsupportedError, match=r"get_compile_config: .*its optimizer is 'SGD', none of Keras's"):
        model.get_compile_config()
    with pytest.raises(UnsupportedError, match=r"state of SGD, torch's own, stands in optimizer\.state_dict"):
        model.get_state_tree()


class Own(kt.Model):
    """A model whose `compile` takes something else."""

    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self.out = kt.layers.Dense(2)
        self.given: Any = None

    def call(self, x: Any) -> Any:
        return self.out(x)

    def compile(self, rate: float, **more: Any) -> None:  # type: ignore[override]
        super().compile(kt.optimizers.Adam(rate), "mse", **more)
        self.given = rate

    def get_compile_config(self) -> dict[str, Any]:
        return {"rate": self.given}

    def compile_from_config(self, config: Any) -> None:
        self.compile(**config)


def test_a_compile_of_ones_own_stands_in_files(tmp_path: Path) -> None:
    model = Own()
    model(np.ones((1, 3), "float32"))
    model.compile(0.25)
    model.fit(np.ones((2, 3), "float32"), np.ones((2, 2), "float32"), epochs=3, verbose=0)
    model.save(tmp_path / "own.keras")
    again = kt.load_model(tmp_path / "own.keras", custom_objects={"Own": Own})
    assert again.given == 0.25
    assert again.optimizer.iterations == 3
    assert kt.load_model(tmp_path / "own.keras", custom_objects={"Own": Own}, compile=False).given is None


def test_a_compile_alone_is_not_called() -> None:
    class Half(kt.Model):
        def compile(self, rate: float) -> None:  # type: ignore[override]
            raise AssertionError

    with pytest.warns(UserWarning, match="Half has a compile of its own, which compile_from_config does not call"):
        Half().compile_from_config({"rate": 1.0})
