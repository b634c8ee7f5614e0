"""GlobalMaxPooling and GlobalAveragePooling: one value of each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...base import check
from ...base.image_layer import Spatial
from ...base.input_checks import mask_tensor, one_tensor
from ...base.input_spec import of_images
from ...base.layer import Example, register
from ...base.weighted import repr_of
from ...errors import ShapeError
from ...weights import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions

_CONFIG = ("data_format", "keepdims")


class _GlobalPooling(Spatial):
    """What both kinds of global pooling share; abstract."""

    _keras_spec = of_images

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **base: Unpack[BaseOptions]) -> None:
        super().__init__(data_format, **base)
        self.keepdims = check.boolean("keepdims", keepdims)
        self._keeps_image = self.keepdims

    def _check_input_shape(self, input_shape: Shape) -> None:
        super()._check_input_shape(input_shape)
        if 0 in self._image(input_shape):
            raise ShapeError(f"{repr_of(self)}: there is nothing to pool in input of shape {tuple(input_shape)}.")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        if self.keepdims:
            return self._with_image(input_shape, (1,) * type(self).SPATIAL)
        return (input_shape[0], input_shape[self._channel_axis])

    def _checked(self, x: Any) -> Tensor:
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        return x

    def _module(self, pooling: type[nn.Module]) -> nn.Module:
        """torch's module for this layer, which keeps the pooled axes, and nn.Flatten behind it."""
        return pooling(1) if self.keepdims else nn.Sequential(pooling(1), nn.Flatten()).train(self.training)


class _GlobalMaxPooling(_GlobalPooling):
    """The largest value of each channel; abstract. A mask ends here and changes nothing, as in Keras."""

    def forward(self, x: Tensor) -> Tensor:
        """Pool x, which is laid out as `data_format` says.

        Returns:
            `(B, channels)`; with `keepdims` the pooled axes are 1 long.

        Raises:
            ShapeError: x has another number of axes, or a pooled axis is 0 long.
        """
        return self._checked(x).amax(self._image_axes, keepdim=self.keepdims)


