"""ZeroPadding and Cropping of rows, images and volumes: more places at the borders, or fewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn import functional as F

from ...base.image_layer import Spatial, sides
from ...base.input_checks import one_tensor
from ...base.input_spec import of_images
from ...base.layer import Example, register
from ...base.weighted import repr_of
from ...errors import ShapeError
from ...weights import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions

_ZERO_PADS: tuple[type[nn.Module], ...] = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d)


class _Borders(Spatial):
    """What padding and cropping share; abstract. A mask ends here, as in Keras."""

    _keras_spec = of_images

    @property
    def _added(self) -> tuple[tuple[int, int], ...]:
        """What each axis of the image gains before and behind; a loss is negative."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        image = zip(self._image(input_shape), self._added, strict=True)
        return self._with_image(input_shape, [None if n is None else n + sum(sides) for n, sides in image])

    @property
    def _flat(self) -> list[int]:
        """`_added` as torch wants it: the last axis first, one number after the other."""
        return [side for pair in reversed(self._added) for side in pair]

    def _module(self) -> nn.Module:
        """torch's module, for which cropping is padding with less than nothing."""
        return _ZERO_PADS[type(self).SPATIAL - 1](tuple(self._flat))


class _ZeroPadding(_Borders):
    """What padding of every rank shares; abstract."""

    def __init__(self, padding: Any, data_format: str | None = None, **base: Unpack[BaseOptions]) -> None:
        super().__init__(data_format, **base)
        pairs = sides("padding", padding, type(self).SPATIAL)
        self.padding = pairs[0] if type(self).SPATIAL == 1 else pairs

    @property
    def _added(self) -> tuple[tuple[int, int], ...]:
        return sides("padding", self.padding, type(self).SPATIAL)

    def forward(self, x: Tensor) -> Tensor:
        """Put zeros around x, `(B, ..., C)`, or `(B, C, ...)` where `data_format` is channels_first.

        Raises:
            ShapeError: x has another number of axes.
        """
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        channels = [] if self.data_format == "channels_first" else [0, 0]
        return F.pad(x, [*channels, *self._flat])


class _Cropping(_Borders):
    """What cropping of every rank shares; abstract."""

    def __init__(self, cropping: Any, data_format: str | None = None, **base: Unpack[BaseOptions]) -> None:
        super().__init__(data_format, **base)
        pairs = sides("cropping", cropping, type(self).SPATIAL)
        self.cropping = pairs[0] if type(self).SPATIAL == 1 else pairs

    @property
    def _added(self) -> tuple[tuple[int, int], ...]:
        return tuple((-before, -behind) for before, behind in sides("cropping", self.cropping, type(self).SPATIAL))

    def _check_input_shape(self, input_shape: Shape) -> None:
        super()._check_input_shape(input_shape)
        left = [n is None or n + sum(pair) > 0 for n, pair in zip(self._image(input_shape), self._added, strict=True)]
        if not all(left):
            raise ShapeError(
                f"{repr_of(self)}: cropping={self.cropping} leaves nothing of input of shape {tuple(input_shape)}, "
                f"that is {self._meaning}; crop less."
            )

    def forward(self, x: Tensor) -> Tensor:
        """Take the borders off x, `(B, ..., C)`, or `(B, C, ...)` where `data_format` is channels_first.

        Returns:
            A view of x.

        Raises:
            ShapeError: x has another number of axes, or nothing would be left.
        """
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        for axis, (before, behind) in zip(self._image_axes, self._added, strict=True):
            x = x.narrow(axis, -before, x.shape[axis] + before + behind)
        return x


@register("ZeroPadding1D")
class ZeroPadding1D(_ZeroPadding):
    """Zeros before the first step and behind the last, as `keras.layers.ZeroPadding1D`. A mask is not handed on.

    Args:
        padding: How many on both sides, or (before, behind).
        data_format: "channels_last": `(B, T, F)`, which None also means; "channels_first": `(B, F, T)`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> ZeroPadding1D((2, 0))(torch.zeros(2, 7, 3)).shape
        torch.Size([2, 9, 3])
    """

    SPATIAL = 1
    CONFIG = ("padding", "data_format")
    EXAMPLES = (
        Example("default", dict(), (2, 7, 3)),
        Example("channels first", dict(padding=(2, 0), data_format="channels_first"), (2, 3, 7)),
    )

    def __init__(self, padding: Any = 1, data_format: str | None = None, **base: Unpack[BaseOptions]) -> None:
        super().__init__(padding, data_format, **base)

    def _to_torch(self) -> nn.Module:
        return self._module()


