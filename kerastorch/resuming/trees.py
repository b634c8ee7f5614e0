"""The whole state of a model as one tree of values, and how it is compiled as one config: what Keras's methods give."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from ..base.variable import to_numpy
from ..compat.training import translate_training
from ..errors import ArgumentError, UnsupportedError, quote
from ..models import Model
from ..spec import TrainingConfig, Writer
from .compiling import Uncompilable, make_arguments, make_optimizer
from .stating import state_compiled

_FORMATS = ("backend_tensor", "numpy_array")
_KERAS3 = Writer("keras3")
_SEED = "seed_generator_state"  # of Keras's streams of random numbers, which are others than torch's


class _Count:
    """How many rows a metric has seen, where it is a plain number, as a variable of Keras's."""

    def __init__(self, metric: Any, name: str) -> None:
        self._metric, self._name = metric, name

    @property
    def value(self) -> torch.Tensor:
        return torch.tensor(float(getattr(self._metric, self._name)))

    def assign(self, value: Any) -> None:
        setattr(self._metric, self._name, int(value))


def _metric_variables(metrics: list[Any]) -> Iterator[tuple[str, Any]]:
    for metric in metrics:
        inner = getattr(metric, "metrics", None)
        if inner is not None:  # all of `compile` as one
            yield from _metric_variables(inner)
            continue
        yield from ((f"{metric.name}/{variable.name}", variable) for variable in metric.variables)
        yield from ((f"{metric.name}/count", _Count(metric, name)) for name in getattr(metric, "_counted", ()))


def _optimizer_variables(model: Model) -> list[Any]:
    optimizer: Any = model.__dict__.get("optimizer")
    if optimizer is None:
        return []
    if not hasattr(optimizer, "variables"):
        raise UnsupportedError(
            f"the state of {type(optimizer).__name__}, torch's own, stands in optimizer.state_dict(); compile the "
            "model with an optimizer of kt.optimizers."
        )
    return optimizer.variables


def _variables(model: Model) -> dict[str, list[tuple[str, Any]]]:
    return {
        "trainable_variables": [(variable.path, variable) for variable in model.trainable_variables],
        "non_trainable_variables": [(variable.path, variable) for variable in model.non_trainable_variables],
        "optimizer_variables": [(variable.path, variable) for variable in _optimizer_variables(model)],
        "metrics_variables": list(_metric_variables(model.metrics)),
    }


def state_tree(model: Model, value_format: str = "backend_tensor") -> dict[str, Any]:
    """See `Model.get_state_tree`."""
    if value_format not in _FORMATS:
        raise ArgumentError(f"value_format: expected one of {_FORMATS}, got {quote(value_format)}.")
    found: dict[str, Any] = {}
    for kind, variables in _variables(model).items():
        paths = [path for path, _ in variables]
        twice = next((path for path in paths if paths.count(path) > 1), None)
        if twice is not None:
            raise ArgumentError(
                f"get_state_tree: two variables have the path {quote(twice)}; give layers and metrics names of their "
                "own."
            )
        found[kind] = {}
        for path, variable in variables:
            *around, name = path.split("/")
            place = found[kind]
            for part in around:
                place = place.setdefault(part, {})
            value = variable.value.detach().clone()
            place[name] = value if value_format == "backend_tensor" else to_numpy(value)
    return found


def set_state_tree(model: Model, tree: Mapping[str, Any]) -> None:
    """See `Model.set_state_tree`."""
    variables = _variables(model)
    for kind in tree:
        if kind not in variables:
            raise ArgumentError(f"set_state_tree: expected some of {tuple(variables)}, got {quote(kind)}.")
    found: list[tuple[Any, Any]] = []
    for kind, part in tree.items():
        known = dict(variables[kind])
        for path, value in _flat(part):
            if path.endswith(_SEED):
                continue
            if path not in known:
                raise ArgumentError(
                    f"set_state_tree: {kind} has no {quote(path)}: it has {', '.join(map(quote, known)) or 'nothing'}."
                )
            found.append((known[path], value))
    for variable, value in found:
        variable.assign(value)


def _flat(tree: Mapping[str, Any], around: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{around}{key}/")
        else:
            yield f"{around}{key}", value


def compile_config(model: Model) -> dict[str, Any]:
    """See `Model.get_compile_config`."""
    if not model.compiled:
        return {}
    stated = state_compiled(model)
    names = model.output_names if model._graph is not None else []
    config, _ = translate_training(stated.config, "keras", "keras3", names, model.name, stated.own, stated.optimizer)
    if config is None:
        raise UnsupportedError(f"get_compile_config: {'; '.join(stated.notes)}.")
    return config


def compile_from_config(model: Model, config: Mapping[str, Any]) -> None:
    """See `Model.compile_from_config`."""
    if type(model).compile is not Model.compile:
        warnings.warn(
            f"{type(model).__name__} has a compile of its own, which compile_from_config does not call: define "
            "get_compile_config and compile_from_config as well, or call compile.",
            stacklevel=3,
        )
        return
    try:
        known = TrainingConfig(json.dumps(config), "keras", _KERAS3)
        made = make_optimizer(known)
        arguments, _ = make_arguments(known, model.output_names if model._graph is not None else [])
    except (Uncompilable, TypeError) as error:
        raise ArgumentError(f"compile_from_config: {error}; expected what get_compile_config returns.") from error
    model.compile(optimizer=made.optimizer, **arguments)
