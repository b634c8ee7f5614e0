"""What layers ask of their inputs and masks, and how they refuse options of Keras that are not here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..dtypes import autocasts
from ..errors import ArgumentError, ShapeError, UnsupportedError, counted, quote
from .layer import Layer
from .weighted import repr_of


def one_tensor(layer: Layer, x: Any) -> Tensor:
    """Return x, or raise if it is not one tensor."""
    if not isinstance(x, Tensor):
        raise ArgumentError(f"{repr_of(layer)}: expected one tensor, got {quote(type(x).__name__)}.")
    return x


def float_tensor(layer: Layer, x: Any, dtype: torch.dtype) -> Tensor:
    """Return x in the dtype of the weights: integers are converted, another float is refused."""
    x = one_tensor(layer, x)
    if not x.is_floating_point():
        return x.to(dtype)
    if x.dtype != dtype and not autocasts(x.device):
        raise ArgumentError(
            f"{repr_of(layer)}: the input is {x.dtype}, the weights are {dtype}; "
            "convert one of them, for example x.to(layer.dtype)."
        )
    return x


def cut_off(out: Tensor, given: torch.dtype) -> Tensor:
    """What a normalisation gives for integers: Keras brings its numbers back to the dtype that came in."""
    return out if given.is_floating_point else out.to(given)


def one_shape(layer: Layer, input_shape: Any, rank: int | None = None, least: int = 0, meaning: str = "") -> None:
    """Raise unless `input_shape` is one shape, with `rank` axes or at least `least` of them."""
    if isinstance(input_shape, Mapping):
        raise ShapeError(f"{repr_of(layer)} takes one input, got a dict of {len(input_shape)}; call it on one of them.")
    if any(isinstance(size, (tuple, list)) for size in input_shape):
        raise ShapeError(
            f"{repr_of(layer)} takes one input, got {len(input_shape)} of shapes {list(input_shape)}; "
            "merge them first, for example with Concatenate."
        )
    if len(input_shape) < least or (rank is not None and len(input_shape) != rank):
        wanted = (
            f"{counted(rank, 'axis', 'axes')}" if rank is not None else f"at least {counted(least, 'axis', 'axes')}"
        )
        raise ShapeError(
            f"{repr_of(layer)}: expected input of shape {meaning} with {wanted}, got {tuple(input_shape)}."
        )


def sizes_at(layer: Layer, input_shape: Sequence[Any], axes: Sequence[int]) -> tuple[int, ...]:
    """The sizes of `axes`, which must exist and be known."""
    axis_in_bounds(layer, input_shape, axes)
    for axis in axes:
        if input_shape[axis] is None:
            raise ShapeError(
                f"{repr_of(layer)}: the size of axis {axis} must be known, got {tuple(input_shape)}; "
                "give it to Input or build."
            )
    return tuple(input_shape[axis] for axis in axes)


def channels_at(layer: Layer, input_shape: Sequence[Any], axis: int, meaning: str) -> int:
    """The number of channels of images: known, at least one, and as many as the layer is built for.

    torch convolves images without channels into ones without, whatever the filters; no backend of Keras takes them.
    """
    (channels,) = sizes_at(layer, input_shape, (axis,))
    built = layer._build_shape[axis] if layer._built and layer._build_shape is not None else channels
    if channels != built or channels < 1:
        expected = f"{counted(built, 'channel')}" if channels != built else "at least one channel"
        raise ShapeError(
            f"{repr_of(layer)}: expected {expected}, got {channels} (input of shape {tuple(input_shape)}, that is "
            f"{meaning})."
        )
    return channels


def axis_in_bounds(layer: Layer, input_shape: Sequence[Any], axes: Sequence[int]) -> None:
    """Raise unless all `axes` exist."""
    rank = len(input_shape)
    for axis in axes:
        if not -rank <= axis < rank:
            raise ShapeError(
                f"{repr_of(layer)}: axis {axis} is out of bounds for input of shape {tuple(input_shape)}; "
                f"it can be {-rank} to {rank - 1}."
            )


def mask_tensor(layer: Layer, mask: Any, device: torch.device | None = None) -> Tensor:
    """A mask, or what torch makes a tensor of, where the data is."""
    if isinstance(mask, Tensor):
        return torch.as_tensor(mask, device=device)
    try:
        return torch.as_tensor(mask, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(f"{repr_of(layer)}: mask: expected a tensor of bools, got {quote(mask)}.") from error


def one_mask(layer: Layer, mask: Any) -> Any:
    """The mask of the first input, of a list that Keras makes of the masks of all."""
    if not isinstance(mask, (list, tuple)):
        return mask
    if not mask:
        raise ArgumentError(f"{repr_of(layer)}: mask: expected a tensor of bools, or a list that has one, got {mask}.")
    return mask[0]


def spreading_mask(layer: Layer, x: Tensor, mask: Any) -> Tensor:
    """A mask of single values, which must spread to the shape of x from its last axis on."""
    mask = mask_tensor(layer, mask, x.device)
    pairs = zip(reversed(mask.shape), reversed(x.shape), strict=False)
    if mask.ndim > x.ndim or any(size not in (1, own) for size, own in pairs):
        raise ShapeError(
            f"{repr_of(layer)}: expected a mask that spreads to the input's shape {tuple(x.shape)}, got "
            f"{tuple(mask.shape)}; a mask of steps does so as mask.unsqueeze(-1)."
        )
    return mask


def check_noise_shape(layer: Layer, noise: Sequence[int | None] | None, input_shape: Sequence[Any]) -> None:
    """Raise unless a layer's `noise_shape` fits the input."""
    if noise is None:
        return
    # Behind an axis that is missing in front, None would stand for the wrong size.
    fits = len(noise) == len(input_shape) and all(
        a in (None, 1) or b is None or a == b for a, b in zip(noise, input_shape, strict=True)
    )
    if not fits:
        raise ShapeError(
            f"{repr_of(layer)}: noise_shape={noise} does not fit input of shape {tuple(input_shape)}; "
            "each size must be 1, None or the input's."
        )


def noise_shape_for(noise: Sequence[int | None] | None, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of the noise for an input of this shape."""
    if noise is None:
        return tuple(shape)
    return tuple(own if size is None else size for size, own in zip(noise, shape, strict=True))


def refuse(layer: Layer, reasons: Mapping[str, str], **options: Any) -> None:
    """Raise `UnsupportedError` for the first option that is switched on (neither None nor False)."""
    for name, value in options.items():
        if value is not None and value is not False:
            raise UnsupportedError(f"{repr_of(layer)}: {name}={quote(value)} is not supported: {reasons[name]}.")


def mask_of_steps(layer: Layer, x: Tensor, mask: Any) -> Tensor | None:
    """The mask of the steps of `x` `(B, T, ...)`: bool `(B, T)`; one of `(B, T, 1)` is taken too."""
    mask = one_mask(layer, mask)
    if mask is None:
        return None
    mask = mask_tensor(layer, mask, x.device)
    if mask.ndim == 3 and mask.shape[-1] == 1:
        mask = mask[..., 0]
    if tuple(mask.shape) != tuple(x.shape[:2]):
        raise ShapeError(
            f"{repr_of(layer)}: expected a mask of shape (batch, timesteps) = {tuple(x.shape[:2])}, "
            f"got {tuple(mask.shape)}."
        )
    return mask if mask.dtype == torch.bool else mask != 0
