"""The model in the plain values of a pickle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerastorch.errors import CorruptFileError, LoadError, counted, quote

from .._limits import Limits
from .._training import describe_optimizer
from .._values import Array, LegacyLayer, LegacyWeights, OptimizerState, Skipped
from ..architectures import parse_json_text
from ..strict_json import parse_json
from .machine import Object, PickledArray, read_pickle

_GROUP = "_is_group"  # of the dict in which Keras 2.2.3 to 2.3.1 keep what an .h5 file has
FLAT = "get_weights()"


@dataclass(frozen=True)
class PickledModel:
    """What an `Archive` is made of; see there."""

    weights: LegacyWeights
    config: dict[str, Any] | None = None
    keras_version: str | None = None
    backend: str | None = None
    training_config: dict[str, Any] | None = None
    skipped: tuple[Skipped, ...] = ()
    optimizer: OptimizerState | None = None


def model_in(content: bytes, name: str, limits: Limits) -> PickledModel | None:
    """The one model in a pickle; None where there is none, or more than one.

    Raises:
        LoadError: The pickle cannot be followed, or the model in it cannot be read.
    """
    value = read_pickle(content, name, limits)
    boxed = [found for found in _values(value) if isinstance(found, dict) and _is_model(found)]
    if boxed:
        return _Boxed(boxed[0], name, limits).model() if len(boxed) == 1 else None
    return _plain(value, name, limits)


def _values(value: Any) -> Iterator[Any]:
    """Everything in a value, once each. Iterative: a pickle may be deep, and hold itself."""
    stack, seen = [value], set[int]()
    while stack:
        found = stack.pop()
        if isinstance(found, (dict, list, tuple, Object)):
            if id(found) in seen:
                continue
            seen.add(id(found))
        yield found
        if isinstance(found, dict):
            stack.extend(reversed([*found.values()]))
        elif isinstance(found, (list, tuple)):
            stack.extend(reversed(found))
        elif isinstance(found, Object):
            stack.extend(reversed([found.arguments, found.state, found.items]))


def _is_model(value: Mapping[Any, Any]) -> bool:
    return "model_config" in value and isinstance(value.get("model_weights"), dict)


class _Boxed:
    """The dict that Keras 2.2.3 to 2.3.1 pickle: the parts of an `.h5` file, and arrays as pickles of their own."""

    def __init__(self, value: Mapping[Any, Any], name: str, limits: Limits) -> None:
        self.value, self.name, self.limits = value, name, limits

    def model(self) -> PickledModel:
        config, problem = parse_json_text(_text(self.value["model_config"]), f"{self.name}: model_config", self.limits)
        skipped = [Skipped("compile_config", f"it cannot be read: {problem}", warns=True)] if problem else []
        training = None
        if "training_config" in self.value:
            where = f"{self.name}: training_config"
            try:
                training = parse_json(_text(self.value["training_config"]), where, self.limits, finite=False)
            except LoadError as error:
                skipped.append(Skipped("training_config", f"it cannot be read: {error}", warns=True))
        group = self.value["model_weights"]
        layers = tuple(LegacyLayer(name, self.arrays(group, name)) for name in self.names(group, "layer_names"))
        state = None
        optimizer = describe_optimizer(training)
        if optimizer and isinstance(self.value.get("optimizer_weights"), dict):
            arrays = self.arrays(self.value, "optimizer_weights")
            state = OptimizerState(arrays, f"{optimizer}: {counted(len(arrays), 'array')}")
        version, backend = (self.stated(key, group) for key in ("keras_version", "backend"))
        return PickledModel(LegacyWeights(layers, ()), config, version, backend, training, tuple(skipped), state)

    def stated(self, key: str, group: Mapping[Any, Any]) -> str | None:
        value = self.value.get(key, group.get(key))
        return None if value is None else _text(value)

    def names(self, group: Mapping[Any, Any], key: str) -> list[str]:
        found = group.get(key)
        if not isinstance(found, (list, tuple)) or len(found) > self.limits.objects:
            raise self.strange(f"{key} is no list of names")
        return [_text(name) for name in found]

    def arrays(self, group: Mapping[Any, Any], name: str) -> tuple[tuple[str, Array], ...]:
        inner = group.get(name)
        if not isinstance(inner, dict):
            raise self.strange(f"{quote(name)} is no group")
        return tuple((key, self.array(inner.get(key), f"{name}/{key}")) for key in self.names(inner, "weight_names"))

    def array(self, value: Any, where: str) -> Array:
        held = read_pickle(value, f"{self.name}: {where}", self.limits) if isinstance(value, bytes) else value
        if isinstance(held, (int, float)) and not isinstance(held, bool):
            raise self.strange(f"{where} is a number, expected an array")
        if not isinstance(held, PickledArray) or not held.dtype:
            raise self.strange(f"{where} is no array")
        return _array(held, where)

    def strange(self, problem: str) -> LoadError:
        return CorruptFileError(
            f"{self.name}: the pickled model cannot be read: {problem}. Save the model again with Keras."
        )


def _array(held: PickledArray, where: str) -> Array:
    return Array(where, held.shape, _name(held.dtype), held.values)


def _name(dtype: str) -> str:
    return np.dtype(dtype).newbyteorder("=").name


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return str(value, "utf-8", "replace")
    return value if isinstance(value, str) else ""


def _plain(value: Any, name: str, limits: Limits) -> PickledModel | None:
    """A config beside the list that `get_weights` returns, or such a list alone."""
    arrays = [found for found in _values(value) if isinstance(found, PickledArray) and found.dtype]
    if not arrays or any(isinstance(found, Object) for found in _values(value)):
        return None
    lists = [found for found in _values(value) if _is_list(found)]
    if len(lists) != 1 or len(lists[0]) != len(arrays):
        return None
    configs = list(_configs(value, name, limits))
    if len(configs) > 1:
        return None
    listed = tuple((f"{at}", _array(held, f"{FLAT}[{at}]")) for at, held in enumerate(lists[0]))
    config = configs[0] if configs else None
    version, backend = (config.get(key) if config else None for key in ("keras_version", "backend"))
    return PickledModel(
        LegacyWeights((LegacyLayer(FLAT, listed),), (), flat=True),
        config,
        version if isinstance(version, str) else None,
        backend if isinstance(backend, str) else None,
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(item, PickledArray) for item in value)


def _configs(value: Any, name: str, limits: Limits) -> Iterator[dict[str, Any]]:
    """The texts of `to_json` in a value."""
    for found in _values(value):
        if isinstance(found, (str, bytes)) and '"class_name"' in _text(found):
            try:
                config, _ = parse_json_text(_text(found), name, limits)
            except LoadError:
                continue
            if "class_name" in config:
                yield config
