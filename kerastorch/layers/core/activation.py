"""Activation and Identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ... import activations
from ...base import check, to_torch
from ...base.input_checks import one_shape, one_tensor
from ...base.layer import Example, Layer, register
from ...weights import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


@register("Activation")
class Activation(Layer):
    """An activation function as a layer, as `keras.layers.Activation`.

    Args:
        activation: A Keras name, a config, or a function on tensors.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Activation("relu")(torch.tensor([[-3.0, 2.0]]))
        tensor([[0., 2.]])
    """

    supports_masking = True
    CONFIG = ("activation",)
    EXAMPLES = (
        Example("relu", dict(activation="relu"), (2, 3)),
        Example("softmax", dict(activation="softmax"), (2, 7, 3)),
    )

    activation: activations.Activation

    def __init__(self, activation: Any, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        self._configure(activation=activation)

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return tuple(input_shape)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        if input_dtype.is_floating_point:
            return input_dtype
        return self.activation(torch.ones(1, 1, dtype=input_dtype, device="cpu")).dtype

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to x of any shape."""
        return self.activation(one_tensor(self, x))

    def _to_torch(self) -> nn.Module:
        return to_torch.activation_module(self, self.activation)


@register("Identity")
class Identity(Layer):
    """Hands its input on, as `keras.layers.Identity`.

    Args:
        keras2_masks: Whether the mask ends here, as in tf.keras.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Identity()(torch.tensor([[1.0, 2.0]]))
        tensor([[1., 2.]])
    """

    CONFIG = ()
    INERT = ("keras2_masks",)
    EXAMPLES = (Example("default", dict(), (2, 3)), Example("keras 2", dict(keras2_masks=True), (2, 7, 3)))

    def __init__(self, *, keras2_masks: bool = False, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        self.keras2_masks = check.boolean("keras2_masks", keras2_masks)
        self.supports_masking = not self.keras2_masks

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "keras2_masks": True} if self.keras2_masks else config

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def forward(self, x: Any) -> Any:
        """Return x: a tensor `(B, ...)`, or such tensors in lists, tuples and dicts."""
        return x

    def _to_torch(self) -> nn.Module:
        return nn.Identity()