@register("ZeroPadding2D")
class ZeroPadding2D(_ZeroPadding):
    """Zeros around an image, as `keras.layers.ZeroPadding2D`.

    Args:
        padding: How many on all sides; or (rows, columns); or ((above, below), (left, right)).
        data_format: "channels_last": `(B, rows, columns, channels)`, which None also means; or "channels_first".
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> ZeroPadding2D(((1, 0), (2, 2)))(torch.zeros(2, 4, 5, 3)).shape
        torch.Size([2, 5, 9, 3])
    """

    SPATIAL = 2
    CONFIG = ("padding", "data_format")
    EXAMPLES = (
        Example("default", dict(), (2, 4, 5, 3)),
        Example("channels first", dict(padding=((1, 0), (2, 3)), data_format="channels_first"), (2, 3, 4, 5)),
    )

    def __init__(self, padding: Any = 1, data_format: str | None = None, **base: Unpack[BaseOptions]) -> None:
        super().__init__(padding, data_format, **base)

    def _to_torch(self) -> nn.Module:
        return self._module()


@register("ZeroPadding3D")
class ZeroPadding3D(_ZeroPadding):
    """Zeros around a volume, as `keras.layers.ZeroPadding3D`.

    Args:
        padding: How many on all sides; or three numbers, one for each direction; or three pairs (before, behind).
        data_format: "channels_last": `(B, rows, columns, depth, channels)`, which None also means; or "channels_first".
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> ZeroPadding3D((1, 2, 3))(torch.zeros(2, 4, 5, 6, 3)).shape
        torch.Size([2, 6, 9, 12, 3])
    """

    SPATIAL = 3
    CONFIG = ("padding", "data_format")
    EXAMPLES = (
        Example("default", dict(), (2, 2, 3, 4, 3)),
        Example(
            "channels first", dict(padding=((1, 0), (2, 3), (0, 0)), data_format="channels_first"), (2, 1, 2, 3, 4)
        ),
    )

    def __init__(self, padding: Any = 1, data_format: str | None = None, **base: Unpack[BaseOptions]) -> None:
        super().__init__(padding, data_format, **base)

    def _to_torch(self) -> nn.Module:
        return self._module()


@register("Cropping1D")
class Cropping1D(_Cropping):
    """Without the first and the last steps, as `keras.layers.Cropping1D`. A mask is not handed on.

    Args:
        cropping: How many on both sides, or (before, behind).
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Cropping1D((2, 0))(torch.zeros(2, 7, 3)).shape
        torch.Size([2, 5, 3])
    """

    SPATIAL = 1
    CONFIG = ("cropping",)
    EXAMPLES = (Example("default", dict(), (2, 7, 3)), Example("before", dict(cropping=(2, 0)), (2, 7, 3)))

    def __init__(self, cropping: Any = 1, **base: Unpack[BaseOptions]) -> None:
        super().__init__(cropping, **base)

    def _to_torch(self) -> nn.Module:
        return self._module()


@register("Cropping2D")
class Cropping2D(_Cropping):
    """An image without its borders, as `keras.layers.Cropping2D`.

    Args:
        cropping: How many on all sides; or (rows, columns); or ((above, below), (left, right)).
        data_format: "channels_last": `(B, rows, columns, channels)`, which None also means; or "channels_first".
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Cropping2D(((1, 0), (2, 2)))(torch.zeros(2, 4, 9, 3)).shape
        torch.Size([2, 3, 5, 3])
    """

    SPATIAL = 2
    CONFIG = ("cropping", "data_format")
    EXAMPLES = (
        Example("default", dict(), (2, 4, 5, 3)),
        Example("channels first", dict(cropping=((1, 0), (2, 1)), data_format="channels_first"), (2, 3, 4, 5)),
    )

    def __init__(self, cropping: Any = 0, data_format: str | None = None, **base: Unpack[BaseOptions]) -> None:
        super().__init__(cropping, data_format, **base)

    def _to_torch(self) -> nn.Module:
        return self._module()


@register("Cropping3D")
class Cropping3D(_Cropping):
    """A volume without its borders, as `keras.layers.Cropping3D`.

    Args:
        cropping: How many on all sides; or three numbers, one for each direction; or three pairs (before, behind).
        data_format: "channels_last": `(B, rows, columns, depth, channels)`, which None also means; or "channels_first".
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Cropping3D((1, 0, 2))(torch.zeros(2, 4, 5, 6, 3)).shape
        torch.Size([2, 2, 5, 2, 3])
    """

    SPATIAL = 3
    CONFIG = ("cropping", "data_format")
    EXAMPLES = (
        Example("default", dict(), (2, 3, 4, 5, 3)),
        Example(
            "channels first", dict(cropping=((1, 0), (1, 2), (0, 0)), data_format="channels_first"), (2, 3, 2, 4, 5)
        ),
    )

    def __init__(self, cropping: Any = 1, data_format: str | None = None, **base: Unpack[BaseOptions]) -> None:
        super().__init__(cropping, data_format, **base)

    def _to_torch(self) -> nn.Module:
        return self._module()
