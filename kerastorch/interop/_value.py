"""Tensors of a torch module on their way through a Keras model: what they are there, and where their axes stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any

from torch import Tensor

from ..base.graph import SymbolicTensor
from ..errors import UnsupportedError, counted
from ..layers import Permute
from ..layers.core.operation import apply
from ._size import BATCH, Size, plain, symbol


def one_list(values: Sequence[Any]) -> list[Any]:
    """`f(1, 2)` and `f((1, 2))` are the same."""
    return list(values[0]) if len(values) == 1 and isinstance(values[0], (list, tuple)) else list(values)


class OpenAxes:
    """The axes that the model has open, of one trace.

    Attributes:
        sizes: The size of an axis, by that of the example: two that are equal there are one.
        sources: For each symbol a tensor that has such an axis, and which.
    """

    def __init__(self) -> None:
        self.sizes: dict[int, Size] = {}
        self.sources: dict[str, tuple[SymbolicTensor, int]] = {}

    def size(self, size: int, tensor: SymbolicTensor, axis: int) -> Size:
        """The size of an axis of the tensor, where the example has this size."""
        if size not in self.sizes:
            name = f"axis of {size}"
            self.sizes[size] = symbol(name, size)
            self.sources[name] = tensor, axis
        return self.sizes[size]


OPEN: ContextVar[OpenAxes | None] = ContextVar("open", default=None)


class Value:
    """A tensor of the module.

    Args:
        order: For each axis in Keras the axis in torch. The batch comes first in Keras, wherever it is in torch; None
            in its place: torch's tensor has no batch axis, Keras's has the same numbers in every row.
        tensor: Keras's tensor, or what makes it when it is asked for.
        rows: How many rows come on one row of the batch.
        parts: The tensors `(B, ...)` that are stacked at torch's axis 0, which is Keras's axis 1.
        fill: The number that stands everywhere, if there is one.
        row_numbers: Whether it counts the rows of the batch, `arange(x.size(0))`: something for an index alone.
        parameter: The trained parameter that it is, and its name.
        once: What makes the same numbers without rows, in torch's order, where the tensor has them in every row.
    """

    def __init__(
        self,
        order: Sequence[int | None],
        tensor: SymbolicTensor | Callable[[], SymbolicTensor],
        *,
        rows: int | Size = 1,
        parts: Callable[[], list[SymbolicTensor]] | None = None,
        fill: float | None = None,
        row_numbers: bool = False,
        parameter: tuple[Any, str] | None = None,
        once: Callable[[], SymbolicTensor] | None = None,
    ) -> None:
        self.order = tuple(order)
        self._tensor = tensor
        self.rows = rows
        self.parts = parts
        self.fill = fill
        self.row_numbers = row_numbers
        self.parameter = parameter
        self.once = once
        self.sizes: tuple[int, ...] = ()  # in torch, of the example
        self.numbers: Tensor | None = None  # likewise

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
            raise UnsupportedError(f"dim={dim} of a tensor of {counted(self.rank, 'axis', 'axes')}")
        return dim % self.rank if self.rank else 0

    def axis(self, dim: int, what: str) -> int:
        """Keras's axis; `what` is done along it."""
        dim = self.dim(dim)
        if dim == self.batch:
            raise UnsupportedError(f"it {what} along the batch axis, and a Keras model sees every row by itself")
        return self.order.index(dim)

    def size(self, dim: int) -> int | Size:
        """A size of torch's, with what is known of it."""
        dim = self.dim(dim)
        if dim == self.batch:
            return self.rows * symbol(BATCH, self.sizes[dim] // plain(self.rows))
        if self.parameter is not None:
            return self.sizes[dim]
        axis, axes = self.order.index(dim), OPEN.get()
        size = self.tensor.shape[axis]
        if size is not None:
            return size
        assert axes is not None, "sizes are asked for while a module is traced"
        return axes.size(self.sizes[dim], self.tensor, axis)

    def shape(self) -> tuple[int | Size, ...]:
        return tuple(self.size(dim) for dim in range(self.rank))

    def of_dtype(self, dtype: Any) -> Value:
        """With torch's dtype, where Keras's function has made another: of sums of booleans, for one."""
        if not isinstance(self._tensor, SymbolicTensor) or self._tensor.dtype == dtype:
            return self
        cast = apply("Cast", self._tensor, str(dtype).removeprefix("torch."))
        return Value(self.order, cast, rows=self.rows, fill=self.fill)

    # ------------------------------------------------------------------ other orders

    def with_tensor(self, tensor: SymbolicTensor) -> Value:
        """Another tensor with the same axes."""
        return Value(self.order, tensor, rows=self.rows)

    def relabelled(self, moved: Sequence[int]) -> Value:
        """torch's axes in another order: axis i is what `moved[i]` was. In Keras nothing moves."""
        order = [None if dim is None else list(moved).index(dim) for dim in self.order]
        made = self.once
        once = made and (lambda: apply("Transpose", made(), axes=list(moved)))
        return Value(order, lambda: self.tensor, rows=self.rows, once=once)

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


class OneRow(Value):
    """A row of the batch, `x[0]`: it has sizes, and no tensor in a model."""

    def __init__(self, rows: Value) -> None:
        super().__init__((None, *range(rows.rank - 1)), _no_row)
        self.its_rows = rows

    def size(self, dim: int) -> int | Size:
        dim = self.dim(dim)
        return self.its_rows.size(dim + (dim >= (self.its_rows.batch or 0)))


class Joined:
    """A tensor whose first axis joins the batch with another axis, `x.view(T * B, F)`: in Keras both stay as they are.

    Args:
        value: The tensor with the two axes in front.
        front: Their sizes.
    """

    def __init__(self, value: Value, front: Sequence[int | Size]) -> None:
        self.value, self.front = value, tuple(front)

    @property
    def rank(self) -> int:
        return self.value.rank - 1

    def shape(self) -> tuple[int | Size, ...]:
        return (self.front[0] * self.front[1], *self.value.shape()[2:])

    def size(self, dim: int) -> int | Size:
        return self.shape()[dim]


ROWS = "rows of the batch are picked, and a Keras model sees every row by itself"
POISON = Value((0,), lambda: _no_tensor())
# The places of rows in an order by a number of each; in a model the rows stay where they are.
ORDER = Value((0,), lambda: _no_rows())


def _no_tensor() -> SymbolicTensor:
    raise UnsupportedError("it depends on something that is refused")


def _no_row() -> SymbolicTensor:
    raise UnsupportedError(ROWS)


def _no_rows() -> SymbolicTensor:
    raise UnsupportedError(
        "the order of the rows is for x[order], index_select and its own sort and argsort alone: a Keras model sees "
        "every row by itself"
    )
