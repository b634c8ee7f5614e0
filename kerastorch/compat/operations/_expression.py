"""Operations as expressions: what one operation of an old Keras is in today's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import ArgumentError, UnsupportedFileError, quote
from ...operations import bind
from ...spec import TensorRef


@dataclass(frozen=True)
class Expression:
    """One operation of `kerastorch.operations`; its arguments may hold `TensorRef`s and other expressions."""

    function: str
    arguments: Mapping[str, Any]


class NotSupported(Exception):
    """An operation is known and cannot be had, with the reason; the caller says which and where."""


def operation(function: str, /, *args: Any, **kwargs: Any) -> Expression:
    return bound(function, args, kwargs, {})


def bound(function: str, args: Sequence[Any], kwargs: Mapping[str, Any], config: Mapping[str, Any]) -> Expression:
    """An operation with the arguments of its call and of its constructor."""
    try:
        return Expression(function, bind(function, args, kwargs, config))
    except ArgumentError as error:
        raise NotSupported(str(error)) from error


def is_symbolic(value: Any) -> bool:
    """Whether a value is computed in the graph, as a whole or in part."""
    if isinstance(value, (TensorRef, Expression)):
        return True
    if isinstance(value, (list, tuple)):
        return any(map(is_symbolic, value))
    return any(map(is_symbolic, value.values())) if isinstance(value, dict) else False


def constant(value: Any, what: str) -> Any:
    """A value that must stand in the file; an array as nested lists."""
    if is_symbolic(value):
        raise NotSupported(f"{what} is computed in the graph; it must be a constant")
    if isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__"):
        inner = value.get("config")
        return inner.get("value") if isinstance(inner, dict) else None
    return value


def whole_numbers(value: Any, what: str) -> list[int]:
    found = constant(value, what)
    found = found if isinstance(found, (list, tuple)) else [found]
    if not all(isinstance(item, int) and not isinstance(item, bool) for item in found):
        raise NotSupported(f"{what} is {quote(value)}, expected integers")
    return list(found)


def whole_number(value: Any, what: str) -> int:
    found = whole_numbers(value, what)
    if len(found) != 1:
        raise NotSupported(f"{what} is {quote(value)}, expected one integer")
    return found[0]


def refuse(where: str, what: str, arguments: Any, reason: str) -> UnsupportedFileError:
    """The error for an operation that cannot be had: which, with which arguments, where."""
    shown = quote(arguments) if arguments else "no arguments"
    return UnsupportedFileError(
        f"{where}: the operation {what} with {shown} is not supported: {reason}. Replace it in Keras, by a layer or by "
        "operations that are, and save again."
    )
