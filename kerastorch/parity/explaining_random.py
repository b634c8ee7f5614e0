"""Which layer draws what it returns at random, where the reference does not."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..models import Model
from .plain_arithmetic import plain_arithmetic
from .recorded import Recording
from .running import as_tensors, copied, layers_by_path, run
from .training import quieten


def drawn_at_random(recording: Recording, model: nn.Module, device: torch.device, training: bool) -> str | None:
    """The first layer whose outputs differ from one run to the next, in inference, else in a training without dropout.

    Args:
        recording: The reference, for inputs.
        model: The model.
        device: Where it is.
        training: Whether it was trained.
    """
    probe = next((probe for probe in recording.probes if probe.error is None), None)
    if probe is None or not isinstance(model, Model):
        return None
    inputs = as_tensors([recording.array(name) for name in probe.inputs], device)
    path = _first(copied(model).eval(), inputs)
    if path is not None:
        return f"{path}: its outputs are drawn at random in inference, as where dropout is left on"
    if not training:
        return None
    module = copied(model).train()
    quieten(module)
    path = _first(module, inputs)
    if path is None:
        return None
    return (
        f"{path}: its outputs are drawn at random in training although its dropout is off, as where dropout acts twice"
    )


def _first(module: Any, inputs: list[torch.Tensor]) -> str | None:
    made = []
    for seed in (0, 1):
        fresh = copied(module)  # what a run leaves, such as averages of batches, decides no other one
        with torch.random.fork_rng(devices=[]), plain_arithmetic():
            torch.manual_seed(seed)
            made.append(run(fresh, inputs, layers_by_path(fresh)))
    for path, calls in made[0].calls.items():
        if isinstance(layers_by_path(module)[path], Model):
            continue
        for one, other in zip(calls, made[1].calls.get(path, []), strict=False):
            if any((a != b).any() for a, b in zip(one.outputs, other.outputs, strict=True) if a.shape == b.shape):
                return path
    return None
