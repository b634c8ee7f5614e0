"""SeparableConv1D, SeparableConv2D, as Keras computes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ...base import check
from ...base.layer import Example, register
from ...base.variable import VariableAttribute
from ...kernels.convolution import convolve
from ...weights import Var, convolution, depthwise
from .conv_layer import ChannelwiseConv

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import WeightedOptions

_CONFIG = (
    "depth_multiplier",
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "data_format",
    "dilation_rate",
    "activation",
    "use_bias",
    "depthwise_initializer",
    "pointwise_initializer",
    "bias_initializer",
    "depthwise_regularizer",
    "pointwise_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "depthwise_constraint",
    "pointwise_constraint",
    "bias_constraint",
)


class SeparableConv(ChannelwiseConv):
    """A convolution of each channel by itself, then one that mixes the channels; abstract. See `SeparableConv2D`."""

    WEIGHTS = (
        Var(
            "depthwise_kernel",
            ("depthwise_weight",),
            lambda l, s: (*l.kernel_size, s[l._channel_axis], l.depth_multiplier),
            depthwise,
            stem="depthwise",
            convolved=True,
        ),
        Var(
            "pointwise_kernel",
            ("pointwise_weight",),
            lambda l, s: (*[1] * type(l).SPATIAL, s[l._channel_axis] * l.depth_multiplier, l.filters),
            convolution,
            stem="pointwise",
            convolved=True,
        ),
        Var("bias", ("bias",), lambda l, s: (l.filters,), when=lambda l: l.use_bias),
    )
    depthwise_kernel: VariableAttribute
    pointwise_kernel: VariableAttribute
    depthwise_weight: Tensor
    pointwise_weight: Tensor

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **base: Unpack[WeightedOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self._set_output(
            activation,
            use_bias,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer,
            bias_regularizer=bias_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
            bias_constraint=bias_constraint,
        )
        self.filters = check.positive("filters", filters)
        self.depth_multiplier = check.positive("depth_multiplier", depth_multiplier)

    def _channels_out(self, channels: int) -> int:
        return self.filters

    def forward(self, x: Tensor) -> Tensor:
        """Convolve each channel of x, then mix the channels at each place.

        Args:
            x: `(B, ..., C)`, or `(B, C, ...)` where `data_format` is channels_first; of the layer's dtype.

        Returns:
            The same layout with `filters` channels.

        Raises:
            ShapeError: x has another rank or number of channels, or the kernel does not fit into it.
        """
        x = self._checked(x, self.depthwise_weight)
        apart = self._convolve_channels(x, self.depthwise_weight, None)
        mixed = convolve(apart, self.pointwise_weight, self._own_bias, padding="valid", channel_axis=self._channel_axis)
        return self.activation(mixed)

    def _converted(self) -> nn.Module:
        apart = self._torch_channelwise(self.depthwise_weight, None)
        return self._torch_chain([*apart, self._torch_module(self.pointwise_weight, self._own_bias)])


@register("SeparableConv1D")
class SeparableConv1D(SeparableConv):
    """A convolution over time of each channel, then a mix, as `keras.layers.SeparableConv1D`.

    Args:
        filters: Number of channels of the output.
        kernel_size: Length of the window.
        strides: Steps between two windows.
        padding: "valid": only where the window fits. "same": `ceil(size / strides)` outputs, zeros on both sides, one
            more behind where they are odd. "causal" (of tf.keras; Keras 3 does not
            have it here): all zeros in front.
        data_format: "channels_last" `(B, T, C)`, which None also means, or "channels_first" `(B, C, T)`.
        dilation_rate: Distance between the places that a window sees.
        depth_multiplier: How many channels to make of each, before they are mixed.
        activation: Of the output; None for none.
        use_bias: Whether there is a bias.
        depthwise_initializer: Of the depthwise kernel.
        pointwise_initializer: Of the pointwise kernel.
        bias_initializer: Of the bias.
        depthwise_regularizer: Penalty on the depthwise kernel.
        pointwise_regularizer: Penalty on the pointwise kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        depthwise_constraint: Of the depthwise kernel.
        pointwise_constraint: Of the pointwise kernel.
        bias_constraint: Of the bias.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        depthwise_kernel: `(k, C, depth_multiplier)` -> `depthwise_weight` `(C, depth_multiplier, k)`
        pointwise_kernel: `(1, C * depth_multiplier, filters)` -> `pointwise_weight`
            `(filters, C * depth_multiplier, 1)`
        bias: `(filters,)` -> `bias`

    Example:
        >>> SeparableConv1D(8, 3, padding="same")(torch.zeros(2, 10, 4)).shape
        torch.Size([2, 10, 8])
    """

    SPATIAL = 1
    PADDINGS = ("valid", "same", "causal")
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(filters=4, kernel_size=(3,), depth_multiplier=2), (2, 7, 3)),
        Example("causal", dict(filters=4, kernel_size=(3,), padding="causal", use_bias=False), (2, 7, 3)),
    )
    _to_torch = SeparableConv._converted


@register("SeparableConv2D")
class SeparableConv2D(SeparableConv):
    """A convolution over images of each channel, then a mix, as `keras.layers.SeparableConv2D`.

    Args:
        filters: Number of channels of the output.
        kernel_size: Of the window: an integer, or two of them.
        strides: Places between two windows.
        padding: "valid": only where the window fits. "same": `ceil(size / strides)` outputs, zeros on both sides, one
            more behind where they are odd.
        data_format: "channels_last" `(B, H, W, C)`, which None also means, or "channels_first" `(B, C, H, W)`.
        dilation_rate: Distance between the places that a window sees.
        depth_multiplier: How many channels to make of each, before they are mixed.
        activation: Of the output; None for none.
        use_bias: Whether there is a bias.
        depthwise_initializer: Of the depthwise kernel.
        pointwise_initializer: Of the pointwise kernel.
        bias_initializer: Of the bias.
        depthwise_regularizer: Penalty on the depthwise kernel.
        pointwise_regularizer: Penalty on the pointwise kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        depthwise_constraint: Of the depthwise kernel.
        pointwise_constraint: Of the pointwise kernel.
        bias_constraint: Of the bias.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        depthwise_kernel: `(kh, kw, C, depth_multiplier)` -> `depthwise_weight` `(C, depth_multiplier, kh, kw)`
        pointwise_kernel: `(1, 1, C * depth_multiplier, filters)` -> `pointwise_weight`
            `(filters, C * depth_multiplier, 1, 1)`
        bias: `(filters,)` -> `bias`

    Example:
        >>> SeparableConv2D(8, 3, strides=2)(torch.zeros(2, 9, 8, 3)).shape
        torch.Size([2, 4, 3, 8])
    """

    SPATIAL = 2
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(filters=4, kernel_size=(3, 2), depth_multiplier=2), (2, 5, 6, 3)),
        Example(
            "channels first",
            dict(filters=2, kernel_size=(2, 2), padding="same", strides=(2, 2), data_format="channels_first"),
            (2, 3, 5, 6),
        ),
    )
    _to_torch = SeparableConv._converted


# Keras's other names.
SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D
