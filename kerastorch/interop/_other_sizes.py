"""A module and its model on examples of other sizes: what holds for one size alone shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UnsupportedError
from ..models import Model
from ._comparing import FAILURES, called, compare_on
from ._example import Example
from ._reads import Read
from ._size import BATCH

# The largest size at which a comparison of sizes is looked for that comes out the other way.
_MOST = 10_000
_MOST_NUMBERS = 20_000_000


@dataclass(frozen=True)
class Traced:
    """What a trace has found.

    Attributes:
        model: The model.
        batches: Where its outputs have their batch axes in the module.
        reads: What Python made of sizes.
        axes: For each open axis of an input, `(input, axis)`, the name of its size.
        packs: Whether the module packs sequences.
        orders: Whether it puts the rows into an order.
    """

    model: Model
    batches: Sequence[int]
    reads: Sequence[Read]
    axes: dict[tuple[int, int], str]
    packs: bool = False
    orders: bool = False


def apart_sizes(module: nn.Module, example: Example) -> Example:
    """The example with another size on each open axis, where the module takes that: such sizes are not one.

    Two inputs of five steps each do not say whether they always have as many.
    """
    taken: set[int] = set()
    given = list(example.given)
    for place, item in enumerate(given):
        for axis in item.unknown:
            size = item.tensor.shape[axis]
            if size not in taken:
                taken.add(size)
                continue
            more = next(n for n in range(size + 1, 2 * size + 99) if n not in taken)
            tensor = item.tensor.index_select(axis, torch.arange(more) * size // more)
            trial = [*given[:place], replace(item, tensor=tensor), *given[place + 1 :]]
            try:
                called(module, example, [other.tensor for other in trial])
            except FAILURES:
                continue  # they belong together
            taken.add(more)
            given = trial
    return replace(example, given=tuple(given))


def compare_sizes(module: nn.Module, traced: Traced, example: Example) -> None:
    """On one row and one step more, on twice as many and three, on fewer, and where a comparison turns out otherwise.

    Raises:
        UnsupportedError: The model computes something else than the module.
    """
    for read in traced.reads:
        if read.holds is not None:
            _turned(module, traced, example, read)
    if traced.packs:
        _shorter(module, traced, example)
    if traced.orders:
        for shown, turn in (
            ("turned round", lambda rows: rows.flip(0)),
            ("moved on by one", lambda rows: rows.roll(1, 0)),
        ):
            tensors = [turn(item.tensor.movedim(item.batch, 0)).movedim(0, item.batch) for item in example.given]
            compare_on(module, traced.model, example, traced.batches, tensors, f"the example with its rows {shown}")
    sizes = _sizes(example, traced)
    step = " and one step more" if traced.axes else ""
    _on(module, traced, example, {k: n + 1 for k, n in sizes.items()}, f"with one row more in the batch{step}", False)
    for shown, change in (
        ("with more than twice the sizes", lambda n: 2 * n + 3),
        ("with one less of each size", lambda n: max(n - 1, 2)),
        ("with half the sizes", lambda n: max((n + 1) // 2, 2)),
    ):
        _on(module, traced, example, {k: change(n) for k, n in sizes.items()}, shown, bool(traced.axes))


def _shorter(module: nn.Module, traced: Traced, example: Example) -> None:
    """On sequences of which none has all steps, by their lengths, or by zeros at the end where there are none."""
    tensors = [item.tensor for item in example.given]
    whole = [tensor.dtype in (torch.int32, torch.int64) for tensor in tensors]
    by_length = any(tensor.ndim == 1 for tensor, counts in zip(tensors, whole, strict=True) if counts)
    made = []
    for item, counts in zip(example.given, whole, strict=True):
        tensor = item.tensor.clone()
        if counts and by_length and tensor.ndim == 1:
            tensor = (tensor - 1).clamp(min=1)
        elif counts and not by_length and tensor.ndim == 2:
            tensor.select(1 - item.batch, -1).zero_()
        made.append(tensor)
    shown = "the example with shorter sequences"
    try:
        expected = called(module, example, made)
    except FAILURES:
        return  # the module takes no such
    compare_on(module, traced.model, example, traced.batches, made, shown, expected)


def _sizes(example: Example, traced: Traced) -> dict[str, int]:
    sizes = {name: example.given[place].tensor.shape[axis] for (place, axis), name in traced.axes.items()}
    first = example.given[0]
    return {BATCH: first.tensor.shape[first.batch], **sizes}


def _turned(module: nn.Module, traced: Traced, example: Example, read: Read) -> None:
    """Two sizes for which a comparison comes out otherwise: the module must refuse them, or the model be right."""
    sizes = _sizes(example, traced)
    why = f"{read.what}{read.where}"
    if not read.symbols <= sizes.keys():
        raise UnsupportedError(f"from_torch: a size that follows from the example's decides: {why}.")
    assert read.holds is not None
    outcome = read.holds(sizes)
    for name in sorted(read.symbols):
        found = [n for n in range(1, _MOST) if _holds(read, {**sizes, name: n}) != outcome]
        found.sort(key=lambda n: abs(n - sizes[name]))
        further = [n for n in found if n >= 2 * sizes[name] + 3]
        for count in [*found[:1], *further[:1]]:
            _on(module, traced, example, {**sizes, name: count}, f"with a size of {count}, where {why}", True)


def _holds(read: Read, sizes: dict[str, int]) -> bool | None:
    assert read.holds is not None
    try:
        return read.holds(sizes)
    except ArithmeticError:
        return None


def _on(module: nn.Module, traced: Traced, example: Example, sizes: dict[str, int], shown: str, may_fail: bool) -> None:
    tensors = resized(example, traced, sizes)
    if sum(tensor.numel() for tensor in tensors) > _MOST_NUMBERS:
        raise UnsupportedError(f"from_torch: the example {shown} is too large to be tried; state dynamic_axes=().")
    shown = f"the example {shown}"
    if may_fail:
        try:
            expected = called(module, example, tensors)
        except FAILURES:
            return  # the module takes no such sizes
        compare_on(module, traced.model, example, traced.batches, tensors, shown, expected)
        return
    compare_on(module, traced.model, example, traced.batches, tensors, shown)


def resized(example: Example, traced: Traced, sizes: dict[str, int]) -> list[Tensor]:
    """The example's tensors in other sizes, of rows and steps that they have."""
    made: list[Any] = []
    for place, item in enumerate(example.given):
        rows = item.tensor.shape[item.batch]
        tensor = item.tensor.index_select(item.batch, torch.arange(sizes[BATCH]) * rows // sizes[BATCH])
        for axis in item.unknown:
            have, want = tensor.shape[axis], sizes[traced.axes[place, axis]]
            steps = torch.arange(want)
            # Behind the last step others than the last one, in another order.
            tensor = tensor.index_select(axis, torch.where(steps < have, steps, (steps * 7 + 3) % have))
        made.append(tensor)
    return made
