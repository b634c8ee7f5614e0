"""Packed sequences of torch in a graph: the padded tensor, and a mask of the steps that count.

torch sorts the rows of a packed sequence, and puts them back when it pads again. A model does neither: what torch's own
functions do with rows in between is followed by name.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType
from typing import Any

from torch import Tensor
from torch.nn.utils import rnn

from ..base.graph import SymbolicTensor
from ..errors import UnsupportedError, counted
from ..layers.core.operation import apply
from . import _joined
from ._example import leaves, replaced
from ._size import plain
from ._value import ORDER, Joined, Value

_CODES = {
    function.__code__: function.__name__
    for function in (rnn.pack_padded_sequence, rnn.pad_packed_sequence, rnn.invert_permutation)
}
INSIDE = (
    "the numbers of a packed sequence, of which a model has the padded tensor, and not as many rows as steps count: "
    "pad_packed_sequence before"
)
_LENGTHS = "pack_padded_sequence: its lengths must be numbers (batch,) that depend on the input: make them an argument"


class Packed:
    """A packed sequence, or its numbers.

    Attributes:
        value: The padded tensor, with the batch and time in front.
        mask: `(B, T)`, True where a step counts.
        lengths: Steps of each row.
        front: The sizes of the padded tensor's batch and time.
    """

    def __init__(self, value: Value, mask: SymbolicTensor, lengths: Value, front: tuple[Any, ...]) -> None:
        self.value, self.mask, self.lengths, self.front = value, mask, lengths, front

    def of(self, value: Value) -> Packed:
        """Other numbers for the same steps."""
        return Packed(value, self.mask, self.lengths, self.front)


def caller(frame: FrameType) -> str | None:
    """The function of torch for packed sequences that the frame is of."""
    return _CODES.get(frame.f_code)


def follow(where: str, name: str, args: Any, kwargs: Any, result: Any) -> Any:
    """What the result is of a function that torch's own `where` has called; None if that is nothing special.

    Args:
        where: A function of torch for packed sequences.
        name: Of the function that it calls.
        args: Its arguments, with values.
        kwargs: The same by name.
        result: What torch has made.
    """
    if where == "invert_permutation":
        return ORDER
    if name == "sort":
        return args[0], ORDER
    if name == "index_select":
        return args[0]
    if name == "__getitem__":
        return args[0]
    if name == "_pack_padded_sequence":
        return _pack(*args), result[1]
    if name == "_pad_packed_sequence":
        data, _sizes, batch_first, padding_value, _length = args
        return _pad(data, batch_first, padding_value, result[0])
    return None


def _pack(input: Any, lengths: Any, batch_first: bool) -> Packed:
    if not isinstance(lengths, Value) or lengths.order != (0,):
        raise UnsupportedError(_LENGTHS)
    batch, time = (0, 1) if batch_first else (1, 0)
    if not isinstance(input, Value) or input.batch != batch or input.rank < 2:
        raise UnsupportedError(f"pack_padded_sequence: x must have batch and time in front, the batch at axis {batch}")
    tensor = input.arranged([time, *range(2, input.rank)])
    column = tensor[(slice(None), slice(None), *[0] * (input.rank - 2))] if input.rank > 2 else tensor
    places = apply("Cumsum", apply("OnesLike", column, dtype="int64"), axis=1)
    ends = apply("ExpandDims", apply("Cast", lengths.tensor, "int64"), 1)
    # The order of torch's axes is of no interest while it is packed.
    value = Value(range(input.rank), tensor)
    return Packed(value, apply("LessEqual", places, ends), lengths, (input.size(batch), input.size(time)))


def _pad(packed: Any, batch_first: bool, padding_value: float, result: Tensor) -> tuple[Value, Value]:
    steps, given = result.shape[1 if batch_first else 0], plain(packed.front[1])
    if steps != given:
        raise UnsupportedError(
            f"pad_packed_sequence gives {counted(steps, 'step')} where x has {given}, and a model has all of x's: pass "
            "total_length=x.size(1) (x.size(0) if the batch is second), or let the longest sequence of the example "
            "have them all"
        )
    mask, rest = packed.mask, range(2, packed.value.rank)
    for axis in rest:
        mask = apply("ExpandDims", mask, axis)
    natural = packed.value.natural()
    number = float(padding_value) if natural.dtype.is_floating_point else int(padding_value)
    return Value((0, 1, *rest) if batch_first else (1, 0, *rest), apply("Where", mask, natural, number)), packed.lengths


def through(handler: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What stands for the result where an argument is the numbers of a packed sequence, `linear(packed.data)`.

    Raises:
        UnsupportedError: It does not work on each step by itself.
    """
    found = [leaf for leaf in leaves((args, kwargs)) if isinstance(leaf, Packed)]
    first = found[0]
    if any(other.lengths is not first.lengths for other in found) or name in _joined.RESHAPING:
        raise UnsupportedError(INSIDE)

    def joined(leaf: Any) -> Any:
        return Joined(leaf.value, leaf.front) if isinstance(leaf, Packed) else leaf

    def packed(leaf: Any) -> Any:
        return first.of(leaf.value) if isinstance(leaf, Joined) else leaf

    try:
        return replaced(_joined.through(handler, name, *replaced((args, kwargs), joined)), packed)
    except UnsupportedError as error:
        raise UnsupportedError(f"{INSIDE} ({error})") from error
