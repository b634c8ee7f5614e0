"""One bias in Keras, two in torch, cuDNN and ONNX: which of the two gets it, and when two may become one."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ..errors import ArgumentError

BiasTo = Literal["ih", "hh", "half"]
RESET_AFTER = (
    "A bias of shape (3U,) is that of a GRU with reset_after=False, which {target} does not compute: its numbers would "
    "be others."
)
RESET_BEFORE = "A bias of shape (2, 3U) is that of a GRU with reset_after=True."


def split(where: str, bias: Tensor, bias_to: str) -> tuple[Tensor, Tensor]:
    """The input bias and the recurrent bias whose sum is `bias`."""
    if bias_to == "ih":
        return bias, torch.zeros_like(bias)
    if bias_to == "hh":
        return torch.zeros_like(bias), bias
    if bias_to == "half":
        return bias / 2, bias / 2
    raise ArgumentError(f"{where}: bias_to: expected 'ih', 'hh' or 'half', got {bias_to!r}.")


def join(where: str, first: Tensor, second: Tensor, sum_biases: bool) -> Tensor:
    """The one bias that two make: the other one if one is zero, else their sum, which must be asked for."""
    if not second.any():
        return first
    if not first.any():
        return second
    if not sum_biases:
        raise ArgumentError(
            f"{where}: both biases hold values and Keras has one: pass sum_biases=True for their sum (the same "
            "outputs, but the two cannot be told apart again)."
        )
    return first + second
