"""float32 that is float32: neither TF32 nor bfloat16 in products of matrices, whatever the caller has allowed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

EXACT = "ieee"  # torch's word for it
FLOAT32 = "without TF32"  # what a report says of it, on a device that has it


class _OneDNN:
    """oneDNN as a whole: what torch's own name for it sets is everything."""

    @property
    def fp32_precision(self) -> str:
        return str(torch.backends.mkldnn.fp32_precision)

    @fp32_precision.setter
    def fp32_precision(self, value: str) -> None:
        torch.backends.mkldnn.set_flags(_fp32_precision=value)


def _places() -> list[Any]:
    """Where torch keeps what products may be computed in; what comes first holds for those behind that say nothing."""
    cudnn, mkldnn = torch.backends.cudnn, torch.backends.mkldnn
    found: list[Any] = [torch.backends, cudnn, torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn]
    return [*found, _OneDNN(), mkldnn.matmul, mkldnn.conv, mkldnn.rnn]


def _older() -> tuple[str | None, bool | None]:
    """The same by torch's older names; None where the newer ones say something else, which torch calls an error."""
    matmul, convolution = None, None
    with contextlib.suppress(RuntimeError):
        matmul = torch.get_float32_matmul_precision()
    with contextlib.suppress(RuntimeError):
        convolution = torch.backends.cudnn.allow_tf32
    return matmul, convolution


def _set_older(matmul: str | None, convolution: bool | None) -> None:
    if matmul is not None:
        torch.set_float32_matmul_precision(matmul)
    if convolution is not None:
        torch.backends.cudnn.allow_tf32 = convolution


@contextlib.contextmanager
def plain_arithmetic() -> Iterator[None]:
    """Compute in float32 what is in float32, on the CPU and on devices; afterwards everything is allowed as before.

    torch has two sets of names for this, `allow_tf32` and `fp32_precision`, and what is set by one cannot always be
    read by the other: both are set, and each only where it can be read.
    """
    before = [place.fp32_precision for place in _places()]
    matmul, convolution = _older()
    _set_older(None if matmul is None else "highest", None if convolution is None else False)
    changed: list[tuple[Any, str]] = []
    for place in _places():
        if place.fp32_precision != EXACT:
            changed.append((place, place.fp32_precision))
            place.fp32_precision = EXACT
    try:
        yield
    finally:
        for place, value in reversed(changed):
            place.fp32_precision = value
        _set_older(matmul, convolution)
        for place, value in zip(_places(), before, strict=True):
            if place.fp32_precision != value:
                place.fp32_precision = value
