"""What a model's methods do that stands above models: each is handed in under its name.

Models know no file and no training, and `Model` does not know what makes models: `models/__init__.py` and `wiring.py`,
which know both sides, hand the functions in. So imports point one way, and the readers, writers, tables and loops are
imported when they are first used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# The methods whose work `kerastorch.training` does.
TRAINING = (
    *("compile", "compute_loss", "evaluate", "fit"),
    *("test_on_batch", "test_step", "train_on_batch", "train_step"),
    *("compute_metrics", "get_metrics_result", "metrics", "metrics_names", "reset_metrics"),
)
_functions: dict[str, Callable[..., Any]] = {}


def provide(name: str, function: Callable[..., Any]) -> None:
    """Say which function does the work of a method; it is called with the model first."""
    _functions[name] = function


def outside(name: str) -> Callable[..., Any]:
    """The function that does the work of a method."""
    return _functions[name]
