"""The recurrent product of the step engine, forward and back, with the dropout masks of the state."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .matrix_products import Factor, weight_product


class Product:
    """`h @ w.T`, with dropout of `h`.

    Args:
        w: The matrix.
        drop: A mask for each gate `(G, B, U)`, or one for all of them `(1, B, U)`; None for no dropout.
    """

    def __init__(self, w: Tensor, drop: Tensor | None) -> None:
        self.w = w
        self.shared = drop[0] if drop is not None and len(drop) == 1 else None
        self.drop = None if self.shared is not None else drop  # of each gate
        self.parts = (w,) if self.drop is None else w.chunk(len(self.drop))
        rows = self.parts[0].shape[0]
        self.blocks = [slice(index * rows, (index + 1) * rows) for index in range(len(self.parts))]
        self.factors: list[Factor] = []  # of the direction in which this product is used

    def add(self, other: Tensor, h: Tensor, out: Tensor) -> Tensor:
        """`other + h @ w.T`, written to `out`, which may be `other`."""
        factors = self.factors or self._made(self.parts, h)
        if self.drop is None:
            return factors[0].plus(other, self._dropped(h), out)
        for block, factor, dropped in zip(self.blocks, factors, h * self.drop, strict=True):
            factor.plus(other[:, block], dropped, out[:, block])
        return out

    def plus(self, other: Tensor, h: Tensor) -> Tensor:
        """`other + h @ w.T`, for `other` `(G*U,)`."""
        factors = self.factors or self._made(self.parts, h)
        if self.drop is None:
            return factors[0].plus(other, self._dropped(h))
        parts = zip(self.blocks, factors, h * self.drop, strict=True)
        return torch.cat([factor.plus(other[block], dropped) for block, factor, dropped in parts], dim=-1)

    def back(self, grad: Tensor) -> Tensor:
        """The gradient of h: `grad @ w`, through the masks."""
        factors = self.factors or self._made([part.t() for part in self.parts], grad)
        if self.drop is None:
            return self._dropped(factors[0].times(grad))
        parts = zip(self.blocks, factors, self.drop, strict=True)
        return torch.stack([factor.times(grad[:, block]) * mask for block, factor, mask in parts]).sum(0)

    def add_back_to(self, before: Tensor, grad: Tensor) -> Tensor:
        if self.drop is not None:
            return before + self.back(grad)
        (factor,) = self.factors or self._made([self.w.t()], grad)
        return factor.plus(before, grad) if self.shared is None else before.addcmul(factor.times(grad), self.shared)

    def weight_grad(self, grad: Tensor, h: Tensor) -> Tensor:
        """The gradient of w, from all steps `(T, B, ...)`."""
        grad = grad.flatten(0, 1)
        if self.drop is None:
            return weight_product(grad, self._dropped(h).flatten(0, 1))
        parts = zip(self.blocks, self.drop, strict=True)
        return torch.cat([weight_product(grad[:, block], (h * mask).flatten(0, 1)) for block, mask in parts])

    def _dropped(self, h: Tensor) -> Tensor:
        return h if self.shared is None else h * self.shared

    def _made(self, parts: Sequence[Tensor], like: Tensor) -> list[Factor]:
        self.factors = [Factor(part, len(like)) for part in parts]
        return self.factors
