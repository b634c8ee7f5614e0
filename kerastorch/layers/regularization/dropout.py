"""Dropout and SpatialDropout1D to 3D: noise while training, nothing otherwise. ActivityRegularization: a penalty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn import functional as F

from ...base import check, to_torch
from ...base.input_checks import check_noise_shape, noise_shape_for, one_shape, one_tensor
from ...base.input_spec import of_images
from ...base.layer import Example, Layer, register
from ...base.windows import axes_named, data_format_of
from ...regularizers import L1L2
from ...weights import Shape
from .noise_layer import Noise

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions, WeightedOptions


class _Noise(Noise):
    """What the dropouts share: values become zero at random, the others are scaled by `1 / (1 - rate)`; abstract."""

    def __init__(self, rate: float, seed: int | None, **base: Unpack[BaseOptions]) -> None:
        super().__init__(seed, **base)
        self.rate = check.rate("rate", rate)

    def _noise_shape(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        """The shape of the noise, None for the input's own."""
        raise NotImplementedError

    def _acts(self) -> bool:
        return self.rate > 0

    def _noised(self, x: Tensor) -> Tensor:
        noise_shape = self._noise_shape(tuple(x.shape))
        if noise_shape is None:
            return F.dropout(x, self.rate, training=True)
        return x * F.dropout(x.new_ones(noise_shape), self.rate, training=True)


@register("Dropout")
class Dropout(_Noise):
    """Dropout (Srivastava et al. 2014), as `keras.layers.Dropout`.

    Args:
        rate: Fraction of the values that become zero; the others are scaled by `1 / (1 - rate)`.
        noise_shape: Shape of the noise, None for the input's own size: `(None, 1, None)` drops whole features.
        seed: Kept for the config only: the random numbers are torch's, set them with `torch.manual_seed`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Dropout(0.5)(torch.ones(2, 3), training=False)
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """

    CONFIG = ("rate", "seed", "noise_shape")
    EXAMPLES = (
        Example("default", dict(rate=0.5), (2, 3)),
        Example("whole features", dict(rate=0.25, noise_shape=(None, 1, None), seed=3), (2, 7, 3)),
    )

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: int | None = None, **base: Unpack[BaseOptions]
    ) -> None:
        super().__init__(rate, seed, **base)
        self.noise_shape = None if noise_shape is None else check.shape("noise_shape", noise_shape, least=1)

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape)
        check_noise_shape(self, self.noise_shape, input_shape)

    def _noise_shape(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        return None if self.noise_shape is None else noise_shape_for(self.noise_shape, shape)

    def _to_torch(self) -> nn.Module:
        if self.noise_shape is not None:
            raise to_torch.no_module(self, [f"noise_shape={self.noise_shape}: torch's drops each value by itself"])
        return nn.Dropout(self.rate)


class _SpatialDropout(_Noise):
    """What dropout of whole channels shares; abstract."""

    _keras_spec = of_images
    INERT = ("noise_shape",)
    data_format: str = "channels_last"

    def __init__(
        self, rate: float, seed: int | None = None, *, noise_shape: Any = None, **base: Unpack[BaseOptions]
    ) -> None:
        super().__init__(rate, seed, **base)
        if noise_shape is not None:
            check.shape("noise_shape", noise_shape, least=1)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["trainable"]  # Keras 3's class does not take it, and there is nothing to train
        return config

    def _noise_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        ones = (1,) * type(self).SPATIAL
        return (*shape[:2], *ones) if self.data_format == "channels_first" else (shape[0], *ones, shape[-1])


@register("SpatialDropout1D")
class SpatialDropout1D(_SpatialDropout):
    """Drops whole features over all time steps (Tompson et al. 2014), as `keras.layers.SpatialDropout1D`.

    Args:
        rate: Fraction of the features that become zero; the others are scaled by `1 / (1 - rate)`.
        seed: Kept for the config only: the random numbers are torch's, set them with `torch.manual_seed`.
        noise_shape: Without effect, as in Keras 2: the noise is always `(B, 1, F)`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> SpatialDropout1D(0.5)(torch.zeros(2, 7, 3)).shape
        torch.Size([2, 7, 3])
    """

    SPATIAL = 1
    CONFIG = ("rate", "seed")
    EXAMPLES = (
        Example("default", dict(rate=0.5), (2, 7, 3)),
        Example("seed", dict(rate=0.25, seed=3), (2, 7, 3)),
    )

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, rank=3, meaning="(batch, timesteps, features)")

    def _to_torch(self) -> nn.Module:
        return nn.Dropout1d(self.rate)


