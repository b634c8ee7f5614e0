"""MaxPooling and AveragePooling of rows, images and volumes: one value of each window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from ...base import to_torch
from ...base.image_layer import Spatial
from ...base.input_checks import one_tensor
from ...base.input_spec import of_images
from ...base.layer import Example, register
from ...base.weighted import repr_of
from ...base.windows import padding_of, sizes
from ...errors import ShapeError
from ...kernels.convolution import output_size
from ...kernels.pooling import pool
from ...weights import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions

_CONFIG = ("pool_size", "padding", "strides", "data_format")


class _Pooling(Spatial):
    """What both kinds of pooling share; abstract. A mask ends here, as in Keras."""

    _keras_spec = of_images
    AVERAGE: ClassVar[bool]

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(data_format, **base)
        self.pool_size = sizes("pool_size", pool_size, type(self).SPATIAL)
        self.strides = self.pool_size if strides is None else sizes("strides", strides, type(self).SPATIAL)
        self.padding = padding_of(padding)

    def _check_input_shape(self, input_shape: Shape) -> None:
        super()._check_input_shape(input_shape)
        if any(size is not None and size < 1 for size in self._pooled(input_shape)):
            raise ShapeError(
                f"{repr_of(self)}: a window of {self.pool_size} does not fit into input of shape {tuple(input_shape)}, "
                f'that is {self._meaning}; use a smaller pool_size or padding="same".'
            )

    def _pooled(self, input_shape: Shape) -> Shape:
        """The sizes of the pooled image."""
        return tuple(
            None if n is None else output_size(n, k, stride, 1, self.padding)
            for n, k, stride in zip(self._image(input_shape), self.pool_size, self.strides, strict=True)
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return self._with_image(input_shape, self._pooled(input_shape))

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self.dtype if type(self).AVERAGE and not input_dtype.is_floating_point else input_dtype

    def forward(self, x: Tensor) -> Tensor:
        """Pool x, `(B, ..., C)`, or `(B, C, ...)` where `data_format` is channels_first.

        Raises:
            ShapeError: x has another number of axes, or no window fits into it.
        """
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        if type(self).AVERAGE and not x.is_floating_point():
            x = x.to(self.dtype)
        return pool(
            x,
            average=type(self).AVERAGE,
            window=self.pool_size,
            strides=self.strides,
            padding=self.padding,
            channel_axis=self._channel_axis,
        )

    def _module(self, module_class: type[nn.Module]) -> nn.Module:
        """torch's module for this layer; its padding is the same on both sides and for every size of input."""
        around = [0] * type(self).SPATIAL
        if self.padding == "same":
            around = [size // 2 for size in self.pool_size]
            if any(stride > 1 for stride in self.strides) or any(size % 2 == 0 for size in self.pool_size):
                reason = (
                    'padding="same": torch pads both sides alike, whatever the size of the input; that is the same for '
                    "strides of 1 and odd pool_size only"
                )
                raise to_torch.no_module(self, [reason])
        options = {"count_include_pad": False} if type(self).AVERAGE else {}
        return module_class(self.pool_size, self.strides, around, **options)


@register("MaxPooling1D")
class MaxPooling1D(_Pooling):
    """The largest value of each window of steps, as `keras.layers.MaxPooling1D` (`MaxPool1D`).

    A mask is not handed on. Where several values of a window are the largest, the first gets the gradient.

    Args:
        pool_size: Number of steps in a window.
        strides: Steps from one window to the next; `pool_size` if None.
        padding: "valid": only windows that fit. "same": windows over the borders too, `ceil(T / strides)` of them.
        data_format: "channels_last": `(B, T, F)`, which None also means; "channels_first": `(B, F, T)`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> MaxPooling1D(2)(torch.zeros(2, 20, 3)).shape
        torch.Size([2, 10, 3])
    """

    SPATIAL = 1
    AVERAGE = False
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(), (2, 7, 3)),
        Example("same", dict(pool_size=(3,), strides=(2,), padding="same"), (2, 8, 3)),
        Example("channels first", dict(pool_size=(3,), strides=(1,), data_format="channels_first"), (2, 3, 7)),
    )

    def _to_torch(self) -> nn.Module:
        return self._module(nn.MaxPool1d)


@register("MaxPooling2D")
class MaxPooling2D(_Pooling):
    """The largest value of each window of an image, as `keras.layers.MaxPooling2D` (`MaxPool2D`).

    Where several values of a window are the largest, the first gets the gradient.

    Args:
        pool_size: Rows and columns of a window; one number stands for both.
        strides: From one window to the next; `pool_size` if None.
        padding: As for `MaxPooling1D`.
        data_format: "channels_last": `(B, rows, columns, channels)`, which None also means; or "channels_first".
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> MaxPooling2D((2, 3))(torch.zeros(2, 8, 9, 3)).shape
        torch.Size([2, 4, 3, 3])
    """

    SPATIAL = 2
    AVERAGE = False
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(), (2, 7, 6, 3)),
        Example("same", dict(pool_size=(3, 2), strides=(2, 1), padding="same"), (2, 8, 5, 3)),
        Example("channels first", dict(pool_size=(2, 3), data_format="channels_first"), (2, 3, 7, 6)),
    )

    def _to_torch(self) -> nn.Module:
        return self._module(nn.MaxPool2d)


