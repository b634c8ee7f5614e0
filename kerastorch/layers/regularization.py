"""Dropout and SpatialDropout1D: noise while training, nothing otherwise."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import ShapeError
from ..weights import Shape
from . import _check, _plain
from ._base import Example, Layer, register
from ._inputs import one_shape, one_tensor
from ._weighted import repr_of


class _Noise(Layer):
    """What both dropouts share; abstract."""

    supports_masking = True

    def __init__(self, rate: float, seed: int | None, **base: Any) -> None:
        super().__init__(**base)
        self.rate = _check.rate("rate", rate)
        self.seed = None if seed is None else _check.integer("seed", seed)

    def _noise_shape(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        """The shape of the noise, None for the input's own."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_input_shape(input_shape)
        return tuple(input_shape)

    def forward(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Set values to zero at random and scale the others up by `1 / (1 - rate)`.

        Args:
            x: The input.
            training: Whether the noise acts; `self.training` if None.

        Raises:
            ShapeError: x does not fit the layer or its noise_shape.
        """
        x = one_tensor(self, x)
        self.check_input_shape(tuple(x.shape))
        if not (self.training if training is None else training) or self.rate == 0:
            return x
        x = x if x.is_floating_point() else x.to(self.dtype)
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

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **base: Any) -> None:
        super().__init__(rate, seed, **base)
        self.noise_shape = None if noise_shape is None else _check.shape("noise_shape", noise_shape)

    def check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape)
        noise = self.noise_shape
        if noise is None:
            return
        # Behind an axis that is missing in front, None would stand for the wrong size.
        fits = len(noise) == len(input_shape) and all(
            a in (None, 1) or b is None or a == b for a, b in zip(noise, input_shape, strict=True)
        )
        if not fits:
            raise ShapeError(
                f"{repr_of(self)}: noise_shape={noise} does not fit input of shape {tuple(input_shape)}; "
                "each size must be 1, None or the input's."
            )

    def _noise_shape(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        if self.noise_shape is None:
            return None
        return tuple(own if size is None else size for size, own in zip(self.noise_shape, shape, strict=True))

    def _to_torch(self) -> nn.Module:
        if self.noise_shape is not None:
            raise _plain.no_module(self, [f"noise_shape={self.noise_shape}: torch's drops each value by itself"])
        return nn.Dropout(self.rate)


@register("SpatialDropout1D")
class SpatialDropout1D(_Noise):
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

    CONFIG = ("rate", "seed")
    INERT = ("noise_shape",)
    EXAMPLES = (
        Example("default", dict(rate=0.5), (2, 7, 3)),
        Example("seed", dict(rate=0.25, seed=3), (2, 7, 3)),
    )

    def __init__(self, rate: float, seed: int | None = None, *, noise_shape: Any = None, **base: Any) -> None:
        super().__init__(rate, seed, **base)
        if noise_shape is not None:
            _check.shape("noise_shape", noise_shape)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["trainable"]  # Keras 3's class does not take it, and there is nothing to train
        return config

    def check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, rank=3, meaning="(batch, timesteps, features)")

    def _noise_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], 1, shape[2])
