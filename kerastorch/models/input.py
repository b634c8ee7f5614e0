"""Input: where data enters a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..arrays import is_text_array
from ..base import check
from ..base.graph import Node, SymbolicTensor
from ..base.layer import Example, Layer, register
from ..dtypes import HALVES, any_dtype, autocasts, dtype_name
from ..errors import ArgumentError, UnsupportedError
from ..weights import Shape


@register("InputLayer")
class InputLayer(Layer):
    """An input of a model, as `keras.layers.InputLayer`; usually made by `Input`.

    Args:
        shape: Without the batch axis, None where a size is not known.
        batch_size: Fixed batch size, or None.
        batch_shape: Shape with the batch axis, instead of the two.
        optional: The model may get None for it, which goes to the layers that take the input.
        ragged: Rows have steps of their own number: a model takes a padded tensor for them, and must get `mask=`.
        dtype: Of the data: a name or a torch dtype. What a model is called with is cast to it, as in Keras; a floating
            one follows `.double()` and `.half()`. "string": arrays of text, for a layer such as
            TextVectorization.
        **base: `name`, ...

    Example:
        >>> InputLayer((20, 5)).batch_shape
        (None, 20, 5)
    """

    supports_masking = True
    input_dtype: torch.dtype  # its own, where other layers have a property of this name
    CONFIG = ("batch_shape",)
    INERT = ("shape", "batch_size", "sparse", "ragged", "optional", "input_tensor")
    EXAMPLES = (Example("default", dict(batch_shape=(None, 20, 5)), (2, 20, 5)),)

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        batch_shape: Any = None,
        dtype: Any = None,
        *,
        sparse: bool | None = None,
        ragged: bool | None = None,
        optional: bool | None = None,
        input_tensor: Any = None,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        for argument, value in dict(sparse=sparse, input_tensor=input_tensor).items():
            if value:
                raise UnsupportedError(f"Input: {argument}={value!r} is not supported; pass dense tensors.")
        if (shape is None) == (batch_shape is None):
            raise ArgumentError("Input: give either shape, for example Input((20, 5)), or batch_shape=(32, 20, 5).")
        if batch_shape is None:
            batch_size = None if batch_size is None else check.positive("batch_size", batch_size)
            batch_shape = (batch_size, *check.shape("shape", (shape,) if isinstance(shape, int) else shape))
        elif batch_size is not None:
            raise ArgumentError("Input: batch_shape already holds the batch size; do not give batch_size as well.")
        self.batch_shape: Shape = check.shape("batch_shape", batch_shape)
        self.is_text = dtype == "string"
        self.input_dtype = torch.int64 if self.is_text else any_dtype(dtype)  # of what is made of texts
        self.ragged = False if ragged is None else check.boolean("ragged", ragged)
        self.optional = False if optional is None else check.boolean("optional", optional)
        self._follows = False  # whether `.double()` or the like has changed the dtype
        self._built, self._build_shape = True, self.batch_shape

    def get_config(self) -> dict[str, Any]:
        dtype = "string" if self.is_text else dtype_name(self.input_dtype)
        config = {"batch_shape": list(self.batch_shape), "dtype": dtype, "name": self.name}
        return config | {key: True for key in ("ragged", "optional") if getattr(self, key)}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        super()._apply(fn, recurse)
        dtype = fn(torch.empty(0, dtype=self.input_dtype)).dtype
        if dtype != self.input_dtype:
            self.input_dtype, self._follows = dtype, True
        return self

    def _cast(self, x: Any, ids: bool) -> Any:
        """Data in the dtype of the input.

        Integers stay where they are to be looked up (no float32 is 2**24 + 1), and where a model was brought to half
        precision: the layers convert them.

        Args:
            x: The data.
            ids: Whether a layer looks it up in a table.
        """
        if self.is_text != is_text_array(x):
            raise ArgumentError(
                f"input {self.name!r}: expected {'texts' if self.is_text else 'numbers'}, got "
                f"{'numbers' if self.is_text else 'texts'}."
            )
        wanted = self.input_dtype
        if self.is_text or x.dtype == wanted:
            return x
        if wanted.is_floating_point and not x.is_floating_point() and (ids or self._follows):
            return x
        if x.dtype in HALVES and wanted.is_floating_point and autocasts(x.device):
            return x  # as for every layer: torch decides
        return x.to(wanted)

    def _symbol(self) -> SymbolicTensor:
        """A new symbolic tensor that stands for this input's data."""
        node = Node(self, (), {})
        node.structure = SymbolicTensor(self.batch_shape, self.input_dtype, node, 0)
        node.outputs.append(node.structure)
        self._nodes.append(node)
        return node.structure

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        """Return x `(B, ...)`."""
        return x


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    batch_shape: Any = None,
    name: str | None = None,
    **options: Any,
) -> SymbolicTensor:
    """Return a symbolic tensor to build a `Model` from, as `keras.Input`.

    Args:
        shape: Without the batch axis: `(20, 5)` for 20 steps of 5 features, `(None, 5)` for any number of steps.
        batch_size: Fixed batch size (stateful layers need one).
        dtype: Of the data: "float32", "int64", ... ; torch's default float if None. The model casts its inputs to it.
        batch_shape: Shape with the batch axis: `(32, 20, 5)`.
        name: Name of the input.
        **options: `optional`, `ragged`: see `InputLayer`; `sparse`: accepted if it is None or False.

    Returns:
        A symbolic tensor of shape `(batch, *shape)`.

    Raises:
        ArgumentError: Neither or both of shape and batch_shape were given.
    """
    return InputLayer(shape, batch_size, batch_shape, dtype, name=name, **options)._symbol()
