"""Attention over the steps of a sequence as tutorials write it: one weight for each step, and the weighted sum.

Three classes are everywhere under names of their own (`Attention`, `attention`, `AttentionWeightedAverage`, ...). Their
arrays tell them apart: `offered` looks at those.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import constraints, regularizers
from ..base.layer import Layer
from ..errors import ArgumentError, ShapeError
from ..structure import map_structure

_STEPS_KNOWN = "its bias has one number for each step: the number of steps must be known."
EPSILON = 1e-7  # K.epsilon()


class ForeignLayer(Layer):
    """A layer of another package, whose arguments are written as they were given; abstract."""

    def _keep(self, **arguments: Any) -> None:
        """Note the arguments of the constructor, for `get_config`."""
        self._arguments = arguments

    def get_config(self) -> dict[str, Any]:
        """The arguments, under the names that the package has for them."""
        return {**super().get_config(), **map_structure(_serialized, self._arguments)}


def _serialized(value: Any) -> Any:
    return value.get_config() if hasattr(value, "get_config") else value


def three_axes(layer: Layer, shape: Any) -> tuple[Any, ...]:
    """The shape of an input `(B, T, F)`.

    Raises:
        ShapeError: It is another one.
    """
    if len(shape) != 3 or not isinstance(shape[2], int):
        raise ShapeError(f"{layer.name}: expected an input (batch, timesteps, features), got shape {tuple(shape)}.")
    return tuple(shape)


def shares(scores: Tensor, mask: Tensor | None) -> Tensor:
    """`exp(scores)`, without masked steps, divided by the sum over the last axis and 1e-7: `(B, T)`."""
    raw = scores.exp() if mask is None else scores.exp() * mask.to(scores.dtype)
    return raw / (raw.sum(-1, keepdim=True) + EPSILON)


def weighted_sum(x: Tensor, weights: Tensor) -> Tensor:
    """`(B, T, F)` and `(B, T)` -> `(B, F)`."""
    return (x * weights.unsqueeze(-1)).sum(1)


class _OverTime(ForeignLayer):
    """What the first two have in common."""

    return_attention: bool

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`(B, F)`; with `return_attention` the weights `(B, T)` as well."""
        batch, steps, features = three_axes(self, input_shape)
        return [(batch, features), (batch, steps)] if self.return_attention else (batch, features)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """None: the mask ends here."""

    def _returned(self, x: Tensor, weights: Tensor) -> Any:
        result = weighted_sum(x, weights)
        return [result, weights] if self.return_attention else result


