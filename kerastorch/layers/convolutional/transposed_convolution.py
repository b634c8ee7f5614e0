"""Conv1DTranspose, Conv2DTranspose, Conv3DTranspose, as Keras computes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ...base import check, to_torch
from ...base.layer import Example, register
from ...base.variable import VariableAttribute
from ...base.weighted import repr_of
from ...base.windows import refuse_strides_with_dilation, sizes
from ...errors import ArgumentError, ShapeError
from ...kernels.convolution import convolve_transposed, transposed_size
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
    "output_padding",
    "data_format",
    "dilation_rate",
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
_MODULES: dict[int, Any] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


class ConvTranspose(ConvLayer):
    """A transposed convolution over images of any rank; abstract. See `Conv2DTranspose`."""

    INERT = ("output_size",)
    WEIGHTS = (
        Var(
            "kernel",
            ("weight",),
            lambda l, s: (*l.kernel_size, l.filters, s[l._channel_axis]),
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
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        output_size: Any = None,
        **base: Unpack[WeightedOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self._set_window(kernel_size, strides, padding, data_format, dilation_rate)
        refuse_strides_with_dilation(self)
        self._set_output(
            activation,
            use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self.filters = check.positive("filters", filters)
        self.output_padding: tuple[int, ...] | None = None
        if output_padding is not None:
            self.output_padding = sizes("output_padding", output_padding, type(self).SPATIAL, 0)
            if any(extra >= stride for extra, stride in zip(self.output_padding, self.strides, strict=True)):
                raise ArgumentError(
                    f"{repr_of(self)}: output_padding must be below strides, got output_padding={self.output_padding} "
                    f"and strides={self.strides}."
                )
        self.output_size = None if output_size is None else sizes("output_size", output_size, type(self).SPATIAL)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return config | ({"output_size": self.output_size} if self.output_size is not None else {})

    def _channels_out(self, channels: int) -> int:
        return self.filters

    def _image_out(self, shape: Shape) -> Shape:
        if self.output_size is not None:
            return self.output_size
        extras = self.output_padding or (None,) * type(self).SPATIAL
        window = zip(self._image(shape), self.kernel_size, self.strides, self.dilation_rate, extras, strict=True)
        return tuple(
            None if n is None else transposed_size(n, k, s, d, self.padding, extra) for n, k, s, d, extra in window
        )

    def _check_input_shape(self, input_shape: Shape) -> None:
        super()._check_input_shape(input_shape)
        if self.output_size is None:
            return
        for n, size, k, s in zip(
            self._image(input_shape), self.output_size, self.kernel_size, self.strides, strict=True
        ):
            covered = size - k + 1 if self.padding == "valid" else size
            if n is not None and -(-covered // s) != n:
                raise ShapeError(
                    f"{repr_of(self)}: output_size {self.output_size} does not belong to input of shape "
                    f"{tuple(input_shape)} with kernel_size {self.kernel_size} and strides {self.strides}."
                )

    def forward(self, x: Tensor) -> Tensor:
        """Convolve the transposed way.

        Args:
            x: `(B, ..., C)`, or `(B, C, ...)` where `data_format` is channels_first; of the layer's dtype.

        Returns:
            The same layout with `filters` channels.

        Raises:
            ShapeError: x has another rank or number of channels.
        """
        x = self._checked(x, self.weight)
        return self.activation(
            convolve_transposed(
                x,
                self.weight,
                self._own_bias,
                padding=self.padding,
                channel_axis=self._channel_axis,
                strides=self.strides,
                dilation=self.dilation_rate,
                sizes=self._image_out(tuple(x.shape)),
            )
        )

    def _converted(self) -> nn.Module:
        if self.output_size is not None:
            raise to_torch.no_module(self, [f"output_size={self.output_size}: torch's module has none"])
        # How much is cut off on both sides together depends on no size: one shows it for all.
        extras = self.output_padding or (None,) * type(self).SPATIAL
        window = zip(self.kernel_size, self.strides, self.dilation_rate, extras, strict=True)
        cut = [
            (k - 1) * d + 1 + 99 * s - transposed_size(100, k, s, d, self.padding, extra) for k, s, d, extra in window
        ]
        if any(size > 0 and size % 2 for size in cut):
            raise to_torch.no_module(
                self,
                [
                    f'padding="same" with kernel_size {self.kernel_size} and strides {self.strides}: it cuts off one '
                    "place more behind than before, torch's padding as many on both sides"
                ],
            )
        made = to_torch.plain(
            _MODULES[type(self).SPATIAL],
            self,
            in_channels=self.weight.shape[0],
            out_channels=self.filters,
            kernel_size=self.kernel_size,
            stride=self.strides,
            padding=tuple(max(size, 0) // 2 for size in cut),
            output_padding=tuple(max(-size, 0) for size in cut),
            dilation=self.dilation_rate,
            bias=self.use_bias,
        )
        return self._torch_chain([made])


@register("Conv1DTranspose")
class Conv1DTranspose(ConvTranspose):
    """A transposed convolution over time, as `keras.layers.Conv1DTranspose`.

    Args:
        filters: Number of channels of the output.
        kernel_size: Length of the window.
        strides: By how much the output is longer than the input.
        padding: "valid": the whole output. "same": `size * strides` of it, cut off on both sides, one place more behind
            where that is odd.
        output_padding: How many places to add behind; below `strides`. None: as many as give the sizes above.
        data_format: "channels_last" `(B, T, C)`, which None also means, or "channels_first" `(B, C, T)`.
        dilation_rate: Distance between the places of the output that one place of the input reaches; above 1 only
            with `strides` 1.
        activation: Of the output; None for none.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel.
        bias_initializer: Of the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Of the kernel.
        bias_constraint: Of the bias.
        output_size: The output's axes without batch and channels, where they are stated as in Keras 1; None else.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        kernel: `(k, filters, C)` -> `weight` `(C, filters, k)`
        bias: `(filters,)` -> `bias`

    Example:
        >>> Conv1DTranspose(8, 3, strides=2, padding="same")(torch.zeros(2, 10, 4)).shape
        torch.Size([2, 20, 8])
    """

    SPATIAL = 1
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(filters=4, kernel_size=(3,)), (2, 7, 3)),
        Example("strides", dict(filters=4, kernel_size=(2,), strides=(3,), output_padding=(1,)), (2, 7, 3)),
    )
    _to_torch = ConvTranspose._converted


@register("Conv2DTranspose")
class Conv2DTranspose(ConvTranspose):
    """A transposed convolution over images, as `keras.layers.Conv2DTranspose`.

    Args:
        filters: Number of channels of the output.
        kernel_size: Of the window: an integer, or two of them.
        strides: By how much the output is longer than the input.
        padding: "valid": the whole output. "same": `size * strides` of it, cut off on both sides, one place more behind
            where that is odd.
        output_padding: How many places to add behind; below `strides`. None: as many as give the sizes above.
        data_format: "channels_last" `(B, H, W, C)`, which None also means, or "channels_first" `(B, C, H, W)`.
        dilation_rate: Distance between the places of the output that one place of the input reaches; above 1 only
            with `strides` 1.
        activation: Of the output; None for none.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel.
        bias_initializer: Of the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Of the kernel.
        bias_constraint: Of the bias.
        output_size: The output's axes without batch and channels, where they are stated as in Keras 1; None else.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        kernel: `(kh, kw, filters, C)` -> `weight` `(C, filters, kh, kw)`
        bias: `(filters,)` -> `bias`

    Example:
        >>> Conv2DTranspose(8, 3, strides=2)(torch.zeros(2, 4, 5, 3)).shape
        torch.Size([2, 9, 11, 8])
    """

    SPATIAL = 2
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(filters=4, kernel_size=(3, 2)), (2, 5, 6, 3)),
        Example("same", dict(filters=2, kernel_size=(4, 3), padding="same", strides=(2, 2)), (2, 5, 6, 3)),
        Example(
            "channels first",
            dict(filters=2, kernel_size=(2, 2), dilation_rate=(2, 1), use_bias=False, data_format="channels_first"),
            (2, 3, 5, 6),
        ),
    )
    _to_torch = ConvTranspose._converted


@register("Conv3DTranspose")
class Conv3DTranspose(ConvTranspose):
    """A transposed convolution over volumes, as `keras.layers.Conv3DTranspose`.

    Args:
        filters: Number of channels of the output.
        kernel_size: Of the window: an integer, or three of them.
        strides: By how much the output is longer than the input.
        padding: "valid": the whole output. "same": `size * strides` of it, cut off on both sides, one place more behind
            where that is odd.
        output_padding: How many places to add behind; below `strides`. None: as many as give the sizes above.
        data_format: "channels_last" `(B, H, W, D, C)`, which None also means, or "channels_first".
        dilation_rate: Distance between the places of the output that one place of the input reaches; above 1 only
            with `strides` 1.
        activation: Of the output; None for none.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel.
        bias_initializer: Of the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Of the kernel.
        bias_constraint: Of the bias.
        output_size: The output's axes without batch and channels, where they are stated as in Keras 1; None else.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        kernel: `(kh, kw, kd, filters, C)` -> `weight` `(C, filters, kh, kw, kd)`
        bias: `(filters,)` -> `bias`

    Example:
        >>> Conv3DTranspose(8, 2, strides=2)(torch.zeros(2, 3, 4, 5, 1)).shape
        torch.Size([2, 6, 8, 10, 8])
    """

    SPATIAL = 3
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(filters=2, kernel_size=(2, 1, 3)), (2, 3, 4, 5, 3)),
        Example("same", dict(filters=2, kernel_size=(3, 2, 2), padding="same", strides=(2, 1, 2)), (2, 3, 4, 5, 3)),
    )
    _to_torch = ConvTranspose._converted


# Keras's other names.
Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
