"""GroupQueryAttention (Ainslie et al. 2023)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from ...base import check
from ...base.layer import Example, register
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError, quote
from .headed_attention import HEADED_CONFIG, HeadedAttention

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import WeightedOptions


@register("GroupQueryAttention")
class GroupQueryAttention(HeadedAttention):
    """Attention in which groups of heads share keys and values, as `keras.layers.GroupQueryAttention`.

    Args:
        head_dim: Size H of each head.
        num_query_heads: Number of heads N of the query.
        num_key_value_heads: Number of heads M of key and value; it divides `num_query_heads`.
        dropout: Fraction of the weights that are dropped while training.
        use_bias: Whether the projections have biases.
        sliding_window: A step sees only steps less than this away; None for all.
        flash_attention: A wish that changes no number; torch chooses its kernel.
        kernel_initializer: Of the kernels.
        bias_initializer: Of the biases.
        kernel_regularizer: Penalty on each kernel.
        bias_regularizer: Penalty on each bias.
        activity_regularizer: Penalty on the output of each projection.
        kernel_constraint: Of the kernels.
        bias_constraint: Of the biases.
        use_gate: Whether the heads' outputs are multiplied by the sigmoid of a projection of the query.
        seed: Kept for the config only: the random numbers are torch's, set them with `torch.manual_seed`.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        query/kernel, query/bias: `(F, N, H)`, `(N, H)` -> `query_dense.weight`, `.bias`
        key/kernel, key/bias: `(F, M, H)`, `(M, H)` -> `key_dense.weight`, `.bias`
        gate/kernel, gate/bias: `(F, N, H)`, `(N, H)` -> `_gate_dense.weight`, `.bias`, with `use_gate`
        value/kernel, value/bias: `(F, M, H)`, `(M, H)` -> `value_dense.weight`, `.bias`
        attention_output/kernel, attention_output/bias: `(N, H, F)`, `(F,)` -> `output_dense.weight`, `.bias`

    Example:
        >>> GroupQueryAttention(4, 4, 2)(torch.zeros(3, 5, 6), torch.zeros(3, 7, 6)).shape
        torch.Size([3, 5, 6])
    """

    CONFIG = (
        "head_dim",
        "num_query_heads",
        "num_key_value_heads",
        "use_bias",
        "dropout",
        "use_gate",
        "sliding_window",
        *HEADED_CONFIG,
    )
    INERT = ("flash_attention",)
    EXAMPLES = (
        Example("default", dict(head_dim=4, num_query_heads=4, num_key_value_heads=2), [(2, 5, 6), (2, 7, 6)]),
        Example(
            "gate", dict(head_dim=4, num_query_heads=3, num_key_value_heads=1, use_gate=True), [(2, 5, 6), (2, 5, 6)]
        ),
    )

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **base: Unpack[WeightedOptions],
    ) -> None:
        super().__init__(
            key_dim=check.positive("head_dim", head_dim),
            dropout=dropout,
            use_bias=use_bias,
            use_gate=use_gate,
            sliding_window=sliding_window,
            flash_attention=flash_attention,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            seed=seed,
            base=base,
        )
        self.head_dim = int(head_dim)
        self.num_query_heads = check.positive("num_query_heads", num_query_heads)
        self.num_key_value_heads = check.positive("num_key_value_heads", num_key_value_heads)
        if self.num_query_heads % self.num_key_value_heads:
            raise ArgumentError(
                f"num_query_heads: expected a multiple of num_key_value_heads = {self.num_key_value_heads}, "
                f"got {quote(num_query_heads)}."
            )
        self.query_dense = self._dense("query", self.num_query_heads, self.head_dim)
        self.key_dense = self._dense("key", self.num_key_value_heads, self.head_dim)
        if self.use_gate:
            self._gate_dense = self._dense("gate", self.num_query_heads, self.head_dim, activation="sigmoid")
        self.value_dense = self._dense("value", self.num_key_value_heads, self.head_dim)
        self.output_dense = self._output_dense((None,))
        if not self.trainable:
            self.trainable = False  # the projections' too

    def _keras_children(self) -> list[tuple[str, Any]]:
        # No public name here, unlike MultiHeadAttention.
        return [(name if name.startswith("_") else f"_{name}", inner) for name, inner in self.named_children()]

    def _check_input_shape(self, input_shape: Any) -> None:
        super()._check_input_shape(input_shape)
        if len(input_shape[0]) != 3:
            raise ShapeError(f"{repr_of(self)}: expected inputs (batch, timesteps, features), got {list(input_shape)}.")

    def _repeated(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        times = self.num_query_heads // self.num_key_value_heads
        return q, k.repeat_interleave(times, dim=2), v.repeat_interleave(times, dim=2)
