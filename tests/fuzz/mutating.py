"""Wrong values at random places of real configs."""

from __future__ import annotations

import copy
import functools
import io
import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

GOLDENS = Path(__file__).resolve().parents[1] / "goldens"
LONGEST = 30_000  # characters of a config
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 3, 1.5, -0.5, float("nan"), float("inf")),
    *(2**31, 2**62, 2**64, 10**30, -(2**63), "", "x", "linear", "float32", "int8", "bool", "\0", "\ud800"),
    *([], [1], [[1]], [None], [0, 0], [1, 2, 3, 4, 5, 6, 7, 8, 9], {}, {"a": 1}),
    {"class_name": "Dense", "config": {"units": 2}},
    {"class_name": "__tensor__", "config": {"value": [1.0], "dtype": "float32"}},
    {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 2], "dtype": "float32", "keras_history": ["a", 0, 0]},
    },
    {"class_name": "__slice__", "config": {"start": 0, "stop": None, "step": 1}},
]
KEYS = ("units", "mask", "initial_state", "dtype", "training", "axis", "foo", "activation")


def configs() -> list[dict[str, Any]]:
    """The configs of the models that every Keras has written for the tests."""
    found: list[dict[str, Any]] = []
    for packed in sorted([*GOLDENS.glob("*.zip"), *GOLDENS.glob("versions/*.zip")]):
        with zipfile.ZipFile(packed) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith((".keras", ".h5")) and (config := _config_of(archive.read(name))) is not None:
                    found.append(config)
    return [config for config in found if len(json.dumps(config)) < LONGEST]


@functools.cache
def all_configs() -> tuple[dict[str, Any], ...]:
    """`configs`, kept."""
    return tuple(configs())


def _config_of(content: bytes) -> dict[str, Any] | None:
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            version = json.loads(archive.read("metadata.json")).get("keras_version")
            return {**json.loads(archive.read("config.json")), "keras_version": version}
    with h5py.File(io.BytesIO(content)) as file:
        text = file.attrs.get("model_config")
        return None if text is None else {"keras_version": str(file.attrs.get("keras_version")), **json.loads(text)}


def mutant(config: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """A copy with one or two places changed: another value, one that stands elsewhere, one too few or too many."""
    made = copy.deepcopy(config)
    for _ in range(rng.choice((1, 1, 1, 2))):
        places = list(_places(made))
        *way, last = rng.choice(places)
        holder = _at(made, way)
        kind = rng.random()
        if kind < 0.65:
            holder[last] = copy.deepcopy(rng.choice(VALUES))
        elif kind < 0.75:
            holder.pop(last)
        elif kind < 0.9:
            holder[last] = copy.deepcopy(_at(made, rng.choice(places)))
        elif isinstance(holder, dict):
            holder[rng.choice(KEYS)] = copy.deepcopy(rng.choice(VALUES))
        else:
            holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(rng.choice(VALUES)))
    return made


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*way, key)
        yield from _places(value[key], (*way, key))


def _at(value: Any, way: Any) -> Any:
    for key in way:
        value = value[key]
    return value
