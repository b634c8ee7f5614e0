"""What is asked of a model many times while one question is answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_known: ContextVar[dict[Any, Any] | None] = ContextVar("known", default=None)


@contextmanager
def once() -> Iterator[dict[Any, Any]]:
    """Answers that hold until the outermost of these blocks ends.

    Models of models of models, each called twice, would take twice as long for each level.
    """
    held = _known.get()
    if held is not None:
        yield held
        return
    found: dict[Any, Any] = {}
    token = _known.set(found)
    try:
        yield found
    finally:
        _known.reset(token)
