"""What a model is called with: its inputs and their masks in order, checked against the declared shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from torch import Tensor

from ..arrays import with_texts
from ..base.attached_masks import hang, mask_on, masks_on
from ..base.weighted import repr_of
from ..errors import ArgumentError, ShapeError, counted, plural, quote
from ..structure import leaves

if TYPE_CHECKING:
    from ..weights import Shape
    from ._protocol import AnyModel


def flat_inputs(model: AnyModel, inputs: tuple[Any, ...]) -> list[Any]:
    """The given tensors in the order of the model's inputs, checked against the declared shapes, before any cast;
    None for an optional one that is left out.

    A declared batch size binds stateful models alone, as in Keras.
    """
    layers = model._input_layers
    inputs = _without_defaults(inputs, len(layers))
    flat = in_order(model, inputs[0] if len(inputs) == 1 else list(inputs))
    if len(flat) != len(layers):
        raise ShapeError(f"{repr_of(model)}: expected {counted(len(layers), 'input')}, got {len(flat)}.")
    for layer, tensor in zip(layers, flat, strict=True):
        if tensor is None and not layer.optional:
            raise ArgumentError(
                f"{repr_of(model)}: input {layer.name!r} is not optional: expected a tensor of shape "
                f"{layer.batch_shape}, got None; Input(..., optional=True) lets it be left out."
            )
        if tensor is not None and not isinstance(tensor, Tensor) and not layer.is_text:
            raise ArgumentError(
                f"{repr_of(model)}: input {layer.name!r}: expected a tensor of shape {layer.batch_shape}, got "
                f"{quote(tensor)}."
            )
    pairs = list(zip(layers, flat, strict=True))
    flat = [None if tensor is None else in_rank(tensor, layer.batch_shape) for layer, tensor in pairs]
    for layer, tensor in zip(layers, flat, strict=True):
        if tensor is None:
            continue
        wanted, got = layer.batch_shape, tuple(tensor.shape)
        differ = _apart(got, wanted)
        if len(wanted) != len(got) or (differ and (differ != [0] or model.stateful)):
            alone = len(got) == len(wanted) - 1 and not _apart(got, wanted[1:])
            hint = " One row without its batch axis? Pass x[None]." if alone else ""
            raise ShapeError(f"{repr_of(model)}: input {layer.name!r}: expected shape {wanted}, got {got}.{hint}")
    return flat


def _without_defaults(inputs: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    """What was given: `torch.onnx.export(dynamo=False)` adds the default of every argument that `forward` shows.

    They are None, and False, which it has made a tensor of.
    """
    added = inputs[count:]
    if added and torch.onnx.is_in_onnx_export() and all(value is None or _is_flag(value) for value in added):
        return inputs[:count]
    return inputs


def _is_flag(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 0 and value.dtype == torch.bool


def in_order(model: AnyModel, value: Any) -> list[Any]:
    """What a model is called with, in the order of its inputs."""
    structure = None if model._graph is None else model._graph.inputs
    layers = model._input_layers
    if any(layer.is_text for layer in layers):
        value = with_texts(value)
    if isinstance(value, dict):
        keys = sorted(structure) if isinstance(structure, dict) else [layer.name for layer in layers]
        missing = [key for key in keys if key not in value]
        if missing:
            raise ArgumentError(
                f"{repr_of(model)}: no value for {plural(len(missing), 'input')} {missing}; got {sorted(value)}."
            )
        value = [value[key] for key in keys]
    return leaves(value)


def _apart(got: Shape, wanted: Shape) -> list[int]:
    """The axes whose size is another one than the known one."""
    return [axis for axis, size in enumerate(wanted) if size is not None and got[axis : axis + 1] != (size,)]


def cast_inputs(model: AnyModel, tensors: list[Any]) -> list[Any]:
    """Inputs in the dtypes that the model's `Input`s state."""
    places = zip(model._input_layers, tensors, model._ids, strict=True)
    return [None if tensor is None else layer._cast(tensor, ids) for layer, tensor, ids in places]


@overload
def in_rank(given: Tensor, wanted: Sequence[int | None]) -> Tensor: ...
@overload
def in_rank(given: Shape, wanted: Sequence[int | None]) -> Shape: ...
def in_rank(given: Any, wanted: Sequence[int | None]) -> Any:
    """A tensor, or a shape, with the last axis of size 1 that the input has, or without one that it lacks, as in Keras.

    Where the rank differs in any other way it is returned as it is. A mask stays on the tensor.
    """
    if isinstance(given, np.ndarray):  # of texts
        return given.reshape(in_rank(given.shape, wanted))
    is_tensor = isinstance(given, Tensor)
    shape = tuple(given.shape) if is_tensor else given
    if len(shape) == len(wanted) - 1 and wanted[-1] == 1:
        return hang(given.unsqueeze(-1), mask_on(given)) if is_tensor else (*shape, 1)
    if len(shape) == len(wanted) + 1 and shape[-1] == 1:
        return hang(given.squeeze(-1), mask_on(given)) if is_tensor else shape[:-1]
    return given


def flat_masks(model: AnyModel, mask: Any, tensors: Sequence[Any]) -> list[Any]:
    """The mask of each input: the given one, else the one that hangs on the tensor; False is none."""
    count = len(tensors)
    if mask is None or mask is False:
        flat: list[Any] = [mask] * count
    elif isinstance(mask, dict):
        flat = [mask[key] for key in sorted(mask)]
    else:
        flat = list(mask) if isinstance(mask, (list, tuple)) else [mask]
    if len(flat) != count:
        raise ShapeError(f"{repr_of(model)}: expected {counted(count, 'mask')}, one for each input, got {len(flat)}.")
    flat = [mask_of(tensor, its_mask) for tensor, its_mask in zip(tensors, flat, strict=True)]
    for layer, its_mask in zip(model._input_layers, flat, strict=True):
        if layer.ragged and its_mask is None:
            raise ArgumentError(
                f"{repr_of(model)}: input {layer.name!r} is ragged in Keras, so a padded tensor alone does not say "
                "where its rows end. Pass the mask of its steps too, bool (batch, timesteps), True = use the step: "
                "model(x, mask=mask), or model.predict(x, mask=mask)."
            )
    return flat


def mask_of(tensors: Any, given: Any) -> Any:
    """A given mask, else the one that hangs on the tensor; False is none. Both may be lists."""
    if isinstance(tensors, (list, tuple)) and isinstance(given, (list, tuple)):
        return [mask_of(tensor, its_mask) for tensor, its_mask in zip(tensors, given, strict=True)]
    return masks_on(tensors) if given is None else None if given is False else given
