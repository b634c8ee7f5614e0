"""GroupNormalization: each sample normalised in groups of its channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...base import check, to_torch
from ...base.input_checks import cut_off, float_tensor, one_shape, one_tensor, sizes_at, spreading_mask
from ...base.input_spec import as_built
from ...base.layer import Example, Layer, register
from ...base.variable import VariableAttribute
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError, counted
from ...weights import Shape, Var

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


@register("GroupNormalization")
class GroupNormalization(Layer):
    """Group normalisation (Wu & He 2018), as `keras.layers.GroupNormalization`.

    Args:
        groups: How many groups the channels are parted into; -1: each channel is one (instance normalisation).
        axis: The axis of the channels.
        epsilon: Added to the variance; 1e-3, where torch has 1e-5.
        center: Whether there is a beta.
        scale: Whether there is a gamma.
        beta_initializer: Of beta.
        gamma_initializer: Of gamma.
        beta_regularizer: Penalty on beta.
        gamma_regularizer: Penalty on gamma.
        beta_constraint: Of beta.
        gamma_constraint: Of gamma.
        keras2_masks: Whether a mask that spreads to the input leaves places out of the statistics, as in tf.keras.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        gamma: `(F,)` -> `weight`
        beta: `(F,)` -> `bias`

    Example:
        >>> GroupNormalization(groups=2)(torch.zeros(2, 20, 4)).shape
        torch.Size([2, 20, 4])
    """

    _keras_spec = as_built(lambda layer: [layer.axis])
    supports_masking = True
    WEIGHTS = (
        Var("gamma", ("weight",), lambda l, s: (s[l.axis],), when=lambda l: l.scale),
        Var("beta", ("bias",), lambda l, s: (s[l.axis],), when=lambda l: l.center),
    )
    CONFIG = (
        "groups",
        "axis",
        "epsilon",
        "center",
        "scale",
        "beta_initializer",
        "gamma_initializer",
        "beta_regularizer",
        "gamma_regularizer",
        "beta_constraint",
        "gamma_constraint",
    )
    INERT = ("keras2_masks",)
    EXAMPLES = (
        Example("two groups", dict(groups=2), (2, 7, 4)),
        Example("instance, axis 1", dict(groups=-1, axis=1, epsilon=1e-5), (2, 3, 4, 5)),
        Example("no gamma", dict(groups=1, scale=False), (2, 4)),
        Example("no beta", dict(groups=2, center=False), (2, 7, 4)),
        Example("neither", dict(groups=2, scale=False, center=False, keras2_masks=True), (2, 7, 4)),
    )

    gamma: VariableAttribute
    beta: VariableAttribute
    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        *,
        keras2_masks: bool = False,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(**base)
        self._configure(
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )
        self.groups = check.integer("groups", groups)
        if self.groups < 1 and self.groups != -1:
            raise ArgumentError(f"groups: expected an integer >= 1, or -1 for a group of each channel, got {groups}.")
        self.axis = check.integer("axis", axis)
        if self.axis == 0:
            raise ArgumentError("axis: expected the axis of the channels, got 0, which is the batch axis.")
        self.epsilon = check.number("epsilon", epsilon)
        self.center = check.boolean("center", center)
        self.scale = check.boolean("scale", scale)
        self.keras2_masks = check.boolean("keras2_masks", keras2_masks)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "keras2_masks": True} if self.keras2_masks else config

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, least=2, meaning="(batch, ..., channels)")
        (size,) = sizes_at(self, input_shape, (self.axis,))
        made = self._parameters.get("weight" if self.scale else "bias")
        expected = size if made is None else made.shape[0]
        if size != expected:
            raise ShapeError(
                f"{repr_of(self)}: expected {counted(expected, 'channel')} at axis {self.axis}, got {size} "
                f"(input of shape {tuple(input_shape)})."
            )
        if size % self._count(size):
            raise ShapeError(
                f"{repr_of(self)}: {counted(size, 'channel')} cannot be parted into {self.groups} groups of one size "
                f"(input of shape {tuple(input_shape)}, axis {self.axis}); give `groups` a divisor of {size}."
            )

    def _count(self, channels: int) -> int:
        return channels if self.groups == -1 else self.groups

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return tuple(input_shape)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self.dtype if self.scale or self.center or not input_dtype.is_floating_point else input_dtype

    def forward(self, x: Tensor, mask: Any = None) -> Tensor:
        """Normalise x.

        Args:
            x: `(B, ..., F)`, of the layer's dtype; of any float dtype if there is neither gamma nor beta. Of integers
                the results are cut off to whole numbers, as in Keras.
            mask: Not used, as in Keras 3; with `keras2_masks` it spreads to x from its last axis on, and the places
                where it is False do not count.

        Raises:
            ShapeError: x has another shape than the layer needs, or the mask does not fit it.
        """
        weight = self.weight if self.scale else None
        bias = self.bias if self.center else None
        x = one_tensor(self, x)
        given = x.dtype
        if weight is not None or bias is not None or not x.is_floating_point():
            x = float_tensor(self, x, self.dtype)
        self._check_input_shape(tuple(x.shape))
        groups = self._count(x.shape[self.axis])
        channels_at_1 = x.movedim(self.axis, 1)
        if mask is not None and self.keras2_masks:
            spread = spreading_mask(self, x, mask).expand(x.shape)
            out = self._masked(channels_at_1, spread.movedim(self.axis, 1), groups)
        else:
            if weight is None and bias is not None:
                weight = torch.ones_like(bias)  # torch's backward pass fails on a bias alone
            out = F.group_norm(channels_at_1, groups, weight, bias, self.epsilon)
        return cut_off(out, given).to(out.dtype).movedim(1, self.axis)

    def _masked(self, x: Tensor, mask: Tensor, groups: int) -> Tensor:
        """`F.group_norm` over the places where the mask is not False."""
        parts, counted = (each.reshape(len(x), groups, -1) for each in (x, mask.to(x.dtype)))
        count = counted.sum(-1, keepdim=True)
        mean = (parts * counted).sum(-1, keepdim=True) / count
        variance = (parts.square() * counted).sum(-1, keepdim=True) / count - mean.square()
        out = ((parts - mean) * torch.rsqrt(variance + self.epsilon)).reshape(x.shape)
        along = (1, -1, *[1] * (x.ndim - 2))
        out = out * self.weight.view(along) if self.scale else out
        return out + self.bias.view(along) if self.center else out

    def _to_torch(self) -> nn.Module:
        rank = len(self._in_shape)
        if self.axis % rank != 1:
            raise to_torch.no_module(
                self,
                [
                    "torch's has the channels at axis 1, "
                    f"this one at axis {self.axis} of {rank}; put a Permute in front and behind"
                ],
            )
        channels = self._in_shape[self.axis]
        return to_torch.plain(
            nn.GroupNorm,
            self,
            to_torch.with_constants(self, weight=1, bias=0),
            num_groups=self._count(channels),
            num_channels=channels,
            eps=self.epsilon,
            affine=self.scale or self.center,
        )
