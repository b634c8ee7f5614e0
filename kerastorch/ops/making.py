"""Tensors from sizes and numbers, parts of tensors, and tensors from and into other things."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.graph import SymbolicTensor
from ..dtypes import any_dtype, dtype_name
from ..errors import ArgumentError, quote
from ..functions.kit import integers
from .computed import computed, floats, tensor, together
from .recorded import recorded


def _sizes(shape: Any) -> list[int]:
    return integers(shape, "shape")


def _made(found: Tensor, dtype: Any) -> Tensor:
    return found if dtype is None else found.to(any_dtype(dtype))


def zeros(shape: Any, dtype: Any = None) -> Tensor:
    """Zeros of a shape, `floatx` if no dtype is given: `keras.ops.zeros`."""
    return torch.zeros(_sizes(shape), dtype=any_dtype(dtype))


def ones(shape: Any, dtype: Any = None) -> Tensor:
    """Ones of a shape, `floatx` if no dtype is given: `keras.ops.ones`."""
    return torch.ones(_sizes(shape), dtype=any_dtype(dtype))


def empty(shape: Any, dtype: Any = None) -> Tensor:
    """Zeros of a shape: `keras.ops.empty`, whose values are nobody's."""
    return zeros(shape, dtype)


@computed
def empty_like(x: Any, dtype: Any = None) -> Tensor:
    """Zeros in the shape of x: `keras.ops.empty_like`."""
    return torch.zeros_like(tensor(x), dtype=None if dtype is None else any_dtype(dtype))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:
    """Ones on a diagonal of a matrix: `keras.ops.eye`."""
    rows, columns = torch.arange(N).unsqueeze(-1), torch.arange(N if M is None else M)
    return (columns - rows == k).to(any_dtype(dtype))


def identity(n: int, dtype: Any = None) -> Tensor:
    """The identity matrix: `keras.ops.identity`."""
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Tensor:
    """Ones on and below a diagonal of a matrix: `keras.ops.tri`."""
    rows, columns = torch.arange(N).unsqueeze(-1), torch.arange(N if M is None else M)
    return (columns - rows <= k).to(any_dtype(dtype))


@computed
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Numbers at equal distances: `keras.ops.linspace`.

    Args:
        start: The first, a number or a tensor.
        stop: The last.
        num: How many.
        endpoint: Whether the last one is part of them.
        retstep: Whether their distance is returned, too.
        dtype: Of the result; floats if None.
        axis: Along which axis they lie.
    """
    first, last = together(start, stop, floating=True)
    parts = num - 1 if endpoint else num
    step = (last - first) / parts if parts > 0 else torch.full_like(last - first, float("nan"))
    first, last = torch.broadcast_tensors(first, last)
    places = torch.arange(num, dtype=first.dtype, device=first.device).reshape(-1, *[1] * first.ndim)
    found = first + places * (step if parts > 0 else 0)
    if endpoint and num > 1:
        found = torch.cat([found[:-1], last.unsqueeze(0)])
    found = _made(found.movedim(0, axis), dtype)
    return (found, step) if retstep else found


@computed
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10, dtype: Any = None, axis: int = 0
) -> Tensor:
    """Powers of `base` whose exponents lie at equal distances: `keras.ops.logspace`."""
    exponents = linspace(start, stop, num, endpoint, axis=axis)
    return _made(torch.pow(base, exponents), dtype)


@computed
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Tensor:
    """Numbers at equal ratios: `keras.ops.geomspace`."""
    first, last = together(start, stop, floating=True)
    logs = linspace(first.abs().log10(), last.abs().log10(), num, endpoint, axis=axis)
    return _made(torch.pow(10.0, logs) * first.sign(), dtype)


def bartlett(x: Any) -> Tensor:
    """A window of x values with straight sides: `keras.ops.bartlett`."""
    return torch.bartlett_window(int(x), periodic=False, dtype=any_dtype(None))


def hamming(x: Any) -> Tensor:
    """A window of x values, a raised cosine: `keras.ops.hamming`."""
    return torch.hamming_window(int(x), periodic=False, dtype=any_dtype(None))


def hanning(x: Any) -> Tensor:
    """A window of x values, a raised cosine that begins at 0: `keras.ops.hanning`."""
    return torch.hann_window(int(x), periodic=False, dtype=any_dtype(None))


def blackman(x: Any) -> Tensor:
    """A window of x values of three terms: `keras.ops.blackman`."""
    return torch.blackman_window(int(x), periodic=False, dtype=any_dtype(None))


def kaiser(x: Any, beta: Any) -> Tensor:
    """A window of x values made of Bessel functions: `keras.ops.kaiser`."""
    return torch.kaiser_window(int(x), periodic=False, beta=float(beta), dtype=any_dtype(None))


@computed
def meshgrid(*x: Any, indexing: str = "xy") -> list[Tensor]:
    """Vectors as the coordinates of a grid: `keras.ops.meshgrid`."""
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing: expected 'xy' or 'ij', got {quote(indexing)}.")
    return list(torch.meshgrid(*together(*[tensor(item) for item in x]), indexing=indexing))


# ---------------------------------------------------------------- parts


@computed
def slice(inputs: Any, start_indices: Any, shape: Any) -> Tensor:
    """A part of a tensor by its first place and its sizes, -1 up to the end: `keras.ops.slice`."""
    x = tensor(inputs)
    for axis, (start, size) in enumerate(zip(integers(start_indices, "start_indices"), _sizes(shape), strict=True)):
        x = x.narrow(axis, start, x.shape[axis] - start if size == -1 else size)
    return x


@computed
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Tensor:
    """A copy in which a part has other values: `keras.ops.slice_update`."""
    x, new = tensor(inputs).clone(), tensor(updates)
    starts = integers(start_indices, "start_indices")
    # `slice` is Keras's here.
    part = tuple(builtins.slice(start, start + size) for start, size in zip(starts, new.shape, strict=True))
    x[part] = new.to(x.dtype)
    return x


@computed
def scatter(indices: Any, values: Any, shape: Any) -> Tensor:
    """Zeros, with values added at places: `keras.ops.scatter`.

    Args:
        indices: `(..., axes)`, places along the first axes.
        values: `(..., rest)`.
        shape: Of the result.
    """
    given = tensor(values)
    return scatter_update(torch.zeros(_sizes(shape), dtype=given.dtype, device=given.device), indices, given, "add")


@computed
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Tensor:
    """A copy with other values at places: `keras.ops.scatter_update`.

    Args:
        inputs: A tensor.
        indices: `(..., axes)`, places along its first axes.
        updates: `(..., rest)`.
        reduction: How values that were there and new ones are joined: "add", "max", "min", "mul"; None replaces them.
    """
    x = tensor(inputs)
    places, new = tensor(indices).long().to(x.device), tensor(updates).to(x.dtype)
    depth = places.shape[-1]
    rows = x.reshape(-1, *x.shape[depth:]).clone()
    flat = torch.zeros(places.shape[:-1], dtype=torch.int64, device=x.device)
    for axis in range(depth):
        one = places[..., axis]
        flat = flat * x.shape[axis] + torch.where(one < 0, one + x.shape[axis], one)
    flat, new = flat.reshape(-1), new.reshape(-1, *x.shape[depth:])
    if reduction is None:
        rows[flat] = new
    else:
        ways = {"add": "sum", "max": "amax", "min": "amin", "mul": "prod"}
        if reduction not in ways:
            raise ArgumentError(f"scatter_update: reduction: expected one of {list(ways)}, got {quote(reduction)}.")
        index = flat.reshape(-1, *[1] * (new.ndim - 1)).expand_as(new)
        rows = rows.scatter_reduce(0, index, new, ways[reduction])
    return rows.reshape(x.shape)


@computed
def nonzero(x: Any) -> tuple[Tensor, ...]:
    """The places that are not zero, one tensor for each axis: `keras.ops.nonzero`."""
    return tuple(item.to(torch.int32) for item in torch.nonzero(tensor(x), as_tuple=True))


@computed
def unravel_index(indices: Any, shape: Any) -> tuple[Tensor, ...]:
    """Places in a flat tensor as places along each axis: `keras.ops.unravel_index`."""
    flat = tensor(indices)
    return tuple(item.to(flat.dtype) for item in torch.unravel_index(flat.long(), tuple(_sizes(shape))))


@computed
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Parts along an axis, which need not be equally long: `keras.ops.array_split`."""
    given = indices_or_sections
    return list(torch.tensor_split(tensor(x), given if isinstance(given, int) else list(given), axis))


