"""Paths as callers give them: text, bytes as the system has them, and objects that stand for either."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .errors import ArgumentError, quote

if TYPE_CHECKING:
    from typing_extensions import TypeIs

AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def is_path(value: object) -> TypeIs[AnyPath]:
    """Whether a value is a path and not, say, a stream."""
    return isinstance(value, (str, bytes, os.PathLike))


def is_sink(value: object) -> bool:
    """Whether a value is something that bytes are written into, and no path."""
    return not is_path(value) and callable(getattr(value, "write", None))


def text_of(path: AnyPath, what: str) -> str:
    """A path as text.

    Args:
        path: The path.
        what: The function or the argument that it was given to, for the message.

    Raises:
        ArgumentError: It is no path.
    """
    if not is_path(path):
        raise ArgumentError(f"{what}: expected a path, got {quote(type(path).__name__)}.")
    return os.fsdecode(path)
