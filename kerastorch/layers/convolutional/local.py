"""LocallyConnected1D, LocallyConnected2D of Keras 1 and 2: convolutions with a kernel of its own for each place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...base import check
from ...base.input_checks import sizes_at
from ...base.input_spec import of_images_with_channels
from ...base.layer import Example, register
from ...base.variable import VariableAttribute
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError
from ...weights import Shape, Var
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
    "activation",
    "use_bias",
    "kernel_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "kernel_constraint",
    "bias_constraint",
    "implementation",
)
_PLACES, _DENSE, _SPARSE = 1, 2, 3


class LocallyConnected(ConvLayer):
    """A convolution that shares no weights between places; abstract. See `LocallyConnected1D`."""

    _keras_spec = of_images_with_channels
    INERT = ()
    WEIGHTS = (
        Var("kernel", ("weight",), lambda l, s: l._kernel_shape(s)),
        Var("bias", ("bias",), lambda l, s: (*l._image_out(s), l.filters), when=lambda l: l.use_bias),
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
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        implementation: int = 1,
        **base: Unpack[WeightedOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self._set_window(kernel_size, strides, padding, data_format, 1)
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
        self.implementation = check.one_of("implementation", implementation, (_PLACES, _DENSE, _SPARSE))
        if self.padding != "valid" and self.implementation == _PLACES:
            raise ArgumentError(
                f'{repr_of(self)}: implementation=1 has padding="valid" only, got padding="{self.padding}"; '
                "pass implementation=2."
            )

    # ------------------------------------------------------------------ shapes

    def _channels_out(self, channels: int) -> int:
        return self.filters

    def _check_input_shape(self, input_shape: Shape) -> None:
        super()._check_input_shape(input_shape)
        first = 1 if self._channel_axis == -1 else 2
        image = sizes_at(self, input_shape, range(first, first + type(self).SPATIAL))
        built = self._image(self._build_shape) if self._built and self._build_shape is not None else image
        if image != built:
            raise ShapeError(
                f"{repr_of(self)}: each place has weights of its own; built for {built} places, got "
                f"{image} (input of "
                f"shape {tuple(input_shape)}, that is {self._meaning})."
            )

    def _kernel_shape(self, input_shape: Shape) -> tuple[int, ...]:
        image, channels = self._image(input_shape), input_shape[self._channel_axis]
        out = self._image_out(input_shape)
        if self.implementation == _PLACES:
            return math.prod(out), math.prod(self.kernel_size) * channels, self.filters
        if self.implementation == _DENSE:
            return *self._in_format(image, channels), *self._in_format(out, self.filters)
        return (int(self._connections(input_shape).sum()),)

    def _connections(self, input_shape: Shape) -> Tensor:
        """Which value of the input each value of the output depends on: bool `(inputs, outputs)`, both flat.

        "same" is Keras 2's own here: the window of place 0 has its middle there, whatever the strides.
        """
        image, out = self._image(input_shape), self._image_out(input_shape)
        met = torch.ones((), dtype=torch.bool, device="cpu")
        for n, size, k, stride in zip(image, out, self.kernel_size, self.strides, strict=True):
            starts = torch.arange(size, device="cpu") * stride - (k // 2 if self.padding == "same" else 0)
            places = torch.arange(n, device="cpu").unsqueeze(1)
            met = met.unsqueeze(-1).unsqueeze(-1) & (places >= starts) & (places < starts + k)
        ins, outs = range(0, 2 * type(self).SPATIAL, 2), range(1, 2 * type(self).SPATIAL, 2)
        met = met.permute(*ins, *outs)
        met = met.unsqueeze(type(self).SPATIAL if self._channel_axis == -1 else 0)
        met = met.unsqueeze(met.ndim if self._channel_axis == -1 else type(self).SPATIAL + 1)
        whole = (*self._in_format(image, input_shape[self._channel_axis]), *self._in_format(out, self.filters))
        return met.expand(whole).reshape(math.prod(whole[: type(self).SPATIAL + 1]), -1)

    # ------------------------------------------------------------------ running

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, each place with its own kernel.

        Args:
            x: `(B, ..., C)`, or `(B, C, ...)` where `data_format` is channels_first; of the layer's dtype.

        Returns:
            The same layout with `filters` channels.

        Raises:
            ShapeError: x has another shape than the layer was built for.
        """
        x = self._checked(x, self.weight)
        shape = tuple(x.shape)
        out = self._image_out(shape)
        y = self._place_by_place(x, out) if self.implementation == _PLACES else self._at_once(x, shape, out)
        if self.use_bias:
            # With the channels first Keras reshapes the bias (places, filters), and does not transpose it.
            y = y + self.bias.reshape(self._in_format(out, self.filters))
        return self.activation(y)

    def _place_by_place(self, x: Tensor, out: Shape) -> Tensor:
        windows = x.movedim(self._channel_axis, 1)
        for axis, (k, stride) in enumerate(zip(self.kernel_size, self.strides, strict=True), 2):
            windows = windows.unfold(axis, k, stride)
        windows = windows.movedim(1, -1 if self._channel_axis == -1 else type(self).SPATIAL + 1)
        windows = windows.reshape(x.shape[0], math.prod(out), -1)
        y = torch.einsum("blf,lfo->blo", windows, self.weight)
        return y.reshape(x.shape[0], *out, self.filters).movedim(-1, self._channel_axis)

    def _at_once(self, x: Tensor, shape: Shape, out: Shape) -> Tensor:
        return (x.flatten(1) @ self._matrix(shape)).reshape(x.shape[0], *self._in_format(out, self.filters))

    def _matrix(self, input_shape: Shape) -> Tensor:
        """All weights as one matrix `(inputs, outputs)`, zero where nothing is connected; `implementation` 2 and 3."""
        connected = self._connections(input_shape).to(self.weight.device)
        if self.implementation == _DENSE:
            return self.weight.reshape(connected.shape) * connected
        # Keras lists the connections output by output.
        return self.weight.new_zeros(connected.T.shape).masked_scatter(connected.T, self.weight).T


