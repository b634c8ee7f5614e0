"""Models of hundreds of layers load in time that grows with their length, and no faster."""

from __future__ import annotations

import cProfile
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import kerastorch as kt

SHORT, LONG = 200, 800


def count_calls(function: Callable[[], Any]) -> int:
    """How many functions are called, Python's own and built-in ones: the same number on every machine."""
    profile = cProfile.Profile()
    profile.runcall(function)
    return sum(entry.callcount for entry in profile.getstats())


def names(count: int) -> list[str]:
    return [f"layer_{number}" for number in range(count)]


def keras2_config(count: int, functional: bool) -> dict[str, Any]:
    def item(name: str, before: str | None) -> dict[str, Any]:
        config = {"name": name, "units": 2, "activation": "tanh", "use_bias": True}
        layer: dict[str, Any] = {"class_name": "Dense", "config": config}
        if before is None:
            config = {"name": name, "batch_input_shape": [None, 2], "dtype": "float32"}
            layer = {"class_name": "InputLayer", "config": config}
        if functional:
            layer |= {"name": name, "inbound_nodes": [[[before, 0, 0, {}]]] if before else []}
        return layer

    order = ["in0", *names(count)]
    layers = [item(name, before) for name, before in zip(order, [None, *order], strict=False)]
    config: dict[str, Any] = {"name": "long", "layers": layers}
    if functional:
        config |= {"input_layers": [["in0", 0, 0]], "output_layers": [[order[-1], 0, 0]]}
    return {"class_name": "Functional" if functional else "Sequential", "config": config}


def legacy_file(path: Path, count: int, functional: bool) -> Path:
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.11.0", "tensorflow"
        file.attrs["model_config"] = json.dumps(keras2_config(count, functional))
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [name.encode() for name in ["in0", *names(count)]]
        root.create_group("in0").attrs["weight_names"] = np.array([])
        for name in names(count):
            group = root.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0".encode(), f"{name}/bias:0".encode()]
            group[f"{name}/kernel:0"] = rng.normal(size=(2, 2)).astype("f4")
            group[f"{name}/bias:0"] = rng.normal(size=2).astype("f4")
    return path


def keras_file(path: Path, count: int, nested: bool) -> Path:
    """A `.keras`, whose tree names its layers by class and number; maybe with all layers in a model inside."""
    rng = np.random.default_rng(0)
    before = "layers/sequential/" if nested else ""
    weights = path.with_suffix(".weights.h5")
    with h5py.File(weights, "w") as file:
        for number, name in enumerate(names(count)):
            group = file.create_group(f"{before}layers/dense{f'_{number}' if number else ''}/vars")
            group.attrs["name"] = name
            group["0"], group["1"] = rng.normal(size=(2, 2)).astype("f4"), rng.normal(size=2).astype("f4")

    def layer(class_name: str, **config: Any) -> dict[str, Any]:
        return {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}

    start = layer("InputLayer", batch_shape=[None, 2], dtype="float32", name="in0")
    layers = [start, *(layer("Dense", name=name, units=2, activation="tanh") for name in names(count))]
    config = {"module": "keras", "class_name": "Sequential", "config": {"name": "long", "layers": layers}}
    if nested:
        config = {**config, "config": {"name": "outer", "layers": [start, config]}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.8.0"}))
        archive.writestr("config.json", json.dumps(config))
        archive.write(weights, "model.weights.h5")
    return path


@pytest.mark.parametrize(
    ("write", "option"), [(legacy_file, False), (legacy_file, True), (keras_file, False), (keras_file, True)]
)
def test_loading_is_linear(tmp_path: Path, write: Callable[[Path, int, bool], Path], option: bool) -> None:
    ending = ".h5" if write is legacy_file else ".keras"
    counts: dict[str, list[int]] = {}
    kt.load_model(write(tmp_path / f"first{ending}", 3, option))  # what is done once in a process is done now
    for size in (SHORT, LONG):
        path = write(tmp_path / f"m{size}{ending}", size, option)
        loaded: list[kt.Model] = []
        counts.setdefault("load_model", []).append(count_calls(lambda: loaded.append(kt.load_model(path))))  # noqa: B023
        model = loaded[0]
        wanted = model.get_weights()
        assert len(wanted) == 2 * size
        for by_name in (False, True):
            model.set_weights([array * 0 for array in wanted])
            calls = count_calls(lambda m=model, p=path, by_name=by_name: kt.load_weights(m, p, by_name=by_name))
            counts.setdefault(f"by_name={by_name}", []).append(calls)
            assert all(np.array_equal(mine, theirs) for mine, theirs in zip(model.get_weights(), wanted, strict=True))
    ratio = LONG / SHORT
    # Four times as many layers take at most 4.4 times the calls: the names in a group's index are in a tree.
    assert {what: calls for what, calls in counts.items() if calls[1] > 1.1 * ratio * calls[0]} == {}


def test_a_quadratic_walk_would_be_noticed() -> None:
    def walk(count: int) -> Callable[[], Any]:
        return lambda: [len(range(n)) for n in range(count) for _ in range(n)]

    assert count_calls(walk(400)) > 1.1 * 4 * count_calls(walk(100))
