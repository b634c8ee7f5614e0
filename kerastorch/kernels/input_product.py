"""The inputs' part of the gates, for all steps at once, and its gradients.

Shapes: inputs `x` `(T, B, F)`, gates `(T, B, G*U)`; the axes F and U may be several, those of an image.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from .matrix_products import linear_gradients
from .step_loop import gate_linear


class InputProduct(ABC):
    """What turns inputs into gates; abstract."""

    @abstractmethod
    def __call__(self, x: Tensor, w: Tensor, b: Tensor | None, drop: Tensor | None) -> Tensor:
        """The gates; `drop`: a mask for each gate `(G, B, F)`, or one for all of them `(1, B, F)`."""

    @abstractmethod
    def gradients(
        self, grad: Tensor, x: Tensor, w: Tensor, drop: Tensor | None, needs: Sequence[bool]
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The gradients of x, w and b that are needed, from those of the gates."""


class GateLinear(InputProduct):
    """`x @ w.T + b`."""

    def __call__(self, x: Tensor, w: Tensor, b: Tensor | None, drop: Tensor | None) -> Tensor:
        return gate_linear(x, w, b, drop)

    def gradients(
        self, grad: Tensor, x: Tensor, w: Tensor, drop: Tensor | None, needs: Sequence[bool]
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        if drop is None:
            return linear_gradients(grad, x, w, needs)
        parts = zip(drop, grad.chunk(len(drop), dim=-1), w.chunk(len(drop)), strict=True)
        found = [linear_gradients(part, x * mask, w_part, needs) for mask, part, w_part in parts]
        of_x, of_w, of_b = ([part for part in parts if part is not None] for parts in zip(*found, strict=True))
        return (
            dropped_sum(of_x, drop) if of_x else None,
            torch.cat(of_w) if of_w else None,
            torch.cat(of_b) if of_b else None,
        )


LINEAR = GateLinear()


def dropped_sum(parts: Sequence[Tensor], drop: Tensor) -> Tensor:
    """The gradient of inputs that each gate has with a mask of its own, from those of the gates' inputs."""
    total = parts[0] * drop[0]
    for part, mask in zip(parts[1:], drop[1:], strict=True):
        total.addcmul_(part, mask)
    return total
