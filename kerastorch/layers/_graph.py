"""Symbolic tensors: what a model's edges are before any data is there. Data only; `models/` gives them meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from ._base import Layer

Shape = tuple[Any, ...]  # of int | None


class SymbolicTensor:
    """A place in a graph: a shape (None where the size is not known), a dtype, and the call that makes it.

    Keras calls this `KerasTensor`. It holds no data; calling layers on it builds the graph of a `Model`.
    """

    __slots__ = ("dtype", "index", "node", "shape")

    def __init__(self, shape: Shape, dtype: torch.dtype, node: Node, index: int) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype
        self.node = node
        self.index = index

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape} dtype={self.dtype} from {self.node.layer.name!r}>"

    def __bool__(self) -> bool:
        raise TypeError("A symbolic tensor has no value: it stands for data that a Model will be called on.")

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"Cannot iterate over {self!r}: it stands for one tensor.")


@dataclass(eq=False)
class Node:
    """One call of a layer on symbolic tensors."""

    layer: Layer
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[SymbolicTensor] = field(default_factory=list)
    structure: Any = None  # the outputs as the layer returned them

    def inputs(self) -> list[SymbolicTensor]:
        return symbolic_leaves((self.args, self.kwargs))


def map_structure(function: Callable[[Any], Any], value: Any) -> Any:
    """Apply `function` to the leaves of nested lists, tuples and dicts."""
    if isinstance(value, (list, tuple)):
        return type(value)(map_structure(function, item) for item in value)
    if isinstance(value, dict):
        return {key: map_structure(function, item) for key, item in value.items()}
    return function(value)


def leaves(value: Any) -> list[Any]:
    """The leaves of nested lists, tuples and dicts, in order."""
    found: list[Any] = []
    map_structure(found.append, value)
    return found


def symbolic_leaves(value: Any) -> list[SymbolicTensor]:
    return [leaf for leaf in leaves(value) if isinstance(leaf, SymbolicTensor)]


def shapes_of(value: Any) -> Any:
    """The shapes of nested tensors, arrays or symbolic tensors, nested the same way; None for what has no shape."""
    return map_structure(lambda leaf: tuple(leaf.shape) if hasattr(leaf, "shape") else None, value)
