"""Weight maps: how an array of Keras becomes the parameters of a torch kernel, and back.

A `Step` is a bijection between tuples of tensors. It is written once, forward (Keras -> torch); the way back is its
inverse, so the two directions cannot drift apart. Steps compose with `>>`. They act on torch tensors of any device,
`meta` included, and move values without arithmetic: a round trip is bitwise the identity.

A `Var` says, as data, which Keras variable lives in which parameters of a layer, through which map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ._random_initializers import GlorotUniform
from .errors import ShapeError, UnsafeFileError, counted, quote

if TYPE_CHECKING:
    from .initializers import Initializer

Tensors = tuple[Tensor, ...]

_MOST = 1 << 60  # values in one weight: more than any memory holds, and safe in torch's own arithmetic
# How many values weights, and what stands beside them, may have in all, and how many are left.
_room: ContextVar[list[tuple[int, int]] | None] = ContextVar("room", default=None)
_as_drawn: ContextVar[bool] = ContextVar("as_drawn", default=False)


def _would_have(owner: Any, name: str, shape: Sequence[int]) -> str:
    kind, label = type(owner).__name__, quote(getattr(owner, "name", ""))
    return f"{kind} {label}: its {name} would have the shape {quote(tuple(shape))}"


@contextmanager
def weights_within(count: int | None, others: int | None = None) -> Iterator[None]:
    """Weights that are made meanwhile may have so many values in all, and no more.

    Args:
        count: Of weights; None for any number.
        others: Of what stands beside them and follows from arguments alone (`Filler`, thresholds of a metric), of which
            no file holds the values; as many as of weights if None.
    """
    most = _MOST if count is None else count
    token = _room.set([(most, most), (most, most)] if others is None else [(most, most), (others, others)])
    try:
        yield
    finally:
        _room.reset(token)


@contextmanager
def as_drawn() -> Iterator[None]:
    """What weights on `meta` cannot be filled with raises meanwhile, as it does where they get values.

    A file brings the values of its weights along; a config alone leaves them to the initializers.
    """
    token = _as_drawn.set(True)
    try:
        yield
    finally:
        _as_drawn.reset(token)


def take_room(shape: Sequence[int], owner: Any, name: str, *, beside: bool = False) -> None:
    """Raise before a weight is made that no memory holds, or that is more than `weights_within` allows.

    Args:
        shape: Of the weight.
        owner: The layer, or the metric.
        name: Of the weight.
        beside: Whether it is none, but stands beside them and follows from arguments.

    Raises:
        ShapeError: No memory is large enough.
        UnsafeFileError: There are too many values with those that were made before.
    """
    size = math.prod(shape)
    if size > _MOST:
        raise ShapeError(f"{_would_have(owner, name, shape)}, which no memory holds. Check the sizes in its arguments.")
    room = _room.get()
    if room is not None and size >= 0:
        most, left = room[beside]
        room[beside] = (most, left - size)
        if size > left:
            what = "what no file holds" if beside else "the weights"
            raise UnsafeFileError(
                f"{_would_have(owner, name, shape)}, and with it {what} more than {counted(most, 'value')}, the limit. "
                "If the model is meant to be that large, pass limits=kt.Limits(parameters=...)."
            )


def _cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """`torch.cat`, without torch's Python code for `meta`, which would import torch's compiler (a second or two)."""
    first = tensors[0]
    if not first.is_meta:
        return torch.cat(tuple(tensors), dim=dim)
    shape = list(first.shape)
    shape[dim] = sum(tensor.shape[dim] for tensor in tensors)
    return torch.empty(shape, dtype=first.dtype, device=first.device)


def owned(tensor: Tensor) -> Tensor:
    """The tensor in one piece of memory that holds nothing else: two weights that share memory are one for whoever
    writes a module to a file.

    For `meta` again without torch's Python code, which takes its time.
    """
    if tensor.is_contiguous() and tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size():
        return tensor
    if tensor.is_meta:
        return torch.empty(tensor.shape, dtype=tensor.dtype, device=tensor.device)
    return tensor.clone(memory_format=torch.contiguous_format)


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    return _cat([tensor[None] for tensor in tensors])


@dataclass(frozen=True)
class Step:
    """A bijection between tuples of tensors, with its name for messages.

    Attributes:
        rows: The axis of the result that holds the rows of a matrix; a slice of rows then becomes a slice along it,
            so that a large matrix can be mapped part by part. None: it takes the whole matrix.
    """

    name: str
    forward: Callable[[Tensors], Tensors]
    inverse: Callable[[Tensors], Tensors]
    rows: int | None = None

    def __rshift__(self, other: Step) -> Step:
        """`a >> b` does `a` first, then `b`."""
        return Step(
            f"{self.name} >> {other.name}",
            lambda tensors: other.forward(self.forward(tensors)),
            lambda tensors: self.inverse(other.inverse(tensors)),
            other.rows if self.rows == 0 else None,
        )

    def __repr__(self) -> str:
        return self.name


def _each(
    name: str, forward: Callable[[Tensor], Tensor], inverse: Callable[[Tensor], Tensor], rows: int | None = None
) -> Step:
    return Step(name, lambda ts: tuple(map(forward, ts)), lambda ts: tuple(map(inverse, ts)), rows)


def _as_they_are(tensors: Tensors) -> Tensors:
    return tuple(tensors)


identity = Step("identity", _as_they_are, _as_they_are, rows=0)  # named functions: it can be pickled
transpose = _each("transpose", lambda t: t.transpose(0, 1), lambda t: t.transpose(0, 1), rows=1)


def reorder_gates(order: str) -> Step:
    """Reorder the gate blocks along the last axis: `reorder_gates("zrh -> rzh")` is Keras's GRU order to torch's."""
    source, target = (side.strip() for side in order.split("->"))
    if sorted(source) != sorted(target) or len(set(source)) != len(source):
        raise ValueError(f"reorder_gates({order!r}): both sides must name the same gates once")

    def reorder(old: str, new: str) -> Callable[[Tensor], Tensor]:
        def apply(tensor: Tensor) -> Tensor:
            blocks = tensor.chunk(len(old), dim=-1)
            return _cat([blocks[old.index(gate)] for gate in new], dim=-1)

        return apply

    return _each(f"gates({order})", reorder(source, target), reorder(target, source), rows=0)


def unstack(count: int) -> Step:
    """Split the first axis, of length `count`, into `count` tensors."""
    return Step(f"unstack({count})", lambda ts: ts[0].unbind(0), lambda ts: (_stack(ts),))


def halves() -> Step:
    """Split a vector into its two halves (CuDNNLSTM keeps input and recurrent bias one after the other)."""
    return Step("halves", lambda ts: ts[0].chunk(2), lambda ts: (_cat(ts),))


def per_gate(order: str, step: Step) -> Step:
    """Apply a 2-D `step` to every gate block `(rows, units)` of a kernel and stack the results along the first axis."""
    count = len(order)

    def forward(tensor: Tensor) -> Tensor:
        return _cat([step.forward((block,))[0] for block in tensor.chunk(count, dim=1)], dim=0)

    def inverse(tensor: Tensor) -> Tensor:
        return _cat([step.inverse((block,))[0] for block in tensor.chunk(count, dim=0)], dim=1)

    return _each(f"per_gate({order}, {step})", forward, inverse)


# Keras keeps the kernel of a convolution as (..., in, out), torch as (out, in, ...); of a transposed one as
# (..., out, in), torch as (in, out, ...); of a depthwise one as (..., in, multiplier), we as (in, multiplier, ...).
convolution = _each("convolution", lambda t: t.movedim((-1, -2), (0, 1)), lambda t: t.movedim((0, 1), (-1, -2)))
depthwise = _each("depthwise", lambda t: t.movedim((-2, -1), (0, 1)), lambda t: t.movedim((0, 1), (-2, -1)))

# CuDNNLSTM/CuDNNGRU hand the memory of each (rows, units) block to cuDNN, which reads it as (units, rows).
reinterpret = _each(
    "reinterpret",
    lambda t: t.reshape(t.shape[1], t.shape[0]),
    lambda t: t.reshape(t.shape[1], t.shape[0]),
)

Shape = tuple[Any, ...]


def always(layer: Any) -> bool:
    """The condition of a variable that every layer of its class has."""
    return True


@dataclass(frozen=True)
class Fixed:
    """The shape of a variable that does not depend on the input's; it can be pickled."""

    shape: tuple[int, ...]

    def __call__(self, layer: Any, input_shape: Shape) -> tuple[int, ...]:
        return self.shape


