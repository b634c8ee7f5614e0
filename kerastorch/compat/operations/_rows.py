"""Rows of the tables of operations: the arguments of a function of TensorFlow, and the operation that it is today."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import quote
from ._expression import Expression, NotSupported, operation

Make = Callable[..., Expression]


@dataclass(frozen=True)
class Row:
    """One function.

    Attributes:
        make: An operation of today, or a function that puts several together.
        names: Its argument -> that of `make`; empty where it says nothing (the first is the input).
        fixed: Arguments of `make` where the function has another default, or none.
    """

    make: str | Make
    names: Mapping[str, str]
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def lower(self, given: Mapping[str, Any]) -> Expression:
        """The operation of today for these arguments."""
        unknown = sorted(set(given) - set(self.names) - {"name"})
        if unknown:
            raise NotSupported(f"its argument {', '.join(map(quote, unknown))} is not known")
        arguments = dict(self.fixed)
        for name, value in given.items():
            target = self.names.get(name, "")
            if target and (value is not None or target not in arguments):
                arguments[target] = value
        if isinstance(self.make, str):
            return operation(self.make, **arguments)
        try:
            inspect.signature(self.make).bind(**arguments)
        except TypeError as error:
            raise NotSupported(str(error)) from error
        return self.make(**arguments)


def row(make: str | Make, names: str, /, **fixed: Any) -> Row:
    """`"input_tensor:x axis keepdims keep_dims:keepdims validate:"`: old names, and ours behind a colon."""
    pairs = [word.partition(":") for word in names.split()]
    return Row(make, {old: new if colon else old for old, colon, new in pairs}, fixed)
