"""A module and the model that was made of it, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import KerasTorchError, UnsupportedError
from ._example import Example, Given, replaced

# Of the largest number of the output. The sums are the same in another order.
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5}
_COARSE = 2e-2
# How many times what a move by one unit in the last place does: numbers that cancel are as far off as what they are of.
_MOVES = 32.0
# What code raises where it does not take an input.
FAILURES = (RuntimeError, ValueError, LookupError, TypeError, AssertionError, ArithmeticError)


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


def called(module: nn.Module, example: Example, tensors: Sequence[Tensor]) -> Any:
    """What the module makes of these tensors."""
    args, kwargs = example.filled([tensor.clone() for tensor in tensors])
    return module(*args, **kwargs)


def compare_layer(module: nn.Module, layer: Any, tensor: Tensor) -> None:
    """The same for a layer of one input, whose output has the batch at axis 0."""
    example = Example((tensor,), {}, (Given(tensor, "x", 0),), False)
    with evaluating(module):
        compare_on(module, layer, example, [0], [tensor], "the example")


def compare_on(
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
        try:
            expected = called(module, example, tensors)
        except FAILURES as error:
            raise UnsupportedError(
                f"from_torch: {type(module).__name__} fails on {shown}: {error}; the model would be right for one "
                "batch size alone."
            ) from error
    given: Any = [tensor.movedim(item.batch, 0) for item, tensor in zip(example.given, tensors, strict=True)]
    if example.named:
        given = {item.name: tensor for item, tensor in zip(example.given, given, strict=True)}
    try:
        actual = model.eval()(given if example.named or len(given) > 1 else given[0])
    except (*FAILURES, KerasTorchError) as error:
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
        if one.dtype != other.dtype:
            raise UnsupportedError(
                f"from_torch: output {place} has the dtype {one.dtype}, the module's has {other.dtype}: cast it in "
                "forward."
            )
        if not one.numel():
            continue
        size = float(other.abs().max()) if other.is_floating_point() else 0.0
        far = float((one.double() - other.double()).abs().max())
        allowed = TOLERANCES.get(other.dtype, _COARSE) * size
        if not far <= allowed and not torch.equal(one, other) and not far <= _rounding(module, example, tensors, place):
            raise UnsupportedError(
                f"from_torch: output {place} differs by {far:.2g} from the module's (its largest number is {size:.2g}) "
                f"on {shown}: its forward does something that is not seen, or that depends on the sizes of the "
                "example. check=False gives the model all the same."
            )


def _rounding(module: nn.Module, example: Example, tensors: Sequence[Tensor], place: int) -> float:
    """How far rounding may move an output of the module: inputs and weights are moved by one unit in the last place.

    Its weights are afterwards as before, bit by bit.
    """
    generator = torch.Generator().manual_seed(0)

    def moved(tensor: Tensor) -> Tensor:
        signs = torch.randint(0, 2, tensor.shape, generator=generator).to(tensor.device) * 2 - 1
        return tensor * (1 + signs.to(tensor.dtype) * torch.finfo(tensor.dtype).eps)

    runs: list[Tensor] = []
    weights = [weight for weight in module.parameters() if weight.is_floating_point()]
    kept = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        try:
            for given in ([*tensors], [moved(tensor) if tensor.is_floating_point() else tensor for tensor in tensors]):
                found: list[Tensor] = []
                replaced(called(module, example, given), found.append)
                runs.append(found[place].double())
                for weight in weights:
                    weight.copy_(moved(weight))
        finally:
            for weight, before in zip(weights, kept, strict=True):
                weight.copy_(before)
    return _MOVES * float((runs[0] - runs[1]).abs().max())