@dataclass(frozen=True)
class Var:
    """One Keras variable of a layer.

    Args:
        name: Keras's name of the variable.
        params: The torch parameters (or buffers, if not trainable) that hold it.
        shape: From the layer and its input shape to the variable's shape in Keras.
        map: Keras layout -> torch layout.
        when: Whether a layer of this configuration has the variable.
        trainable: False for moving statistics and the like: they become buffers.
        stem: What the arguments `<stem>_initializer`, `<stem>_regularizer`, `<stem>_constraint` start with.
        init: From the layer to the initialiser, where it is not simply `<stem>_initializer`.
        also: Names that other versions of Keras have for it.
        convolved: Whether it is the kernel of a convolution, which Theano kept rotated.
        dtype: If it is not the layer's, whatever that is: of a count.
        rules: The regularizer and the constraint, where these are not arguments of the layer.
    """

    name: str
    params: tuple[str, ...]
    shape: Callable[[Any, Shape], tuple[int, ...]]
    map: Step = identity
    when: Callable[[Any], bool] = always
    trainable: bool = True
    stem: str = ""
    init: Callable[[Any], Initializer | Callable[..., Tensor]] | None = None
    also: tuple[str, ...] = ()
    convolved: bool = False
    dtype: torch.dtype | None = None
    rules: Mapping[str, Any] | None = None

    def initial(self, layer: Any, input_shape: Shape, dtype: torch.dtype, device: torch.device) -> Tensor:
        """The variable's first value, in Keras layout; on `meta`, where there are no values, only its shape.

        What an initialiser does on `meta` takes time, and imports torch's compiler.
        """
        shape = self.shape(layer, input_shape)
        take_room(shape, layer, self.name)
        if device.type == "meta" and not _as_drawn.get():
            return torch.empty(shape, dtype=self.dtype or dtype, device=device)
        make = self.init(layer) if self.init else getattr(layer, f"{self.stem or self.name}_initializer")
        make = make or GlorotUniform()  # as Keras's add_weight takes None
        return make(shape, dtype=self.dtype or dtype, device=device)

    def option(self, layer: Any, kind: str) -> Any:
        """The layer's regularizer or constraint for this variable, or None."""
        if self.rules is not None:
            return self.rules[kind]
        return getattr(layer, f"{self.stem or self.name}_{kind}", None)

    def to_torch(self, array: Tensor) -> Tensors:
        return tuple(map(owned, self.map.forward((array,))))

    def to_keras(self, parts: Sequence[Tensor]) -> Tensor:
        return self.map.inverse(tuple(parts))[0]


