"""DepthwiseConv1D, DepthwiseConv2D, as Keras computes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ...base import check
from ...base.layer import Example, register
from ...base.variable import VariableAttribute
from ...weights import Var, depthwise
from .conv_layer import ChannelwiseConv

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import WeightedOptions

_CONFIG = (
    "depth_multiplier",
    "kernel_size",
    "strides",
    "padding",
    "data_format",
    "dilation_rate",
    "activation",
    "use_bias",
    "depthwise_initializer",
    "bias_initializer",
    "depthwise_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "depthwise_constraint",
    "bias_constraint",
)


class DepthwiseConv(ChannelwiseConv):
    """A convolution of each channel by itself; abstract. See `DepthwiseConv2D`."""

    WEIGHTS = (
        Var(
            "kernel",
            ("weight",),
            lambda l, s: (*l.kernel_size, s[l._channel_axis], l.depth_multiplier),
            depthwise,
            stem="depthwise",
            also=("depthwise_kernel",),  # tf.keras
            convolved=True,
        ),
        Var("bias", ("bias",), lambda l, s: (s[l._channel_axis] * l.depth_multiplier,), when=lambda l: l.use_bias),
    )
    kernel: VariableAttribute
    depthwise_kernel: VariableAttribute
    weight: Tensor

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **base: Unpack[WeightedOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        self._set_output(
            activation,
            use_bias,
            depthwise_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            depthwise_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
        )
        self.depth_multiplier = check.positive("depth_multiplier", depth_multiplier)

    def _channels_out(self, channels: int) -> int:
        return channels * self.depth_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """Convolve each channel of x.

        Args:
            x: `(B, ..., C)`, or `(B, C, ...)` where `data_format` is channels_first; of the layer's dtype.

        Returns:
            The same layout with `C * depth_multiplier` channels: those made of the first channel first.

        Raises:
            ShapeError: x has another rank or number of channels, or the kernel does not fit into it.
        """
        x = self._checked(x, self.weight)
        return self.activation(self._convolve_channels(x, self.weight, self._own_bias))

    def _converted(self) -> nn.Module:
        return self._torch_chain(self._torch_channelwise(self.weight, self._own_bias))


@register("DepthwiseConv1D")
class DepthwiseConv1D(DepthwiseConv):
    """A convolution over time of each channel by itself, as `keras.layers.DepthwiseConv1D`.

    Args:
        kernel_size: Length of the window.
        strides: Steps between two windows.
        padding: "valid": only where the window fits. "same": `ceil(size / strides)` outputs, zeros on both sides, one
            more behind where they are odd.
        depth_multiplier: How many channels to make of each.
        data_format: "channels_last" `(B, T, C)`, which None also means, or "channels_first" `(B, C, T)`.
        dilation_rate: Distance between the places that a window sees.
        activation: Of the output; None for none.
        use_bias: Whether there is a bias.
        depthwise_initializer: Of the kernel.
        bias_initializer: Of the bias.
        depthwise_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        depthwise_constraint: Of the kernel.
        bias_constraint: Of the bias.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        kernel: `(k, C, depth_multiplier)` -> `weight` `(C, depth_multiplier, k)`
        bias: `(C * depth_multiplier,)` -> `bias`

    Example:
        >>> DepthwiseConv1D(3, depth_multiplier=2)(torch.zeros(2, 10, 4)).shape
        torch.Size([2, 8, 8])
    """

    SPATIAL = 1
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(kernel_size=(3,), depth_multiplier=2), (2, 7, 3)),
        Example("same", dict(kernel_size=(2,), strides=(2,), padding="same", use_bias=False), (2, 7, 3)),
    )
    _to_torch = DepthwiseConv._converted


@register("DepthwiseConv2D")
class DepthwiseConv2D(DepthwiseConv):
    """A convolution over images of each channel by itself, as `keras.layers.DepthwiseConv2D`.

    Args:
        kernel_size: Of the window: an integer, or two of them.
        strides: Places between two windows.
        padding: "valid": only where the window fits. "same": `ceil(size / strides)` outputs, zeros on both sides, one
            more behind where they are odd.
        depth_multiplier: How many channels to make of each.
        data_format: "channels_last" `(B, H, W, C)`, which None also means, or "channels_first" `(B, C, H, W)`.
        dilation_rate: Distance between the places that a window sees.
        activation: Of the output; None for none.
        use_bias: Whether there is a bias.
        depthwise_initializer: Of the kernel.
        bias_initializer: Of the bias.
        depthwise_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        depthwise_constraint: Of the kernel.
        bias_constraint: Of the bias.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        kernel: `(kh, kw, C, depth_multiplier)` -> `weight` `(C, depth_multiplier, kh, kw)`
        bias: `(C * depth_multiplier,)` -> `bias`

    Example:
        >>> DepthwiseConv2D(3, padding="same", depth_multiplier=2)(torch.zeros(2, 5, 6, 4)).shape
        torch.Size([2, 5, 6, 8])
    """

    SPATIAL = 2
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(kernel_size=(3, 2), depth_multiplier=2), (2, 5, 6, 3)),
        Example(
            "channels first",
            dict(kernel_size=(2, 2), padding="same", depth_multiplier=2, data_format="channels_first"),
            (2, 3, 5, 6),
        ),
    )
    _to_torch = DepthwiseConv._converted
