"""What MultiHeadAttention and GroupQueryAttention share: projections into heads and back, masks, and attention."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ... import regularizers
from ...base import check
from ...base.input_checks import float_tensor
from ...base.layer import Layer
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError
from ...kernels import attention
from ...kernels.types import KernelChoice
from ...weights import Shape
from ..core.einsum_dense import EinsumDense

# The arguments of both, in Keras's order.
HEADED_CONFIG = (
    "kernel_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "kernel_constraint",
    "bias_constraint",
    "seed",
)


class HeadedAttention(Layer):
    """Attention in heads; abstract. See `MultiHeadAttention` and `GroupQueryAttention`."""

    supports_masking = True
    KEPT_AS: ClassVar[Mapping[str, str]] = {"activity_regularizer": "dense_activity_regularizer"}

    def __init__(
        self,
        *,
        key_dim: int,
        dropout: float,
        use_bias: bool,
        use_gate: bool,
        sliding_window: int | None,
        flash_attention: bool | None,
        activity_regularizer: Any,
        seed: int | None,
        keras2_masks: bool = False,
        softmax_robust_masking: bool = False,
        base: Mapping[str, Any],
        **of_weights: Any,
    ) -> None:
        # Keras 3 penalises what the projections return, tf.keras also what the layer itself does.
        own = activity_regularizer if keras2_masks else None
        super().__init__(activity_regularizer=own, **base)
        self._configure(**of_weights)
        self.dense_activity_regularizer = regularizers.get(activity_regularizer)
        self.dropout = check.rate("dropout", dropout)
        self.use_bias = check.boolean("use_bias", use_bias)
        self.use_gate = check.boolean("use_gate", use_gate)
        self.sliding_window = None if sliding_window is None else check.positive("sliding_window", sliding_window)
        self.seed = None if seed is None else check.integer("seed", seed)
        self.keras2_masks = check.boolean("keras2_masks", keras2_masks)
        self.softmax_robust_masking = check.boolean("softmax_robust_masking", softmax_robust_masking)
        if flash_attention is not None and check.boolean("flash_attention", flash_attention) and self.dropout > 0:
            raise ArgumentError(f"{repr_of(self)}: flash_attention=True goes with dropout=0 only, got {self.dropout}.")
        self._dense_options = {**of_weights, "activity_regularizer": activity_regularizer, "dtype": base.get("dtype")}
        self._scale = 1.0 / math.sqrt(key_dim)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for key in ("keras2_masks", "softmax_robust_masking"):
            if getattr(self, key):
                config[key] = True
        return config

    def _dense(self, name: str, heads: int, size: int, **options: Any) -> EinsumDense:
        """A projection `(..., F)` -> `(..., heads, size)`."""
        bias = "de" if self.use_bias else None
        return EinsumDense(
            "...c,cde->...de", (heads, size), bias_axes=bias, name=name, **options, **self._dense_options
        )

    def _output_dense(self, output_shape: Shape) -> EinsumDense:
        """The projection of all heads `(..., N, H)` -> `(..., *output_shape)`."""
        letters = "".join(chr(ord("f") + axis) for axis in range(len(output_shape)))
        bias = letters if self.use_bias else None
        return EinsumDense(
            f"...de,de{letters}->...{letters}",
            output_shape,
            bias_axes=bias,
            name="attention_output",
            **self._dense_options,
        )

    # The attributes, and so the paths in Keras 3's files; tf.keras has them with a leading underscore.
    query_dense: EinsumDense
    key_dense: EinsumDense
    value_dense: EinsumDense
    output_dense: EinsumDense
    _gate_dense: EinsumDense  # not public in Keras 3 either

    def _makes_weights(self) -> bool:
        return False

    # ------------------------------------------------------------------ shapes

    def _check_input_shape(self, input_shape: Any) -> None:
        several = input_shape and all(isinstance(shape, (tuple, list)) for shape in input_shape)
        if not several or len(input_shape) not in (2, 3):
            raise ShapeError(
                f"{repr_of(self)} takes query and value, and a key if it is another tensor, got shapes {input_shape}; "
                "call it as layer(query, value)."
            )
        query, value, key = (*input_shape, input_shape[1])[:3]
        shapes = f"got shapes {[tuple(shape) for shape in input_shape]}"
        if min(len(query), len(value), len(key)) < 3 or not len(query) == len(value) == len(key):
            raise ShapeError(
                f"{repr_of(self)}: expected inputs (batch, timesteps, features), all of the same rank, {shapes}."
            )
        if any(None not in (a, b) and a != b for a, b in zip(value[1:-1], key[1:-1], strict=True)):
            raise ShapeError(f"{repr_of(self)}: value and key must agree in all but the last axis, {shapes}.")
        if None in (query[-1], value[-1], key[-1]):
            raise ShapeError(f"{repr_of(self)}: the last axes (features) must be known, {shapes}.")

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Any = None) -> None:
        """Make the weights.

        Args:
            query_shape: `(B, T, F)`, None where a size is not known.
            value_shape: `(B, S, F)`.
            key_shape: `(B, S, F)`; the value's if None.
        """
        key_shape = value_shape if key_shape is None else key_shape
        self._check_input_shape([query_shape, value_shape, key_shape])
        self.query_dense.build(query_shape)
        self.key_dense.build(key_shape)
        if self.use_gate:
            self._gate_dense.build(query_shape)
        self.value_dense.build(value_shape)
        if None in self.output_dense.partial_output_shape:
            self.output_dense.partial_output_shape = (query_shape[-1],)
        heads, size = self.query_dense.partial_output_shape[0], self.value_dense.partial_output_shape[1]
        self.output_dense.build((*query_shape[:-1], heads, size))

    def compute_output_shape(self, query_shape: Any, value_shape: Any = None, key_shape: Any = None) -> Shape:
        if value_shape is None and query_shape and isinstance(query_shape[0], (tuple, list)):
            query_shape, value_shape, key_shape = (*query_shape, None, None)[:3]
        shapes = [shape for shape in (query_shape, value_shape, key_shape) if shape is not None]
        self._check_input_shape(shapes)
        sizes = self.output_dense.partial_output_shape
        return (*query_shape[:-1], *((query_shape[-1],) if None in sizes else sizes))

    def _shape_of_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        output = super()._shape_of_call(args, kwargs)
        given = self._call_arguments.bind(args, kwargs)
        if not given.get("return_attention_scores"):
            return output
        axes = self._axes(len(given["query"]))
        free = [given["query"][axis] for axis in range(len(given["query"]) - 1) if axis not in axes]
        attended = [given[name][axis] for name in ("query", "value") for axis in axes]
        return output, (*free, self.query_dense.partial_output_shape[0], *attended)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self._computes_in

    def _axes(self, rank: int) -> tuple[int, ...]:
        """The axes of an input of this rank that attention runs over."""
        return (1,)

    # ------------------------------------------------------------------ running

    def kernel_choice(self, x: Any = None, mask: Any = None, training: bool | None = None) -> KernelChoice:
        """Which computation runs for a call without `return_attention_scores`, and why.

        Args:
            x: The query; only its rank counts.
            mask: Any mask but the causal one; only whether there is one counts.
            training: Not needed.
        """
        reason = self._not_fused(3 if x is None else x.ndim, mask is not None, scores=False)
        return KernelChoice("step loop", reason) if reason else KernelChoice("fused", "torch's fused attention")

    def _not_fused(self, rank: int, masked: bool, scores: bool) -> str | None:
        """Why torch's scaled_dot_product_attention does not run; None if it does."""
        if scores:
            return "the scores are returned"
        if self.dropout > 0:
            return "with dropout, Keras gives zeros to a step that may look nowhere"
        if masked and self._adds:
            return "the gradients of tf.keras for a step that may look nowhere are not those of the fused kernel"
        return None if rank == 3 else "attention over inputs of more than three axes"

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Let each step of the query look at the values.

        Args:
            query: `(B, T, F)`.
            value: `(B, S, F)`.
            key: `(B, S, F)`; the value if None.
            query_mask: bool `(B, T)`: steps of the query that are there. In a Model the masks come along the edges.
            value_mask: bool `(B, S)`: values that may be looked at.
            key_mask: bool `(B, S)`, likewise.
            attention_mask: bool, broadcast to `(B, T, S)` or `(B, N, T, S)`: what may be looked at.
            return_attention_scores: Return the weights too.
            training: Whether dropout acts; `self.training` if None.
            use_causal_mask: Whether step i of the query sees steps 0 to i only.

        Returns:
            `(B, T, output)`; with `return_attention_scores` a tuple of it and the weights `(B, N, T, S)`.

        Raises:
            ShapeError: The inputs or masks do not fit the weights or each other.
        """
        key = value if key is None else key
        query, value, key = (float_tensor(self, x, self._computes_in) for x in (query, value, key))
        self._check_input_shape([tuple(query.shape), tuple(value.shape), tuple(key.shape)])
        allowed = self._allowed(query, value, (query_mask, value_mask, key_mask), attention_mask)
        use_causal_mask = check.boolean("use_causal_mask", use_causal_mask)
        causal_only = use_causal_mask and allowed is None
        if use_causal_mask and not causal_only:
            causal = attention.causal_mask(query.shape[1], value.shape[1], query.device)
            allowed = attention.both(allowed, causal)
        gate = self._gate_dense._call_past_masks(query) if self.use_gate else None
        parts = ((self.query_dense, query), (self.key_dense, key), (self.value_dense, value))
        q, k, v = self._repeated(*(dense._call_past_masks(x) for dense, x in parts))
        axes = self._axes(query.ndim)
        if allowed is not None:
            allowed = attention.with_axes(allowed, query.ndim + len(axes), len(axes))
            self._check_mask(allowed, q, k, axes)
        drops = bool(self.training if training is None else training)
        scores: Tensor | None = None
        if self._not_fused(query.ndim, allowed is not None, return_attention_scores) is None:
            q, k, v = (part.transpose(1, 2) for part in (q, k, v))
            output = attention.attend(q, k, v, allowed, causal_only, self._scale).transpose(1, 2)
        else:
            if causal_only:
                allowed = attention.causal_mask(query.shape[1], value.shape[1], query.device)
                allowed = attention.with_axes(allowed, query.ndim + len(axes), len(axes))
            output, scores = self._explicit(q, k, v, allowed, axes, drops)
        output = self.output_dense(output if gate is None else output * gate)
        return (output, scores) if return_attention_scores else output

    @property
    def _adds(self) -> bool:
        """Whether masked scores are lowered, as in tf.keras, and not replaced."""
        return self.keras2_masks and not self.softmax_robust_masking

    @abstractmethod
    def _repeated(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Projected query, key and value with the same number of heads."""

    def _allowed(self, query: Tensor, value: Tensor, masks: Sequence[Any], attention_mask: Any) -> Tensor | None:
        """Which values each step may look at, without the causal mask: bool, broadcast to `(B, T, S)`."""
        query_mask, value_mask, key_mask = (None if m is None else attention.as_mask(m, query) for m in masks)
        allowed = None if query_mask is None else query_mask.unsqueeze(-1)
        for mask in (value_mask, key_mask):
            allowed = attention.both(allowed, None if mask is None else mask.unsqueeze(-2))
        if self.sliding_window is not None:
            window = attention.window_mask(query.shape[1], value.shape[1], self.sliding_window, query.device)
            allowed = attention.both(allowed, window)
        if attention_mask is None:
            return allowed
        given = attention.as_mask(attention_mask, query)
        if allowed is not None and given.ndim > allowed.ndim:  # a mask for each head
            allowed = attention.with_axes(allowed, given.ndim, 1)
        return attention.both(given, allowed)

    def _check_mask(self, mask: Tensor, q: Tensor, k: Tensor, axes: tuple[int, ...]) -> None:
        free = [q.shape[axis] for axis in range(q.ndim - 1) if axis not in axes]
        wanted = (*free, *(x.shape[axis] for x in (q, k) for axis in axes))
        if mask.ndim != len(wanted) or any(a not in (1, b) for a, b in zip(mask.shape, wanted, strict=True)):
            raise ShapeError(
                f"{repr_of(self)}: the masks together have shape {tuple(mask.shape)}, which does not fit scores of "
                f"shape {wanted} (batch, heads, timesteps of the query, of the value)."
            )

    def _explicit(
        self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None, axes: tuple[int, ...], drops: bool
    ) -> tuple[Tensor, Tensor]:
        """Attention with the weights in hand: outputs `(B, T, N, H)`, weights `(B, N, T, S)`."""
        product, combine = _equations(q.ndim, axes)
        scores = torch.einsum(product, k, q * self._scale)
        if allowed is not None:
            if self._adds:
                scores = scores + attention.penalty(allowed, scores.dtype)
            else:
                scores = scores.masked_fill(~allowed, -3e4 if scores.dtype == torch.float16 else -1e9)
        weights = attention.softmax(scores, len(axes))
        if allowed is not None and not self.keras2_masks:
            weights = weights.masked_fill(~allowed, 0)
        return torch.einsum(combine, F.dropout(weights, self.dropout, drops), v), weights


def _equations(rank: int, axes: tuple[int, ...]) -> tuple[str, str]:
    """key, query -> scores and scores, value -> output, for projections `(B, ..., N, H)` of this rank."""
    query = [chr(ord("a") + axis) for axis in range(rank)]
    key = [letter.upper() if axis in axes else letter for axis, letter in enumerate(query)]
    free = [letter for axis, letter in enumerate(query[:-1]) if axis not in axes]
    scores = "".join([*free, *(query[axis] for axis in axes), *(key[axis] for axis in axes)])
    return f"{''.join(key)},{''.join(query)}->{scores}", f"{scores},{''.join(key)}->{''.join(query)}"
