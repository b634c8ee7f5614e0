"""Attention (Luong et al. 2015) and AdditiveAttention (Bahdanau et al. 2015): a query looks at a sequence of values."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ... import initializers
from ...base import check
from ...base.input_checks import float_tensor, mask_tensor
from ...base.layer import Example, Layer, register
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError, counted, quote
from ...kernels import attention
from ...weights import Shape, Var

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions

_TWO = [(2, 5, 3), (2, 7, 3)]
_THREE = [(2, 5, 3), (2, 7, 4), (2, 7, 3)]


def _ones(layer: Layer) -> Any:
    return initializers.Ones()


class _DenseAttention(Layer):
    """What both layers share: the list of inputs, masks, dropout, and the mean of the values; abstract."""

    supports_masking = True

    def __init__(
        self, *, use_scale: bool, dropout: float, seed: int | None, causal: bool, **base: Unpack[BaseOptions]
    ) -> None:
        super().__init__(**base)
        self.use_scale = check.boolean("use_scale", use_scale)
        self.dropout = check.rate("dropout", dropout)
        self.seed = None if seed is None else check.integer("seed", seed)
        self.causal = check.boolean("causal", causal)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | ({"causal": True} if self.causal else {})

    @abstractmethod
    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        """Scores `(..., Tq, Tv)`."""

    def _fused(self, query: Tensor) -> Tensor | None:
        """The query whose product with the keys is the scores, or None where the scores are no such product."""
        return None

    # ------------------------------------------------------------------ shapes and masks

    def _check_input_shape(self, input_shape: Any) -> None:
        if not input_shape or not all(isinstance(shape, (tuple, list)) for shape in input_shape):
            raise ShapeError(
                f"{repr_of(self)} takes a list, [query, value] or [query, value, key], got one of shape "
                f"{tuple(input_shape)}; call it as layer([query, value])."
            )
        if len(input_shape) not in (2, 3):
            raise ShapeError(
                f"{repr_of(self)} takes [query, value] or [query, value, key], got "
                f"{counted(len(input_shape), 'input')}."
            )
        query, value, key = (*input_shape, input_shape[1])[:3]
        shapes = f"got shapes {[tuple(shape) for shape in input_shape]}"
        if len(query) < 3 or not len(query) == len(value) == len(key):
            raise ShapeError(f"{repr_of(self)}: expected inputs (batch, timesteps, features), {shapes}.")
        if None not in (query[-1], key[-1]) and query[-1] != key[-1]:
            raise ShapeError(f"{repr_of(self)}: query and key must have the same number of features, {shapes}.")
        if None not in (value[-2], key[-2]) and value[-2] != key[-2]:
            raise ShapeError(f"{repr_of(self)}: value and key must have the same number of timesteps, {shapes}.")

    def compute_output_shape(self, input_shape: Any) -> Shape:
        self._check_input_shape(input_shape)
        return (*input_shape[0][:-1], input_shape[1][-1])

    def _shape_of_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        output = super()._shape_of_call(args, kwargs)
        given = self._call_arguments.bind(args, kwargs)
        query, key = given["inputs"][0], given["inputs"][-1]
        return (output, (*query[:-1], key[-2])) if given.get("return_attention_scores") else output

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self._computes_in

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The query's mask."""
        return self._masks(mask)[0]

    def _masks(self, mask: Any) -> tuple[Tensor | None, Tensor | None]:
        if mask is None:
            return None, None
        if not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3):
            raise ArgumentError(
                f"{repr_of(self)}: mask: expected [query_mask, value_mask], with None for none, got {quote(mask)}."
            )
        query, value = (None if item is None else mask_tensor(self, item) for item in mask[:2])
        return query, value

    # ------------------------------------------------------------------ running

    def forward(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Look at the values.

        Args:
            inputs: `[query, value]` or `[query, value, key]`: `(B, Tq, F)`, `(B, Tv, V)`, `(B, Tv, F)`.
            mask: `[query_mask, value_mask]`, bool `(B, Tq)` and `(B, Tv)` or None: outputs are zero where the query's
                is False, and values where theirs is False are not looked at.
            training: Whether dropout acts; `self.training` if None.
            return_attention_scores: Return the weights of the values too.
            use_causal_mask: Whether step i of the query sees the values 0 to i only.

        Returns:
            `(B, Tq, V)`; with `return_attention_scores` a tuple of it and the weights `(B, Tq, Tv)`.

        Raises:
            ShapeError: The inputs or masks do not fit each other.
        """
        if isinstance(inputs, (list, tuple)):
            inputs = [float_tensor(self, x, self._computes_in) for x in inputs]
            self._check_input_shape([tuple(x.shape) for x in inputs])
        else:
            self._check_input_shape(tuple(getattr(inputs, "shape", ())))
        query, value, key = (*inputs, inputs[1])[:3]
        query_mask, value_mask = self._masks(mask)
        causal = check.boolean("use_causal_mask", use_causal_mask) or self.causal
        drops = self.dropout > 0 and (self.training if training is None else training)
        slow = return_attention_scores or drops or value_mask is not None
        fused = None if slow else self._fused(query)
        weights: Tensor | None = None
        if fused is not None:
            output = attention.fused(fused, key, value, None, causal, 1.0)
        else:
            scores = self._scores(query, key)
            allowed = self._allowed(query, key, value_mask, causal)
            if allowed is not None:
                scores = scores + attention.penalty(allowed, scores.dtype)
            weights = F.dropout(scores.softmax(-1), self.dropout, bool(drops))
            output = weights @ value
        if query_mask is not None:
            keep = attention.as_mask(query_mask, query)
            self._check_mask("query", keep, query)
            output = output.masked_fill(~keep.unsqueeze(-1), 0)
        return (output, weights) if return_attention_scores else output

    def _allowed(self, query: Tensor, key: Tensor, value_mask: Tensor | None, causal: bool) -> Tensor | None:
        """Which values each step of the query may look at: bool, broadcast to `(B, Tq, Tv)`."""
        allowed = None
        if value_mask is not None:
            value_mask = attention.as_mask(value_mask, key)
            self._check_mask("value", value_mask, key)
            allowed = value_mask.unsqueeze(-2)
        if causal:
            allowed = attention.both(allowed, attention.causal_mask(query.shape[-2], key.shape[-2], query.device))
        return allowed

    def _check_mask(self, name: str, mask: Tensor, x: Tensor) -> None:
        if tuple(mask.shape) != tuple(x.shape[:-1]):
            raise ShapeError(
                f"{repr_of(self)}: the mask of the {name} must have shape {tuple(x.shape[:-1])}, "
                f"got {tuple(mask.shape)}."
            )


@register("Attention")
class Attention(_DenseAttention):
    """Dot-product attention (Luong), as `keras.layers.Attention`: `softmax(q k^T) v`.

    Torch's fused kernel runs with `score_mode="dot"` where no scores are returned, no dropout acts and the values have
    no mask: where all of them are masked, its gradients are not Keras's.

    Args:
        use_scale: Whether the scores are multiplied by a trained number.
        score_mode: "dot", or "concat" for `w * sum(tanh(scale * (q + k)))` with a trained `w`.
        dropout: Fraction of the weights that are dropped while training.
        seed: Kept for the config only: the random numbers are torch's, set them with `torch.manual_seed`.
        causal: As `use_causal_mask` in every call; an argument of tf.keras up to 2.9.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        scale: `()` -> `scale`, with `use_scale`
        concat_score_weight: `()` -> `concat_score_weight`, with `score_mode="concat"`

    Example:
        >>> Attention()([torch.zeros(2, 5, 3), torch.zeros(2, 7, 3)]).shape
        torch.Size([2, 5, 3])
    """

    WEIGHTS = (
        Var("scale", ("scale",), lambda l, s: (), when=lambda l: l.use_scale, init=_ones),
        Var(
            "concat_score_weight",
            ("concat_score_weight",),
            lambda l, s: (),
            when=lambda l: l.score_mode == "concat",
            init=_ones,
        ),
    )
    CONFIG = ("use_scale", "score_mode", "dropout", "seed")
    INERT = ("causal",)
    EXAMPLES = (
        Example("default", dict(), _TWO),
        Example("scaled", dict(use_scale=True, causal=True), _THREE),
        Example("concat", dict(use_scale=True, score_mode="concat", dropout=0.2, seed=3), _TWO),
    )

    scale: Tensor
    concat_score_weight: Tensor

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        *,
        causal: bool = False,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, seed=seed, causal=causal, **base)
        self.score_mode = check.one_of("score_mode", score_mode, ("dot", "concat"))

    def _fused(self, query: Tensor) -> Tensor | None:
        if self.score_mode != "dot":
            return None
        return query * self.scale if self.use_scale else query

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        if self.score_mode == "dot":
            scores = query @ key.transpose(-1, -2)
            return scores * self.scale if self.use_scale else scores
        pairs = query.unsqueeze(-2) + key.unsqueeze(-3)
        return self.concat_score_weight * (self.scale * pairs if self.use_scale else pairs).tanh().sum(-1)


@register("AdditiveAttention")
class AdditiveAttention(_DenseAttention):
    """Additive attention (Bahdanau), as `keras.layers.AdditiveAttention`: scores `sum(scale * tanh(q + k))`.

    Args:
        use_scale: Whether each feature of the sum has a trained weight.
        dropout: Fraction of the weights that are dropped while training.
        seed: Kept for the config only: the random numbers are torch's, set them with `torch.manual_seed`.
        causal: As `use_causal_mask` in every call; an argument of tf.keras up to 2.9.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        scale: `(F,)` -> `scale`, with `use_scale`

    Example:
        >>> AdditiveAttention()([torch.zeros(2, 5, 3), torch.zeros(2, 7, 3)]).shape
        torch.Size([2, 5, 3])
    """

    WEIGHTS = (
        Var(
            "scale",
            ("scale",),
            lambda l, s: (s[0][-1],),
            when=lambda l: l.use_scale,
            init=lambda l: initializers.GlorotUniform(),
        ),
    )
    CONFIG = ("use_scale", "dropout", "seed")
    INERT = ("causal",)
    EXAMPLES = (
        Example("default", dict(), _TWO),
        Example("three inputs", dict(dropout=0.2, causal=True), _THREE),
        Example("no scale", dict(use_scale=False), _TWO),
    )

    scale: Tensor

    def __init__(
        self,
        use_scale: bool = True,
        dropout: float = 0.0,
        seed: int | None = None,
        *,
        causal: bool = False,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, seed=seed, causal=causal, **base)

    def _check_input_shape(self, input_shape: Any) -> None:
        super()._check_input_shape(input_shape)
        features = input_shape[0][-1]
        expected = self.scale.shape[0] if "scale" in self._parameters else features
        if features is None or features != expected:
            wanted = "the number of features must be known" if features is None else f"expected {expected} features"
            raise ShapeError(f"{repr_of(self)}: {wanted}, got {[tuple(shape) for shape in input_shape]}.")

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        scores = (query.unsqueeze(-2) + key.unsqueeze(-3)).tanh()
        return (self.scale * scores if self.use_scale else scores).sum(-1)
