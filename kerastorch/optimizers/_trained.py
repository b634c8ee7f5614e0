"""What an optimizer trains: weights in Keras's terms, found in modules, tensors and torch's groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from ..errors import ArgumentError, quote

_GROUP = ("lr", "weight_decay")


@runtime_checkable
class _Variable(Protocol):
    """A weight of Keras that torch keeps in one or more tensors, as `layer.trainable_weights` lists it."""

    def parts(self) -> list[Tensor]: ...


@dataclass(frozen=True)
class Trained:
    """One weight in Keras's terms: what `clipnorm` takes the norm of.

    Attributes:
        name: Its path or name; "" for a tensor without one.
        parts: The tensors that hold it.
        variable: The object of `model.trainable_variables`; None for a tensor.
    """

    name: str
    parts: tuple[Tensor, ...]
    variable: Any = None

    def whole(self, tensors: list[Tensor]) -> Tensor:
        """What stands beside the parts, as one array in Keras's layout."""
        return tensors[0] if self.variable is None else self.variable.var.to_keras(tensors)

    def split(self, array: Tensor) -> list[Tensor]:
        """An array in Keras's layout as the parts have it."""
        return [array] if self.variable is None else self.variable.to_torch(array)


def groups_of(variables: Any) -> list[tuple[dict[str, Any], list[Any]]]:
    if isinstance(variables, nn.Module):
        listed = getattr(variables, "trainable_variables", None)
        if listed is None or not all(isinstance(item, _Variable) for item in listed):
            listed = [(name, part) for name, part in variables.named_parameters() if part.requires_grad]
        return [({}, list(listed))]
    if isinstance(variables, (Tensor, str)) or not isinstance(variables, Iterable):
        raise ArgumentError(f"Expected a module or an iterable of tensors to train, got {quote(variables)}.")
    items = list(variables)
    if not any(isinstance(item, Mapping) for item in items):
        return [({}, items)]
    groups = []
    for item in items:
        unknown = sorted(set(item) - {"params", *_GROUP}) if isinstance(item, Mapping) else ["a tensor beside dicts"]
        if unknown or "params" not in item:
            raise ArgumentError(f"A group is a dict with params and perhaps lr and weight_decay; got {quote(item)}.")
        held = item["params"]
        groups.append(
            ({key: item[key] for key in _GROUP if key in item}, [held] if isinstance(held, Tensor) else [*held])
        )
    return groups


def trained_of(item: Any, owner: str) -> Trained:
    if isinstance(item, Tensor):
        return Trained(str(getattr(item, "path", None) or ""), (item,))  # a variable of Keras has a path
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], Tensor):
        return Trained(item[0], (item[1],))
    if isinstance(item, _Variable):
        return Trained(str(getattr(item, "path", "") or getattr(item, "name", "")), tuple(item.parts()), item)
    raise ArgumentError(f"{owner} trains tensors, got {quote(item)} of class {type(item).__name__}.")
