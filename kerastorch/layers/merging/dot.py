"""Dot: the product of two inputs, summed over one axis of each."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...base import check
from ...base.layer import Example, register
from ...errors import ArgumentError, quote
from ...weights import Shape
from .merge import Merge

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import MergeOptions

_EPSILON = 1e-7  # the least norm that an input is divided by


@register("Dot")
class Dot(Merge):
    """The product of two inputs, summed over one axis of each, sample by sample, as `keras.layers.Dot`.

    Args:
        axes: The axis of both inputs, or one for each; not the batch axis.
        normalize: Whether the inputs are scaled to length 1 along these axes first: the result is the cosine.
        **base: `keras2_masks`, without effect as the output has no mask; `name`, `dtype`, `trainable`, ...

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

    def __init__(self, axes: Any, normalize: bool = False, **base: Unpack[MergeOptions]) -> None:
        super().__init__(**base)
        several = isinstance(axes, (list, tuple))
        self.axes = check.integers("axes", axes) if several else check.integer("axes", axes)
        if isinstance(self.axes, tuple) and len(self.axes) != 2:
            raise ArgumentError(f"axes: expected an integer or two of them, got {quote(axes)}.")
        self.normalize = check.boolean("normalize", normalize)

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
