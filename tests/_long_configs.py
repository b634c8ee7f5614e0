"""Configs of as many layers as one likes, and files of them with the weights of two."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def item(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    config = {"name": name, **config}
    return {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}


def dense(number: int) -> dict[str, Any]:
    return item("Dense", f"d{number}", units=4, activation="linear", use_bias=True)


def attended(number: int) -> dict[str, Any]:
    return item("LayerNormalization", f"d{number}", center=number % 2 == 0, scale=True)


def wrapped(number: int) -> dict[str, Any]:
    return item("TimeDistributed", f"t{number}", layer=dense(number))


def in_models(number: int) -> dict[str, Any]:
    return {**item("Sequential", f"m{number}", layers=[dense(number)]), "module": "keras"}


def shared(number: int) -> dict[str, Any]:
    return {**dense(number), "shared_object_id": number}


MAKERS = [dense, attended, wrapped, in_models, shared]


def config_of(make: Callable[[int], dict[str, Any]], count: int) -> dict[str, Any]:
    listed = [item("InputLayer", "x", batch_shape=[None, 3, 4]), *map(make, range(count))]
    return {**item("Sequential", "s", layers=listed), "module": "keras", "keras_version": "3.15.1"}


def write_files(folder: Path, make: Callable[[int], dict[str, Any]], count: int) -> None:
    """A model of so many layers, with weights for two of them."""
    text = json.dumps(config_of(make, count))
    (folder / "a.json").write_text(text)
    arrays = [np.ones((4, 4), "f4"), np.ones(4, "f4")] * 2
    with h5py.File(folder / "w.weights.h5", "w") as file:
        for number, array in enumerate(arrays):
            file[f"layers/dense{'_1' * (number // 2)}/vars/{number % 2}"] = array
    with zipfile.ZipFile(folder / "m.keras", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", text)
        archive.write(folder / "w.weights.h5", "model.weights.h5")
    with h5py.File(folder / "m.h5", "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "3.15.1", "tensorflow"
        file.attrs["model_config"] = text
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [b"d0", b"d1"]
        for number in range(2):
            root.create_group(f"d{number}").attrs["weight_names"] = [b"kernel:0", b"bias:0"]
            root[f"d{number}/kernel:0"], root[f"d{number}/bias:0"] = arrays[:2]
