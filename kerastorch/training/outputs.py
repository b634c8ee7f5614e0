"""One thing for each output of a model: targets, losses, weights and metrics, however they were given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from ..errors import ArgumentError, UnsupportedError, quote


@dataclass(frozen=True)
class Outputs:
    """The outputs of a model.

    Attributes:
        values: The tensors, in order.
        named: Gives their names, or None where nobody has named them.
    """

    values: list[Tensor]
    named: Callable[[], list[str] | None]

    @cached_property
    def names(self) -> list[str] | None:
        """Their names, which most steps of a training do not need."""
        return self.named()

    def spread(self, given: Any, what: str, *, several: bool = False, all_alike: bool = False) -> list[Any]:
        """One item for each output.

        Args:
            given: None, a dict by name, a list in order, or one item for the only output.
            what: For messages.
            several: An item may itself be a list (of metrics).
            all_alike: One item stands for every output.
        """
        count = len(self.values)
        if given is None:
            return [None] * count
        if isinstance(given, Mapping):
            return self._by_name(given, what)
        if isinstance(given, (list, tuple)):
            if count == 1 and several:
                return [given]
            if len(given) == count:
                return list(given)
            if several and not any(isinstance(item, (list, tuple, dict)) for item in given):
                raise ArgumentError(
                    f"{what}: the model has {count} outputs: expected a list or dict with one entry for each, got "
                    f"{quote(given)}."
                )
            raise ArgumentError(f"{what}: expected {count} entries, one for each output, got {len(given)}.")
        if count == 1 or all_alike:
            return [given] * count
        raise ArgumentError(
            f"{what}: the model has {count} outputs ({', '.join(self.names or [])}): expected a list or dict with one "
            f"entry for each, got {quote(type(given).__name__)}."
        )

    def _by_name(self, given: Mapping[str, Any], what: str) -> list[Any]:
        unknown = [str(name) for name in given if name not in (self.names or ())]
        if unknown:
            raise ArgumentError(
                f"{what}: no output is called {', '.join(map(quote, unknown))}; there are "
                f"{', '.join(map(repr, self.names or ['outputs without names']))}."
            )
        return [given.get(name) for name in self.names or ()]


def outputs_of(model: Any, y_pred: Any) -> Outputs:
    """The outputs of a call, in order.

    Raises:
        UnsupportedError: They are nested more than once.
    """
    if isinstance(y_pred, Tensor):
        return Outputs([y_pred], lambda: _names_of(model, 1))
    if isinstance(y_pred, Mapping):
        keys = sorted(y_pred, key=str)  # the order of Keras's lists
        values, named = [y_pred[key] for key in keys], lambda: [str(key) for key in keys]
    elif isinstance(y_pred, Sequence):
        values, named = list(y_pred), lambda: _names_of(model, len(y_pred))
    else:
        raise UnsupportedError(f"A model that returns {quote(type(y_pred).__name__)} cannot be trained by fit.")
    if not all(isinstance(value, Tensor) for value in values):
        raise UnsupportedError(
            "fit takes models that return a tensor, or a list or dict of tensors: this one returns nested ones. Write "
            "train_step, or a loop in torch."
        )
    return Outputs(values, named)


def _names_of(model: Any, count: int) -> list[str] | None:
    if not model._carries_masks:  # of somebody's own making: nobody has named its outputs
        return None
    names = list(model.output_names)
    return names if len(names) == count else None
