"""What the tests of `from_torch` share: weights, models and modules side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from _close import assert_close
from torch import Tensor, nn

import kerastorch as kt
from kerastorch.structure import leaves

from ._zoo import ZOO

DTYPES = [torch.float32, torch.float64]


def randomize(module: nn.Module) -> nn.Module:
    """Give every weight another value, and statistics that are possible; inference mode."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.4)
        for name, buffer in module.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.uniform_(0.5, 2)
    return module.eval()


def in_dtype(example: Any, dtype: torch.dtype) -> Any:
    if isinstance(example, Tensor):
        return example.to(dtype) if example.is_floating_point() else example
    if isinstance(example, dict):
        return {key: in_dtype(value, dtype) for key, value in example.items()}
    return tuple(in_dtype(value, dtype) for value in example)


def of_zoo(name: str, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, Any, Mapping[str, Any]]:
    make, example, options = ZOO[name]
    return randomize(make()).to(dtype), in_dtype(example(), dtype), options


def of_module(module: nn.Module, example: Any) -> list[Tensor]:
    """The module's outputs, one after the other."""
    if isinstance(example, dict):
        return ordered(module(**example))
    return ordered(module(*example) if isinstance(example, tuple) else module(example))


def ordered(outputs: Any) -> list[Tensor]:
    return leaves(outputs)


def inputs_of(example: Any, batch_axis: int = 0) -> Any:
    """The example as the model takes it: a list or dict of tensors with the batch first."""
    if isinstance(example, dict):
        return {key: value.movedim(batch_axis, 0) for key, value in example.items()}
    given = example if isinstance(example, tuple) else (example,)
    return [tensor.movedim(batch_axis, 0) for tensor in given]


def of_model(model: Any, example: Any, batch_axis: int = 0) -> list[Tensor]:
    given = inputs_of(example, batch_axis)
    return leaves(model(given[0] if isinstance(given, list) and len(given) == 1 else given))


def arrays(given: Any) -> Any:
    if isinstance(given, dict):
        return {key: value.numpy() for key, value in given.items()}
    return [value.numpy() for value in given]


def batch_first(outputs: Sequence[Tensor], batch: int) -> list[Tensor]:
    """torch's outputs with the axis of `batch` places first, as the model has it."""
    moved = []
    for output in outputs:
        axis = next(axis for axis, size in enumerate(output.shape) if size == batch)
        moved.append(output.movedim(axis, 0))
    return moved


def translated(module: nn.Module, example: Any, **options: Any) -> Any:
    """The model, which must compute what the module does, on the example and on another batch."""
    model = kt.from_torch(module, example, **options)
    with torch.no_grad():
        assert_close(of_model(model, example), of_module(module, example))
    return model