class Attention(_OverTime):
    """`tanh(x W + b)` for each step, `exp` of it as its weight: of Kaggle's kernels, after Raffel and Ellis (2015).

    Known as `Attention(step_dim)` and `AttentionWeightedAverage`. No layer of Keras, whose `Attention` is another one.

    Args:
        step_dim: The number of steps, where the class was given it; the input has as many.
        W_regularizer: Penalty on `W`.
        b_regularizer: Penalty on `b`.
        W_constraint: What `W` is brought to after an update.
        b_constraint: What `b` is brought to after an update.
        bias: Whether there is one.
        return_attention: Return the weights of the steps, too.

    Variables:
        W: `(F,)`; b: `(T,)`.
    """

    def __init__(
        self,
        step_dim: int | None = None,
        W_regularizer: Any = None,
        b_regularizer: Any = None,
        W_constraint: Any = None,
        b_constraint: Any = None,
        bias: bool = True,
        return_attention: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.bias, self.return_attention, self._steps = bool(bias), bool(return_attention), step_dim
        self._rules = {
            "W": (regularizers.get(W_regularizer), constraints.get(W_constraint)),
            "b": (regularizers.get(b_regularizer), constraints.get(b_constraint)),
        }
        self._keep(
            **({} if step_dim is None else {"step_dim": step_dim}),
            W_regularizer=W_regularizer,
            b_regularizer=b_regularizer,
            W_constraint=W_constraint,
            b_constraint=b_constraint,
            bias=self.bias,
            return_attention=self.return_attention,
        )

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs `(B, T, F)`, of which T must be known where there is a bias."""
        _, steps, features = three_axes(self, input_shape)
        steps = steps if self._steps is None else self._steps
        regularizer, constraint = self._rules["W"]
        self.W = self.add_weight(shape=(features,), name="W", regularizer=regularizer, constraint=constraint)
        if self.bias:
            if not isinstance(steps, int):
                raise ShapeError(
                    f"{self.name}: its bias has one number for each step: the number of steps must be known."
                )
            regularizer, constraint = self._rules["b"]
            self.b = self.add_weight(
                shape=(steps,), initializer="zeros", name="b", regularizer=regularizer, constraint=constraint
            )
        super().build(input_shape)

    def call(self, x: Tensor, mask: Tensor | None = None) -> Any:
        """`(B, T, F)` -> `(B, F)`."""
        scores = x @ self.W
        return self._returned(x, shares(torch.tanh(scores + self.b if self.bias else scores), mask))


class AttentionWithContext(_OverTime):
    """`tanh(x W + b) u` for each step, `exp` of it as its weight: hierarchical attention, Yang et al. (2016).

    Args:
        W_regularizer: Penalty on `W`.
        u_regularizer: Penalty on `u`.
        b_regularizer: Penalty on `b`.
        W_constraint: What `W` is brought to after an update.
        u_constraint: What `u` is brought to after an update.
        b_constraint: What `b` is brought to after an update.
        bias: Whether there is one.
        return_attention: Return the weights of the steps, too.

    Variables:
        W: `(F, F)`; b: `(F,)`; u: `(F,)`.
    """

    W: Any
    b: Any
    u: Any

    def __init__(
        self,
        W_regularizer: Any = None,
        u_regularizer: Any = None,
        b_regularizer: Any = None,
        W_constraint: Any = None,
        u_constraint: Any = None,
        b_constraint: Any = None,
        bias: bool = True,
        return_attention: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.bias, self.return_attention = bool(bias), bool(return_attention)
        self._rules = {
            "W": (regularizers.get(W_regularizer), constraints.get(W_constraint)),
            "b": (regularizers.get(b_regularizer), constraints.get(b_constraint)),
            "u": (regularizers.get(u_regularizer), constraints.get(u_constraint)),
        }
        self._keep(
            W_regularizer=W_regularizer,
            u_regularizer=u_regularizer,
            b_regularizer=b_regularizer,
            W_constraint=W_constraint,
            u_constraint=u_constraint,
            b_constraint=b_constraint,
            bias=self.bias,
            **({"return_attention": True} if self.return_attention else {}),
        )

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs `(B, T, F)`."""
        _, _, features = three_axes(self, input_shape)
        shapes = {"W": (features, features), "b": (features,), "u": (features,)}
        for name in ("W", "b", "u") if self.bias else ("W", "u"):
            regularizer, constraint = self._rules[name]
            made = self.add_weight(
                shape=shapes[name],
                initializer="zeros" if name == "b" else None,
                name=name,
                regularizer=regularizer,
                constraint=constraint,
            )
            setattr(self, name, made)
        super().build(input_shape)

    def call(self, x: Tensor, mask: Tensor | None = None) -> Any:
        """`(B, T, F)` -> `(B, F)`."""
        hidden = x @ self.W
        return self._returned(x, shares(torch.tanh(hidden + self.b if self.bias else hidden) @ self.u, mask))


class SoftmaxAttention(ForeignLayer):
    """`softmax(tanh(x W + b))` over the steps: the class `attention` of tutorials, with `att_weight` and `att_bias`.

    Args:
        return_sequences: Return the weighted steps instead of their sum.

    Variables:
        att_weight: `(F, 1)`; att_bias: `(T, 1)`.
    """

    def __init__(self, return_sequences: bool = False, **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(return_sequences, bool):
            raise ArgumentError(f"return_sequences: expected True or False, got {return_sequences!r}.")
        self.return_sequences = return_sequences
        self._keep(**({"return_sequences": True} if return_sequences else {}))

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs `(B, T, F)`, of which T must be known."""
        _, steps, features = three_axes(self, input_shape)
        if not isinstance(steps, int):
            raise ShapeError(f"{self.name}: {_STEPS_KNOWN}")
        self.W = self.add_weight(shape=(features, 1), initializer="normal", name="att_weight")
        self.b = self.add_weight(shape=(steps, 1), initializer="zeros", name="att_bias")
        super().build(input_shape)

    def call(self, x: Tensor) -> Tensor:
        """`(B, T, F)` -> `(B, F)`."""
        weighted = x * torch.softmax(torch.tanh(x @ self.W + self.b), 1)
        return weighted if self.return_sequences else weighted.sum(1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`(B, F)`, or the shape of the input."""
        batch, steps, features = three_axes(self, input_shape)
        return (batch, steps, features) if self.return_sequences else (batch, features)
