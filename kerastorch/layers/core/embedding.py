"""Embedding: a vector for each word number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...base import check, to_torch
from ...base.input_checks import one_shape, one_tensor, refuse
from ...base.layer import Example, Layer, register
from ...base.variable import VariableAttribute
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError
from ...weights import Shape, Var
from .dense import REFUSED

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import CommonOptions

_REFUSED = {**REFUSED, "sparse": "sparse outputs are not here; use sparse=False, which computes the same numbers"}


@register("Embedding")
class Embedding(Layer):
    """A table of vectors, looked up by integers, as `keras.layers.Embedding`.

    Args:
        input_dim: Number of rows: the largest index plus one.
        output_dim: Size of a row.
        embeddings_initializer: Of the table.
        embeddings_regularizer: Penalty on the table.
        embeddings_constraint: Of the table.
        mask_zero: Whether index 0 is padding, so that `compute_mask` is False there.
        weights: Initial values of the table, an array or a list of one; the layer is built at once then.
        lora_rank: None; anything else is refused.
        lora_alpha: Without meaning while `lora_rank` is None.
        quantization_config: None; anything else is refused.
        input_length: Length of the inputs where their shape does not say it (Keras 2); several for more than two axes.
        sparse: False; True is refused.
        use_one_hot_matmul: Changes no number (Keras 2).
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        embeddings: `(input_dim, output_dim)` -> `weight`

    Example:
        >>> Embedding(1000, 64)(torch.zeros(2, 10, dtype=torch.int64)).shape
        torch.Size([2, 10, 64])
    """

    WEIGHTS = (Var("embeddings", ("weight",), lambda l, s: (l.input_dim, l.output_dim)),)
    _takes_ids = True
    _hands_on_mask: bool = False  # of a ragged input of Keras, whose rows end where they do
    CONFIG = (
        "input_dim",
        "output_dim",
        "embeddings_initializer",
        "embeddings_regularizer",
        "activity_regularizer",
        "embeddings_constraint",
        "mask_zero",
    )
    INERT = ("input_length", "sparse", "use_one_hot_matmul", "lora_rank", "lora_alpha", "quantization_config")
    EXAMPLES = (
        Example("default", dict(input_dim=9, output_dim=4), (2, 7)),
        Example("mask", dict(input_dim=9, output_dim=4, mask_zero=True), (2, 7)),
        Example("three axes", dict(input_dim=9, output_dim=4, input_length=(7, 3)), (2, 7, 3)),
    )

    embeddings: VariableAttribute
    weight: Tensor

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "random_uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: int | None = None,
        quantization_config: Any = None,
        *,
        input_length: Any = None,
        sparse: bool = False,
        use_one_hot_matmul: bool = False,
        **base: Unpack[CommonOptions],
    ) -> None:
        lengths: tuple[int | None, ...] | None = None
        if input_length is not None:
            lengths = check.shape("input_length", input_length if _is_sequence(input_length) else (input_length,))
            if base.get("input_shape") is None and base.get("batch_input_shape") is None:
                base["input_shape"] = lengths
        super().__init__(**base)
        self._configure(
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
        )
        self.input_dim = check.positive("input_dim", input_dim)
        self.output_dim = check.positive("output_dim", output_dim)
        self.mask_zero = check.boolean("mask_zero", mask_zero)
        self.supports_masking = self.mask_zero
        self.input_length = lengths[0] if lengths is not None and len(lengths) == 1 else lengths
        self._lengths = lengths
        self._any_shape = (None, *(lengths or (None,)))
        refuse(self, _REFUSED, lora_rank=lora_rank, quantization_config=quantization_config, sparse=sparse)
        check.boolean("use_one_hot_matmul", use_one_hot_matmul)
        if weights is not None:
            self.build(self._any_shape)
            self.set_weights(weights if isinstance(weights, list) and len(weights) == 1 else [weights])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return config if self.input_length is None else {**config, "input_length": self.input_length}

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, least=1, meaning="(batch, ...)")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        batch, *sizes = input_shape
        lengths = self._lengths or (None,) * len(sizes)
        pairs = list(zip(sizes, lengths, strict=False))
        if len(lengths) != len(sizes) or any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise ShapeError(
                f"{repr_of(self)}: input_length={self.input_length} does not fit input of shape {tuple(input_shape)}; "
                "leave input_length out, the input's own shape is enough."
            )
        return (batch, *(length if size is None else size for size, length in pairs), self.output_dim)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self.dtype

    @property
    def _makes_mask(self) -> bool:  # type: ignore[override]
        return self.mask_zero

    def compute_mask(self, inputs: Any, mask: Any = None) -> Tensor | None:
        return torch.as_tensor(inputs) != 0 if self.mask_zero else mask if self._hands_on_mask else None

    def _as_tensor(self, leaf: Any) -> Any:
        # In the layer's dtype, float16 say, large indices would already be others.
        if isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind == "f":
            leaf = leaf.astype(np.int64)
        return super()._as_tensor(leaf)

    def forward(self, x: Tensor) -> Tensor:
        """Look the rows up.

        Args:
            x: Indices `(B, ...)`; other dtypes than int32 and int64 are converted to int32, as in Keras.

        Returns:
            `(B, ..., output_dim)`.

        Raises:
            ArgumentError: An index is not in the table (on the CPU; on a GPU torch stops with a device-side assertion,
                so that `predict`, `fit` and `evaluate` look at indices before they go there).
        """
        x = one_tensor(self, x)
        if x.dtype not in (torch.int32, torch.int64):
            x = x.to(torch.int32)
        try:
            return F.embedding(x, self.weight)
        except IndexError as error:
            raise self._beyond(x) from error

    def refuse_ids(self, x: Tensor) -> None:
        """Raise if an index is not in the table.

        Args:
            x: Indices, as for `forward`, in the host's memory.

        Raises:
            ArgumentError: One is not.
        """
        x = x if x.dtype in (torch.int32, torch.int64) else x.to(torch.int32)
        if x.numel() and (int(x.min()) < 0 or int(x.max()) >= self.input_dim):
            raise self._beyond(x)

    def _beyond(self, x: Tensor) -> ArgumentError:
        return ArgumentError(
            f"{repr_of(self)}: the input holds indices from {int(x.min())} to {int(x.max())}, "
            f"input_dim={self.input_dim} allows 0 to {self.input_dim - 1}; make it the largest index plus one."
        )

    def _to_torch(self) -> nn.Module:
        # No padding_idx, also with mask_zero: Keras trains row 0, too.
        return to_torch.plain(nn.Embedding, self, num_embeddings=self.input_dim, embedding_dim=self.output_dim)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (tuple, list))
