"""Layers that merge several inputs: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot."""

from __future__ import annotations

import functools
import operator
import string
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ArgumentError, ShapeError, quote
from ..weights import Shape
from . import _check
from ._base import Example, Layer, register
from ._weighted import repr_of

_EPSILON = 1e-7  # the least norm that Dot divides by
_TWO = [(2, 7, 3), (2, 7, 3)]
_THREE = [(2, 7, 3), (2, 1, 3), (2, 3)]


class _Merge(Layer):
    """What the merging layers share: a list of inputs, and the mask of the output; abstract."""

    supports_masking = True
    INERT = ("keras2_masks",)
    INPUTS: ClassVar[int | None] = None  # how many there must be; None: at least one

    def __init__(self, *, keras2_masks: bool = False, **base: Any) -> None:
        super().__init__(**base)
        self.keras2_masks = _check.boolean("keras2_masks", keras2_masks)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "keras2_masks": True} if self.keras2_masks else config

    @abstractmethod
    def _merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        """The output shape; raises if the shapes do not fit."""

    @abstractmethod
    def _merge_masks(self, inputs: Sequence[Tensor], masks: Sequence[Tensor | None]) -> Tensor | None:
        """The mask of the output, where at least one input has one."""

    def check_input_shape(self, input_shape: Any) -> None:
        count = f"{self.INPUTS} inputs" if self.INPUTS else "inputs"
        if not input_shape or not all(isinstance(shape, (tuple, list)) for shape in input_shape):
            raise ShapeError(
                f"{repr_of(self)} takes a list of {count}, got one of shape {tuple(input_shape)}; "
                f"call it as layer([a, b])."
            )
        if self.INPUTS is not None and len(input_shape) != self.INPUTS:
            raise ShapeError(f"{repr_of(self)} takes a list of {count}, got {len(input_shape)}: {list(input_shape)}.")
        self._merged_shape([tuple(shape) for shape in input_shape])

    def _misfit(self, shapes: Sequence[Shape], why: str) -> ShapeError:
        return ShapeError(f"{repr_of(self)}: inputs of shapes {list(shapes)} do not fit: {why}.")

    def _check_inputs(self, inputs: Any) -> list[Tensor]:
        """Raise unless `inputs` is a list of tensors that fit."""
        if isinstance(inputs, Tensor):
            self.check_input_shape(tuple(inputs.shape))
        if not isinstance(inputs, (list, tuple)) or not all(isinstance(x, Tensor) for x in inputs):
            raise ArgumentError(f"{repr_of(self)}: expected a list of tensors, got {quote(type(inputs).__name__)}.")
        self.check_input_shape([tuple(x.shape) for x in inputs])
        return list(inputs)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        self.check_input_shape(input_shape)
        return self._merged_shape([tuple(shape) for shape in input_shape])

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        masks = self._check_masks(inputs, mask)
        return None if all(item is None for item in masks) else self._merge_masks(inputs, masks)

    def _check_masks(self, inputs: Sequence[Tensor], mask: Any) -> list[Tensor | None]:
        if mask is None:
            return [None] * len(inputs)
        if not isinstance(mask, (list, tuple)) or len(mask) != len(inputs):
            got = f"{len(mask)}" if isinstance(mask, (list, tuple)) else quote(type(mask).__name__)
            raise ArgumentError(
                f"{repr_of(self)}: expected a list of {len(inputs)} masks (None for an input without), got {got}."
            )
        return [None if item is None else torch.as_tensor(item, dtype=torch.bool) for item in mask]


def _distinct(sizes: Iterable[Any]) -> list[Any]:
    """The different sizes that are known. No set: the sizes that torch.export passes cannot be hashed."""
    found: list[Any] = []
    for size in sizes:
        if size is not None and all(size != other for other in found):
            found.append(size)
    return found