@register("LocallyConnected1D")
class LocallyConnected1D(LocallyConnected):
    """A convolution over time with other weights at each step: Keras 1 and 2's `keras.layers.LocallyConnected1D`.

    The number of steps must be known, and is fixed.

    Args:
        filters: Number of channels of the output.
        kernel_size: Length of the window.
        strides: Steps between two windows.
        padding: "valid"; "same" with `implementation` 2 or 3.
        data_format: "channels_last" `(B, T, C)`, which None also means, or "channels_first" `(B, C, T)`.
        activation: Of the output; None for none.
        use_bias: Whether there is a bias, another one at each step.
        kernel_initializer: Of the kernel.
        bias_initializer: Of the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Of the kernel.
        bias_constraint: Of the bias.
        implementation: How Keras keeps the kernel: 1 a matrix for each place, 2 all of a dense layer's weights, of
            which most say nothing, 3 those of them that say something.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        kernel: `(T', k * C, filters)`; `(T, C, T', filters)` with `implementation` 2 (with the channels first
            `(C, T, filters, T')`); `(N,)` with 3 -> `weight`
        bias: `(T', filters)` -> `bias`

    Example:
        >>> LocallyConnected1D(8, 3)(torch.zeros(2, 10, 4)).shape
        torch.Size([2, 8, 8])
    """

    SPATIAL = 1
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(filters=2, kernel_size=(3,)), (2, 7, 3)),
        Example("dense", dict(filters=2, kernel_size=(2,), strides=(2,), implementation=2), (2, 7, 3)),
        Example(
            "sparse", dict(filters=2, kernel_size=(2,), padding="same", implementation=3, use_bias=False), (2, 5, 3)
        ),
    )


@register("LocallyConnected2D")
class LocallyConnected2D(LocallyConnected):
    """A convolution over images with other weights at each place: Keras 1 and 2's `keras.layers.LocallyConnected2D`.

    The size of the images must be known, and is fixed.

    Args:
        filters: Number of channels of the output.
        kernel_size: Of the window: an integer, or two of them.
        strides: Places between two windows.
        padding: "valid"; "same" with `implementation` 2 or 3.
        data_format: "channels_last" `(B, H, W, C)`, which None also means, or "channels_first" `(B, C, H, W)`.
        activation: Of the output; None for none.
        use_bias: Whether there is a bias, another one at each place.
        kernel_initializer: Of the kernel.
        bias_initializer: Of the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Of the kernel.
        bias_constraint: Of the bias.
        implementation: How Keras keeps the kernel: 1 a matrix for each place, 2 all of a dense layer's weights, of
            which most say nothing, 3 those of them that say something.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        kernel: `(H' * W', kh * kw * C, filters)`; `(H, W, C, H', W', filters)` with `implementation` 2 (with the
            channels first `(C, H, W, filters, H', W')`); `(N,)` with 3 -> `weight`
        bias: `(H', W', filters)` -> `bias`

    Example:
        >>> LocallyConnected2D(8, 3)(torch.zeros(2, 5, 6, 4)).shape
        torch.Size([2, 3, 4, 8])
    """

    SPATIAL = 2
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(filters=2, kernel_size=(3, 2)), (2, 4, 5, 3)),
        Example(
            "dense, channels first",
            dict(filters=2, kernel_size=(2, 3), implementation=2, data_format="channels_first"),
            (2, 3, 4, 5),
        ),
        Example("sparse", dict(filters=2, kernel_size=(2, 2), padding="same", implementation=3), (2, 3, 4, 2)),
    )
