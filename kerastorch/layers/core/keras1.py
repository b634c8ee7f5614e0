"""Layers that only Keras 1 had: Highway and MaxoutDense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ... import initializers
from ...activations import Activation
from ...base import check
from ...base.input_checks import float_tensor, one_shape, sizes_at
from ...base.layer import Example, Layer, register
from ...base.variable import VariableAttribute
from ...base.weighted import repr_of
from ...errors import ShapeError
from ...weights import Shape, Var, transpose

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions, WeightedOptions


def _start(value: float) -> Any:
    return lambda layer: lambda shape, **options: torch.full(shape, value, **options)


class _OfKeras1(Layer):
    """What both share: their arguments have the names of Keras 1; abstract."""

    def __init__(
        self,
        init: Any,
        W_regularizer: Any,
        b_regularizer: Any,
        W_constraint: Any,
        b_constraint: Any,
        bias: bool,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(**base)
        self.init = initializers.get(init)
        self._configure(
            W_regularizer=W_regularizer,
            b_regularizer=b_regularizer,
            W_constraint=W_constraint,
            b_constraint=b_constraint,
        )
        self.use_bias = check.boolean("bias", bias)

    def _plain(self, key: str) -> Any:
        if key == "init":
            return initializers.serialize(self.init)
        return self.use_bias if key == "bias" else super()._plain(key)  # `bias` itself is the parameter

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, rank=2, meaning="(batch, features)")
        (features,) = sizes_at(self, input_shape, (1,))
        expected = self._build_shape[1] if self._built and self._build_shape is not None else features
        if features != expected:
            raise ShapeError(
                f"{repr_of(self)}: expected {expected} features, got {features} (input of shape {tuple(input_shape)})."
            )

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self.dtype


@register("Highway")
class Highway(_OfKeras1):
    """Highway layer (Srivastava et al. 2015), as Keras 1's `Highway`: `t * activation(x W + b) + (1 - t) * x`.

    The gate is `t = sigmoid(x W_carry + b_carry)`.

    Args:
        init: Initialiser of W and W_carry.
        activation: Of the new values; None for none.
        W_regularizer: Penalty on W.
        b_regularizer: Penalty on b.
        activity_regularizer: Penalty on the output.
        W_constraint: Of W.
        b_constraint: Of b.
        bias: Whether there are b and b_carry.
        transform_bias: Without effect, as in Keras 1.2: b_carry starts at 1.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        W: `(F, F)` -> `weight`
        W_carry: `(F, F)` -> `weight_carry`
        b: `(F,)` -> `bias`
        b_carry: `(F,)` -> `bias_carry`

    Example:
        >>> Highway(activation="tanh")(torch.zeros(2, 3)).shape
        torch.Size([2, 3])
    """

    WEIGHTS = (
        Var("W", ("weight",), lambda l, s: (s[1], s[1]), transpose, init=lambda l: l.init),
        Var("W_carry", ("weight_carry",), lambda l, s: (s[1], s[1]), transpose, init=lambda l: l.init),
        Var("b", ("bias",), lambda l, s: (s[1],), when=lambda l: l.use_bias, init=_start(0.0)),
        Var("b_carry", ("bias_carry",), lambda l, s: (s[1],), when=lambda l: l.use_bias, init=_start(1.0)),
    )
    CONFIG = (
        "init",
        "activation",
        "W_regularizer",
        "b_regularizer",
        "activity_regularizer",
        "W_constraint",
        "b_constraint",
        "bias",
    )
    INERT = ("transform_bias",)
    EXAMPLES = (
        Example("default", dict(), (2, 3)),
        Example("activation, no bias", dict(activation="tanh", bias=False), (2, 4)),
    )

    activation: Activation
    W: VariableAttribute
    b: VariableAttribute
    W_carry: VariableAttribute
    b_carry: VariableAttribute
    weight: Tensor
    weight_carry: Tensor
    bias: Tensor
    bias_carry: Tensor

    def __init__(
        self,
        init: Any = "glorot_uniform",
        activation: Any = None,
        W_regularizer: Any = None,
        b_regularizer: Any = None,
        activity_regularizer: Any = None,
        W_constraint: Any = None,
        b_constraint: Any = None,
        bias: bool = True,
        *,
        transform_bias: Any = None,
        **base: Unpack[WeightedOptions],
    ) -> None:
        super().__init__(
            init,
            W_regularizer,
            b_regularizer,
            W_constraint,
            b_constraint,
            bias,
            activity_regularizer=activity_regularizer,
            **base,
        )
        self._configure(activation=activation)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return tuple(input_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Run the layer.

        Args:
            x: `(B, F)`, of the layer's dtype.

        Returns:
            `(B, F)`.

        Raises:
            ShapeError: x has another shape than the layer needs.
        """
        x = float_tensor(self, x, self.weight.dtype)
        self._check_input_shape(tuple(x.shape))
        gate = torch.sigmoid(F.linear(x, self.weight_carry, self.bias_carry if self.use_bias else None))
        new = self.activation(F.linear(x, self.weight, self.bias if self.use_bias else None))
        return gate * new + (1 - gate) * x


