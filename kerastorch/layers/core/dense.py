"""Dense: the fully connected layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...activations import Activation
from ...base import check, to_torch
from ...base.input_checks import float_tensor, one_shape, refuse, sizes_at
from ...base.input_spec import with_channels
from ...base.layer import Example, Layer, register
from ...base.variable import VariableAttribute
from ...base.weight_tensors import ParameterAttribute
from ...base.weighted import repr_of
from ...errors import ShapeError
from ...weights import Shape, Var, transpose

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import WeightedOptions

_LORA = "LoRA's two extra matrices are not here; merge them into the kernel in Keras and save the model without them"
_QUANTIZED = "quantised kernels are not here; save the model before it is quantised"
REFUSED = {"lora_rank": _LORA, "quantization_config": _QUANTIZED}


@register("Dense")
class Dense(Layer):
    """`activation(x W + b)` over the last axis, as `keras.layers.Dense`.

    Args:
        units: Size of the output's last axis.
        activation: Of the output; None for none.
        use_bias: Whether there is a bias.
        kernel_initializer: Of the kernel.
        bias_initializer: Of the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Of the kernel.
        bias_constraint: Of the bias.
        lora_rank: None; anything else is refused.
        lora_alpha: Without meaning while `lora_rank` is None.
        quantization_config: None; anything else is refused.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        kernel: `(F, U)` -> `weight` `(U, F)`
        bias: `(U,)` -> `bias`

    Example:
        >>> Dense(5)(torch.zeros(2, 20, 3)).shape
        torch.Size([2, 20, 5])
    """

    _keras_spec = with_channels
    supports_masking = True
    WEIGHTS = (
        Var("kernel", ("weight",), lambda l, s: (s[-1], l.units), transpose),
        Var("bias", ("bias",), lambda l, s: (l.units,), when=lambda l: l.use_bias),
    )
    CONFIG = (
        "units",
        "activation",
        "use_bias",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
    )
    INERT = ("lora_rank", "lora_alpha", "quantization_config")
    EXAMPLES = (
        Example("default", dict(units=5), (2, 3)),
        Example("every step", dict(units=4, activation="tanh"), (2, 7, 3)),
        Example("no bias", dict(units=4, use_bias=False), (2, 3)),
    )

    activation: Activation
    kernel: VariableAttribute
    weight: Tensor
    bias: ParameterAttribute

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: int | None = None,
        quantization_config: Any = None,
        **base: Unpack[WeightedOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self._configure(
            activation=activation,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self.units = check.positive("units", units)
        self.use_bias = check.boolean("use_bias", use_bias)
        refuse(self, REFUSED, lora_rank=lora_rank, quantization_config=quantization_config)

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, least=2, meaning="(batch, ..., features)")
        (features,) = sizes_at(self, input_shape, (-1,))
        expected = self.weight.shape[1] if "weight" in self._parameters else features
        if features != expected:
            raise ShapeError(
                f"{repr_of(self)}: expected {expected} features, got {features} (input of shape {tuple(input_shape)})."
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return (*input_shape[:-1], self.units)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self.dtype

    def forward(self, x: Tensor) -> Tensor:
        """Run the layer.

        Args:
            x: `(B, ..., F)`, of the layer's dtype.

        Returns:
            `(B, ..., U)`.

        Raises:
            ShapeError: x has fewer than two axes, or another number of features than the kernel.
        """
        x = float_tensor(self, x, self.weight.dtype)
        if x.ndim < 2 or x.shape[-1] != self.weight.shape[1]:
            self._check_input_shape(tuple(x.shape))
        return self.activation(F.linear(x, self.weight, self.bias if self.use_bias else None))

    def _to_torch(self) -> nn.Module:
        units, features = self.weight.shape
        linear = to_torch.plain(nn.Linear, self, in_features=features, out_features=units, bias=self.use_bias)
        return to_torch.followed_by([linear], self, self.activation)