class _SpatialDropoutOfImages(_SpatialDropout):
    """SpatialDropout2D and 3D, which have a data format; abstract."""

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        *,
        noise_shape: Any = None,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(rate, seed, noise_shape=noise_shape, **base)
        self.data_format = data_format_of(data_format)

    def _check_input_shape(self, input_shape: Shape) -> None:
        axes = axes_named(type(self).SPATIAL, self.data_format == "channels_first")
        one_shape(self, input_shape, rank=type(self).SPATIAL + 2, meaning=f"(batch, {axes})")


@register("SpatialDropout2D")
class SpatialDropout2D(_SpatialDropoutOfImages):
    """Drops whole channels of images (Tompson et al. 2014), as `keras.layers.SpatialDropout2D`.

    Args:
        rate: Fraction of the channels that become zero; the others are scaled by `1 / (1 - rate)`.
        data_format: "channels_last": `(B, rows, columns, channels)`, which None also means; or "channels_first".
        seed: Kept for the config only: the random numbers are torch's, set them with `torch.manual_seed`.
        noise_shape: Without effect, as in Keras 2: the noise is always `(B, 1, 1, channels)`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> SpatialDropout2D(0.5)(torch.zeros(2, 4, 5, 3)).shape
        torch.Size([2, 4, 5, 3])
    """

    SPATIAL = 2
    CONFIG = ("rate", "seed", "data_format")
    EXAMPLES = (
        Example("default", dict(rate=0.5), (2, 4, 5, 3)),
        Example("channels first", dict(rate=0.25, data_format="channels_first"), (2, 3, 4, 5)),
    )

    def _to_torch(self) -> nn.Module:
        return nn.Dropout2d(self.rate)


@register("SpatialDropout3D")
class SpatialDropout3D(_SpatialDropoutOfImages):
    """Drops whole channels of volumes (Tompson et al. 2014), as `keras.layers.SpatialDropout3D`.

    Args:
        rate: Fraction of the channels that become zero; the others are scaled by `1 / (1 - rate)`.
        data_format: "channels_last": `(B, rows, columns, depth, channels)`, which None also means; or "channels_first".
        seed: Kept for the config only: the random numbers are torch's, set them with `torch.manual_seed`.
        noise_shape: Without effect, as in Keras 2: the noise is always `(B, 1, 1, 1, channels)`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> SpatialDropout3D(0.5)(torch.zeros(2, 4, 5, 6, 3)).shape
        torch.Size([2, 4, 5, 6, 3])
    """

    SPATIAL = 3
    CONFIG = ("rate", "seed", "data_format")
    EXAMPLES = (
        Example("default", dict(rate=0.5), (2, 2, 3, 4, 3)),
        Example("channels first", dict(rate=0.25, data_format="channels_first"), (2, 3, 2, 3, 4)),
    )

    def _to_torch(self) -> nn.Module:
        return nn.Dropout3d(self.rate)


@register("ActivityRegularization")
class ActivityRegularization(Layer):
    """Hands its input on and puts a penalty on it, as `keras.layers.ActivityRegularization`: see `losses`.

    Args:
        l1: Factor of the sum of the absolute values.
        l2: Factor of the sum of the squares.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> layer = ActivityRegularization(l1=0.5)
        >>> layer(torch.tensor([[-1.0, 3.0]]))
        tensor([[-1.,  3.]])
        >>> layer.losses
        [tensor(2.)]
    """

    supports_masking = True
    CONFIG = ("l1", "l2")
    EXAMPLES = (Example("default", dict(), (2, 3)), Example("both", dict(l1=0.1, l2=0.2), (2, 7, 3)))

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **base: Unpack[WeightedOptions]) -> None:
        penalty = L1L2(check.number("l1", l1), check.number("l2", l2))
        super().__init__(activity_regularizer=penalty, **base)
        self.l1, self.l2 = penalty.l1, penalty.l2

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["activity_regularizer"]  # l1 and l2 say it
        return config

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return tuple(input_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return x `(B, ...)`."""
        return one_tensor(self, x)
