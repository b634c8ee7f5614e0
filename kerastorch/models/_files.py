"""A model's methods about files.

Models know no file: `kerastorch/__init__.py`, which knows both, hands the functions in. So imports point one way, and
the readers and writers are imported when they are first used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_functions: dict[str, Callable[..., Any]] = {}


def provide(name: str, function: Callable[..., Any]) -> None:
    """Say which function does the work of a method; it is called with the model first."""
    _functions[name] = function


class OnDisk:
    """The part of `Model` that reads and writes files; abstract."""

    def load_weights(
        self,
        filepath: Any,
        *,
        by_name: bool = False,
        strict: bool = True,
        skip_mismatch: bool = False,
        sum_biases: bool = False,
    ) -> Any:
        """Read the weights of a Keras file into this model: `kerastorch.load_weights(model, filepath, ...)`.

        Returns:
            A `LoadReport`: what was loaded, and what was not.
        """
        options = {"by_name": by_name, "strict": strict, "skip_mismatch": skip_mismatch, "sum_biases": sum_biases}
        return _functions["load_weights"](self, filepath, **options)

    def save(self, filepath: Any, *, dialect: Any = "keras3") -> Any:
        """Write the model into a file that Keras opens: `kerastorch.save_model(model, filepath, dialect=...)`.

        Returns:
            A `SaveReport`: what was written, and what was changed for that Keras.
        """
        return _functions["save_model"](self, filepath, dialect=dialect)

    def save_weights(self, filepath: Any, *, dialect: Any = "keras3") -> Any:
        """Write the weights into a file that Keras reads: `kerastorch.save_weights(model, filepath, dialect=...)`.

        Returns:
            A `SaveReport`: what was written, and what was changed for that Keras.
        """
        return _functions["save_weights"](self, filepath, dialect=dialect)

    def to_json(self, *, dialect: Any = "keras3") -> str:
        """The architecture as text, as Keras's `to_json`: `model_from_json` of Keras and of kerastorch read it."""
        return _functions["to_json"](self, dialect=dialect)
