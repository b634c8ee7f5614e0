"""What is written of every example of every layer, and what configs mean in which one value is another: outcomes.

See `_outcomes.py`.
"""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from zlib import crc32

from _outcomes import configs, places, plain

import kerastorch as kt
from kerastorch.base.layer import REGISTRY, Layer
from kerastorch.compat import read_config
from kerastorch.errors import KerasTorchError
from kerastorch.structure import map_shapes

DIALECTS = ("keras3", "keras2")
OF_EXAMPLES = 4  # of so many files of weights about one is kept


def named(config: Any) -> Any:
    """A config whose inner layers have names: those that are made up count what was made before."""
    if isinstance(config, list):
        return [
            named({**each, "config": {"name": f"inner_{at}", **each["config"]}})
            if isinstance(each, dict) and "class_name" in each
            else each
            for at, each in enumerate(config)
        ]
    if not isinstance(config, dict):
        return config
    found = {key: named(each) for key, each in config.items()}
    return {
        key: {**each, "config": {"name": f"inner_{key}", **each["config"]}}
        if isinstance(each, dict) and each.get("class_name") in REGISTRY
        else each
        for key, each in found.items()
    }


def models() -> Iterator[tuple[str, Callable[[], Any]]]:
    """A model around each example: a chain, or a graph where it takes several tensors."""
    for cls in REGISTRY.values():
        for example in cls.EXAMPLES:

            def make(cls: type[Layer] = cls, example: Any = example) -> Any:
                layer = cls.from_config({**named(example.config), "name": "layer"})
                dtype = "int32" if "input_dim" in example.config else "float32"
                made: list[Any] = []

                def symbol(shape: tuple[int, ...]) -> Any:
                    made.append(kt.Input(batch_shape=(2, *shape[1:]), dtype=dtype, name=f"input_{len(made)}"))
                    return made[-1]

                inputs = map_shapes(symbol, example.input_shape)
                output = layer(*inputs) if layer._call_arguments.tensors else layer(inputs)
                return kt.Model(made[0] if len(made) == 1 else made, output, name="model")

            yield f"{cls._class_name}, {example.name}", make


@cache
def examples() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for name, make in models():
        for dialect in DIALECTS:
            cases[f"{name} as {dialect}"] = lambda make=make, dialect=dialect: json.loads(
                kt.to_json(make(), dialect=dialect)
            )
            cases[f"{name} from {dialect}"] = lambda make=make, dialect=dialect: read_config(
                json.loads(kt.to_json(make(), dialect=dialect)),
                "2.21.0" if dialect == "keras2" else "3.15.1",
                "tensorflow",
            )
            for ending in (".h5", ".weights.h5"):
                cases[f"{name} in {dialect}{ending}"] = lambda make=make, dialect=dialect, ending=ending: places(
                    make(), dialect, ending
                )
    return {key: case for key, case in cases.items() if " in " not in key or crc32(key.encode()) % OF_EXAMPLES == 0}


def briefly(case: Callable[[], Any]) -> Callable[[], Any]:
    """Of a refusal its kind and how it begins: what it advises is tested where it is written."""

    def made() -> Any:
        try:
            return case()
        except KerasTorchError as error:
            return {"refused": f"{type(error).__name__}: {error}"[:70]}
        except Exception as error:  # noqa: BLE001 - one outcome for each, so that all are compared
            return {"fails": type(error).__name__}

    return made


# ---------------------------------------------------------------- configs with one other value

OTHERS: tuple[Any, ...] = (None, True, 1, -1, 0, 2.5, "other", "tanh", [], [1, 2], {}, "deleted", "doubled")
KEPT = 80  # of so many changes about one is kept


def leaves_of(config: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for key, value in items:
        yield from leaves_of(value, (*path, key))


def with_other(config: Any, path: tuple[Any, ...], other: Any) -> Any:
    made = copy.deepcopy(config)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    if other == "deleted":
        del inner[path[-1]]
    elif other == "doubled":
        inner[path[-1]] = [inner[path[-1]], inner[path[-1]]]
    else:
        inner[path[-1]] = other
    return made


@cache
def changed() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for name, config in configs():
        for path in leaves_of(config):
            for other in OTHERS:
                key = f"{name}: {'/'.join(map(str, path))} = {other!r}"
                if crc32(key.encode()) % KEPT:
                    continue

                def read(config: Any = config, path: Any = path, other: Any = other) -> Any:
                    made = with_other(config, path, other)
                    version = made.get("keras_version")
                    return plain(read_config(made, version if isinstance(version, str) else None, None, partly=True))

                cases[key] = briefly(read)
    return cases


# ---------------------------------------------------------------- constructors

ARGUMENTS: tuple[Any, ...] = (
    None,
    True,
    False,
    1,
    0,
    -2,
    3.5,
    "tanh",
    "valid",
    (2, 3),
    [1],
    "mixed_bfloat16",
    {"a": 1},
)
OF_CONSTRUCTORS = 16
# Arguments of every layer, beside its own.
OF_ALL = (
    "name",
    "dtype",
    "trainable",
    "weights",
    "input_shape",
    "batch_input_shape",
    "batch_size",
    "input_dtype",
    "unknown",
)


@cache
def constructed() -> dict[str, Callable[[], Any]]:
    """Every layer with each argument at other values: its config, weights and output, or the error."""
    cases: dict[str, Callable[[], Any]] = {}
    for cls in REGISTRY.values():
        for example in cls.EXAMPLES[:2]:
            names = dict.fromkeys([*inspect.signature(cls.__init__).parameters, *cls.CONFIG, *OF_ALL])
            for argument in names:
                if argument in ("self", "base", "options"):
                    continue
                for value in ARGUMENTS:
                    key = f"{cls._class_name} {example.name}, {argument}={value!r}"
                    if crc32(key.encode()) % OF_CONSTRUCTORS or (argument == "name" and not value):
                        continue

                    def make(
                        cls: Any = cls, example: Any = example, argument: str = argument, value: Any = value
                    ) -> Any:
                        layer = cls(**{"name": "layer", **named(example.config), argument: value})
                        layer.build(example.input_shape)
                        found = [
                            [each.name, list(each.shape), str(each.dtype), each.trainable] for each in layer.weights
                        ]
                        return [
                            json.loads(json.dumps(layer.get_config())),
                            found,
                            layer.compute_output_shape(example.input_shape),
                        ]

                    cases[key] = briefly(make)
    return cases
