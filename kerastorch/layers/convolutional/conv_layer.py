"""What convolutions of every kind share: the window's arguments, shapes and their checks, and the way to torch."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...activations import Activation
from ...base import check, to_torch
from ...base.input_checks import channels_at, float_tensor, one_shape, refuse
from ...base.input_spec import with_channels
from ...base.layer import Layer
from ...base.weight_tensors import ParameterAttribute
from ...base.weighted import repr_of
from ...base.windows import axes_named, data_format_of, padding_of, sizes
from ...errors import ShapeError, counted
from ...kernels.convolution import convolve, output_size
from ...weights import Shape

_REFUSED = {
    "lora_rank": "LoRA's two extra matrices are not here; merge them into the kernel in Keras and save the model "
    "without them"
}
_MODULES: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class ConvLayer(Layer):
    """A layer that moves a window over rows, images or volumes; abstract.

    A subclass has `kernel_size`, `strides`, `padding`, `data_format` and `dilation_rate`, and says how many channels
    come out. It does not hand on masks: no Keras does.
    """

    _keras_spec = with_channels
    PADDINGS: ClassVar[tuple[str, ...]] = ("valid", "same")
    INERT = ("lora_rank", "lora_alpha")
    use_bias: bool
    activation: Activation
    bias: ParameterAttribute

    def _set_window(self, kernel_size: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any) -> None:
        self.kernel_size = sizes("kernel_size", kernel_size, type(self).SPATIAL)
        self.strides = sizes("strides", strides, type(self).SPATIAL)
        self.padding = padding_of(padding, type(self).PADDINGS)
        self.data_format = data_format_of(data_format)
        self.dilation_rate = sizes("dilation_rate", dilation_rate, type(self).SPATIAL)

    def _set_output(self, activation: Any, use_bias: Any, lora_rank: Any = None, **functions: Any) -> None:
        self._configure(activation=activation, **functions)
        self.use_bias = check.boolean("use_bias", use_bias)
        refuse(self, _REFUSED, lora_rank=lora_rank)

    # ------------------------------------------------------------------ shapes

    @property
    def _channel_axis(self) -> int:
        """The axis of the channels, counted from the end."""
        return -1 - type(self).SPATIAL if self.data_format == "channels_first" else -1

    @property
    def _meaning(self) -> str:
        return f"(batch, {axes_named(type(self).SPATIAL, self.data_format == 'channels_first')})"

    def _in_format(self, image: Shape, channels: int) -> Shape:
        """The axes of an image with its channels, where these belong."""
        return (channels, *image) if self.data_format == "channels_first" else (*image, channels)

    @abstractmethod
    def _channels_out(self, channels: int) -> int:
        """The number of channels of the output."""

    def _image(self, shape: Shape) -> Shape:
        """The axes without batch and channels."""
        return (
            shape[-type(self).SPATIAL :]
            if self.data_format == "channels_first"
            else shape[-1 - type(self).SPATIAL : -1]
        )

    def _image_out(self, shape: Shape) -> Shape:
        """What comes of an input's axes without batch and channels; None where it is not known."""
        window = zip(self._image(shape), self.kernel_size, self.strides, self.dilation_rate, strict=True)
        return tuple(None if n is None else output_size(n, k, s, d, self.padding) for n, k, s, d in window)

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, least=1, meaning=self._meaning)
        self._check_rank(input_shape)
        self._check_channels(channels_at(self, input_shape, self._channel_axis, self._meaning))
        if any(size is not None and size < 1 for size in self._image_out(input_shape)):
            raise ShapeError(
                f"{repr_of(self)}: the output would be empty for input {tuple(input_shape)}, that is {self._meaning}: "
                f"the kernel {self.kernel_size} (dilation_rate {self.dilation_rate}) does not fit into it; use a "
                'smaller kernel or padding="same".'
            )
        if 0 in self._image(input_shape):  # a transposed one would make something of it
            raise ShapeError(
                f"{repr_of(self)}: expected images of at least one place, got input {tuple(input_shape)}, that is "
                f"{self._meaning}."
            )

    def _check_rank(self, input_shape: Shape) -> None:
        rank = type(self).SPATIAL + 2
        if len(input_shape) == rank:
            return
        hint = f" One channel? Pass x.unsqueeze({self._channel_axis})." if len(input_shape) == rank - 1 else ""
        hint = " A sequence of them? Wrap the layer in TimeDistributed." if len(input_shape) == rank + 1 else hint
        raise ShapeError(
            f"{repr_of(self)}: expected input of shape {self._meaning} with {counted(rank, 'axis', 'axes')}, got "
            f"{tuple(input_shape)}.{hint}"
        )

    def _check_channels(self, channels: int) -> None:
        """Raise if the layer cannot take this number of channels."""

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        channels = self._channels_out(input_shape[self._channel_axis])
        return (*input_shape[: -1 - type(self).SPATIAL], *self._in_format(self._image_out(input_shape), channels))

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self.dtype

    # ------------------------------------------------------------------ running

    def _checked(self, x: Any, weight: Tensor) -> Tensor:
        """x as a tensor of the weight's dtype and of a shape that the layer takes."""
        x = float_tensor(self, x, weight.dtype)
        self._check_input_shape(tuple(x.shape))
        return x

    @property
    def _own_bias(self) -> Tensor | None:
        return self.bias if self.use_bias else None

    # ------------------------------------------------------------------ to torch

    def _torch_convolution(self, weight: Tensor, bias: Tensor | None, groups: int) -> list[nn.Module]:
        """The modules that convolve as the layer does, channels first; `weight` is `(filters, C / groups, ...)`.

        Raises:
            UnsupportedError: How much "same" pads depends on the size of the input.
        """
        padding: Any = 0
        before: list[nn.Module] = []
        if self.padding == "causal":
            before = [nn.ConstantPad1d(((self.kernel_size[0] - 1) * self.dilation_rate[0], 0), 0.0)]
        elif self.padding == "same":
            if max(self.strides) > 1:
                raise to_torch.no_module(
                    self,
                    [
                        f'padding="same" with strides {self.strides}: how many zeros it puts where depends on the '
                        "size of the input, torch's padding is fixed"
                    ],
                )
            padding = "same"
        made = self._torch_module(
            weight, bias, stride=self.strides, padding=padding, dilation=self.dilation_rate, groups=groups
        )
        return [*before, made]

    def _torch_module(self, weight: Tensor, bias: Tensor | None, groups: int = 1, **window: Any) -> nn.Module:
        tensors = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
        return to_torch.plain(
            _MODULES[type(self).SPATIAL],
            self,
            tensors,
            in_channels=weight.shape[1] * groups,
            out_channels=weight.shape[0],
            kernel_size=tuple(weight.shape[2:]),
            groups=groups,
            bias=bias is not None,
            **window,
        )

    def _torch_chain(self, modules: list[nn.Module]) -> nn.Module:
        """The modules, and the activation behind them; where the channels are last here, they are at axis 1 there."""
        return to_torch.followed_by(
            modules, self, self.activation, axis=1 if self.data_format == "channels_last" else -1
        )


class ChannelwiseConv(ConvLayer):
    """A layer that convolves each channel by itself; abstract."""

    INERT = ()
    depth_multiplier: int

    def _convolve_channels(self, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        """Make `depth_multiplier` channels of each of x's; w is `(C, depth_multiplier, ...)`."""
        return convolve(
            x,
            w.flatten(0, 1).unsqueeze(1),
            b,
            padding=self.padding,
            channel_axis=self._channel_axis,
            strides=self.strides,
            dilation=self.dilation_rate,
            groups=w.shape[0],
        )

    def _torch_channelwise(self, w: Tensor, b: Tensor | None) -> list[nn.Module]:
        flat = w.detach().flatten(0, 1).unsqueeze(1).requires_grad_(w.requires_grad)
        return self._torch_convolution(flat, b, w.shape[0])
