"""What tables and classes state, and what arguments are where a call leaves them out: a set of outcomes.

Live Keras has judged each row somewhere; this copy names the row that is another one. Rows, names and arguments may
come, go and move to other modules. See `_outcomes.py`.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import FunctionType
from typing import Any

import torch

import kerastorch

PARTS = ("compat", "saving", "convert", "matching", "layers", "kernels", "models", "base", "cli", "gates", "weights")
WITHOUT_TABLES = ("kernels", "cli")  # where they say what is faster, and what a command prints of itself
# How fast something runs, or how much it prints, and no value: sizes of pieces, numbers of threads.
OF_SPEED = re.compile(r"^_?(PIECE|THREADS|MOST_.*|LIMIT.*|.*_BYTES)$")


@cache
def modules() -> dict[str, list[Any]]:
    """The modules of each part, imported."""
    found: dict[str, list[Any]] = {part: [] for part in PARTS}
    for info in pkgutil.walk_packages(kerastorch.__path__, "kerastorch."):
        if (part := info.name.split(".")[1]) in PARTS and not info.name.endswith("__main__"):
            found[part].append(importlib.import_module(info.name))
    return found


def shown(value: Any) -> Any:
    """A value as JSON has it; functions and classes by their names."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return sorted(([shown(key), shown(item)] for key, item in value.items()), key=str)  # some are made of sets
    if isinstance(value, (set, frozenset)):
        return sorted((shown(each) for each in value), key=str)
    if isinstance(value, (list, tuple)):
        return [shown(each) for each in value]
    if isinstance(value, re.Pattern):
        return value.pattern
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = [(each.name, getattr(value, each.name), each.default) for each in dataclasses.fields(value)]
        return [type(value).__name__, *([name, shown(item)] for name, item, default in given if item is not default)]
    if isinstance(value, (type, FunctionType)) or callable(value):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__name__)}"
    return str(value) if isinstance(value, (torch.dtype, torch.Size)) else type(value).__name__


Named = Iterable[tuple[str, Any]]  # a name, and what is stated under it


def tables(module: Any) -> Named:
    kinds = (Mapping, set, frozenset, list, tuple, str, int, float, re.Pattern)
    for name, value in vars(module).items():
        plain = isinstance(value, kinds) or (dataclasses.is_dataclass(value) and not isinstance(value, type))
        if name.strip("_").isupper() and not OF_SPEED.match(name) and plain:
            yield name, shown(value)


def functions(holder: Any, module: str) -> Named:
    """The arguments with a default of functions, methods and dataclasses, and the defaults."""
    for name, value in list(vars(holder).items()):
        function = getattr(value, "__func__", value)
        if isinstance(function, FunctionType) and function.__module__ == module:
            parameters = inspect.signature(function).parameters.values()
            yield (
                function.__qualname__,
                [[each.name, shown(each.default)] for each in parameters if each.default is not each.empty],
            )
        elif isinstance(value, type) and value.__module__ == module and name == value.__name__:
            yield from functions(value, module)


def attributes(holder: Any, module: str) -> Named:
    """What classes state as attributes, plain values alone."""
    for name, value in list(vars(holder).items()):
        if isinstance(value, type) and value.__module__ == module and name == value.__name__:
            yield (
                value.__qualname__,
                [
                    [key, shown(item)]
                    for key, item in vars(value).items()
                    if isinstance(item, (bool, int, float, str, tuple, list, dict, set, frozenset))
                    and not key.startswith("__")
                    and key not in ("EXAMPLES", "_abc_impl")
                ],
            )
            yield from attributes(value, module)


def gathered(named: Named) -> dict[str, list[Any]]:
    """Name -> what is stated under it, each once: modules have names of their own in common."""
    found: dict[str, list[Any]] = {}
    for name, value in named:
        values = found.setdefault(name, [])
        if value and value not in values:
            values.append(value)
    return found


@cache
def stated() -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    for part in PARTS:
        if part not in WITHOUT_TABLES:
            cases[f"tables of {part}"] = lambda part=part: gathered(
                each for module in modules()[part] for each in tables(module)
            )
        for kind in (functions, attributes):
            cases[f"{kind.__name__} of {part}"] = lambda part=part, kind=kind: gathered(
                each for module in modules()[part] for each in kind(module, module.__name__)
            )
    return cases


def others(kept: Any, found: Any, where: str = "") -> list[str]:
    """Rows that are kept and are not stated now, or in another order, under names that are there still."""
    if not isinstance(kept, dict):
        left = iter(found)
        return [f"{where}: {row}" for row in kept if not any(row == each for each in left)]
    lines = []
    for name, values in kept.items():
        for value in values if name in found else ():
            lacks = [
                others(value, each, f"{where}{name}") if _is_rows(value, each) else [f"{where}{name}: {value}"]
                for each in found[name]
                if each != value
            ]
            if value not in found[name]:
                lines += min(lacks, key=len, default=[f"{where}{name}: {value}"])
    return lines


def _is_rows(value: Any, other: Any) -> bool:
    return isinstance(value, list) and isinstance(other, list)
