"""Configs and files as Keras 1 wrote them, made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def item(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, "trainable": True, **config}}


def sequential(*items: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": list(items)}


def write(path: Path, stored: dict[str, list[tuple[str, np.ndarray]]], config: dict[str, Any] | None = None) -> Path:
    with h5py.File(path, "w") as file:
        root = file
        if config is not None:
            file.attrs["model_config"] = json.dumps(config)
            file.attrs["keras_version"] = "1.2.2"
            root = file.create_group("model_weights")
        root.attrs["layer_names"] = [name.encode() for name in stored]
        for layer, weights in stored.items():
            group = root.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name, _ in weights]
            for name, array in weights:
                group[name] = array
    return path


def gate_arrays(prefix: str, order: str, features: int, units: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {"W": (features, units), "U": (units, units), "b": (units,)}
    return {f"{prefix}_{kind}_{gate}": rng.normal(size=shapes[kind]).astype("f4") for gate in order for kind in "WUb"}