class _GlobalAveragePooling(_GlobalPooling):
    """The mean of each channel; abstract."""

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return input_dtype if input_dtype.is_floating_point else self.dtype

    def _checked(self, x: Any) -> Tensor:
        x = super()._checked(x)
        return x if x.is_floating_point() else x.to(self.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Pool x, `(B, ..., C)`, or `(B, C, ...)` where `data_format` is channels_first, to `(B, C)`."""
        return self._checked(x).mean(self._image_axes, keepdim=self.keepdims)


@register("GlobalMaxPooling1D")
class GlobalMaxPooling1D(_GlobalMaxPooling):
    """The largest value of each feature over time, as `keras.layers.GlobalMaxPooling1D` (`GlobalMaxPool1D`).

    Masked steps count like all others, as in Keras. Values that are equally large share the gradient.

    Args:
        data_format: "channels_last": `(B, T, F)`, which None also means; "channels_first": `(B, F, T)`.
        keepdims: Whether the axis of time stays, 1 long.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> GlobalMaxPooling1D()(torch.zeros(2, 20, 3)).shape
        torch.Size([2, 3])
    """

    SPATIAL = 1
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(), (2, 7, 3)),
        Example("channels first", dict(data_format="channels_first", keepdims=True), (2, 3, 7)),
    )

    def _to_torch(self) -> nn.Module:
        return self._module(nn.AdaptiveMaxPool1d)


@register("GlobalMaxPooling2D")
class GlobalMaxPooling2D(_GlobalMaxPooling):
    """The largest value of each channel of an image, as `keras.layers.GlobalMaxPooling2D` (`GlobalMaxPool2D`).

    Values that are equally large share the gradient.

    Args:
        data_format: "channels_last": `(B, rows, columns, channels)`, which None also means; or "channels_first".
        keepdims: Whether the pooled axes stay, 1 long.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> GlobalMaxPooling2D()(torch.zeros(2, 8, 9, 3)).shape
        torch.Size([2, 3])
    """

    SPATIAL = 2
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(), (2, 5, 4, 3)),
        Example("channels first", dict(data_format="channels_first", keepdims=True), (2, 3, 5, 4)),
    )

    def _to_torch(self) -> nn.Module:
        return self._module(nn.AdaptiveMaxPool2d)


@register("GlobalMaxPooling3D")
class GlobalMaxPooling3D(_GlobalMaxPooling):
    """The largest value of each channel of a volume, as `keras.layers.GlobalMaxPooling3D` (`GlobalMaxPool3D`).

    Values that are equally large share the gradient.

    Args:
        data_format: "channels_last": `(B, rows, columns, depth, channels)`, which None also means; or "channels_first".
        keepdims: Whether the pooled axes stay, 1 long.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> GlobalMaxPooling3D()(torch.zeros(2, 8, 9, 7, 3)).shape
        torch.Size([2, 3])
    """

    SPATIAL = 3
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(), (2, 4, 3, 2, 3)),
        Example("channels first", dict(data_format="channels_first", keepdims=True), (2, 3, 4, 3, 2)),
    )

    def _to_torch(self) -> nn.Module:
        return self._module(nn.AdaptiveMaxPool3d)


@register("GlobalAveragePooling1D")
class GlobalAveragePooling1D(_GlobalAveragePooling):
    """The mean of each feature over time, as `keras.layers.GlobalAveragePooling1D` (`GlobalAvgPool1D`).

    With a mask it is the mean of the steps that count; where none does it is NaN, as in Keras. The output has no mask.

    Args:
        data_format: "channels_last": `(B, T, F)`, which None also means; "channels_first": `(B, F, T)`.
        keepdims: Whether the axis of time stays, 1 long.
        keras2_masks: Whether masked steps are multiplied by 0, as in Keras 2; Keras 3 puts 0 in their place. That
            differs where they hold NaN or infinity, and in the gradient of a sample without a step that counts.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> x, mask = torch.tensor([[[1.0], [2.0], [9.0]]]), torch.tensor([[True, True, False]])
        >>> GlobalAveragePooling1D()(x, mask=mask)
        tensor([[1.5000]])
    """

    supports_masking = True
    SPATIAL = 1
    CONFIG = _CONFIG
    INERT = ("keras2_masks",)
    EXAMPLES = (
        Example("default", dict(), (2, 7, 3)),
        Example("channels first", dict(data_format="channels_first", keepdims=True), (2, 3, 7)),
        Example("masks of Keras 2", dict(keras2_masks=True), (2, 7, 3)),
    )

    def __init__(
        self,
        data_format: str | None = None,
        keepdims: bool = False,
        *,
        keras2_masks: bool = False,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(data_format, keepdims, **base)
        self.keras2_masks = check.boolean("keras2_masks", keras2_masks)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | ({"keras2_masks": True} if self.keras2_masks else {})

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pool x.

        Args:
            x: `(B, T, F)`, or `(B, F, T)` with `data_format="channels_first"`.
            mask: bool `(B, T)`, True = the step counts.

        Returns:
            `(B, F)`; with `keepdims` in x's layout.

        Raises:
            ShapeError: x has not three axes, or the mask does not fit.
        """
        if mask is None:
            return super().forward(x)
        x = self._checked(x)
        (time,) = self._image_axes
        mask = mask_tensor(self, mask, x.device).bool()
        if tuple(mask.shape) != (x.shape[0], x.shape[time]):
            raise ShapeError(
                f"{repr_of(self)}: expected a mask (batch, timesteps) = {(x.shape[0], x.shape[time])}, "
                f"got {tuple(mask.shape)}."
            )
        counts = mask.unsqueeze(self._channel_axis)
        weights = counts.to(x.dtype)
        x = x * weights if self.keras2_masks else torch.where(counts, x, 0)
        return x.sum(time, keepdim=self.keepdims) / weights.sum(time, keepdim=self.keepdims)

    def _to_torch(self) -> nn.Module:
        return self._module(nn.AdaptiveAvgPool1d)


@register("GlobalAveragePooling2D")
class GlobalAveragePooling2D(_GlobalAveragePooling):
    """The mean of each channel of an image, as `keras.layers.GlobalAveragePooling2D` (`GlobalAvgPool2D`).

    Args:
        data_format: "channels_last": `(B, rows, columns, channels)`, which None also means; or "channels_first".
        keepdims: Whether the pooled axes stay, 1 long.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> GlobalAveragePooling2D()(torch.zeros(2, 8, 9, 3)).shape
        torch.Size([2, 3])
    """

    SPATIAL = 2
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(), (2, 5, 4, 3)),
        Example("channels first", dict(data_format="channels_first", keepdims=True), (2, 3, 5, 4)),
    )

    def _to_torch(self) -> nn.Module:
        return self._module(nn.AdaptiveAvgPool2d)


@register("GlobalAveragePooling3D")
class GlobalAveragePooling3D(_GlobalAveragePooling):
    """The mean of each channel of a volume, as `keras.layers.GlobalAveragePooling3D` (`GlobalAvgPool3D`).

    Args:
        data_format: "channels_last": `(B, rows, columns, depth, channels)`, which None also means; or "channels_first".
        keepdims: Whether the pooled axes stay, 1 long.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> GlobalAveragePooling3D()(torch.zeros(2, 8, 9, 7, 3)).shape
        torch.Size([2, 3])
    """

    SPATIAL = 3
    CONFIG = _CONFIG
    EXAMPLES = (
        Example("default", dict(), (2, 4, 3, 2, 3)),
        Example("channels first", dict(data_format="channels_first", keepdims=True), (2, 3, 4, 3, 2)),
    )

    def _to_torch(self) -> nn.Module:
        return self._module(nn.AdaptiveAvgPool3d)


GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D = (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
)