@dataclass(frozen=True)
class Filler:
    """A buffer that follows from the arguments and stands in no file of Keras.

    Args:
        name: Of the buffer.
        shape: From the layer to the buffer's shape.
        when: Whether a layer of this configuration has it.
        value: From the layer to the values; None for zeros, as a torch kernel wants them (the LSTM's second bias).
    """

    name: str
    shape: Callable[[Any], tuple[int, ...]]
    when: Callable[[Any], bool] = always
    value: Callable[[Any], Any] | None = None

    def make(self, layer: Any, dtype: torch.dtype, device: torch.device | str) -> Tensor:
        shape = self.shape(layer)
        take_room(shape, layer, self.name, beside=True)
        if self.value is None:
            return torch.zeros(shape, dtype=dtype, device=device)
        return torch.tensor(self.value(layer), dtype=dtype, device=device).expand(shape).contiguous()


def check_shapes(where: str, wanted: Sequence[tuple[str, tuple[int, ...]]], got: Sequence[tuple[int, ...]]) -> None:
    """Raise one `ShapeError` that lists every array of the wrong count or shape."""
    if len(wanted) != len(got):
        listed = ", ".join(f"{name} {shape}" for name, shape in wanted) or "none"
        raise ShapeError(f"{where}: expected {counted(len(wanted), 'array')} ({listed}), got {len(got)}.")
    wrong = [
        f"{name}: expected {shape}, got {tuple(found)}"
        for (name, shape), found in zip(wanted, got, strict=True)
        if tuple(shape) != tuple(found)
    ]
    if wrong:
        raise ShapeError(f"{where}: arrays of the wrong shape: " + "; ".join(wrong))
