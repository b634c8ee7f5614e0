"""One thing for each output of a model: targets, losses, weights and metrics, however they were given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from ..errors import ArgumentError, UnsupportedError, counted, quote
from ..structure import leaves


@dataclass(frozen=True)
class Outputs:
    """The outputs of a model.

    Attributes:
        values: The tensors, in order.
        named: Gives their names, or None where nobody has named them.
        nesting: What the model has returned, if that is lists or dicts in others.
        measured_as: Gives the names in metrics, if they are others.
    """

    values: list[Tensor]
    named: Callable[[], list[str] | None]
    nesting: Any = None
    measured_as: Callable[[], list[str] | None] | None = None

    @cached_property
    def names(self) -> list[str] | None:
        """Their names, which most steps of a training do not need."""
        return self.named()

    @cached_property
    def metric_names(self) -> list[str] | None:
        """What stands before the names of their metrics."""
        return self.names if self.measured_as is None else self.measured_as()

    def spread(self, given: Any, what: str, *, several: bool = False, all_alike: bool = False) -> list[Any]:
        """One item for each output.

        Args:
            given: None, a dict by name, a list in order, or one item for the only output; what is nested as the
                outputs are.
            what: For messages.
            several: An item may itself be a list (of metrics).
            all_alike: One item stands for every output.
        """
        count = len(self.values)
        if given is None:
            return [None] * count
        if self.nesting is not None and isinstance(given, (Mapping, list, tuple)):
            flat = _is_list(given) and len(given) == count and not any(map(_holds, given))
            return list(given) if flat else self._nested(given, self.nesting, what, several)
        if isinstance(given, Mapping):
            return self._by_name(given, what)
        if isinstance(given, (list, tuple)):
            if count == 1 and several:
                return [given]
            if len(given) == count:
                return list(given)
            if several and not any(isinstance(item, (list, tuple, dict)) for item in given):
                raise ArgumentError(
                    f"{what}: the model has {counted(count, 'output')}: expected a list or dict with one entry for "
                    "each, got "
                    f"{quote(given)}."
                )
            raise ArgumentError(
                f"{what}: expected {counted(count, 'entry', 'entries')}, one for each output, got {len(given)}."
            )
        if count == 1 or all_alike:
            return [given] * count
        raise ArgumentError(
            f"{what}: the model has {counted(count, 'output')} ({', '.join(self.names or [])}): expected a list or "
            "dict with one "
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

    def _nested(self, given: Any, nesting: Any, what: str, several: bool) -> list[Any]:
        """One item for each output in a part of the nesting."""
        if given is None:
            return [None] * len(leaves(nesting))
        if isinstance(nesting, Mapping) and isinstance(given, Mapping) and set(given) <= set(nesting):
            parts = [(given.get(key), nesting[key]) for key in sorted(nesting)]
        elif _is_list(nesting) and _is_list(given) and len(given) == len(nesting):
            parts = list(zip(given, nesting, strict=True))
        elif isinstance(nesting, Tensor) and (several or not _holds(given)):
            return [given]
        else:
            raise ArgumentError(
                f"{what}: expected one entry for each output, nested as the model returns them: "
                f"{_outline(self.nesting)}, or a list of {len(self.values)}, got {_outline(given)} in the place of "
                f"{_outline(nesting)}."
            )
        return [item for inner, place in parts for item in self._nested(inner, place, what, several)]


def _holds(value: Any) -> bool:
    return isinstance(value, (Mapping, list, tuple))


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _outline(nesting: Any) -> str:
    """What a nesting looks like, with X for the things in it."""
    if isinstance(nesting, Mapping):
        return f"{{{', '.join(f'{key!r}: {_outline(nesting[key])}' for key in nesting)}}}"
    return f"[{', '.join(map(_outline, nesting))}]" if _is_list(nesting) else "X"


def _paths(nesting: Any, own: Sequence[str] | None) -> list[str]:
    """The names of nested outputs, as Keras has them: keys and numbers of items; a tensor in a list by its own name.

    Where it has none, its name ends with the list that it is in: what is to follow is the name of its loss.
    """
    names = iter(own or ())

    def walk(part: Any, path: tuple[str, ...], listed: bool) -> list[str]:
        if _holds(part):
            inside = [(key, part[key]) for key in (sorted(part) if isinstance(part, Mapping) else range(len(part)))]
            return [each for key, item in inside for each in walk(item, (*path, str(key)), _is_list(part))]
        name = next(names, "")
        return ["/".join((*path[:-1], name) if listed else path)]

    return walk(nesting, (), False)


def outputs_of(model: Any, y_pred: Any) -> Outputs:
    """The outputs of a call, in order.

    Raises:
        UnsupportedError: They are no tensors.
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
    if all(isinstance(value, Tensor) for value in values):
        return Outputs(values, named)
    values = leaves(y_pred)
    if not all(isinstance(value, Tensor) for value in values):
        raise UnsupportedError(
            f"A model that returns {_outline(y_pred)} with others than tensors cannot be trained by fit."
        )

    def own() -> list[str] | None:
        return _names_of(model, len(values))

    return Outputs(values, lambda: _paths(y_pred, own()), y_pred, own)


def _names_of(model: Any, count: int) -> list[str] | None:
    if model._graph is None:  # of somebody's own making: nobody has named its outputs
        return None
    names = list(model.output_names)
    return names if len(names) == count else None
