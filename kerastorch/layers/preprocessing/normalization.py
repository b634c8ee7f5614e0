"""Normalization: features shifted and scaled by statistics of the data, which are found once and kept."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...base import check
from ...base.input_checks import float_tensor, one_shape, sizes_at
from ...base.layer import Example, Layer, register
from ...base.variable import VariableAttribute
from ...base.weighted import repr_of
from ...errors import ArgumentError, ShapeError, counted, quote
from ...weights import Filler, Shape, Var

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions

_EPSILON = 1e-7  # Keras's backend.epsilon()


def _adapted(layer: Any) -> bool:
    return layer.input_mean is None


def _moment(name: str, init: Any) -> Var:
    """A statistic that `adapt` finds; Keras 3 has it as the attribute `adapt_mean` or `adapt_variance`."""
    also = (f"adapt_{name}",)
    return Var(name, (name,), lambda l, s: l._sizes, when=_adapted, trainable=False, init=init, also=also)


def _given(name: str) -> Filler:
    return Filler(
        name,
        lambda layer: layer._sizes,
        when=lambda layer: not _adapted(layer),
        value=lambda layer: getattr(layer, f"input_{name}"),
    )


def _zeros(shape: Any, **options: Any) -> Tensor:
    return torch.zeros(shape, **options)


def _ones(shape: Any, **options: Any) -> Tensor:
    return torch.ones(shape, **options)


@register("Normalization")
class Normalization(Layer):
    """`(x - mean) / max(sqrt(variance), 1e-7)` with fixed statistics, as `keras.layers.Normalization`.

    The statistics are given (and are no variables then), or `adapt` finds them in data, or they come from a file.

    Args:
        axis: The axis, or several, whose places have their own statistics; None for one mean and variance of all.
        mean: Given together with `variance`: a number, or an array for the sizes of `axis` in rising order.
        variance: See `mean`.
        invert: Whether to compute x from normalised values instead.
        keras2_masks: Whether the mask ends here, as in tf.keras.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        mean: the sizes of `axis` -> `mean`, a buffer
        variance: the sizes of `axis` -> `variance`, a buffer
        count: int64, `()` -> `count`, a buffer; how much data tf.keras has seen, Keras 3 leaves it

    Example:
        >>> layer = Normalization()
        >>> layer.adapt(torch.tensor([[1.0, 5.0], [3.0, 5.5]]))
        >>> layer(torch.tensor([[2.0, 6.0]]))
        tensor([[0., 3.]])
    """

    WEIGHTS = (
        _moment("mean", lambda l: _zeros),
        _moment("variance", lambda l: _ones),
        Var(
            "count", ("count",), lambda l, s: (), when=_adapted, trainable=False, init=lambda l: _zeros,
            dtype=torch.int64,
        ),
    )  # fmt: skip
    FILLERS = (_given("mean"), _given("variance"))
    CONFIG = ("axis", "mean", "variance", "invert")
    INERT = ("keras2_masks",)
    EXAMPLES = (
        Example("default", dict(), (2, 7, 3)),
        Example("all together", dict(axis=None), (2, 3)),
        Example("two axes", dict(axis=[1, -1], invert=True), (2, 7, 3)),
        Example("given", dict(mean=[1.0, 2.0, -0.5], variance=[0.5, 1.0, 2.0]), (2, 7, 3)),
        Example("one number", dict(axis=None, mean=1.5, variance=2.0, invert=True, keras2_masks=True), (2, 3)),
    )

    adapt_mean: VariableAttribute
    adapt_variance: VariableAttribute
    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(
        self,
        axis: Any = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        *,
        keras2_masks: bool = False,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(**base)
        several = isinstance(axis, (list, tuple))
        self.axis = (
            list(check.integers("axis", axis)) if several else None if axis is None else check.integer("axis", axis)
        )
        self.invert = check.boolean("invert", invert)
        self.keras2_masks = check.boolean("keras2_masks", keras2_masks)
        self.supports_masking = not self.keras2_masks
        if (mean is None) != (variance is None):
            raise ArgumentError(
                f"mean and variance: expected both or neither, got mean={quote(mean)}, variance={quote(variance)}."
            )
        self.input_mean: Any = None if mean is None else check.numbers("mean", mean)
        self.input_variance: Any = None if variance is None else check.numbers("variance", variance)
        shapes = np.shape(self.input_mean), np.shape(self.input_variance)
        axes = 0 if axis is None else len(axis) if several else 1
        if self.input_mean is not None and (shapes[0] != shapes[1] or len(shapes[0]) > axes):
            raise ArgumentError(
                f"mean and variance: expected arrays of one shape with at most {counted(axes, 'axis', 'axes')}, as "
                f"axis={quote(axis)} has, "
                f"got shapes {shapes[0]} and {shapes[1]}."
            )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "keras2_masks": True} if self.keras2_masks else config

    def _plain(self, key: str) -> Any:
        return getattr(self, f"input_{key}") if key in ("mean", "variance") else super()._plain(key)

    # ------------------------------------------------------------------ building

    def _kept(self, rank: int) -> list[int]:
        """The axes with own statistics, in order."""
        axes = [] if self.axis is None else [self.axis] if isinstance(self.axis, int) else self.axis
        return sorted(axis + rank if -rank <= axis < 0 else axis for axis in axes)

    def build(self, input_shape: Shape) -> None:
        self._check_input_shape(input_shape)
        self._sizes = sizes_at(self, input_shape, self._kept(len(input_shape)))
        super().build(input_shape)

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape)
        sizes = sizes_at(self, input_shape, self._kept(len(input_shape)))
        if self.input_mean is not None:
            own = np.shape(self.input_mean)
            if any(a not in (1, b) for a, b in zip(reversed(own), reversed(sizes), strict=False)):
                raise ShapeError(
                    f"{repr_of(self)}: mean of shape {own} does not fit sizes {sizes} at axis {self.axis}."
                )
        expected = self._sizes if self._built else sizes
        if sizes != expected:
            raise ShapeError(
                f"{repr_of(self)}: expected sizes {expected} at axis {self.axis}, got {sizes} "
                f"(input of shape {tuple(input_shape)})."
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_input_shape(input_shape)
        return tuple(input_shape)

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self.dtype

    # ------------------------------------------------------------------ the statistics

    @torch.no_grad()
    def adapt(self, data: Any) -> None:
        """Set mean and variance to those of the data; the layer is built for it if it is not yet.

        Args:
            data: One array or tensor with all samples, or an iterable of batches of them (of a tuple the first item).

        Raises:
            ArgumentError: There is no data, or the statistics were given as arguments.
            ShapeError: The data does not fit the layer.
        """
        if self.input_mean is not None:
            raise ArgumentError(f"{repr_of(self)}: mean and variance are given, so there is nothing to adapt.")
        mean = variance = None
        total = 0
        for batch in _batches(self, data):
            if not self._built:
                self.build((batch.shape[0] if 0 in self._kept(batch.ndim) else None, *batch.shape[1:]))
            self._check_input_shape(tuple(batch.shape))
            others = [axis for axis in range(batch.ndim) if axis not in self._kept(batch.ndim)]
            count = math.prod(batch.shape[axis] for axis in others) if others else 1
            if not count:
                continue
            if others:
                new_variance, new_mean = torch.var_mean(batch, others, correction=0)
            else:
                new_variance, new_mean = torch.zeros_like(batch), batch
            total += count
            if mean is None or variance is None:
                mean, variance = new_mean, new_variance
                continue
            weight = count / total
            both = mean * (1 - weight) + new_mean * weight
            variance = (variance + (mean - both) ** 2) * (1 - weight) + (new_variance + (new_mean - both) ** 2) * weight
            mean = both
        if mean is None or variance is None:
            raise ArgumentError(f"{repr_of(self)}: adapt was given no data; give it an array of samples.")
        self.mean.copy_(mean)
        self.variance.copy_(variance)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x, or the other way round with `invert`.

        Args:
            x: `(B, ...)`, integers or of the layer's dtype.

        Raises:
            ShapeError: x has other sizes at `axis`.
        """
        x = float_tensor(self, x, self._computes_in)
        self._check_input_shape(tuple(x.shape))
        kept = self._kept(x.ndim)
        shape = [size if axis in kept else 1 for axis, size in enumerate(x.shape)]
        mean, variance = self.mean.to(x.dtype).view(shape), self.variance.to(x.dtype).view(shape)
        deviation = variance.sqrt().clamp(min=_EPSILON)
        return mean + x * deviation if self.invert else (x - mean) / deviation


def _batches(layer: Layer, data: Any) -> Iterable[Tensor]:
    """The data in double precision, where sums of many values stay exact."""
    if isinstance(data, (np.ndarray, Tensor)):
        data = [data]
    elif isinstance(data, (str, bytes)) or not hasattr(data, "__iter__"):
        raise ArgumentError(
            f"{repr_of(layer)}: adapt: expected an array, a tensor or an iterable of them, got "
            f"{quote(type(data).__name__)}."
        )
    for batch in itertools.chain(data):
        batch = batch[0] if isinstance(batch, tuple) else batch
        if not isinstance(batch, (np.ndarray, Tensor)) and hasattr(batch, "shape") and hasattr(batch, "__array__"):
            batch = np.asarray(batch)  # a tensor of another library
        if not isinstance(batch, (np.ndarray, Tensor)):
            raise ArgumentError(
                f"{repr_of(layer)}: adapt: expected batches that are arrays or tensors, got one of type "
                f"{quote(type(batch).__name__)}."
            )
        yield torch.as_tensor(batch).detach().cpu().double()