def _split_at(name: str, axis: int) -> Any:
    def split(x: Any, indices_or_sections: Any) -> list[Tensor]:
        return list(recorded("split")(x, indices_or_sections, axis=axis))

    split.__name__ = split.__qualname__ = name
    split.__doc__ = f"Parts along axis {axis}: `keras.ops.{name}`."
    return split


dsplit, vsplit = _split_at("dsplit", 2), _split_at("vsplit", 0)


def hsplit(x: Any, indices_or_sections: Any) -> list[Tensor]:
    """Parts along axis 1, of a vector along its only axis: `keras.ops.hsplit`."""
    return _split_at("hsplit", min(1, len(x.shape) - 1))(x, indices_or_sections)


@computed
def dstack(xs: Any) -> Tensor:
    """Tensors behind each other along a third axis: `keras.ops.dstack`."""
    return torch.dstack(together(*(tensor(item) for item in xs)))


@computed
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Tensor:
    """Windows along the last axis: `keras.ops.extract_sequences`."""
    return tensor(x).unfold(-1, sequence_length, sequence_stride)


# ---------------------------------------------------------------- from and into other things


def convert_to_numpy(x: Any) -> np.ndarray:
    """A tensor, also one that needs a gradient or is on another device, as an array: `keras.ops.convert_to_numpy`."""
    if isinstance(x, SymbolicTensor):
        raise ArgumentError("convert_to_numpy: a symbolic tensor stands for data and has no values.")
    if not isinstance(x, Tensor):
        return np.asarray(x)
    found = x.detach().cpu()
    return (found.float() if found.dtype == torch.bfloat16 else found).numpy()


def is_tensor(x: Any) -> bool:
    """Whether x is a torch tensor: `keras.ops.is_tensor`."""
    return isinstance(x, Tensor)


def dtype(x: Any) -> str:
    """The name of the dtype of x: `keras.ops.dtype`."""
    return dtype_name(x.dtype if isinstance(x, (Tensor, SymbolicTensor)) else tensor(x).dtype)


def view_as_real(x: Any) -> Tensor:
    """Complex numbers as pairs along a new last axis: `keras.ops.view_as_real`."""
    return torch.view_as_real(tensor(x))


def view_as_complex(x: Any) -> Tensor:
    """Pairs along the last axis as complex numbers: `keras.ops.view_as_complex`."""
    return torch.view_as_complex(floats(x).contiguous())


@computed
def view(x: Any, dtype: Any = None) -> Tensor:
    """The same bits read as another dtype: `keras.ops.view`."""
    found = tensor(x)
    return found if dtype is None else found.view(any_dtype(dtype))
