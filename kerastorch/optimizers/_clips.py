"""Gradients brought to a size: by the norm of each weight, of all together, or value by value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from ..torch_private import foreach
from ._trained import Trained


class _Bounds(Protocol):
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None


def clipped(bounds: _Bounds, trained: Sequence[Trained], grads: dict[Tensor, Tensor]) -> dict[Tensor, Tensor]:
    """The gradients within the bounds of an optimizer; new tensors where it has some.

    Args:
        bounds: The optimizer.
        trained: What it trains: tensors that are one weight of Keras have one norm.
        grads: The gradient of each tensor.
    """
    if not grads:
        return grads
    parts: list[Tensor] = list(grads)
    values: list[Tensor] = list(grads.values())
    if bounds.clipnorm:
        found = norms(trained, grads)
        scales = [bounds.clipnorm / found[part].clamp(min=bounds.clipnorm) for part in parts]
    elif bounds.global_clipnorm:
        norm = torch.linalg.vector_norm(torch.stack([n.to(values[0].device) for n in foreach.norm(values)]))
        # No number times an infinite norm is finite: such a step shows in every weight, as in Keras.
        scale = bounds.global_clipnorm * torch.minimum(1 / norm, norm.new_tensor(1 / bounds.global_clipnorm))
        scales = [(scale + (norm - norm)).to(value.device) for value in values]
    elif bounds.clipvalue:
        return {part: grad.clamp(-bounds.clipvalue, bounds.clipvalue) for part, grad in grads.items()}
    else:
        return grads
    return dict(zip(parts, foreach.mul(values, scales), strict=True))


def norms(trained: Sequence[Trained], values: dict[Tensor, Tensor]) -> dict[Tensor, Tensor]:
    """Of each tensor the norm of the weight that it belongs to, or of what stands beside that."""
    own: dict[Any, Any] = dict(zip(values, foreach.norm(list(values.values())), strict=True))
    for item in trained:
        there = [own[part] for part in item.parts if part in own]
        if len(there) > 1:
            own |= dict.fromkeys(item.parts, torch.linalg.vector_norm(torch.stack(there)))
    return own
