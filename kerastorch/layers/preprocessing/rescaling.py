"""Rescaling: numbers brought to another range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...base import check
from ...base.input_checks import one_shape, one_tensor
from ...base.layer import Example, Layer, register
from ...base.weighted import repr_of
from ...errors import ShapeError
from ...weights import Filler, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


@register("Rescaling")
class Rescaling(Layer):
    """`x * scale + offset`, as `keras.layers.Rescaling`. Integers become numbers of the layer's dtype first.

    Args:
        scale: A number, or an array that spreads to the input from its last axis on.
        offset: Likewise.
        keras2_masks: Whether the mask ends here, as in tf.keras.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Rescaling(1 / 2, offset=[-1.0, 0.0])(torch.tensor([[2, 3]]))
        tensor([[0.0000, 1.5000]])
    """

    CONFIG = ("scale", "offset")
    INERT = ("keras2_masks",)
    FILLERS = tuple(
        Filler(
            f"_{name}",
            lambda layer, name=name: np.shape(getattr(layer, name)),
            when=lambda layer, name=name: isinstance(getattr(layer, name), list),
            value=lambda layer, name=name: getattr(layer, name),
        )
        for name in ("scale", "offset")
    )
    EXAMPLES = (
        Example("default", dict(scale=0.5), (2, 3)),
        Example("arrays", dict(scale=[1.0, 2.0, 0.5], offset=[0.1, 0.2, -0.3]), (2, 7, 3)),
        Example("array of steps", dict(scale=2.0, offset=[[1.0], [2.0]], keras2_masks=True), (2, 2, 3)),
    )

    def __init__(
        self, scale: Any, offset: Any = 0.0, *, keras2_masks: bool = False, **base: Unpack[BaseOptions]
    ) -> None:
        super().__init__(**base)
        self.scale, self.offset = check.numbers("scale", scale), check.numbers("offset", offset)
        self.keras2_masks = check.boolean("keras2_masks", keras2_masks)
        self.supports_masking = not self.keras2_masks

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "keras2_masks": True} if self.keras2_masks else config

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape)
        for name in ("scale", "offset"):
            own = np.shape(getattr(self, name))
            pairs = zip(reversed(own), reversed(input_shape), strict=False)
            if len(own) > len(input_shape) or any(a != 1 and b is not None and a != b for a, b in pairs):
                raise ShapeError(
                    f"{repr_of(self)}: {name} of shape {own} does not spread to input of shape {tuple(input_shape)}."
                )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return tuple(input_shape)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return input_dtype if input_dtype.is_floating_point else self.dtype

    def forward(self, x: Tensor) -> Tensor:
        """Rescale x.

        Args:
            x: Of any shape to which scale and offset spread.

        Raises:
            ShapeError: They do not.
        """
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        x = x if x.is_floating_point() else x.to(self._computes_in)
        scale, offset = (
            getattr(self, f"_{name}").to(x.dtype) if isinstance(value, list) else value
            for name, value in (("scale", self.scale), ("offset", self.offset))
        )
        return x * scale + offset
