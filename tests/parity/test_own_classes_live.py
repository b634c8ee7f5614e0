"""Models of a person's own class: the same class in Keras and here, and the weights that Keras saved of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker
from _needs import SHARED_FILES, needs
from workers import own_classes

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import MismatchError

from ._compare import FORWARD, difference

BUILDERS = ["every_form", "nested_lists", "seq2seq", "in_a_graph", "own_cells", "own_store"]
FILES = [
    ("keras3", "own.weights.h5"),
    ("keras2", "own.weights.h5"),
    ("keras2", "own.h5"),
]


def inputs() -> np.ndarray:
    return np.random.default_rng(1).normal(size=own_classes.SHAPE).astype("float32")


@pytest.mark.parametrize(("framework", "name"), FILES, ids=[f"{framework}-{name}" for framework, name in FILES])
@pytest.mark.parametrize("builder", BUILDERS)
def test_weights(keras_worker: KerasWorker, builder: str, framework: str, name: str, tmp_path: Path) -> None:
    path, x = str(tmp_path / name), inputs()
    theirs, weights = keras_worker.call(framework, "own_classes:write", builder, path, x)
    model = own_classes.made(kt, builder).eval()
    assert difference(theirs, model(x).detach().numpy(), FORWARD["float32"]) is not None
    kt.load_weights(model, path)
    assert difference(theirs, model(x).detach().numpy(), FORWARD["float32"]) is None
    assert model.count_params() == sum(array.size for array in weights)
    if framework == "keras3":
        other = own_classes.made(kt, builder).eval()
        other.set_weights(weights)
        assert torch.equal(other(x), model(x))


LAYOUTS = sorted((Path(__file__).resolve().parents[3] / "shared" / "layouts").glob("*/sub.weights.h5"))
# Where each version keeps the four layers that have weights.
PLACES = {
    "k3": ["enc", "blocks/dense", "blocks/dense_1", "layers/dense_5"],
    "tf2.12.1": ["enc", "blocks/dense", "blocks/dense_1", "_priv"],
    "tf2.13.1": ["enc", "blocks/dense", "blocks/dense_1", "_priv"],
    "tf2.15.1": ["layers/dense", "layers/dense_1", "layers/dense_2", "layers/dense_5"],
    "tfkeras2.21": ["layers/dense", "layers/dense_1", "layers/dense_2", "layers/dense_5"],
}


class Sub(kt.Model):
    """The class of the shared files; the layers in `nested` are never called."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = layers.Dense(3)
        self.blocks = [layers.Dense(3), layers.Dense(3)]
        self.nested = [[layers.Dense(2)], {"a": layers.Dense(2)}]
        self._priv = layers.Dense(3)

    def call(self, x: Any) -> Any:
        x = self.enc(x)
        for block in self.blocks:
            x = block(x)
        return self._priv(x)


@needs(LAYOUTS, SHARED_FILES)
@pytest.mark.parametrize("path", LAYOUTS, ids=[path.parent.name for path in LAYOUTS])
def test_every_version(path: Path) -> None:
    model = Sub()
    model.build((None, 3))
    report = kt.load_weights(model, path)
    places = PLACES["k3" if path.parent.name.startswith("k3") else path.parent.name]
    with h5py.File(path) as file:
        wanted = [np.asarray(file[f"{place}/vars/{index}"]) for place in places for index in range(2)]
    assert len(report.assigned) == 8
    for ours, theirs in zip(model.get_weights(), wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_order_of_another_writer_does_not_fit(keras_worker: KerasWorker, tmp_path: Path) -> None:
    """Planted faults: the same file with one array under the path of another, and a class with one layer more."""
    path, x = tmp_path / "own.weights.h5", inputs()
    keras_worker.call("keras3", "own_classes:write", "every_form", str(path), x)
    model = own_classes.made(kt, "every_form")
    before = model.get_weights()
    with h5py.File(path, "a") as file:
        file.move("layers/dense_3", "layers/dense_2")
    with pytest.raises(
        MismatchError, match=r"left over in the file: layers/dense_2/vars/0(.|\n)*missing|missing(.|\n)*left"
    ):
        kt.load_weights(model, path)
    with h5py.File(path, "a") as file:
        file.move("layers/dense_2", "layers/dense_3")
    with pytest.raises(MismatchError, match="is a model of your own class; its layers are found by its attributes"):
        kt.load_weights(model, path, by_name=True)
    model.extra = layers.Dense(2)
    model.extra.build((None, 3))
    with pytest.raises(MismatchError, match=r"missing in the file: layer 'dense.*': kernel \(3, 2\)"):
        kt.load_weights(model, path)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=False))


def test_an_order_that_two_writers_share_is_refused_if_it_means_two_things(tmp_path: Path) -> None:
    """`layers` counts by time in Keras 3 and by attribute in TensorFlow 2.12; here both fill the same places."""

    class Two(kt.Model):
        def __init__(self) -> None:
            super().__init__()
            self.ups: list[Any] = []
            self.vs: list[Any] = []
            for _ in range(2):
                self.ups.append(layers.Dense(3))
                self.vs.append(layers.Dense(3))

        def call(self, x: Any) -> Any:
            return sum(layer(x) for layer in [*self.ups, *self.vs])

    model = Two()
    model.build((None, 3))
    with h5py.File(tmp_path / "two.weights.h5", "w") as file:
        for index, name in enumerate(["dense", "dense_1", "dense_2", "dense_3"]):
            file[f"layers/{name}/vars/0"] = np.full((3, 3), index, "float32")
            file[f"layers/{name}/vars/1"] = np.full(3, index, "float32")
    with pytest.raises(MismatchError, match=r"in one order for Keras 3\.15 and in another for TensorFlow 2\.12"):
        kt.load_weights(model, tmp_path / "two.weights.h5")
    with h5py.File(tmp_path / "two.weights.h5", "a") as file:  # Keras 3.6 and later says the names
        for name in ["dense", "dense_1", "dense_2", "dense_3"]:
            file[f"layers/{name}/vars"].attrs["name"] = name
    kt.load_weights(model, tmp_path / "two.weights.h5")
    assert [float(array[0, 0]) for array in model.get_weights()[::2]] == [0, 1, 2, 3]
    assert [layer.get_weights()[1][0] for layer in [*model.ups, *model.vs]] == [0, 2, 1, 3]
