"""A record of what Python read from sizes while a module was traced."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Read:
    """What Python made of a size, where a model has no size yet.

    Attributes:
        symbols: The sizes that it was made of.
        what: What was done: a comparison, or that it was read as a plain number.
        where: The line of the module's code.
        holds: What the comparison says for other sizes; None: it was no comparison.
    """

    symbols: frozenset[str]
    what: str
    where: str
    holds: Callable[[dict[str, int]], bool] | None = None


class Reads(list[Read]):
    """The reads of one trace; `line` tells where the module's code is."""

    def __init__(self, line: Callable[[], str]) -> None:
        super().__init__()
        self.line = line


READS: ContextVar[Reads | None] = ContextVar("reads", default=None)


class Node:
    """What torch's compiled code asks where a size comes to it as a number."""

    def __init__(self, size: Any) -> None:
        self.size = size

    def guard_int(self, file: str, line: int) -> int:
        return int(self.size)

    def guard_float(self, file: str, line: int) -> float:
        return float(self.size)

    def wrap_int(self, number: int) -> int:
        return number

    def maybe_as_int(self) -> None:
        return None

    def is_int(self) -> bool:
        return isinstance(self.size, torch.SymInt)

    def is_float(self) -> bool:
        return isinstance(self.size, torch.SymFloat)

    def is_bool(self) -> bool:
        return False

    def is_constant(self) -> bool:
        return False

    def is_symbolic(self) -> bool:
        return True

    def is_nested_int(self) -> bool:
        return False
