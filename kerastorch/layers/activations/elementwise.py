"""What activations without weights share."""

from __future__ import annotations

from ...base.input_checks import one_shape
from ...base.layer import Layer
from ...weights import Shape


class Elementwise(Layer):
    """What the layers without weights share; abstract."""

    supports_masking = True

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return tuple(input_shape)
