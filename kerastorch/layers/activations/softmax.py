"""Softmax with a mask, as Keras computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ... import activations
from ...base import check, to_torch
from ...base.input_checks import axis_in_bounds, one_shape, one_tensor, spreading_mask
from ...base.layer import Example, register
from ...errors import ArgumentError
from ...weights import Shape
from .elementwise import Elementwise

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions

# By `robust_masking`, what Keras puts in the place of a masked value, or adds to it; in float16 another.
HIDDEN = {None: -1e9, True: -1e9, False: -1e9}
HIDDEN_HALF = {None: -3e4, True: -65504.0 / 2, False: -65504.0 / 2}


@register("Softmax")
class Softmax(Elementwise):
    """Softmax over one axis or several, as `keras.layers.Softmax`.

    A mask hides values: it is not the mask of the steps, but has the shape of the input, or one that spreads to it. As
    in Keras, the mask that comes along with the input is used too, and does not fit where it counts steps of features.

    Args:
        axis: The axis, or several, that sum to 1 together.
        robust_masking: None: Keras 3, which sets masked outputs to 0. False and True: tf.keras, which adds a large
            negative number to masked inputs, or puts it in their place, and leaves the outputs as they come.
        keras2_masks: Whether masks are left out, as in Keras 2 outside of TensorFlow; it has no `robust_masking`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Softmax()(torch.zeros(1, 4), mask=torch.tensor([[True, True, False, False]]))
        tensor([[0.5000, 0.5000, 0.0000, 0.0000]])
    """

    CONFIG = ("axis",)
    INERT = ("robust_masking", "keras2_masks")
    EXAMPLES = (
        Example("default", dict(), (2, 3)),
        Example("axis 1", dict(axis=1), (2, 7, 3)),
        Example("two axes", dict(axis=[1, 2], robust_masking=True), (2, 7, 3)),
    )

    def __init__(
        self,
        axis: Any = -1,
        *,
        robust_masking: bool | None = None,
        keras2_masks: bool = False,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(**base)
        several = isinstance(axis, (list, tuple))
        self.axis = list(check.integers("axis", axis)) if several else check.integer("axis", axis)
        if several and not self.axis:
            raise ArgumentError("axis: expected an axis or a list of axes, got an empty list.")
        self.robust_masking = None if robust_masking is None else check.boolean("robust_masking", robust_masking)
        self.keras2_masks = check.boolean("keras2_masks", keras2_masks)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.robust_masking is not None:
            config["robust_masking"] = self.robust_masking
        return {**config, "keras2_masks": True} if self.keras2_masks else config

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape)
        axis_in_bounds(self, input_shape, self.axis if isinstance(self.axis, list) else [self.axis])

    def _as_activation(self) -> activations.Softmax:
        return activations.Softmax(tuple(self.axis) if isinstance(self.axis, list) else self.axis)

    def forward(self, x: Tensor, mask: Any = None) -> Tensor:
        """Apply softmax.

        Args:
            x: Of any shape that has the axes.
            mask: Of the shape of x, or spreading to it from its last axis on; False (or at most 0.5) hides a value.

        Raises:
            ShapeError: x has not the axes, or the mask does not fit x.
        """
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        if mask is None or (self.keras2_masks and self.robust_masking is None):
            return activations.softmax_over(x, self.axis)
        mask = spreading_mask(self, x, mask)
        hidden = (HIDDEN_HALF if x.dtype == torch.float16 else HIDDEN)[self.robust_masking]
        if self.robust_masking is False:
            return activations.softmax_over(x + (1.0 - mask.to(x.dtype)) * hidden, self.axis)
        mask = mask if mask.dtype == torch.bool else mask > 0.5
        out = activations.softmax_over(x.where(mask, hidden), self.axis)
        return out if self.robust_masking else out.where(mask, 0.0)

    def _to_torch(self) -> nn.Module:
        return to_torch.activation_module(self, self._as_activation())
