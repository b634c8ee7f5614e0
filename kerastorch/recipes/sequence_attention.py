"""Layers of keras-self-attention 0.51 (CyberZHG) and of attention_keras (thushv89)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from .. import activations, constraints, regularizers
from ..errors import ArgumentError, quote
from .attention import EPSILON, ForeignLayer, shares, three_axes, weighted_sum

_KINDS = ("additive", "multiplicative")
_FAR = 10000.0  # what is taken off the score of a step that does not count


class SeqSelfAttention(ForeignLayer):
    """keras_self_attention's `SeqSelfAttention`: each step is the mean of all steps, weighted by how they fit it.

    Args:
        units: Features in which two steps are compared; of the additive kind.
        attention_width: How many steps around a step count; None: all.
        attention_type: "additive": `tanh(x_t Wt + x_s Wx + bh) Wa + ba`; "multiplicative": `x_t Wa x_s + ba`.
        return_attention: Return the weights `(B, T, T)`, too.
        history_only: Count steps before, and itself, alone.
        kernel_initializer: How the kernel starts.
        bias_initializer: How the bias starts.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        kernel_constraint: What the kernel is brought to after an update.
        bias_constraint: What the bias is brought to after an update.
        use_additive_bias: Whether there is `bh`.
        use_attention_bias: Whether there is `ba`.
        attention_activation: Of the scores.
        attention_regularizer_weight: How much weights that several steps share are a penalty.
        older: Use masks as older releases of the package: a masked step counts for no other one. In 0.51 it counts for
            all steps but masked ones. Files do not say which release wrote them.

    Variables:
        Additive: Wt `(F, units)`, Wx `(F, units)`, bh `(units,)`, Wa `(units, 1)`, ba `(1,)`. Multiplicative: Wa
        `(F, F)`, ba `(1,)`.
    """

    def __init__(
        self,
        units: int = 32,
        attention_width: int | None = None,
        attention_type: Literal["additive", "multiplicative"] = "additive",
        return_attention: bool = False,
        history_only: bool = False,
        kernel_initializer: Any = "glorot_normal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_additive_bias: bool = True,
        use_attention_bias: bool = True,
        attention_activation: Any = None,
        attention_regularizer_weight: float = 0.0,
        older: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if attention_type not in _KINDS:
            raise ArgumentError(f"attention_type: expected one of {list(_KINDS)}, got {quote(attention_type)}.")
        self.supports_masking = True
        self.units, self.attention_type, self.older = units, attention_type, bool(older)
        self.attention_width = int(1e10) if history_only and attention_width is None else attention_width
        self.return_attention, self.history_only = bool(return_attention), bool(history_only)
        self.use_additive_bias, self.use_attention_bias = bool(use_additive_bias), bool(use_attention_bias)
        self.attention_activation = None if attention_activation is None else activations.get(attention_activation)
        self.attention_regularizer_weight = float(attention_regularizer_weight)
        self._kernel = {
            "initializer": kernel_initializer,
            "regularizer": regularizers.get(kernel_regularizer),
            "constraint": constraints.get(kernel_constraint),
        }
        self._bias = {
            "initializer": bias_initializer,
            "regularizer": regularizers.get(bias_regularizer),
            "constraint": constraints.get(bias_constraint),
        }
        self._keep(
            units=units,
            attention_width=self.attention_width,
            attention_type=attention_type,
            return_attention=self.return_attention,
            history_only=self.history_only,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            use_additive_bias=self.use_additive_bias,
            use_attention_bias=self.use_attention_bias,
            attention_activation=attention_activation,
            attention_regularizer_weight=self.attention_regularizer_weight,
            **({"older": True} if older else {}),
        )

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs `(B, T, F)`."""
        features = three_axes(self, input_shape)[2]
        if self.attention_type == "additive":
            self.Wt = self.add_weight(shape=(features, self.units), name="Add_Wt", **self._kernel)
            self.Wx = self.add_weight(shape=(features, self.units), name="Add_Wx", **self._kernel)
            if self.use_additive_bias:
                self.bh = self.add_weight(shape=(self.units,), name="Add_bh", **self._bias)
            self.Wa = self.add_weight(shape=(self.units, 1), name="Add_Wa", **self._kernel)
        else:
            self.Wa = self.add_weight(shape=(features, features), name="Mul_Wa", **self._kernel)
        if self.use_attention_bias:
            name = "Add_ba" if self.attention_type == "additive" else "Mul_ba"
            self.ba = self.add_weight(shape=(1,), name=name, **self._bias)
        super().build(input_shape)

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Any:
        """`(B, T, F)` -> `(B, T, F)`."""
        scores = self._scores(inputs)
        if self.use_attention_bias:
            scores = scores + self.ba
        if self.attention_activation is not None:
            scores = self.attention_activation(scores)
        if self.attention_width is not None:
            scores = scores - _FAR * (1 - self._near(inputs))
        if mask is not None and not self.older:
            away = 1 - mask.to(scores.dtype)
            scores = scores - _FAR * away.unsqueeze(-1) * away.unsqueeze(1)
        raw = torch.exp(scores - scores.amax(-1, keepdim=True))
        if mask is not None and self.older:
            there = mask.to(raw.dtype)
            raw = raw * there.unsqueeze(-1) * there.unsqueeze(1)
        weights = raw / (raw.sum(-1, keepdim=True) + (EPSILON if self.older else 0))
        if self.attention_regularizer_weight > 0:
            self.add_loss(self._penalty(weights))
        result = weights @ inputs
        return [result, weights] if self.return_attention else result

    def _scores(self, x: Tensor) -> Tensor:
        if self.attention_type == "multiplicative":
            return (x @ self.Wa) @ x.transpose(1, 2)
        pairs = (x @ self.Wt).unsqueeze(2) + (x @ self.Wx).unsqueeze(1)
        hidden = torch.tanh(pairs + self.bh if self.use_additive_bias else pairs)
        return (hidden @ self.Wa).squeeze(-1)

    def _near(self, x: Tensor) -> Tensor:
        """1 where a step counts for another one: `(T, T)`."""
        width = int(self.attention_width or 0)
        steps = torch.arange(x.shape[1], device=x.device)
        before = steps.unsqueeze(1) - steps.unsqueeze(0)
        behind, ahead = (width - 1, 0) if self.history_only else (width // 2, (width - 1) // 2)
        return ((before <= behind) & (-before <= ahead)).to(x.dtype)

    def _penalty(self, weights: Tensor) -> Tensor:
        shared = weights @ weights.transpose(1, 2) - torch.eye(weights.shape[-1], device=weights.device)
        return self.attention_regularizer_weight * shared.square().sum() / weights.shape[0]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the input; with `return_attention` that of the weights as well."""
        batch, steps, features = three_axes(self, input_shape)
        return [(batch, steps, features), (batch, steps, steps)] if self.return_attention else tuple(input_shape)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """That of the input."""
        return [mask, None] if self.return_attention else mask


class SeqWeightedAttention(ForeignLayer):
    """keras_self_attention's `SeqWeightedAttention`: the sum of the steps, weighted by `softmax(x W + b)`.

    Args:
        use_bias: Whether there is b.
        return_attention: Return the weights `(B, T)`, too.

    Variables:
        W: `(F, 1)`; b: `(1,)`.
    """

    def __init__(self, use_bias: bool = True, return_attention: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.use_bias, self.return_attention = bool(use_bias), bool(return_attention)
        self._keep(use_bias=self.use_bias, return_attention=self.return_attention)

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs `(B, T, F)`."""
        features = three_axes(self, input_shape)[2]
        self.W = self.add_weight(shape=(features, 1), initializer="uniform", name="W")
        if self.use_bias:
            self.b = self.add_weight(shape=(1,), initializer="zeros", name="b")
        super().build(input_shape)

    def call(self, x: Tensor, mask: Tensor | None = None) -> Any:
        """`(B, T, F)` -> `(B, F)`."""
        scores = (x @ self.W + self.b if self.use_bias else x @ self.W).squeeze(-1)
        scores = scores if mask is None else scores - _FAR * (1 - mask.to(scores.dtype))
        weights = shares(scores - scores.amax(-1, keepdim=True), None)
        result = weighted_sum(x, weights)
        return [result, weights] if self.return_attention else result

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`(B, F)`; with `return_attention` the weights `(B, T)` as well."""
        batch, steps, features = three_axes(self, input_shape)
        return [(batch, features), (batch, steps)] if self.return_attention else (batch, features)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: the mask ends here."""
        return [None, None] if self.return_attention else None


class AttentionLayer(ForeignLayer):
    """attention_keras's `AttentionLayer`: for each step of a decoder the steps of an encoder, after Bahdanau (2014).

    Called with `[encoder outputs (B, S, E), decoder outputs (B, T, D)]`; returns the contexts `(B, T, E)` and the
    weights `(B, T, S)`.

    Variables:
        W_a: `(E, E)`; U_a: `(D, E)`; V_a: `(E, 1)`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._keep()

    def build(self, input_shape: Any) -> None:
        """Make the weights for the two inputs."""
        encoder, decoder = (three_axes(self, shape)[2] for shape in input_shape)
        self.W_a = self.add_weight(shape=(encoder, encoder), initializer="uniform", name="W_a")
        self.U_a = self.add_weight(shape=(decoder, encoder), initializer="uniform", name="U_a")
        self.V_a = self.add_weight(shape=(encoder, 1), initializer="uniform", name="V_a")
        super().build(input_shape)

    def call(self, inputs: Any) -> list[Tensor]:
        """`[(B, S, E), (B, T, D)]` -> `[(B, T, E), (B, T, S)]`."""
        encoder, decoder = inputs
        hidden = torch.tanh((encoder @ self.W_a).unsqueeze(1) + (decoder @ self.U_a).unsqueeze(2))
        weights = torch.softmax((hidden @ self.V_a).squeeze(-1), -1)
        return [weights @ encoder, weights]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Those of the contexts and of the weights."""
        (batch, source, features), (_, steps, _) = (three_axes(self, shape) for shape in input_shape)
        return [(batch, steps, features), (batch, steps, source)]
