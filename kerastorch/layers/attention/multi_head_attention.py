"""MultiHeadAttention (Vaswani et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from ...base import check
from ...base.layer import Example, register
from ...base.to_torch import no_module, plain
from ...base.weighted import repr_of
from ...errors import ShapeError, counted
from .headed_attention import HEADED_CONFIG, HeadedAttention

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import WeightedOptions

_SELF = [(2, 5, 6), (2, 5, 6)]
_CROSS = [(2, 5, 6), (2, 7, 4)]
_THREE = [(2, 5, 6), (2, 7, 4), (2, 7, 3)]


@register("MultiHeadAttention")
class MultiHeadAttention(HeadedAttention):
    """Attention in several heads, as `keras.layers.MultiHeadAttention`: `layer(query, value, key=value)`.

    Torch's fused kernel runs for inputs `(B, T, F)` where no scores are returned and `dropout` is 0; `kernel_choice`
    says it, and why not otherwise.

    Args:
        num_heads: Number of heads N.
        key_dim: Size K of each head for query and key.
        value_dim: Size V of each head for the value; `key_dim` if None.
        dropout: Fraction of the weights that are dropped while training.
        use_bias: Whether the projections have biases.
        output_shape: Size of the output's last axis, or of its last axes; the query's features if None.
        attention_axes: Axes to attend over; all but batch and features if None.
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
        keras2_masks: Lower masked scores by 1e9, as tf.keras does, where Keras 3 replaces them. It shows at steps that
            may look nowhere: Keras 3 gives them the mean of all values, or weights of 0 where scores are returned or
            `dropout` is not 0. The layer's own output is penalised by `activity_regularizer` too, then.
        softmax_robust_masking: tf.keras's choice to replace masked scores, as Keras 3 does.
        implicit_masks: Whether a Model passes the masks of the inputs here, and that of the query on; tf.keras before
            2.10 does not.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        query/kernel, query/bias: `(F, N, K)`, `(N, K)` -> `query_dense.weight`, `.bias`
        key/kernel, key/bias: `(F, N, K)`, `(N, K)` -> `key_dense.weight`, `.bias`
        gate/kernel, gate/bias: `(F, N, V)`, `(N, V)` -> `_gate_dense.weight`, `.bias`, with `use_gate`
        value/kernel, value/bias: `(F, N, V)`, `(N, V)` -> `value_dense.weight`, `.bias`
        attention_output/kernel, attention_output/bias: `(N, V, F)`, `(F,)` -> `output_dense.weight`, `.bias`

    Example:
        >>> MultiHeadAttention(num_heads=2, key_dim=4)(torch.zeros(3, 5, 6), torch.zeros(3, 7, 6)).shape
        torch.Size([3, 5, 6])
    """

    CONFIG = (
        "num_heads",
        "key_dim",
        "value_dim",
        "dropout",
        "use_bias",
        "use_gate",
        "output_shape",
        "attention_axes",
        "sliding_window",
        *HEADED_CONFIG,
    )
    KEPT_AS: ClassVar[Mapping[str, str]] = {**HeadedAttention.KEPT_AS, "output_shape": "stated_output_shape"}
    INERT = ("flash_attention", "keras2_masks", "softmax_robust_masking", "implicit_masks")
    EXAMPLES = (
        Example("default", dict(num_heads=2, key_dim=4), _SELF),
        Example("cross", dict(num_heads=2, key_dim=4, value_dim=3, output_shape=(5,), use_gate=True), _CROSS),
        Example("key", dict(num_heads=2, key_dim=4, use_bias=False, sliding_window=2), _THREE),
        Example("two axes", dict(num_heads=2, key_dim=4, attention_axes=(2, 3)), [(2, 2, 3, 4, 6), (2, 2, 5, 2, 6)]),
    )

    @property
    def _takes_masks_off(self) -> bool:  # type: ignore[override]
        return not self.keras2_masks

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
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
        *,
        keras2_masks: bool = False,
        softmax_robust_masking: bool = False,
        implicit_masks: bool = True,
        **base: Unpack[WeightedOptions],
    ) -> None:
        super().__init__(
            key_dim=check.positive("key_dim", key_dim),
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
            keras2_masks=keras2_masks,
            softmax_robust_masking=softmax_robust_masking,
            base=base,
        )
        self.num_heads = check.positive("num_heads", num_heads)
        self.key_dim = int(key_dim)
        self.value_dim = self.key_dim if value_dim is None else check.positive("value_dim", value_dim)
        self.implicit_masks = self.supports_masking = check.boolean("implicit_masks", implicit_masks)
        if not self.implicit_masks:
            self._call_arguments = replace(self._call_arguments, masked=())
        self.attention_axes = _axes_of(attention_axes)
        self.stated_output_shape = _sizes_of(output_shape)
        self.query_dense = self._dense("query", self.num_heads, self.key_dim)
        self.key_dense = self._dense("key", self.num_heads, self.key_dim)
        if self.use_gate:
            self._gate_dense = self._dense("gate", self.num_heads, self.value_dim, activation="sigmoid")
        self.value_dense = self._dense("value", self.num_heads, self.value_dim)
        self.output_dense = self._output_dense(self.stated_output_shape or (None,))
        if not self.trainable:
            self.trainable = False  # the projections' too

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | ({} if self.implicit_masks else {"implicit_masks": False})

    def _axes(self, rank: int) -> tuple[int, ...]:
        if self.attention_axes is None:
            return tuple(range(1, rank - 1))
        axes = tuple(axis if axis >= 0 else rank + axis for axis in self.attention_axes)
        if not all(0 < axis < rank - 1 for axis in axes) or len(set(axes)) < len(axes):
            raise ShapeError(
                f"{repr_of(self)}: attention_axes {self.attention_axes} are not different axes between batch and "
                f"features of an input of {counted(rank, 'axis', 'axes')}."
            )
        return axes

    def _repeated(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return q, k, v

    def _to_torch(self) -> nn.Module:
        return _as_torch_module(self)


def _axes_of(value: Any) -> tuple[int, ...] | None:
    if value is None:
        return None
    return check.integers("attention_axes", value if isinstance(value, (list, tuple)) else (value,))


def _sizes_of(value: Any) -> tuple[int, ...] | None:
    if not value and value != 0:
        return None
    return check.integers("output_shape", value if isinstance(value, (list, tuple)) else (value,), 1)


def _as_torch_module(layer: MultiHeadAttention) -> nn.MultiheadAttention:
    """Make nn.MultiheadAttention of a MultiHeadAttention.

    Raises:
        UnsupportedError: torch's module does not compute what the layer computes; every reason is told.
    """
    query, value, key = (*layer._in_shape, layer._in_shape[1])[:3]
    size = query[-1]
    reasons = []
    if layer.num_heads * layer.key_dim != size:
        reasons.append(f"num_heads * key_dim is {layer.num_heads * layer.key_dim}, in torch it is the query's {size}")
    if layer.value_dim != layer.key_dim:
        reasons.append(f"value_dim={layer.value_dim} and key_dim={layer.key_dim}: torch has one size of heads")
    if tuple(layer.output_dense.partial_output_shape) != (size,):
        reasons.append(f"output_shape={layer.stated_output_shape}: torch's output has the query's {size} features")
    if len(query) != 3:
        reasons.append(
            f"attention over an input of {counted(len(query), 'axis', 'axes')}: torch's has (batch, timesteps, "
            "features)"
        )
    if layer.use_gate:
        reasons.append("use_gate=True: torch has no gate")
    if layer.sliding_window is not None:
        reasons.append(f"sliding_window={layer.sliding_window}: torch's module has none; give it an attn_mask")
    parts = ("query", "key", "value")
    dense = {name: getattr(layer, f"{name}_dense") for name in parts}
    if len({d.weight.requires_grad for d in dense.values()}) > 1:
        reasons.append("some of query_dense, key_dense and value_dense are frozen: in torch they are one parameter")
    if reasons:
        raise no_module(layer, reasons)
    kernels, output = [dense[name].weight for name in parts], layer.output_dense.weight
    weights = [kernel.flatten(1).T for kernel in kernels]
    tensors = {"out_proj.weight": _as(output, output.flatten(0, 1).T)}
    if key[-1] == value[-1] == size:
        tensors["in_proj_weight"] = _as(kernels[0], torch.cat(weights))
    else:
        named = zip(("q_proj_weight", "k_proj_weight", "v_proj_weight"), kernels, weights, strict=True)
        tensors.update({name: _as(kernel, weight) for name, kernel, weight in named})
    if layer.use_bias:
        biases = [dense[name].bias for name in parts]
        tensors["in_proj_bias"] = _as(biases[0], torch.cat([bias.flatten() for bias in biases]))
        tensors["out_proj.bias"] = layer.output_dense.bias
    sizes = {"embed_dim": size, "num_heads": layer.num_heads, "kdim": key[-1], "vdim": value[-1]}
    return plain(
        nn.MultiheadAttention, layer, tensors, **sizes, dropout=layer.dropout, bias=layer.use_bias, batch_first=True
    )


def _as(parameter: Tensor, values: Tensor) -> Tensor:
    """The values of other shape, frozen if the parameter is."""
    return values.detach().requires_grad_(parameter.requires_grad)
