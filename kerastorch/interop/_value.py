"""Tensors of a torch module on their way through a Keras model: what they are there, and where their axes stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..errors import UnsupportedError
from ..layers import Permute
from ..layers._graph import SymbolicTensor
from ..layers.operation import apply

BATCH = "batch"


class Size(int):
    """A size that is not the same for every input: the batch size, an unknown number of steps, products of them.

    It is an int, of the example. What is computed with it in another way than by `*` and `//` is an int of the example.
    """

    factor: int
    symbols: tuple[str, ...]

    def __new__(cls, value: int, factor: int = 1, symbols: Iterable[str] = ()) -> Size:
        made = super().__new__(cls, value)
        made.factor, made.symbols = factor, tuple(sorted(symbols))
        return made

    @staticmethod
    def of(value: int) -> Size:
        """A plain number as a size that is always the same."""
        return value if isinstance(value, Size) else Size(value, value)

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return int(self) * other
        right = Size.of(other)
        return Size(int(self) * int(other), self.factor * right.factor, self.symbols + right.symbols)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        if not isinstance(other, int):
            return int(self) // other
        right, rest = Size.of(other), list(self.symbols)
        for symbol in right.symbols:
            if symbol not in rest:
                return int(self) // int(other)
            rest.remove(symbol)
        if not right.factor or self.factor % right.factor:
            return int(self) // int(other)
        return Size(int(self) // int(other), self.factor // right.factor, rest)

    def __rfloordiv__(self, other: Any) -> Any:
        return Size.of(other) // self if isinstance(other, int) else other // int(self)

    @property
    def per_batch(self) -> Size | None:
        """How many of these come on one row of the batch; None if the batch size is no factor."""
        return self // Size(1, 1, (BATCH,)) if BATCH in self.symbols else None

    def same(self, other: int) -> bool:
        """Whether both are equal for every input."""
        right = Size.of(other)
        return (self.factor, self.symbols) == (right.factor, right.symbols)


ONE = Size(1)


def unknown(size: int) -> bool:
    """Whether it is not the same for every input."""
    return isinstance(size, Size) and bool(size.symbols)


def product(sizes: Iterable[int]) -> Size:
    result = ONE
    for size in sizes:
        result = result * size
    return result


def one_list(values: Sequence[Any]) -> list[Any]:
    """`f(1, 2)` and `f((1, 2))` are the same."""
    return list(values[0]) if len(values) == 1 and isinstance(values[0], (list, tuple)) else list(values)


class Value:
    """A tensor of the module.

    Args:
        order: For each axis in Keras the axis in torch. The batch comes first in Keras, wherever it is in torch; None
            in its place: torch's tensor has no batch axis, Keras's has the same numbers in every row.
        tensor: Keras's tensor, or what makes it when it is asked for.
        rows: How many rows come on one row of the batch.
        parts: The tensors `(B, ...)` that are stacked at torch's axis 0, which is Keras's axis 1.
        fill: The number that stands everywhere, if there is one.
        parameter: The trained parameter that it is, and its name.
    """

    def __init__(
        self,
        order: Sequence[int | None],
        tensor: SymbolicTensor | Callable[[], SymbolicTensor],
        *,
        rows: Size = ONE,
        parts: Callable[[], list[SymbolicTensor]] | None = None,
        fill: float | None = None,
        parameter: tuple[Any, str] | None = None,
    ) -> None:
        self.order = tuple(order)
        self._tensor = tensor
        self.rows = rows
        self.parts = parts
        self.fill = fill
        self.parameter = parameter
        self.sizes: tuple[int, ...] = ()  # in torch, of the example

    @property
    def tensor(self) -> SymbolicTensor:
        if not isinstance(self._tensor, SymbolicTensor):
            self._tensor = self._tensor()
        return self._tensor

    @property
    def batch(self) -> int | None:
        """torch's batch axis."""
        return self.order[0]

    @property
    def rank(self) -> int:
        """In torch."""
        return len(self.order) - (self.batch is None)

    @property
    def axes(self) -> list[int]:
        """torch's axes without the batch's, in Keras's order."""
        return [axis for axis in self.order[1:] if axis is not None]

    def dim(self, dim: int) -> int:
        """torch's axis, counted from the front."""
        if not -max(self.rank, 1) <= dim < max(self.rank, 1):
            raise UnsupportedError(f"dim={dim} of a tensor of {self.rank} axes")
        return dim % self.rank if self.rank else 0

    def axis(self, dim: int, what: str) -> int:
        """Keras's axis; `what` is done along it."""
        dim = self.dim(dim)
        if dim == self.batch:
            raise UnsupportedError(f"it {what} along the batch axis, and a Keras model sees every row by itself")
        return self.order.index(dim)

    def size(self, dim: int) -> int:
        """A size of torch's, with what is known of it."""
        dim = self.dim(dim)
        if dim == self.batch:
            return self.rows * Size(self.sizes[dim] // int(self.rows), 1, (BATCH,))
        size = self.tensor.shape[self.order.index(dim)]
        return Size(self.sizes[dim], 1, (f"axis of {self.sizes[dim]}",)) if size is None else size

    def shape(self) -> tuple[int, ...]:
        return tuple(self.size(dim) for dim in range(self.rank))

    # ------------------------------------------------------------------ other orders

    def with_tensor(self, tensor: SymbolicTensor) -> Value:
        """Another tensor with the same axes."""
        return Value(self.order, tensor, rows=self.rows)

    def relabelled(self, moved: Sequence[int]) -> Value:
        """torch's axes in another order: axis i is what `moved[i]` was. In Keras nothing moves."""
        order = [None if dim is None else list(moved).index(dim) for dim in self.order]
        return Value(order, lambda: self.tensor, rows=self.rows)

    def arranged(self, axes: Sequence[int]) -> SymbolicTensor:
        """The tensor with torch's axes in this order behind the batch's."""
        if list(axes) == self.axes:
            return self.tensor
        return Permute([1 + self.axes.index(axis) for axis in axes])(self.tensor)

    def natural(self) -> SymbolicTensor:
        """The tensor in torch's order, but for the batch axis."""
        return self.arranged(sorted(self.axes))

    def last(self, dim: int) -> Value:
        """The same with one of torch's axes at the end."""
        self.axis(dim, "works")
        dim = self.dim(dim)
        axes = [*(axis for axis in self.axes if axis != dim), dim]
        return Value((self.order[0], *axes), self.arranged(axes), rows=self.rows)

    def without(self, dims: Iterable[int]) -> tuple[int | None, ...]:
        """The order when these axes of torch's are gone."""
        gone = set(dims)
        left = sorted(dim for dim in self.order if dim is not None and dim not in gone)
        return tuple(None if dim is None else left.index(dim) for dim in self.order if dim is None or dim in left)

    def expanded(self, dim: int) -> Value:
        """With a new axis of one place in torch."""
        order = [None if old is None else old + (old >= dim) for old in self.order]
        in_front = [axis for axis in order[1:] if axis is not None and axis < dim]
        place = 1 + len(in_front)
        order.insert(place, dim)
        return Value(order, apply("ExpandDims", self.tensor, place), rows=self.rows)


POISON = Value((0,), lambda: _no_tensor())


def _no_tensor() -> SymbolicTensor:
    raise UnsupportedError("it depends on something that is refused")
