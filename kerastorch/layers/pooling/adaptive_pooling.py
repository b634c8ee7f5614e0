"""AdaptiveMaxPooling and AdaptiveAveragePooling: windows that give an output of a stated size, whatever the input's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from ...base.image_layer import Spatial
from ...base.input_checks import one_tensor
from ...base.layer import Example, register
from ...base.windows import sizes
from ...kernels.pooling import adaptive_pool
from ...weights import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions

_CONFIG = ("output_size", "data_format")
# By the number of sizes; the same for both kinds.
_EXAMPLES = {
    1: (
        Example("default", dict(output_size=(3,)), (2, 7, 3)),
        Example("more than there are", dict(output_size=(9,)), (2, 7, 3)),
        Example("channels first", dict(output_size=(2,), data_format="channels_first"), (2, 3, 7)),
    ),
    2: (
        Example("default", dict(output_size=(3, 3)), (2, 7, 5, 3)),
        Example("two sizes", dict(output_size=(2, 4)), (2, 7, 6, 3)),
        Example("channels first", dict(output_size=(2, 3), data_format="channels_first"), (2, 3, 7, 5)),
    ),
    3: (
        Example("default", dict(output_size=(2, 2, 2)), (2, 5, 4, 3, 2)),
        Example("three sizes", dict(output_size=(3, 2, 1)), (2, 4, 3, 5, 2)),
        Example("channels first", dict(output_size=(2, 2, 2), data_format="channels_first"), (2, 3, 4, 3, 5)),
    ),
}


class _AdaptivePooling(Spatial):
    """What both kinds share; abstract. A mask ends here, as in Keras."""

    AVERAGE: ClassVar[bool]

    def __init__(
        self, output_size: int | Sequence[int], data_format: str | None = None, **base: Unpack[BaseOptions]
    ) -> None:
        super().__init__(data_format, **base)
        self.output_size = sizes("output_size", output_size, type(self).SPATIAL)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return self._with_image(input_shape, self.output_size)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return input_dtype if input_dtype.is_floating_point else self.dtype

    def forward(self, x: Tensor) -> Tensor:
        """Pool x, `(B, ..., C)`, or `(B, C, ...)` where `data_format` is channels_first.

        Raises:
            ShapeError: x has another number of axes.
        """
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        x = x if x.is_floating_point() else x.to(self.dtype)
        return adaptive_pool(
            x, average=type(self).AVERAGE, output_size=self.output_size, channel_axis=self._channel_axis
        )


@register("AdaptiveMaxPooling1D")
class AdaptiveMaxPooling1D(_AdaptivePooling):
    """The largest value of each of `output_size` windows of steps, as `keras.layers.AdaptiveMaxPooling1D`.

    Window i goes from step `floor(i T / n)` up to step `ceil((i + 1) T / n)`; neighbours may share steps. A mask is not
    handed on.

    Args:
        output_size: n, the number of windows.
        data_format: "channels_last": `(B, T, F)`, which None also means; "channels_first": `(B, F, T)`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> AdaptiveMaxPooling1D(4)(torch.zeros(2, 18, 3)).shape
        torch.Size([2, 4, 3])
    """

    SPATIAL = 1
    AVERAGE = False
    CONFIG = _CONFIG
    EXAMPLES = _EXAMPLES[1]

    def _to_torch(self) -> nn.Module:
        return nn.AdaptiveMaxPool1d(self.output_size)


@register("AdaptiveMaxPooling2D")
class AdaptiveMaxPooling2D(_AdaptivePooling):
    """The largest value of each window of an image, as `keras.layers.AdaptiveMaxPooling2D`.

    Args:
        output_size: Rows and columns of the output; one number stands for both. For the windows see
            `AdaptiveMaxPooling1D`.
        data_format: "channels_last": `(B, rows, columns, channels)`, which None also means; or "channels_first".
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> AdaptiveMaxPooling2D((4, 2))(torch.zeros(2, 18, 9, 3)).shape
        torch.Size([2, 4, 2, 3])
    """

    SPATIAL = 2
    AVERAGE = False
    CONFIG = _CONFIG
    EXAMPLES = _EXAMPLES[2]

    def _to_torch(self) -> nn.Module:
        return nn.AdaptiveMaxPool2d(self.output_size)


@register("AdaptiveMaxPooling3D")
class AdaptiveMaxPooling3D(_AdaptivePooling):
    """The largest value of each window of a volume, as `keras.layers.AdaptiveMaxPooling3D`.

    Args:
        output_size: Of the output, in three directions; one number stands for all. For the windows see
            `AdaptiveMaxPooling1D`.
        data_format: "channels_last": `(B, rows, columns, depth, channels)`, which None also means; or "channels_first".
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> AdaptiveMaxPooling3D(2)(torch.zeros(2, 8, 7, 5, 3)).shape
        torch.Size([2, 2, 2, 2, 3])
    """

    SPATIAL = 3
    AVERAGE = False
    CONFIG = _CONFIG
    EXAMPLES = _EXAMPLES[3]

    def _to_torch(self) -> nn.Module:
        return nn.AdaptiveMaxPool3d(self.output_size)


@register("AdaptiveAveragePooling1D")
class AdaptiveAveragePooling1D(_AdaptivePooling):
    """The mean of each of `output_size` windows of steps, as `keras.layers.AdaptiveAveragePooling1D`.

    Args:
        output_size: Number of windows; where they lie, see `AdaptiveMaxPooling1D`.
        data_format: "channels_last": `(B, T, F)`, which None also means; "channels_first": `(B, F, T)`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> AdaptiveAveragePooling1D(2)(torch.tensor([[[1.0], [3.0], [5.0]]]))
        tensor([[[2.],
                 [4.]]])
    """

    SPATIAL = 1
    AVERAGE = True
    CONFIG = _CONFIG
    EXAMPLES = _EXAMPLES[1]

    def _to_torch(self) -> nn.Module:
        return nn.AdaptiveAvgPool1d(self.output_size)


@register("AdaptiveAveragePooling2D")
class AdaptiveAveragePooling2D(_AdaptivePooling):
    """The mean of each window of an image, as `keras.layers.AdaptiveAveragePooling2D`.

    Args:
        output_size: Rows and columns of the output; one number stands for both. For the windows see
            `AdaptiveMaxPooling1D`.
        data_format: "channels_last": `(B, rows, columns, channels)`, which None also means; or "channels_first".
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> AdaptiveAveragePooling2D((4, 2))(torch.zeros(2, 18, 9, 3)).shape
        torch.Size([2, 4, 2, 3])
    """

    SPATIAL = 2
    AVERAGE = True
    CONFIG = _CONFIG
    EXAMPLES = _EXAMPLES[2]

    def _to_torch(self) -> nn.Module:
        return nn.AdaptiveAvgPool2d(self.output_size)


@register("AdaptiveAveragePooling3D")
class AdaptiveAveragePooling3D(_AdaptivePooling):
    """The mean of each window of a volume, as `keras.layers.AdaptiveAveragePooling3D`.

    Args:
        output_size: Of the output, in three directions; one number stands for all. For the windows see
            `AdaptiveMaxPooling1D`.
        data_format: "channels_last": `(B, rows, columns, depth, channels)`, which None also means; or "channels_first".
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> AdaptiveAveragePooling3D(2)(torch.zeros(2, 8, 7, 5, 3)).shape
        torch.Size([2, 2, 2, 2, 3])
    """

    SPATIAL = 3
    AVERAGE = True
    CONFIG = _CONFIG
    EXAMPLES = _EXAMPLES[3]

    def _to_torch(self) -> nn.Module:
        return nn.AdaptiveAvgPool3d(self.output_size)
