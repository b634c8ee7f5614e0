"""Functions with which the harness itself is tested."""

from __future__ import annotations

import os
import time
from types import ModuleType
from typing import Any


def versions(k: ModuleType) -> dict[str, str]:
    """The name, version and backend of the framework."""
    return {"name": k.__name__, "version": k.__version__, "backend": k.backend.backend(), "pid": str(os.getpid())}


def echo(k: ModuleType, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Return the arguments."""
    return args, kwargs


def fail(k: ModuleType, text: str) -> None:
    """Raise."""
    raise ValueError(text)


def die(k: ModuleType) -> None:
    """End the process without a word to anyone but stderr."""
    os.write(2, b"a last word")
    os._exit(7)


def sleep(k: ModuleType, seconds: float) -> None:
    """Take a while."""
    time.sleep(seconds)


def unpicklable(k: ModuleType) -> Any:
    """Return what no pipe can carry."""
    return lambda: None
