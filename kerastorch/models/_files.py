"""Where a model's methods about files get their work done.

Models know no file: `kerastorch/__init__.py`, which knows both, hands the functions in. So imports point one way, and
the readers are imported when they are first used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_functions: dict[str, Callable[..., Any]] = {}


def provide(name: str, function: Callable[..., Any]) -> None:
    """Say which function does the work of the method `name`; it is called with the model first."""
    _functions[name] = function


def call(name: str, *args: Any, **options: Any) -> Any:
    return _functions[name](*args, **options)