@register("MaxPooling3D")
class MaxPooling3D(_Pooling):
    """The largest value of each window of a volume, as `keras.layers.MaxPooling3D` (`MaxPool3D`).

    Where several values of a window are the largest, the first gets the gradient; on TensorFlow each of them gets it.

    Args:
        pool_size: Of a window, in three directions; one number stands for all.
        strides: From one window to the next; `pool_size` if None.
        padding: As for `MaxPooling1D`.
        data_format: "channels_last": `(B, rows, columns, depth, channels)`, which None also means; or "channels_first".
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> MaxPooling3D(2)(torch.zeros(2, 8, 8, 8, 3)).shape
        torch.Size([2, 4, 4, 4, 3])
    """

    SPATIAL = 3
    AVERAGE = False
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(), (2, 4, 5, 6, 3)),
        Example("same", dict(pool_size=(3, 2, 1), strides=(2, 1, 2), padding="same"), (2, 4, 3, 5, 2)),
        Example("channels first", dict(pool_size=(2, 1, 2), data_format="channels_first"), (2, 3, 4, 3, 5)),
    )

    def _to_torch(self) -> nn.Module:
        return self._module(nn.MaxPool3d)


@register("AveragePooling1D")
class AveragePooling1D(_Pooling):
    """The mean of each window of steps, as `keras.layers.AveragePooling1D` (`AvgPool1D`).

    A mask is not handed on. What "same" pads with does not count.

    Args:
        pool_size: Number of steps in a window.
        strides: Steps from one window to the next; `pool_size` if None.
        padding: As for `MaxPooling1D`.
        data_format: "channels_last": `(B, T, F)`, which None also means; "channels_first": `(B, F, T)`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> AveragePooling1D(2)(torch.tensor([[[1.0], [3.0], [5.0], [7.0]]]))
        tensor([[[2.],
                 [6.]]])
    """

    SPATIAL = 1
    AVERAGE = True
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(), (2, 7, 3)),
        Example("same", dict(pool_size=(3,), strides=(2,), padding="same"), (2, 8, 3)),
        Example("channels first", dict(pool_size=(3,), strides=(1,), data_format="channels_first"), (2, 3, 7)),
    )

    def _to_torch(self) -> nn.Module:
        return self._module(nn.AvgPool1d)


@register("AveragePooling2D")
class AveragePooling2D(_Pooling):
    """The mean of each window of an image, as `keras.layers.AveragePooling2D` (`AvgPool2D`).

    What "same" pads with does not count.

    Args:
        pool_size: Rows and columns of a window; one number stands for both.
        strides: From one window to the next; `pool_size` if None.
        padding: As for `MaxPooling1D`.
        data_format: "channels_last": `(B, rows, columns, channels)`, which None also means; or "channels_first".
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> AveragePooling2D(2)(torch.zeros(2, 8, 9, 3)).shape
        torch.Size([2, 4, 4, 3])
    """

    SPATIAL = 2
    AVERAGE = True
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(), (2, 7, 6, 3)),
        Example("same", dict(pool_size=(3, 2), strides=(2, 1), padding="same"), (2, 8, 5, 3)),
        Example("channels first", dict(pool_size=(2, 3), data_format="channels_first"), (2, 3, 7, 6)),
    )

    def _to_torch(self) -> nn.Module:
        return self._module(nn.AvgPool2d)


@register("AveragePooling3D")
class AveragePooling3D(_Pooling):
    """The mean of each window of a volume, as `keras.layers.AveragePooling3D` (`AvgPool3D`).

    What "same" pads with does not count.

    Args:
        pool_size: Of a window, in three directions; one number stands for all.
        strides: From one window to the next; `pool_size` if None.
        padding: As for `MaxPooling1D`.
        data_format: "channels_last": `(B, rows, columns, depth, channels)`, which None also means; or "channels_first".
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> AveragePooling3D(2)(torch.zeros(2, 8, 8, 8, 3)).shape
        torch.Size([2, 4, 4, 4, 3])
    """

    SPATIAL = 3
    AVERAGE = True
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(), (2, 4, 5, 6, 3)),
        Example("same", dict(pool_size=(3, 2, 1), strides=(2, 1, 2), padding="same"), (2, 4, 3, 5, 2)),
        Example("channels first", dict(pool_size=(2, 1, 2), data_format="channels_first"), (2, 3, 4, 3, 5)),
    )

    def _to_torch(self) -> nn.Module:
        return self._module(nn.AvgPool3d)


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
