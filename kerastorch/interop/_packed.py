"""Packed sequences of torch in a graph: the padded tensor, and a mask of the steps that count.

torch sorts the rows of a packed sequence, and puts them back when it pads again. A model does neither: what torch's own
functions do with rows in between is followed by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import FrameType
from typing import Any

from torch import Tensor
from torch.nn.utils import rnn

from ..errors import UnsupportedError
from ..layers._graph import SymbolicTensor
from ..layers.operation import apply
from ._value import Value

_CODES = {
    function.__code__: function.__name__
    for function in (rnn.pack_padded_sequence, rnn.pad_packed_sequence, rnn.invert_permutation)
}
INSIDE = (
    "the numbers of a packed sequence, which a model has padded: pad_packed_sequence before, or let a recurrent module "
    "have it as it is"
)
_LENGTHS = "pack_padded_sequence: its lengths must be numbers (batch,) that depend on the input: make them an argument"


@dataclass
class Packed:
    """A packed sequence.

    Attributes:
        value: The padded tensor.
        mask: `(B, T)`, True where a step counts.
        lengths: Steps of each row.
        steps: How many the padded tensor has in the example.
    """

    value: Value
    mask: SymbolicTensor
    lengths: Value
    steps: int


def _no_rows() -> SymbolicTensor:
    raise UnsupportedError("the order of the rows in a packed sequence, and a Keras model sees every row by itself")


ORDER = Value((0,), _no_rows)


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
    if not isinstance(input, Value) or input.batch != batch or input.rank != 3:
        raise UnsupportedError(f"pack_padded_sequence: x must have three axes, with the batch at axis {batch}")
    tensor = input.arranged([time, 2])
    counted = apply("Cumsum", apply("OnesLike", tensor[:, :, 0], dtype="int64"), axis=1)
    ends = apply("ExpandDims", apply("Cast", lengths.tensor, "int64"), 1)
    # The order of torch's axes is of no interest while it is packed.
    value = Value((0, 1, 2), tensor)
    return Packed(value, apply("LessEqual", counted, ends), lengths, input.sizes[time])


def _pad(packed: Any, batch_first: bool, padding_value: float, result: Tensor) -> tuple[Value, Value]:
    steps = result.shape[1 if batch_first else 0]
    if steps != packed.steps:
        raise UnsupportedError(
            f"pad_packed_sequence gives {steps} steps where x has {packed.steps}, and a model has all of x's: pass "
            "total_length=x.size(1) (x.size(0) if the batch is second), or let the longest sequence of the example "
            "have them all"
        )
    tensor = apply("Where", apply("ExpandDims", packed.mask, -1), packed.value.tensor, float(padding_value))
    return Value((0, 1, 2) if batch_first else (1, 0, 2), tensor), packed.lengths
