"""Matrix products for the step engine: oneDNN's where they are faster than those of the BLAS behind `torch.mm`.

oneDNN uses all of AVX-512 on every processor that has it; MKL, torch's BLAS, does so on Intel's alone. On an AMD EPYC
(Zen 4) a large product in float32 takes half the time, on an Intel Xeon up to three times as much; below
`size_rules.PRODUCT_WORK` a call costs more than it saves. Both sum in their own order: the results differ by rounding.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import size_rules
from ..dtypes import autocasts
from ..torch_private import onednn_linear, onednn_pack
from .operators import is_followed

CPUS = Path("/proc/cpuinfo")  # Linux: what processor this is


def _blas() -> str:
    """Which row of `size_rules.PRODUCT_WORK` holds here."""
    if not torch.backends.mkl.is_available():
        return "other"
    maker = os.environ.get("PROCESSOR_IDENTIFIER", "")  # Windows
    if CPUS.exists():
        with CPUS.open(errors="replace") as lines:
            maker += lines.read(500)
    return "MKL on Intel" if "GenuineIntel" in maker else "other"


BLAS = _blas()


def pays(rows: int, w: Tensor) -> bool:
    """Whether oneDNN computes `x @ w.T` for `x` of so many rows: a size rule, for float32 on the CPU."""
    return (
        rows * w.numel() >= size_rules.PRODUCT_WORK[BLAS]
        and w.dtype == torch.float32
        and w.is_cpu
        and onednn_linear is not None
        and bool(torch.backends.mkldnn.enabled)
    )


def _times(x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    if not (w.is_mkldnn or w.is_contiguous() or w.t().is_contiguous()):
        w = w.contiguous()  # for a cut-out of a matrix oneDNN has a slow routine only
    return onednn_linear(x, w, bias, "none", [], "")  # type: ignore[misc]


def product(x: Tensor, w: Tensor) -> Tensor:
    """`x @ w.T` of two matrices."""
    recorded = torch.is_grad_enabled() and (x.requires_grad or w.requires_grad)
    return x @ w.t() if recorded or not pays(len(x), w) else _times(x, w)


def weight_product(grad: Tensor, x: Tensor) -> Tensor:
    """`grad.T @ x`: the gradient of `w` in `x @ w.T`."""
    if not pays(x.shape[1], grad):
        return grad.t() @ x
    # Row by row: of a cut-out, oneDNN needs a copy, and its transpose is slow to make.
    return product(x.t(), grad.contiguous().t()).t()


class Factor:
    """A matrix that one step after the other is multiplied with: `x @ w.T`, for `x` of `rows` rows.

    Args:
        w: The matrix.
        rows: Of each `x`.
    """

    def __init__(self, w: Tensor, rows: int) -> None:
        self.packed = onednn_pack(w, rows) if onednn_pack is not None and pays(rows, w) else None
        self.transposed = w if self.packed is not None else w.t().contiguous()  # thrice as fast on a small batch

    def times(self, x: Tensor) -> Tensor:
        return x @ self.transposed if self.packed is None else _times(x, self.packed)

    def plus(self, other: Tensor, x: Tensor, out: Tensor | None = None) -> Tensor:
        """`other + x @ w.T`, written to `out` if that is given; it may be `other`, and not `x`."""
        if self.packed is None:
            return torch.addmm(other, x, self.transposed, out=out)
        return torch.add(other, _times(x, self.packed), out=out)


def linear(x: Tensor, w: Tensor, bias: Tensor | None) -> Tensor:
    """`F.linear`."""
    if is_followed() or autocasts(x.device) or x.dtype != w.dtype or not pays(x.shape[:-1].numel(), w):
        return F.linear(x, w, bias)
    return _Linear.apply(x, w, bias) if torch.is_grad_enabled() else _times(x, w, bias)  # type: ignore[return-value]


def linear_gradients(
    grad: Tensor, x: Tensor, w: Tensor, needs: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The gradients of x, w and the bias of `linear` that are needed."""
    of_x, of_w, of_bias = needs
    flat = grad.flatten(0, -2).contiguous()
    return (
        product(flat, w.t()).view_as(x) if of_x else None,
        weight_product(flat, x.flatten(0, -2)) if of_w else None,
        flat.sum(0) if of_bias else None,
    )


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, w)
        return _times(x, w, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, w = ctx.saved_tensors
        return linear_gradients(grad, x, w, ctx.needs_input_grad)
