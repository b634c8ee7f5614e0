"""Symbolic tensors: what a model's edges are before any data is there. Data only; `models/` gives them meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

from ..structure import Shape, leaves, like, map_dict


class SymbolicTensor:
    """A place in a graph: a shape (None where the size is not known), a dtype, and the call that makes it.

    Keras calls this `KerasTensor`. It holds no data; calling layers on it builds the graph of a `Model`.
    """

    __slots__ = ("dtype", "index", "node", "shape", "values")
    __array_ufunc__ = None  # numpy leaves `array + symbolic` to us

    def __init__(
        self, shape: Shape, dtype: torch.dtype, node: Node, index: int, values: tuple[Any, ...] | None = None
    ) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype
        self.node = node
        self.index = index
        self.values = values  # of a tensor that follows from shapes alone; see `functions.outlines.Outline`

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape} dtype={self.dtype} from {self.node.layer.name!r}>"

    def __bool__(self) -> bool:
        raise TypeError("A symbolic tensor has no value: it stands for data that a Model will be called on.")

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"Cannot iterate over {self!r}: it stands for one tensor.")

    def _operation(self, function: str, *args: Any) -> Any:
        return _Operators.apply(function, *args)

    def __getitem__(self, key: Any) -> Any:
        return self._operation("GetItem", self, key)

    def __neg__(self) -> Any:
        return self._operation("Negative", self)

    def __abs__(self) -> Any:
        return self._operation("Absolute", self)

    def __invert__(self) -> Any:
        return self._operation("LogicalNot", self)

    def __add__(self, other: Any) -> Any:
        return self._operation("Add", self, other)

    def __radd__(self, other: Any) -> Any:
        return self._operation("Add", other, self)

    def __sub__(self, other: Any) -> Any:
        return self._operation("Subtract", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._operation("Subtract", other, self)

    def __mul__(self, other: Any) -> Any:
        return self._operation("Multiply", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._operation("Multiply", other, self)

    def __matmul__(self, other: Any) -> Any:
        return self._operation("Matmul", self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return self._operation("Matmul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._operation("TrueDivide", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._operation("TrueDivide", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return self._operation("FloorDivide", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._operation("FloorDivide", other, self)

    def __mod__(self, other: Any) -> Any:
        return self._operation("Mod", self, other)

    def __rmod__(self, other: Any) -> Any:
        return self._operation("Mod", other, self)

    def __pow__(self, other: Any) -> Any:
        return self._operation("Power", self, other)

    def __rpow__(self, other: Any) -> Any:
        return self._operation("Power", other, self)

    def __lt__(self, other: Any) -> Any:
        return self._operation("Less", self, other)

    def __le__(self, other: Any) -> Any:
        return self._operation("LessEqual", self, other)

    def __gt__(self, other: Any) -> Any:
        return self._operation("Greater", self, other)

    def __ge__(self, other: Any) -> Any:
        return self._operation("GreaterEqual", self, other)

    def __ne__(self, other: Any) -> Any:  # but `==` compares the objects, as in Keras: `in` and `index` need it
        return self._operation("NotEqual", self, other)

    def __and__(self, other: Any) -> Any:
        return self._operation("LogicalAnd", self, other)

    def __rand__(self, other: Any) -> Any:
        return self._operation("LogicalAnd", other, self)

    def __or__(self, other: Any) -> Any:
        return self._operation("LogicalOr", self, other)

    def __ror__(self, other: Any) -> Any:
        return self._operation("LogicalOr", other, self)

    def __xor__(self, other: Any) -> Any:
        return self._operation("LogicalXor", self, other)

    def __rxor__(self, other: Any) -> Any:
        return self._operation("LogicalXor", other, self)


class _Operators:
    """What the operators of symbolic tensors do: a function that the module of the layer `Operation` hands in."""

    apply: Callable[..., Any]


def operators_are(apply: Callable[..., Any]) -> None:
    """Let operators of symbolic tensors call `apply(name of the operation, *arguments)`."""
    _Operators.apply = apply


@dataclass(eq=False)
class Node:
    """One call of a layer on symbolic tensors."""

    layer: Any  # a `Layer`
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[SymbolicTensor] = field(default_factory=list)
    structure: Any = None  # the outputs as the layer returned them

    def inputs(self) -> list[SymbolicTensor]:
        return symbolic_leaves((self.args, self.kwargs))


def symbolic_leaves(value: Any) -> list[SymbolicTensor]:
    return [leaf for leaf in leaves(value) if isinstance(leaf, SymbolicTensor)]


def shapes_of(value: Any) -> Any:
    """The shapes of nested tensors, arrays or symbolic tensors, nested the same way; None for what has no shape.

    That of a PackedSequence is the padded one.
    """
    if isinstance(value, PackedSequence):
        return (int(value.batch_sizes[0]), len(value.batch_sizes), *value.data.shape[1:])
    if isinstance(value, (list, tuple)):
        return like(value, map(shapes_of, value))
    if isinstance(value, dict):
        return map_dict(shapes_of, value)
    return tuple(value.shape) if hasattr(value, "shape") else None