@register("MaxoutDense")
class MaxoutDense(_OfKeras1):
    """The largest of several linear layers (Goodfellow et al. 2013), as Keras 1's `MaxoutDense`.

    Args:
        output_dim: Size of the output.
        nb_feature: How many linear layers there are.
        init: Initialiser of W.
        W_regularizer: Penalty on W.
        b_regularizer: Penalty on b.
        activity_regularizer: Penalty on the output.
        W_constraint: Of W.
        b_constraint: Of b.
        bias: Whether there is a b.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        W: `(nb_feature, F, output_dim)` -> `weight`
        b: `(nb_feature, output_dim)` -> `bias`

    Example:
        >>> MaxoutDense(5)(torch.zeros(2, 3)).shape
        torch.Size([2, 5])
    """

    WEIGHTS = (
        Var("W", ("weight",), lambda l, s: (l.nb_feature, s[1], l.output_dim), init=lambda l: l.init),
        Var("b", ("bias",), lambda l, s: (l.nb_feature, l.output_dim), when=lambda l: l.use_bias, init=_start(0.0)),
    )
    CONFIG = (
        "output_dim",
        "nb_feature",
        "init",
        "W_regularizer",
        "b_regularizer",
        "activity_regularizer",
        "W_constraint",
        "b_constraint",
        "bias",
    )
    EXAMPLES = (
        Example("default", dict(output_dim=5), (2, 3)),
        Example("two, no bias", dict(output_dim=4, nb_feature=2, bias=False), (2, 4)),
    )

    W: VariableAttribute
    b: VariableAttribute
    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        output_dim: int,
        nb_feature: int = 4,
        init: Any = "glorot_uniform",
        W_regularizer: Any = None,
        b_regularizer: Any = None,
        activity_regularizer: Any = None,
        W_constraint: Any = None,
        b_constraint: Any = None,
        bias: bool = True,
        **base: Unpack[WeightedOptions],
    ) -> None:
        super().__init__(
            init,
            W_regularizer,
            b_regularizer,
            W_constraint,
            b_constraint,
            bias,
            activity_regularizer=activity_regularizer,
            **base,
        )
        self.output_dim = check.positive("output_dim", output_dim)
        self.nb_feature = check.positive("nb_feature", nb_feature)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return (input_shape[0], self.output_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Run the layer.

        Args:
            x: `(B, F)`, of the layer's dtype.

        Returns:
            `(B, output_dim)`.

        Raises:
            ShapeError: x has another shape than the layer needs.
        """
        x = float_tensor(self, x, self.weight.dtype)
        self._check_input_shape(tuple(x.shape))
        linear = torch.einsum("bf,kfu->bku", x, self.weight)
        return (linear + self.bias if self.use_bias else linear).amax(1)
