"""A module and the model that was made of it, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import KerasTorchError, UnsupportedError
from ..models import Model
from ._example import Example, Given, replaced

# Of the largest number of the output. The sums are the same in another order.
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5}
_COARSE = 2e-2
_FAILURES = (RuntimeError, ValueError, IndexError, TypeError, AssertionError)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Inference mode; modes and buffers are afterwards as before."""
    modes = {part: part.training for part in module.modules()}
    buffers = {name: value.clone() for name, value in module.named_buffers()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode
        with torch.no_grad():
            for name, value in module.named_buffers():
                value.copy_(buffers[name])


def compare(module: nn.Module, model: Model, example: Example, batches: Sequence[int], expected: Any) -> None:
    """On the example, and on one with a row and a step more: what holds for one batch size alone shows."""
    tensors = [item.tensor for item in example.given]
    _compare_on(module, model, example, batches, tensors, "the example", expected)
    longer = []
    for item in example.given:
        tensor = torch.cat([item.tensor, item.tensor.narrow(item.batch, 0, 1)], item.batch)
        for axis in item.unknown:
            tensor = torch.cat([tensor, tensor.narrow(axis, 0, 1)], axis)
        longer.append(tensor)
    step = " and one step more" if any(item.unknown for item in example.given) else ""
    _compare_on(module, model, example, batches, longer, f"the example with one row more in the batch{step}")


def compare_layer(module: nn.Module, layer: Any, tensor: Tensor) -> None:
    """The same for a layer of one input, whose output has the batch at axis 0."""
    example = Example((tensor,), {}, (Given(tensor, "x", 0),), False)
    with evaluating(module):
        _compare_on(module, layer, example, [0], [tensor], "the example")


def _compare_on(
    module: nn.Module,
    model: Any,
    example: Example,
    batches: Sequence[int],
    tensors: Sequence[Tensor],
    shown: str,
    expected: Any = None,
) -> None:
    modes = {part: part.training for part in model.modules()}
    if expected is None:
        args, kwargs = example.filled([tensor.clone() for tensor in tensors])
        try:
            expected = module(*args, **kwargs)
        except _FAILURES as error:
            raise UnsupportedError(
                f"from_torch: {type(module).__name__} fails on {shown}: {error}; the model would be right for one "
                "batch size alone."
            ) from error
    given: Any = [tensor.movedim(item.batch, 0) for item, tensor in zip(example.given, tensors, strict=True)]
    if example.named:
        given = {item.name: tensor for item, tensor in zip(example.given, given, strict=True)}
    try:
        actual = model.eval()(given if example.named or len(given) > 1 else given[0])
    except (*_FAILURES, KerasTorchError) as error:
        raise UnsupportedError(
            f"from_torch: the model fails on {shown}: {error}; the module's forward depends on the example's sizes."
        ) from error
    for part, mode in modes.items():
        part.training = mode
    ours: list[Tensor] = []
    theirs: list[Tensor] = []
    replaced(actual, ours.append)
    replaced(expected, theirs.append)
    for place, (one, other, batch) in enumerate(zip(ours, theirs, batches, strict=True)):
        other = other.movedim(batch, 0)
        if one.shape != other.shape:
            raise UnsupportedError(
                f"from_torch: output {place} has the shape {tuple(one.shape)} on {shown}, the module's has "
                f"{tuple(other.shape)}: its forward does something that depends on the sizes of the example."
            )
        if not one.numel():
            continue
        size = max(float(other.abs().max()), 1e-30) if other.is_floating_point() else 0.0
        far = float((one.double() - other.double()).abs().max())
        allowed = TOLERANCES.get(other.dtype, _COARSE) * max(size, 1e-3)
        if not far <= allowed and not torch.equal(one, other):
            raise UnsupportedError(
                f"from_torch: output {place} differs by {far:.2g} from the module's (its largest number is {size:.2g}) "
                f"on {shown}: its forward does something that is not seen, or that depends on the sizes of the "
                "example. check=False gives the model all the same."
            )
