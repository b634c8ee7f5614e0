"""Conv1D, Conv2D, Conv3D, as Keras computes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ...base import check
from ...base.layer import Example, register
from ...base.variable import VariableAttribute
from ...base.weighted import repr_of
from ...base.windows import refuse_strides_with_dilation
from ...errors import ArgumentError, ShapeError
from ...kernels.convolution import convolve
from ...weights import Shape, Var, convolution
from .conv_layer import ConvLayer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import WeightedOptions

_CONFIG = (
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "data_format",
    "dilation_rate",
    "groups",
    "activation",
    "use_bias",
    "kernel_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "kernel_constraint",
    "bias_constraint",
)


class Conv(ConvLayer):
    """A convolution over images of any rank; abstract. See `Conv1D`, `Conv2D`, `Conv3D`."""

    INERT = (*ConvLayer.INERT, "many_batch_axes")
    WEIGHTS = (
        Var(
            "kernel",
            ("weight",),
            lambda l, s: (*l.kernel_size, s[l._channel_axis] // l.groups, l.filters),
            convolution,
            convolved=True,
        ),
        Var("bias", ("bias",), lambda l, s: (l.filters,), when=lambda l: l.use_bias),
    )
    kernel: VariableAttribute
    weight: Tensor

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        *,
        lora_rank: int | None = None,
        lora_alpha: int | None = None,
        many_batch_axes: bool = False,
        **base: Unpack[WeightedOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        refuse_strides_with_dilation(self)
        self._set_output(
            activation,
            use_bias,
            lora_rank,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self.filters = check.positive("filters", filters)
        self.groups = check.positive("groups", groups)
        if self.filters % self.groups:
            raise ArgumentError(
                f"{repr_of(self)}: expected filters to be a multiple of groups, got filters={self.filters} and "
                f"groups={self.groups}."
            )
        self.many_batch_axes = check.boolean("many_batch_axes", many_batch_axes)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return config | ({"many_batch_axes": True} if self.many_batch_axes else {})

    def _channels_out(self, channels: int) -> int:
        return self.filters

    def _check_rank(self, input_shape: Shape) -> None:
        if not self.many_batch_axes or len(input_shape) < type(self).SPATIAL + 2:
            super()._check_rank(input_shape)

    def _check_channels(self, channels: int) -> None:
        if channels % self.groups:
            raise ShapeError(
                f"{repr_of(self)}: expected a number of channels that is a multiple of groups={self.groups}, "
                f"got {channels}."
            )

    def forward(self, x: Tensor) -> Tensor:
        """Convolve.

        Args:
            x: `(B, ..., C)`, or `(B, C, ...)` where `data_format` is channels_first; of the layer's dtype.

        Returns:
            The same layout with `filters` channels.

        Raises:
            ShapeError: x has another rank or number of channels, or the kernel does not fit into it.
        """
        x = self._checked(x, self.weight)
        batch = x.shape[: -1 - type(self).SPATIAL]
        y = convolve(
            x if len(batch) == 1 else x.flatten(0, len(batch) - 1),
            self.weight,
            self._own_bias,
            padding=self.padding,
            channel_axis=self._channel_axis,
            strides=self.strides,
            dilation=self.dilation_rate,
            groups=self.groups,
        )
        return self.activation(y if len(batch) == 1 else y.unflatten(0, batch))

    def _converted(self) -> nn.Module:
        return self._torch_chain(self._torch_convolution(self.weight, self._own_bias, self.groups))


@register("Conv1D")
class Conv1D(Conv):
    """A convolution over time, as `keras.layers.Conv1D`.

    A mask of the input is not handed on, as in Keras: which steps of the output it would concern is not said.

    Args:
        filters: Number of channels of the output.
        kernel_size: Length of the window.
        strides: Steps between two windows.
        padding: "valid": only where the window fits. "same": `ceil(T / strides)` outputs, zeros on both sides, one
            more behind where they are odd. "causal": as many outputs, all zeros in front, so that an output depends
            on no later step.
        data_format: "channels_last" `(B, T, C)`, which None also means, or "channels_first" `(B, C, T)`.
        dilation_rate: Distance between the steps that a window sees; above 1 only with `strides` 1.
        groups: Into how many parts the channels are divided, which are convolved apart.
        activation: Of the output; None for none.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel.
        bias_initializer: Of the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Of the kernel.
        bias_constraint: Of the bias.
        lora_rank: None; anything else is refused.
        many_batch_axes: Take several batch axes in front, as tf.keras does; Keras 3 takes one.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        kernel: `(k, C / groups, filters)` -> `weight` `(filters, C / groups, k)`
        bias: `(filters,)` -> `bias`

    Example:
        >>> Conv1D(8, 3, padding="causal", activation="relu")(torch.zeros(2, 20, 4)).shape
        torch.Size([2, 20, 8])
    """

    SPATIAL = 1
    PADDINGS = ("valid", "same", "causal")
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(filters=4, kernel_size=(3,)), (2, 7, 3)),
        Example("causal", dict(filters=4, kernel_size=(3,), padding="causal", dilation_rate=(2,)), (2, 7, 3)),
        Example(
            "same, groups, channels first",
            dict(filters=4, kernel_size=(2,), strides=(2,), padding="same", groups=2, data_format="channels_first"),
            (2, 6, 7),
        ),
    )
    _to_torch = Conv._converted


@register("Conv2D")
class Conv2D(Conv):
    """A convolution over images, as `keras.layers.Conv2D`.

    Args:
        filters: Number of channels of the output.
        kernel_size: Of the window: an integer, or two of them.
        strides: Places between two windows.
        padding: "valid": only where the window fits. "same": `ceil(size / strides)` outputs, zeros on both sides, one
            more behind where they are odd.
        data_format: "channels_last" `(B, H, W, C)`, which None also means, or "channels_first" `(B, C, H, W)`.
        dilation_rate: Distance between the places that a window sees; above 1 only with `strides` 1.
        groups: Into how many parts the channels are divided, which are convolved apart.
        activation: Of the output; None for none.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel.
        bias_initializer: Of the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Of the kernel.
        bias_constraint: Of the bias.
        lora_rank: None; anything else is refused.
        many_batch_axes: Take several batch axes in front, as tf.keras does; Keras 3 takes one.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        kernel: `(kh, kw, C / groups, filters)` -> `weight` `(filters, C / groups, kh, kw)`
        bias: `(filters,)` -> `bias`

    Example:
        >>> Conv2D(8, (3, 2), strides=2)(torch.zeros(2, 9, 8, 3)).shape
        torch.Size([2, 4, 4, 8])
    """

    SPATIAL = 2
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(filters=4, kernel_size=(3, 2)), (2, 5, 6, 3)),
        Example("same, strides", dict(filters=2, kernel_size=(2, 3), padding="same", strides=(2, 3)), (2, 5, 6, 3)),
        Example(
            "channels first, no bias",
            dict(filters=2, kernel_size=(2, 2), dilation_rate=(2, 1), use_bias=False, data_format="channels_first"),
            (2, 3, 5, 6),
        ),
    )
    _to_torch = Conv._converted


@register("Conv3D")
class Conv3D(Conv):
    """A convolution over volumes, as `keras.layers.Conv3D`.

    Args:
        filters: Number of channels of the output.
        kernel_size: Of the window: an integer, or three of them.
        strides: Places between two windows.
        padding: "valid": only where the window fits. "same": `ceil(size / strides)` outputs, zeros on both sides, one
            more behind where they are odd.
        data_format: "channels_last" `(B, H, W, D, C)`, which None also means, or "channels_first".
        dilation_rate: Distance between the places that a window sees; above 1 only with `strides` 1.
        groups: Into how many parts the channels are divided, which are convolved apart.
        activation: Of the output; None for none.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel.
        bias_initializer: Of the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Of the kernel.
        bias_constraint: Of the bias.
        lora_rank: None; anything else is refused.
        many_batch_axes: Take several batch axes in front, as tf.keras does; Keras 3 takes one.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        kernel: `(kh, kw, kd, C / groups, filters)` -> `weight` `(filters, C / groups, kh, kw, kd)`
        bias: `(filters,)` -> `bias`

    Example:
        >>> Conv3D(8, 3, padding="same")(torch.zeros(2, 4, 5, 6, 1)).shape
        torch.Size([2, 4, 5, 6, 8])
    """

    SPATIAL = 3
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(filters=2, kernel_size=(2, 1, 3)), (2, 3, 4, 5, 3)),
        Example("same", dict(filters=2, kernel_size=(2, 2, 2), padding="same", strides=(2, 1, 2)), (2, 3, 4, 5, 3)),
    )
    _to_torch = Conv._converted


# Keras's other names.
Convolution1D = Conv1D
Convolution2D = Conv2D
Convolution3D = Conv3D
