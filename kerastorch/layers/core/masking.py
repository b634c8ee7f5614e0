"""Masking: leave out the steps that hold one value only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...base import check
from ...base.input_checks import one_shape, one_tensor
from ...base.layer import Example, Layer, register
from ...weights import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


@register("Masking")
class Masking(Layer):
    """Masks each step whose features all equal `mask_value`, and sets them to zero, as `keras.layers.Masking`.

    Args:
        mask_value: The value of the padding.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Masking(-1.0).compute_mask(torch.tensor([[[1.0, -1.0], [-1.0, -1.0]]]))
        tensor([[ True, False]])
    """

    supports_masking = True
    _makes_mask = True
    CONFIG = ("mask_value",)
    EXAMPLES = (
        Example("default", dict(), (2, 7, 3)),
        Example("other value", dict(mask_value=-1.0), (2, 7, 3)),
    )

    def __init__(self, mask_value: float = 0.0, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        self.mask_value = check.number("mask_value", mask_value)

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, least=2, meaning="(batch, ..., features)")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return tuple(input_shape)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Tensor:
        return (torch.as_tensor(inputs) != self.mask_value).any(-1)

    def forward(self, x: Tensor) -> Tensor:
        """Return x with zeros in the masked steps.

        Args:
            x: `(B, ..., F)`.
        """
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        return x.masked_fill(~self.compute_mask(x).unsqueeze(-1), 0)
