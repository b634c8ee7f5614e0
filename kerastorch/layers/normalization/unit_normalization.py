"""UnitNormalization: vectors brought to length 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...base import check
from ...base.input_checks import axis_in_bounds, one_shape, one_tensor
from ...base.layer import Example, Layer, register
from ...clipping import clip
from ...errors import ArgumentError
from ...weights import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


@register("UnitNormalization")
class UnitNormalization(Layer):
    """Divides by the L2 norm over one axis or several, as `keras.layers.UnitNormalization`.

    Args:
        axis: The axis, or several, that get the norm 1 together.
        least_norm: A smaller norm counts as this: 1e-12 in Keras 3, 1e-6 in tf.keras.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> UnitNormalization()(torch.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """

    supports_masking = True
    CONFIG = ("axis",)
    INERT = ("least_norm",)
    EXAMPLES = (
        Example("default", dict(), (2, 3)),
        Example("two axes", dict(axis=[1, 2], least_norm=1e-6), (2, 7, 3)),
    )

    def __init__(self, axis: Any = -1, *, least_norm: float = 1e-12, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        several = isinstance(axis, (list, tuple))
        self.axis = list(check.integers("axis", axis)) if several else check.integer("axis", axis)
        if several and not self.axis:
            raise ArgumentError("axis: expected an axis or a list of axes, got an empty list.")
        self.least_norm = check.number("least_norm", least_norm)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return config if self.least_norm == 1e-12 else {**config, "least_norm": self.least_norm}

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape)
        axis_in_bounds(self, input_shape, self.axis if isinstance(self.axis, list) else [self.axis])

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return tuple(input_shape)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return input_dtype if input_dtype.is_floating_point else self.dtype

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x, of any shape that has the axes."""
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        x = x if x.is_floating_point() else x.to(self._computes_in)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # a half-precision sum of squares overflows at 256
        squares = wide.square().sum(self.axis, keepdim=True)
        return (wide * torch.rsqrt(clip(squares, self.least_norm**2, None))).to(x.dtype)
