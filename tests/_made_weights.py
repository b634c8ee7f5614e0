"""Small files of weights made with h5py, small models for them, and what a load must do to a model."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import MismatchError

Weights = dict[str, list[tuple[str, np.ndarray]]]


def chain(*names: str, units: tuple[int, ...] = (3, 2), name: str | None = None) -> Sequential:
    """Dense layers on 4 features, one for each name."""
    sizes = [*units[: len(names) - 1], units[-1]]
    return Sequential(
        [Input((4,)), *(layers.Dense(size, name=label) for size, label in zip(sizes, names, strict=True))], name=name
    )


def arrays_of(model: Model, seed: int = 1) -> list[np.ndarray]:
    """Random distinct values for every weight of a model."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=array.shape).astype("f4") for array in model.get_weights()]


def write_legacy(path: Path, stored: Weights) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = b"2.11.0", b"tensorflow"
        file.attrs["layer_names"] = [name.encode() for name in stored]
        for layer, weights in stored.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name, _ in weights]
            for name, array in weights:
                group[name] = array
    return path


def write_tree(path: Path, stored: dict[str, tuple[str | None, list[np.ndarray]]]) -> Path:
    """A Keras 3 tree: place -> (name, arrays)."""
    with h5py.File(path, "w") as file:
        for place, (name, arrays) in stored.items():
            group = file.create_group(f"{place}/vars" if place else "vars")
            if name is not None:
                group.attrs["name"] = name
            for index, array in enumerate(arrays):
                group[str(index)] = array
    return path


def two_dense(names: tuple[str, str], arrays: list[np.ndarray], prefix: str = "") -> Weights:
    return {
        name: [(f"{prefix}{name}/kernel:0", arrays[2 * i]), (f"{prefix}{name}/bias:0", arrays[2 * i + 1])]
        for i, name in enumerate(names)
    }


def two_places(
    names: tuple[str | None, str | None], arrays: list[np.ndarray], before: str = ""
) -> dict[str, tuple[str | None, list[np.ndarray]]]:
    return {
        f"{before}layers/dense": (names[0], arrays[:2]),
        f"{before}layers/dense_1": (names[1], arrays[2:4]),
    }


def assert_weights(model: Model, wanted: list[np.ndarray]) -> None:
    for mine, theirs in zip(model.get_weights(), wanted, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def refused(model: Model, path: Path, **options: bool) -> str:
    """The message; the model is as it was."""
    before = model.get_weights()
    with pytest.raises(MismatchError) as caught:
        kt.load_weights(model, path, **options)
    assert_weights(model, before)
    return str(caught.value)
