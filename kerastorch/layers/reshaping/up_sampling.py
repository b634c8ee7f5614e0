"""UpSampling of rows, images and volumes: each value several times, or values in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...base import check
from ...base.image_layer import Spatial
from ...base.input_checks import one_tensor
from ...base.input_spec import of_images
from ...base.layer import Example, register
from ...base.weighted import repr_of
from ...base.windows import sizes
from ...errors import ArgumentError, UnsupportedError, quote
from ...kernels.resampling import enlarge
from ...weights import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions

# The last three are tf.keras's alone.
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area", "gaussian", "mitchellcubic")


class _UpSampling(Spatial):
    """What upsampling of every rank shares; abstract. A mask ends here, as in Keras."""

    _keras_spec = of_images
    size: Any  # of `SPATIAL` integers; one integer for rows

    @property
    def _factors(self) -> tuple[int, ...]:
        return (self.size,) if isinstance(self.size, int) else self.size

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        image = zip(self._image(input_shape), self._factors, strict=True)
        return self._with_image(input_shape, [None if n is None else n * factor for n, factor in image])

    def forward(self, x: Tensor) -> Tensor:
        """Upsample x, `(B, ..., C)`, or `(B, C, ...)` where `data_format` is channels_first.

        Raises:
            ShapeError: x has another number of axes.
        """
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        return self._repeated(x)

    def _repeated(self, x: Tensor) -> Tensor:
        """Each value of the image as often as the factors say: one copy, whatever the number of axes."""
        output_shape = self.compute_output_shape(tuple(x.shape))
        wide, repeats = x, list(x.shape)
        for axis, factor in reversed(list(zip(self._image_axes, self._factors, strict=True))):
            wide = wide.unsqueeze(axis + 1)
            repeats.insert(axis + 1, factor)
        return wide.expand(repeats).reshape(output_shape)

    def _module(self, mode: str = "nearest") -> nn.Module:
        # "nearest" divides by rounded factors, and from a factor of 41 on misses places; "nearest-exact" does not.
        factors = tuple(map(float, self._factors))
        return nn.Upsample(scale_factor=factors, mode="nearest-exact" if mode == "nearest" else mode)


@register("UpSampling1D")
class UpSampling1D(_UpSampling):
    """Each step several times, as `keras.layers.UpSampling1D`. A mask is not handed on.

    Args:
        size: How often.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> UpSampling1D(3)(torch.zeros(2, 7, 4)).shape
        torch.Size([2, 21, 4])
    """

    SPATIAL = 1
    CONFIG = ("size",)
    EXAMPLES = (Example("default", dict(size=2), (2, 7, 3)), Example("three", dict(size=3), (2, 4, 3)))

    def __init__(self, size: int = 2, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        self.size = check.positive("size", size)

    def _to_torch(self) -> nn.Module:
        return self._module()


@register("UpSampling2D")
class UpSampling2D(_UpSampling):
    """More rows and columns, as `keras.layers.UpSampling2D`.

    Args:
        size: Factors for rows and columns; one number stands for both.
        data_format: "channels_last": `(B, rows, columns, channels)`, which None also means; or "channels_first".
        interpolation: "nearest": each value several times. "bilinear": values in between, on straight lines. "bicubic",
            "lanczos3", "lanczos5": on curves, with TensorFlow's weights. tf.keras's alone: "area" (as "nearest"),
            "gaussian", "mitchellcubic".
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> UpSampling2D((2, 3))(torch.zeros(2, 4, 5, 3)).shape
        torch.Size([2, 8, 15, 3])
    """

    SPATIAL = 2
    CONFIG = ("size", "data_format", "interpolation")
    EXAMPLES = (
        Example("default", dict(), (2, 4, 5, 3)),
        Example("bilinear", dict(size=(3, 2), interpolation="bilinear"), (2, 4, 5, 3)),
        Example("channels first", dict(size=(1, 2), data_format="channels_first"), (2, 3, 4, 5)),
    )

    def __init__(
        self,
        size: int | Sequence[int] = 2,
        data_format: str | None = None,
        interpolation: str = "nearest",
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(data_format, **base)
        self.size = sizes("size", size, 2)
        name = interpolation.lower() if isinstance(interpolation, str) else interpolation
        if name not in _INTERPOLATIONS:
            raise ArgumentError(f"interpolation: expected one of {list(_INTERPOLATIONS)}, got {quote(interpolation)}.")
        self.interpolation = name

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return input_dtype if self.interpolation == "nearest" or input_dtype.is_floating_point else self.dtype

    def forward(self, x: Tensor) -> Tensor:
        """Upsample x, `(B, H, W, C)`, or `(B, C, H, W)` where `data_format` is channels_first.

        Raises:
            ShapeError: x has another number of axes.
        """
        if self.interpolation == "nearest":
            return super().forward(x)
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        x = x if x.is_floating_point() else x.to(self.dtype)
        if self.interpolation == "area":
            return self._repeated(x)
        if self.interpolation != "bilinear":
            return enlarge(x, self.interpolation, (self.size[0], self.size[1]), self._channel_axis)
        factors = list(map(float, self.size))
        # align_corners=False: a value stands in the middle of its place, as in TensorFlow 2.
        x = F.interpolate(x.movedim(self._channel_axis, 1), scale_factor=factors, mode="bilinear", align_corners=False)
        return x.movedim(1, self._channel_axis)

    def _to_torch(self) -> nn.Module:
        if self.interpolation not in ("nearest", "area", "bilinear"):
            raise UnsupportedError(
                f"{repr_of(self)}: torch has no module with the weights of interpolation={quote(self.interpolation)} "
                "(its bicubic weighs otherwise)."
            )
        return self._module("bilinear" if self.interpolation == "bilinear" else "nearest")


@register("UpSampling3D")
class UpSampling3D(_UpSampling):
    """Each value of a volume several times, as `keras.layers.UpSampling3D`.

    Args:
        size: How often, in three directions; one number stands for all.
        data_format: "channels_last": `(B, rows, columns, depth, channels)`, which None also means; or "channels_first".
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> UpSampling3D((2, 1, 3))(torch.zeros(2, 4, 5, 6, 3)).shape
        torch.Size([2, 8, 5, 18, 3])
    """

    SPATIAL = 3
    CONFIG = ("size", "data_format")
    EXAMPLES = (
        Example("default", dict(), (2, 2, 3, 4, 3)),
        Example("channels first", dict(size=(1, 3, 2), data_format="channels_first"), (2, 3, 2, 3, 4)),
    )

    def __init__(
        self, size: int | Sequence[int] = 2, data_format: str | None = None, **base: Unpack[BaseOptions]
    ) -> None:
        super().__init__(data_format, **base)
        self.size = sizes("size", size, 3)

    def _to_torch(self) -> nn.Module:
        return self._module()