class _Elementwise(_Merge):
    """Merges value by value; abstract.

    Inputs with fewer axes get axes of size 1 behind the batch axis, and axes of size 1 are repeated.
    """

    def _merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        batches = _distinct(shape[0] for shape in shapes if shape)
        if len(batches) > 1:
            raise self._misfit(shapes, "the batch sizes differ")
        rank = max(map(len, shapes))
        merged: list[Any] = []
        for column in zip(*(_expanded(shape[1:], rank - 1) for shape in shapes), strict=True):
            sizes = _distinct(size for size in column if size != 1)
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
            inputs: A list of tensors `(B, ...)`.

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
        """Multiply the inputs; see `Maximum.forward`."""
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
class Concatenate(_Merge):
    """The inputs one after the other along an axis, as `keras.layers.Concatenate`.

    Args:
        axis: The axis.
        keras2_masks: Whether a step counts if it counts in ALL inputs, as in Keras 2; in Keras 3 it counts if it counts
            in any. An input without a mask counts everywhere.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Concatenate()([torch.zeros(2, 7, 3), torch.zeros(2, 7, 4)]).shape
        torch.Size([2, 7, 7])
    """

    CONFIG = ("axis",)
    EXAMPLES = (
        Example("default", dict(), [(2, 7, 3), (2, 7, 4)]),
        Example("steps", dict(axis=1, keras2_masks=True), [(2, 7, 3), (2, 5, 3), (2, 1, 3)]),
    )

    def __init__(self, axis: int = -1, **base: Any) -> None:
        super().__init__(**base)
        self.axis = _check.integer("axis", axis)

    def _merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        first = shapes[0]
        if not -len(first) <= self.axis < len(first):
            raise self._misfit(shapes, f"there is no axis {self.axis}")
        if len(set(map(len, shapes))) > 1:
            raise self._misfit(shapes, "they must have the same number of axes")
        axis = self.axis % len(first)
        for index, column in enumerate(zip(*shapes, strict=True)):
            if index != axis and len(_distinct(column)) > 1:
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
            inputs: A list of tensors that differ in the size of `axis` only.

        Raises:
            ShapeError: The shapes do not fit.
        """
        return torch.cat(self._check_inputs(inputs), self.axis)


@register("Dot")
class Dot(_Merge):
    """The product of two inputs, summed over one axis of each, sample by sample, as `keras.layers.Dot`.

    Args:
        axes: The axis of both inputs, or one for each; not the batch axis.
        normalize: Whether the inputs are scaled to length 1 along these axes first: the result is the cosine.
        keras2_masks: Without effect: the output has no mask.
        **base: `name`, `dtype`, `trainable`, ...

    Example:
        >>> Dot(axes=(1, 2))([torch.zeros(2, 3, 5), torch.zeros(2, 10, 3)]).shape
        torch.Size([2, 5, 10])
    """

    INPUTS = 2
    CONFIG = ("axes", "normalize")
    EXAMPLES = (
        Example("vectors", dict(axes=-1), [(2, 3), (2, 3)]),
        Example("attention", dict(axes=(2, 1)), [(2, 4, 7), (2, 7, 3)]),
        Example("cosine", dict(axes=2, normalize=True), [(2, 4, 3), (2, 5, 3)]),
        Example("different ranks", dict(axes=(1, 2)), [(2, 3), (2, 5, 3, 4)]),
    )

    def __init__(self, axes: Any, normalize: bool = False, **base: Any) -> None:
        super().__init__(**base)
        several = isinstance(axes, (list, tuple))
        self.axes = _check.integers("axes", axes) if several else _check.integer("axes", axes)
        if isinstance(self.axes, tuple) and len(self.axes) != 2:
            raise ArgumentError(f"axes: expected an integer or two of them, got {quote(axes)}.")
        self.normalize = _check.boolean("normalize", normalize)

    def _axes(self, shapes: Sequence[Shape]) -> tuple[int, int]:
        first, second = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        for axis, shape in zip((first, second), shapes, strict=True):
            if not -len(shape) <= axis < len(shape) or axis % len(shape) == 0:
                raise self._misfit(shapes, f"axes={self.axes} must be axes behind the batch axis")
        return first % len(shapes[0]), second % len(shapes[1])

    def _merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        first, second = self._axes(shapes)
        sizes = (shapes[0][first], shapes[1][second])
        if None not in sizes and sizes[0] != sizes[1]:
            raise self._misfit(shapes, f"axis {first} of the first must be as long as axis {second} of the second")
        if None not in (shapes[0][0], shapes[1][0]) and shapes[0][0] != shapes[1][0]:
            raise self._misfit(shapes, "the batch sizes differ")
        merged = [size for axis, size in enumerate(shapes[0]) if axis != first]
        merged += [size for axis, size in enumerate(shapes[1]) if axis not in (0, second)]
        return tuple(merged) if len(merged) > 1 else (*merged, 1)

    def _merge_masks(self, inputs: Sequence[Tensor], masks: Sequence[Tensor | None]) -> None:
        return None

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Multiply the two inputs and sum.

        Args:
            inputs: A list of two tensors `(B, ...)`.

        Returns:
            `(B, ...)`: the axes of the first, then those of the second, without the summed ones; at least `(B, 1)`.

        Raises:
            ShapeError: There are not two inputs, or their shapes do not fit.
        """
        left, right = self._check_inputs(inputs)
        first, second = self._axes([tuple(left.shape), tuple(right.shape)])
        if self.normalize:
            left, right = F.normalize(left, dim=first, eps=_EPSILON), F.normalize(right, dim=second, eps=_EPSILON)
        letters = iter(string.ascii_lowercase)
        one = [next(letters) for _ in range(left.ndim)]
        two = [next(letters) for _ in range(right.ndim)]
        two[0], two[second] = one[0], one[first]
        kept = [letter for letter in one if letter != one[first]] + [x for x in two if x not in (one[0], one[first])]
        result = torch.einsum(f"{''.join(one)},{''.join(two)}->{''.join(kept)}", left, right)
        return result if result.ndim > 1 else result.unsqueeze(-1)
