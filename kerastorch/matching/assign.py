"""Set values: first look at everything that could still fail, then assign all pairs one after the other."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

from .. import deadline
from ..base import constants
from ..base.variables import fillers, mark
from ..errors import KerasTorchError, MismatchError
from ..files import Array
from ..weights import Step
from ._match import Pair
from .finite import Remarkable

_PIECE = 1 << 20  # values compared at once
_BLOCK = 2 << 20  # bytes of a large matrix that are copied at once: they fit the processor's cache
_THREADS = min(4, os.cpu_count() or 1)


@torch.no_grad()
def verify(pairs: Iterable[Pair], where: str) -> None:
    """Read what could be unreadable, and look for values that would change on the way into a narrower dtype.

    Raises:
        MismatchError: A value would change; nothing is set.
    """
    for slot, array in pairs:
        deadline.check(f"{slot.label} was looked at")
        held, wanted = _dtype_of(array), slot.variable.parts()[0].dtype
        narrower = torch.promote_types(held, wanted) != wanted
        if not array.in_rows:
            array.read()  # what is packed, or made of several arrays, may not be readable
        if narrower and not _exact_in(array, wanted):
            raise MismatchError(
                f"{where}: {slot.label} is {array.dtype} in the file and its values are not exact in {wanted}; "
                "nothing was changed. Build the model in the file's dtype, for example model.double()."
            )


def _dtype_of(array: Array) -> torch.dtype:
    return torch.bfloat16 if array.dtype == "opaque2" else getattr(torch, array.dtype)


def _exact_in(array: Array, dtype: torch.dtype) -> bool:
    for values in _pieces(array):
        part = as_tensor(values, array.dtype)
        back = part.to(dtype).to(part.dtype)
        if not ((back == part) | ((back != back) & (part != part))).all():
            return False
    return True


def _pieces(array: Array) -> Iterator[np.ndarray]:
    """All values, some rows at a time where they can be read so."""
    if not array.in_rows or not array.shape:
        yield array.read()
        return
    rows = max(1, _PIECE // max(1, math.prod(array.shape[1:])))
    for at in range(0, array.shape[0], rows):
        yield array.read_rows(at, min(at + rows, array.shape[0]))


def as_tensor(array: np.ndarray, dtype: str) -> Tensor:
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
def assign(
    pairs: Iterable[Pair], check: Callable[[], None], not_finite: Remarkable, device: torch.device | None = None
) -> None:
    """Set all values, in place; in fresh storage on `device` where a parameter has none yet (it is on `meta`).

    Args:
        pairs: What is set, and to what.
        check: Raises if the file has changed since it was opened. Values that somebody has are set after that alone, so
            they are read before: all of them are in memory at once.
        not_finite: Takes note of values that are.
        device: Of fresh storage.
    """
    listed = [(slot, not_finite.watch(slot.variable.path, array)) for slot, array in pairs]
    if not all(part.is_meta for slot, _ in listed for part in slot.variable.parts()):
        listed = [(slot, _read_before(array)) for slot, array in listed]
        check()
        deadline.check("the weights were to be set")  # the last time: from here on the model changes
    for slot, array in listed:
        module, var = slot.variable.module, slot.variable.var
        parts = [getattr(module, name) for name in var.params]
        targets = [torch.empty(held.shape, dtype=held.dtype, device=device) if held.is_meta else held for held in parts]
        fresh = all(held.is_meta for held in parts)
        _copy(var.map, array, targets, fresh)
        for name, held, target in zip(var.params, parts, targets, strict=True):
            if held.is_meta and name in module._parameters:
                module._parameters[name] = nn.Parameter(target, requires_grad=held.requires_grad)
            elif held.is_meta:
                module._buffers[name] = target
        if fresh:
            mark(module)
    check()


def _read_before(array: Array) -> Array:
    values = array.read()
    return Array(array.where, array.shape, array.dtype, lambda: values, lambda at, end: values[at:end])


def _copy(step: Step, array: Array, targets: Sequence[Tensor], fresh: bool) -> None:
    """Copy an array in torch's layout; a large matrix in parts, so that it is never held twice."""
    row = _dtype_of(array).itemsize * math.prod(array.shape[1:])
    if step.rows is None or len(array.shape) != 2 or row * array.shape[0] <= _BLOCK or not array.in_rows:
        for target, value in zip(targets, step.forward((as_tensor(array.read(), array.dtype),)), strict=True):
            target.copy_(value)
        return
    count = max(1, _BLOCK // row)
    before = (slice(None),) * step.rows

    def copy(at: int) -> None:
        rows = array.read_rows(at, min(at + count, array.shape[0]))
        values = step.forward((as_tensor(rows, array.dtype),))
        for target, value in zip(targets, values, strict=True):
            part = target[(*before, slice(at, at + count))]
            if apart:
                np.copyto(part.numpy(), value.numpy())
            else:  # torch transposes a whole matrix fast, and a part of one slowly
                part.copy_(value.contiguous())

    # Each part on a thread of its own. Torch has several threads for one part, which wait for each other after each:
    # where other programs want the processors, too, that takes many times longer.
    apart = fresh and all(_for_numpy(target, array) for target in targets)
    places = range(0, array.shape[0], count)
    if apart:
        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(copy, places))
    else:
        for at in places:
            copy(at)


def _for_numpy(target: Tensor, array: Array) -> bool:
    """Whether numpy can copy the values as they are."""
    return target.device.type == "cpu" and target.dtype == _dtype_of(array) != torch.bfloat16


@torch.no_grad()
def materialize_fillers(model: nn.Module, device: torch.device) -> None:
    """Give the buffers that no file holds their values, in a model that was made on the meta device.

    Constant arrays have values already; they go to the device.
    """
    for module in model.modules():
        constants.move(module, device)
        for filler in fillers(module):
            held = module._buffers[filler.name]
            assert held is not None
            if held.is_meta:
                module._buffers[filler.name] = filler.make(module, held.dtype, device)
    left = [name for name, tensor in [*model.named_parameters(), *model.named_buffers()] if tensor.is_meta]
    if left and device.type != "meta":
        raise KerasTorchError(
            f"no values for {left[:5]}: they are in no file. If they belong to a layer of your own, make them without "
            "its weights, which have no values yet while a file is read; else this is a fault of kerastorch, please "
            "report it"
        )
