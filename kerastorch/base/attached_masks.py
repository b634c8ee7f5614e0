"""Masks that hang on tensors: how a mask finds its way between layers that are called by hand, as in Keras 3.

A layer that makes a mask, or whose input or call has one, leaves the mask of its output on the output itself, as the
attribute `_keras_mask`. The next layer looks for it there. What plain torch makes of such a tensor is a new tensor
without it, as in Keras. In a graph masks travel along the edges (`models/_edges.py`): there a layer of ours is called
past all this, and somebody's own code finds the masks of its inputs on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ..structure import leaves, map_structure
from .protocol import AnyLayer


def mask_on(tensor: Any) -> Any:
    """The mask that hangs on a tensor; None if there is none."""
    return getattr(tensor, "_keras_mask", None)


def hang(tensor: Any, mask: Any) -> Any:
    """Hang a mask on a tensor, or take the one off that is there; returns the tensor."""
    if mask is not None:
        tensor._keras_mask = mask
    elif mask_on(tensor) is not None:
        del tensor._keras_mask
    return tensor


def concerned(layer: AnyLayer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether masks have a part in a call: one is made, arrives, or is named."""
    if len(args) == 1 and not kwargs and isinstance(args[0], Tensor):  # most calls: without a loop
        return layer._makes_mask or mask_on(args[0]) is not None
    if layer._makes_mask or (len(args) > 1 and layer._takes_mask):
        return True
    return any(map(_has_mask, args)) or any(
        value is not None and (name == "mask" or name.endswith("_mask") or _has_mask(value))
        for name, value in kwargs.items()
    )


def _has_mask(value: Any) -> bool:
    if isinstance(value, Tensor):
        return mask_on(value) is not None
    if isinstance(value, (list, tuple)):
        return any(map(_has_mask, value))
    return isinstance(value, dict) and any(map(_has_mask, value.values()))


def call(layer: AnyLayer, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Run one call that masks have a part in: hand the layer those it takes, and hang theirs on the outputs.

    As Keras 3: where tensors are given beside the input (initial states, say), only arguments like `query_mask` get
    theirs. `mask=None` is as no mask argument at all.
    """
    names = layer._call_arguments
    given = names.bind(args, kwargs)
    beyond = {f"*{index}": value for index, value in enumerate(args) if index >= names.by_position}
    tensors = {name: value for name, value in {**given, **beyond}.items() if _is_tensors(value)}
    if layer._takes_mask and given.get("mask") is None and len(tensors) == 1:
        args, kwargs = _named(layer, args, kwargs, "mask", masks_on(*tensors.values()))
    elif len(tensors) > 1:
        for name in names.masked:
            if name in tensors and given.get(f"{name}_mask") is None:
                args, kwargs = _named(layer, args, kwargs, f"{name}_mask", masks_on(tensors[name]))
    mask = names.bind(args, kwargs).get("mask") if layer._takes_mask else None
    if mask is None:
        mask = masks_on(args[0])
    if layer._takes_masks_off:
        for leaf in leaves(list(tensors.values())):
            hang(leaf, None)
    outputs = layer._call_on_tensors(args, kwargs)
    made = [leaf for leaf in leaves(outputs) if isinstance(leaf, Tensor)]
    if not made or all(mask_on(leaf) is not None for leaf in made):
        return outputs
    found = layer._mask_behind(args[0], mask)
    if found is not None:
        for leaf, its_mask in zip(made, leaves(found), strict=False):  # one mask is that of the first output
            if its_mask is not None and mask_on(leaf) is None:
                hang(leaf, its_mask)
    return outputs


def masks_on(value: Any) -> Any:
    """The masks that hang on tensors, nested as they are; None if there is none at all."""
    found = map_structure(mask_on, value)
    return found if any(leaf is not None for leaf in leaves(found)) else None


def _is_tensors(value: Any) -> bool:
    if isinstance(value, Tensor):
        return True
    nested = isinstance(value, (list, tuple, dict)) and len(value) > 0
    return nested and all(leaf is None or isinstance(leaf, Tensor) for leaf in leaves(value))


def _named(
    layer: AnyLayer, args: Sequence[Any], kwargs: dict[str, Any], name: str, mask: Any
) -> tuple[Sequence[Any], dict[str, Any]]:
    """The arguments of a call with a mask in its place, which may have been passed by position as None."""
    if mask is None:
        return args, kwargs
    index = layer._call_arguments.names.index(name)
    if index < len(args):
        return (*args[:index], mask, *args[index + 1 :]), kwargs
    return args, {**kwargs, name: mask}
