"""What all layers share that act while training only: dropouts and noises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from ...base import check
from ...base.input_checks import one_shape, one_tensor
from ...base.layer import Layer
from ...weights import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


class Noise(Layer):
    """Noise while training, nothing otherwise; abstract."""

    supports_masking = True

    def __init__(self, seed: int | None, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        self.seed = None if seed is None else check.integer("seed", seed)

    def _acts(self) -> bool:
        """Whether there is any noise while training."""
        raise NotImplementedError

    def _noised(self, x: Tensor) -> Tensor:
        """x with noise; x is a float tensor."""
        raise NotImplementedError

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return tuple(input_shape)

    def forward(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Put noise on x.

        Args:
            x: `(B, ...)`.
            training: Whether the noise acts; `self.training` if None.

        Raises:
            ShapeError: x does not fit the layer's noise_shape.
        """
        x = one_tensor(self, x)
        self._check_input_shape(tuple(x.shape))
        if not (self.training if training is None else training) or not self._acts():
            return x
        return self._noised(x if x.is_floating_point() else x.to(self.dtype))
