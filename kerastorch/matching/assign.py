"""Set values: first look at everything that could still fail, then assign all pairs one after the other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import KerasTorchError, MismatchError
from ..files import Array
from ..layers._variables import fillers
from ..layers.operation import Operation
from ._match import Pair

_PIECE = 1 << 20  # values compared at once


@torch.no_grad()
def verify(pairs: Iterable[Pair], where: str) -> None:
    """Read what could be unreadable, and look for values that would change on the way into a narrower dtype.

    Raises:
        MismatchError: A value would change; nothing is set.
    """
    for slot, array in pairs:
        stored, wanted = array.read(), slot.variable.parts()[0].dtype
        tensor = _as_tensor(stored, array.dtype)
        if torch.promote_types(tensor.dtype, wanted) != wanted and not _exact_in(tensor, wanted):
            raise MismatchError(
                f"{where}: {slot.label} is {array.dtype} in the file and its values are not exact in {wanted}; "
                "nothing was changed. Build the model in the file's dtype, for example model.double()."
            )


def _exact_in(tensor: Tensor, dtype: torch.dtype) -> bool:
    for part in tensor.reshape(-1).split(_PIECE):
        back = part.to(dtype).to(tensor.dtype)
        if not ((back == part) | ((back != back) & (part != part))).all():
            return False
    return True


def _as_tensor(array: np.ndarray, dtype: str) -> Tensor:
    """A tensor on the memory of the array where it can be; to be read only."""
    if dtype in ("bfloat16", "opaque2"):
        array = array.view(np.int16)
    if not array.flags.aligned:
        array = array.copy()
    if not array.flags.writeable:  # torch has no read-only tensors and warns of such arrays
        array = array.view()
        try:
            array.flags.writeable = True
        except ValueError:
            array = array.copy()
    tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if dtype in ("bfloat16", "opaque2") else tensor


@torch.no_grad()
def assign(pairs: Iterable[Pair], device: torch.device | None = None) -> None:
    """Set all values, in place; in fresh storage on `device` where a parameter has none yet (it is on `meta`)."""
    for slot, array in pairs:
        module, var = slot.variable.module, slot.variable.var
        for name, value in zip(var.params, var.map.forward((_read(array),)), strict=True):
            held = getattr(module, name)
            if not held.is_meta:
                held.copy_(value)
                continue
            fresh = torch.empty(held.shape, dtype=held.dtype, device=device)
            fresh.copy_(value)
            if isinstance(held, nn.Parameter):
                module._parameters[name] = nn.Parameter(fresh, requires_grad=held.requires_grad)
            else:
                module._buffers[name] = fresh


def _read(array: Array) -> Tensor:
    return _as_tensor(array.read(), array.dtype)


@torch.no_grad()
def materialize_fillers(model: nn.Module, device: torch.device) -> None:
    """Give the buffers that no file holds their values, in a model that was made on the meta device.

    The constant arrays of operations have values already; they go to the device.
    """
    for module in model.modules():
        if isinstance(module, Operation):
            module.to(device)
        for filler in fillers(module):
            held = module._buffers[filler.name]
            assert held is not None
            if held.is_meta:
                module._buffers[filler.name] = filler.make(module, held.dtype, device)
    left = [name for name, tensor in [*model.named_parameters(), *model.named_buffers()] if tensor.is_meta]
    if left:
        raise KerasTorchError(f"no values for {left[:5]}; this is a fault of kerastorch, please report it")
