"""What the layers with several inputs share: the list of inputs, and the mask of the output."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from ...base import check
from ...base.input_checks import mask_tensor
from ...base.layer import Layer
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError, counted, quote
from ...structure import is_shape
from ...weights import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


class Merge(Layer):
    """What the merging layers share: a list of inputs, and the mask of the output; abstract."""

    supports_masking = True
    INERT = ("keras2_masks",)
    INPUTS: ClassVar[int | None] = None  # how many there must be; None: at least one

    def __init__(self, *, keras2_masks: bool = False, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        self.keras2_masks = check.boolean("keras2_masks", keras2_masks)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "keras2_masks": True} if self.keras2_masks else config

    @abstractmethod
    def _merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        """The output shape; raises if the shapes do not fit."""

    @abstractmethod
    def _merge_masks(self, inputs: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor | None:
        """The mask of the output, where at least one input has one."""

    def _check_input_shape(self, input_shape: Any) -> None:
        count = f"{type(self).INPUTS} inputs" if type(self).INPUTS else "inputs"
        if not input_shape or not all(isinstance(shape, (tuple, list)) for shape in input_shape):
            raise ShapeError(
                f"{repr_of(self)} takes a list of {count}, got one of shape {tuple(input_shape)}; "
                f"call it as layer([a, b])."
            )
        if isinstance(input_shape, dict) or not all(map(is_shape, input_shape)):
            raise ShapeError(f"{repr_of(self)} takes a list of {count}, got more in one of them: {quote(input_shape)}.")
        if type(self).INPUTS is not None and len(input_shape) != type(self).INPUTS:
            raise ShapeError(f"{repr_of(self)} takes a list of {count}, got {len(input_shape)}: {list(input_shape)}.")
        self._merged_shape([tuple(shape) for shape in input_shape])

    def _misfit(self, shapes: Sequence[Shape], why: str) -> ShapeError:
        return ShapeError(f"{repr_of(self)}: inputs of shapes {list(shapes)} do not fit: {why}.")

    def _check_inputs(self, inputs: Any) -> list[Tensor]:
        """Raise unless `inputs` is a list of tensors that fit."""
        if isinstance(inputs, Tensor):
            self._check_input_shape(tuple(inputs.shape))
        if not isinstance(inputs, (list, tuple)) or not all(isinstance(x, Tensor) for x in inputs):
            raise ArgumentError(f"{repr_of(self)}: expected a list of tensors, got {quote(type(inputs).__name__)}.")
        self._check_input_shape([tuple(x.shape) for x in inputs])
        return list(inputs)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        self._check_input_shape(input_shape)
        return self._merged_shape([tuple(shape) for shape in input_shape])

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if not isinstance(inputs, (list, tuple)):
            raise ArgumentError(
                f"{repr_of(self)}: compute_mask: expected a list of inputs, got {quote(type(inputs).__name__)}."
            )
        masks = self._check_masks(inputs, mask)
        return None if all(item is None for item in masks) else self._merge_masks(inputs, masks)

    def _check_masks(self, inputs: Sequence[Tensor], mask: Any) -> list[Tensor | None]:
        if mask is None:
            return [None] * len(inputs)
        if not isinstance(mask, (list, tuple)) or len(mask) != len(inputs):
            got = f"{len(mask)}" if isinstance(mask, (list, tuple)) else quote(type(mask).__name__)
            raise ArgumentError(
                f"{repr_of(self)}: expected a list of {counted(len(inputs), 'mask')} (None for an input without), "
                f"got {got}."
            )
        return [None if item is None else mask_tensor(self, item).bool() for item in mask]


def distinct(sizes: Iterable[Any]) -> list[Any]:
    """The different sizes that are known. No set: the sizes that torch.export passes cannot be hashed."""
    found: list[Any] = []
    for size in sizes:
        if size is not None and all(size != other for other in found):
            found.append(size)
    return found
