"""Layers that merge several inputs: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate."""

from __future__ import annotations

import functools
import operator
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from ...base import check
from ...base.layer import Example, register
from ...weights import Shape
from .merge import Merge, distinct

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import MergeOptions

_TWO = [(2, 7, 3), (2, 7, 3)]
_THREE = [(2, 7, 3), (2, 1, 3), (2, 3)]


class _Elementwise(Merge):
    """Merges value by value; abstract.

    Inputs with fewer axes get axes of size 1 behind the batch axis, and axes of size 1 are repeated.
    """

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self._same_batches(input_shape)

    def _shape_from_call(self, shapes: Any) -> Any:
        self._same_batches(shapes)
        return super()._shape_from_call(shapes)

    def _same_batches(self, shapes: Sequence[Shape], but: int | None = None) -> list[int]:
        """The batch size, if one is known. Keras compares them when it builds a layer; later 1 is repeated."""
        batches = distinct(shape[0] for shape in shapes if shape and shape[0] != but)
        if len(batches) > 1:
            raise self._misfit([tuple(shape) for shape in shapes], "the batch sizes differ")
        return [*batches, *distinct(shape[0] for shape in shapes if shape)][:1]

    def _merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        batches = self._same_batches(shapes, but=1)
        rank = max(map(len, shapes))
        merged: list[Any] = []
        for column in zip(*(_expanded(shape[1:], rank - 1) for shape in shapes), strict=True):
            sizes = distinct(size for size in column if size != 1)
            if len(sizes) > 1:
                raise self._misfit(shapes, "sizes must be equal or 1, counted from the last axis")
            unknown = any(size is None for size in column)
            merged.append(None if unknown else sizes.pop() if sizes else 1)
        return (batches.pop() if batches else None, *merged)[:rank]

    def _merge_masks(self, inputs: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor | None:
        present = [mask for mask in masks if mask is not None]
        if self.keras2_masks:
            return functools.reduce(torch.logical_and, present)
        return functools.reduce(torch.logical_or, present) if len(present) == len(masks) else None

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Merge the inputs.

        Args:
            inputs: A list of tensors `(B, ...)`; one whose batch size is 1 goes with every row of the others.

        Raises:
            ShapeError: There are too many or too few inputs, or their shapes do not fit.
        """
        checked = self._check_inputs(inputs)
        rank = max(x.ndim for x in checked)
        return self._merge([_expand(x, rank) for x in checked])

    @abstractmethod
    def _merge(self, inputs: list[Tensor]) -> Tensor:
        """Merge inputs of one rank."""


def _expanded(sizes: Shape, rank: int) -> Shape:
    return (1,) * (rank - len(sizes)) + sizes


def _expand(x: Tensor, rank: int) -> Tensor:
    for _ in range(rank - x.ndim):
        x = x.unsqueeze(1)
    return x


@register("Add")
class Add(_Elementwise):
    """The sum of the inputs, as `keras.layers.Add`.

    Args:
        keras2_masks: Whether the output's mask is the AND of the masks that there are, as in Keras 2; in Keras 3 it is
            the OR of all, and there is none if an input has none.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Add()([torch.ones(2, 7, 3), torch.ones(2, 3)]).shape
        torch.Size([2, 7, 3])
    """

    CONFIG = ()
    EXAMPLES = (Example("default", dict(), _TWO), Example("repeated axes", dict(keras2_masks=True), _THREE))

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        return functools.reduce(operator.add, inputs)


@register("Subtract")
class Subtract(_Elementwise):
    """The first input minus the second, as `keras.layers.Subtract`.

    Args:
        keras2_masks: As for `Add`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Subtract()([torch.ones(2, 3), torch.ones(2, 3)]).shape
        torch.Size([2, 3])
    """

    INPUTS = 2
    CONFIG = ()
    EXAMPLES = (Example("default", dict(), _TWO), Example("repeated axes", dict(), [(2, 7, 1), (2, 3)]))

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        return inputs[0] - inputs[1]


@register("Multiply")
class Multiply(_Elementwise):
    """The product of the inputs, value by value, as `keras.layers.Multiply`.

    Args:
        keras2_masks: As for `Add`, and masked steps are multiplied like all others; in Keras 3 a step that is masked in
            one input counts as 1 there, and as 0 where it is masked in all.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Multiply()([torch.ones(2, 3), torch.ones(2, 3)]).shape
        torch.Size([2, 3])
    """

    CONFIG = ()
    EXAMPLES = (Example("default", dict(), _TWO), Example("repeated axes", dict(), _THREE))

    def forward(self, inputs: Sequence[Tensor], mask: Any = None) -> Tensor:
        """Multiply the inputs `(B, ...)`; see `Maximum.forward`."""
        checked = self._check_inputs(inputs)
        masks = [None] * len(checked) if self.keras2_masks else self._check_masks(checked, mask)
        rank = max(x.ndim for x in checked)
        used = [_over_features(x, own, rank) for x, own in zip(checked, masks, strict=True)]
        factors = [
            _expand(x, rank) if own is None else torch.where(own, x, 1) for x, own in zip(checked, used, strict=True)
        ]
        output = self._merge(factors)
        present = [own for own in used if own is not None]
        if len(present) < len(used):
            return output
        return torch.where(functools.reduce(torch.logical_or, present), output, 0)

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        return functools.reduce(operator.mul, inputs)


@register("Average")
class Average(_Elementwise):
    """The mean of the inputs, value by value, as `keras.layers.Average`.

    Args:
        keras2_masks: As for `Add`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Average()([torch.ones(2, 3), torch.ones(2, 3)]).shape
        torch.Size([2, 3])
    """

    CONFIG = ()
    EXAMPLES = (Example("default", dict(), _TWO), Example("repeated axes", dict(), _THREE))

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return input_dtype if input_dtype.is_floating_point else torch.get_default_dtype()

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        return functools.reduce(operator.add, inputs) / len(inputs)


class _Extremum(_Elementwise):
    """Maximum and Minimum; abstract. Where an input is masked, Keras 3 takes the other one."""

    CHOOSE: ClassVar[Callable[[Tensor, Tensor], Tensor]]

    def forward(self, inputs: Sequence[Tensor], mask: Any = None) -> Tensor:
        """Merge the inputs.

        Args:
            inputs: A list of tensors `(B, ...)`.
            mask: A list of masks `(B, T)`, None for an input without one; True = use the step. With `keras2_masks` they
                change nothing.

        Raises:
            ShapeError: There are too many or too few inputs, or their shapes do not fit.
        """
        checked = self._check_inputs(inputs)
        masks = [None] * len(checked) if self.keras2_masks else self._check_masks(checked, mask)
        rank = max(x.ndim for x in checked)
        output, used = _expand(checked[0], rank), _over_features(checked[0], masks[0], rank)
        for x, own_mask in zip(checked[1:], masks[1:], strict=True):
            own = _over_features(x, own_mask, rank)
            x = _expand(x, rank)
            if own is not None:
                x = torch.where(own, x, output)
            if used is not None:
                output = torch.where(used, output, x)
            used = None if own is None or used is None else used | own
            output = type(self).CHOOSE(output, x)
        return output

    def _merge(self, inputs: list[Tensor]) -> Tensor:
        return functools.reduce(type(self).CHOOSE, inputs)


def _over_features(x: Tensor, mask: Tensor | None, rank: int) -> Tensor | None:
    """The mask with axes of size 1 for the features; Keras forgets the mask of an input that it gives more axes."""
    return None if mask is None or x.ndim < rank else mask.reshape(*mask.shape, *[1] * (rank - mask.ndim))


@register("Maximum")
class Maximum(_Extremum):
    """The larger of the inputs, value by value, as `keras.layers.Maximum`.

    Args:
        keras2_masks: As for `Add`, and masked steps are compared like all others; in Keras 3 a step that is masked in
            one input is the other's.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Maximum()([torch.ones(2, 3), torch.ones(2, 3)]).shape
        torch.Size([2, 3])
    """

    CONFIG = ()
    EXAMPLES = (Example("default", dict(), _TWO), Example("repeated axes", dict(), _THREE))
    CHOOSE = staticmethod(torch.maximum)


@register("Minimum")
class Minimum(_Extremum):
    """The smaller of the inputs, value by value, as `keras.layers.Minimum`.

    Args:
        keras2_masks: As for `Maximum`.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Minimum()([torch.ones(2, 3), torch.ones(2, 3)]).shape
        torch.Size([2, 3])
    """

    CONFIG = ()
    EXAMPLES = (Example("default", dict(), _TWO), Example("repeated axes", dict(), _THREE))
    CHOOSE = staticmethod(torch.minimum)


@register("Concatenate")
class Concatenate(Merge):
    """The inputs one after the other along an axis, as `keras.layers.Concatenate`.

    Args:
        axis: The axis.
        **base: `keras2_masks`: whether a step counts if it counts in ALL inputs, as in Keras 2; in Keras 3 it counts if
            it counts in any. An input without a mask counts everywhere. `name`, `dtype`, `trainable`, ...

    Example:
        >>> Concatenate()([torch.zeros(2, 7, 3), torch.zeros(2, 7, 4)]).shape
        torch.Size([2, 7, 7])
    """

    CONFIG = ("axis",)
    EXAMPLES = (
        Example("default", dict(), [(2, 7, 3), (2, 7, 4)]),
        Example("steps", dict(axis=1, keras2_masks=True), [(2, 7, 3), (2, 5, 3), (2, 1, 3)]),
    )

    def __init__(self, axis: int = -1, **base: Unpack[MergeOptions]) -> None:
        super().__init__(**base)
        self.axis = check.integer("axis", axis)

    def _merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        first = shapes[0]
        if not -len(first) <= self.axis < len(first):
            raise self._misfit(shapes, f"there is no axis {self.axis}")
        if len(set(map(len, shapes))) > 1:
            raise self._misfit(shapes, "they must have the same number of axes")
        axis = self.axis % len(first)
        for index, column in enumerate(zip(*shapes, strict=True)):
            if index != axis and len(distinct(column)) > 1:
                raise self._misfit(shapes, f"sizes other than those of axis {self.axis} must be equal")
        along = [shape[axis] for shape in shapes]
        unknown = any(size is None for size in along)
        return (*first[:axis], None if unknown else sum(along), *first[axis + 1 :])

    def _merge_masks(self, inputs: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor:
        rank = inputs[0].ndim
        depth = next(mask.ndim for mask in masks if mask is not None)
        filled = [
            torch.ones(x.shape[:depth], dtype=torch.bool, device=x.device) if mask is None else mask
            for x, mask in zip(inputs, masks, strict=True)
        ]
        axis = self.axis % rank
        if axis < depth:
            joined = torch.cat(filled, axis)
            # A mask as deep as its input is reduced over the last axis, as Keras does.
            return joined if depth < rank else joined.all(-1) if self.keras2_masks else joined.any(-1)
        return functools.reduce(torch.logical_and if self.keras2_masks else torch.logical_or, filled)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Concatenate the inputs.

        Args:
            inputs: A list of tensors `(B, ...)` that differ in the size of `axis` only.

        Raises:
            ShapeError: The shapes do not fit.
        """
        return torch.cat(self._check_inputs(inputs), self.axis)
