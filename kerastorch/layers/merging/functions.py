"""The merging layers as functions: `layers.add([a, b])` is `layers.Add()([a, b])`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .dot import Dot
from .merging import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract


def add(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The sum of the inputs, by a new `Add` layer: `keras.layers.add`.

    Args:
        inputs: A list of tensors, symbolic or real.
        **kwargs: Of the layer.
    """
    return Add(**kwargs)(inputs)


def subtract(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The first input minus the second, by a new `Subtract` layer: `keras.layers.subtract`; see `add`."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The product of the inputs, by a new `Multiply` layer: `keras.layers.multiply`; see `add`."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The mean of the inputs, by a new `Average` layer: `keras.layers.average`; see `add`."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The larger of the inputs, by a new `Maximum` layer: `keras.layers.maximum`; see `add`."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The smaller of the inputs, by a new `Minimum` layer: `keras.layers.minimum`; see `add`."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """The inputs one after the other, by a new `Concatenate` layer: `keras.layers.concatenate`.

    Args:
        inputs: A list of tensors, symbolic or real.
        axis: The axis along which they are joined.
        **kwargs: Of the layer.
    """
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Sequence[Any], axes: Any = -1, **kwargs: Any) -> Any:
    """The product of two inputs summed over one axis of each, by a new `Dot` layer: `keras.layers.dot`.

    Args:
        inputs: Two tensors, symbolic or real.
        axes: The axis of both, or one for each.
        **kwargs: Of the layer: `normalize=True` gives the cosine.
    """
    return Dot(axes=axes, **kwargs)(inputs)
