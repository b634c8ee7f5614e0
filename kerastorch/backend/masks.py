"""Masks that hang on tensors between layers that are called by hand."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..base.attached_masks import hang, mask_on
from ..base.graph import SymbolicTensor
from ..errors import ArgumentError, quote

__all__ = ["get_keras_mask", "set_keras_mask"]


def get_keras_mask(x: Any) -> Any:
    """The mask that a layer has left on a tensor, which the next layer will find there; None if there is none.

    Args:
        x: A tensor.
    """
    return mask_on(x)


def set_keras_mask(x: Any, mask: Any) -> None:
    """Hang a mask on a tensor, or with None take the one off that is there.

    Args:
        x: A tensor.
        mask: bool, True = use the step: `(B, T)` for a tensor `(B, T, F)`.

    Raises:
        ArgumentError: The tensor is symbolic: in a graph masks travel along the edges.
    """
    if isinstance(x, SymbolicTensor) or not isinstance(x, Tensor):
        raise ArgumentError(f"set_keras_mask: expected a tensor, got {quote(type(x).__name__)}.")
    hang(x, mask)
