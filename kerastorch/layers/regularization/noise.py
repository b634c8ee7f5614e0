"""GaussianNoise, GaussianDropout and AlphaDropout: noise while training that keeps the mean, nothing otherwise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...base import check
from ...base.input_checks import check_noise_shape, noise_shape_for
from ...base.layer import Example, register
from ...weights import Shape
from .noise_layer import Noise

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions

_SELU_FLOOR = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946  # what selu tends to


@register("GaussianNoise")
class GaussianNoise(Noise):
    """Adds normal noise while training, as `keras.layers.GaussianNoise`.

    Args:
        stddev: Standard deviation of the noise. Keras 3 wants at most 1, Keras 2 has no bound, and neither has this.
        seed: Kept for the config only: the random numbers are torch's, set them with `torch.manual_seed`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> GaussianNoise(0.1)(torch.ones(1, 3), training=False)
        tensor([[1., 1., 1.]])
    """

    CONFIG = ("stddev", "seed")
    EXAMPLES = (Example("default", dict(stddev=0.1), (2, 3)), Example("seed", dict(stddev=0.5, seed=3), (2, 7, 3)))

    def __init__(self, stddev: float, seed: int | None = None, **base: Unpack[BaseOptions]) -> None:
        super().__init__(seed, **base)
        self.stddev = check.least_zero("stddev", stddev)

    def _acts(self) -> bool:
        return self.stddev > 0

    def _noised(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x) * self.stddev


@register("GaussianDropout")
class GaussianDropout(Noise):
    """Multiplies by normal noise around 1 while training (Srivastava et al. 2014), as `keras.layers.GaussianDropout`.

    Args:
        rate: As for Dropout: the noise has its deviation, `sqrt(rate / (1 - rate))`. At 1 there is no noise, as in
            Keras 2; Keras 3 fails then.
        seed: Kept for the config only: the random numbers are torch's, set them with `torch.manual_seed`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> GaussianDropout(0.5)(torch.ones(1, 3), training=False)
        tensor([[1., 1., 1.]])
    """

    CONFIG = ("rate", "seed")
    EXAMPLES = (Example("default", dict(rate=0.5), (2, 3)), Example("seed", dict(rate=0.25, seed=3), (2, 7, 3)))

    def __init__(self, rate: float, seed: int | None = None, **base: Unpack[BaseOptions]) -> None:
        super().__init__(seed, **base)
        self.rate = check.rate("rate", rate)

    def _acts(self) -> bool:
        return 0 < self.rate < 1

    def _noised(self, x: Tensor) -> Tensor:
        return x * (1.0 + torch.randn_like(x) * math.sqrt(self.rate / (1.0 - self.rate)))


@register("AlphaDropout")
class AlphaDropout(Noise):
    """Dropout that keeps mean and variance behind `selu` (Klambauer et al. 2017), as `keras.layers.AlphaDropout`.

    Dropped values become what `selu` tends to for large negative inputs, -1.7581; then all are scaled and shifted.

    Args:
        rate: Fraction of the values that are dropped. At 1 there is no noise, as in Keras 2; Keras 3 fails then.
        noise_shape: Shape of the noise, None for the input's own size: `(None, 1, None)` drops whole features.
        seed: Kept for the config only: the random numbers are torch's, set them with `torch.manual_seed`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> AlphaDropout(0.5)(torch.ones(1, 3), training=False)
        tensor([[1., 1., 1.]])
    """

    CONFIG = ("rate", "seed", "noise_shape")
    EXAMPLES = (
        Example("default", dict(rate=0.5), (2, 3)),
        Example("whole features", dict(rate=0.25, noise_shape=(None, 1, None), seed=3), (2, 7, 3)),
    )

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: int | None = None, **base: Unpack[BaseOptions]
    ) -> None:
        super().__init__(seed, **base)
        self.rate = check.rate("rate", rate)
        self.noise_shape = None if noise_shape is None else check.shape("noise_shape", noise_shape, least=1)

    def _check_input_shape(self, input_shape: Shape) -> None:
        super()._check_input_shape(input_shape)
        check_noise_shape(self, self.noise_shape, input_shape)

    def _acts(self) -> bool:
        return 0 < self.rate < 1

    def _noised(self, x: Tensor) -> Tensor:
        kept = torch.rand(noise_shape_for(self.noise_shape, x.shape), device=x.device) >= self.rate
        factor = ((1 - self.rate) * (1 + self.rate * _SELU_FLOOR**2)) ** -0.5
        return x.where(kept, _SELU_FLOOR) * factor - factor * _SELU_FLOOR * self.rate
