"""What layers without weights over rows, images and volumes share: where the axes of the image stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ArgumentError, quote
from ..weights import Shape
from . import check
from .input_checks import one_shape
from .layer import Layer
from .windows import FARTHEST, axes_named, data_format_of, sizes


class Spatial(Layer):
    """A layer over the axes of an image, which stand between batch and channels, or behind both; abstract."""

    data_format: str = "channels_last"

    def __init__(self, data_format: str | None = None, **base: Any) -> None:
        super().__init__(**base)
        if data_format is not None and "data_format" not in type(self).CONFIG:
            raise ArgumentError(f"{type(self).__name__} has no argument 'data_format': its inputs are {self._meaning}.")
        self.data_format = data_format_of(data_format)

    @property
    def _channel_axis(self) -> int:
        return 1 if self.data_format == "channels_first" else -1

    @property
    def _image_axes(self) -> tuple[int, ...]:
        """The axes of the image in the input."""
        first = 2 if self.data_format == "channels_first" else 1
        return tuple(range(first, first + type(self).SPATIAL))

    @property
    def _meaning(self) -> str:
        """The axes of the input for messages."""
        return f"(batch, {axes_named(type(self).SPATIAL, self.data_format == 'channels_first')})"

    def _check_input_shape(self, input_shape: Shape) -> None:
        one_shape(self, input_shape, rank=type(self).SPATIAL + 2, meaning=self._meaning)

    def _image(self, input_shape: Shape) -> Shape:
        """The sizes of the image."""
        return tuple(input_shape[axis] for axis in self._image_axes)

    def _with_image(self, input_shape: Shape, image: Sequence[Any]) -> Shape:
        """The shape with another image in it."""
        shape = list(input_shape)
        for axis, size in zip(self._image_axes, image, strict=True):
            shape[axis] = size
        return tuple(shape)


def sides(name: str, value: Any, rank: int) -> tuple[tuple[int, int], ...]:
    """How much goes before and behind each of `rank` axes, from any of Keras's ways to write it."""
    if not hasattr(value, "__iter__") or isinstance(value, (str, dict)):
        side = check.size(name, value, 0, FARTHEST)
        return ((side, side),) * rank
    entries = [value] if rank == 1 else list(value)
    if len(entries) != rank:
        raise ArgumentError(
            f"{name}: expected an integer, {rank} integers, or {rank} pairs (before, behind), got {quote(value)}."
        )
    names = [name] if rank == 1 else [f"{name}[{axis}]" for axis in range(rank)]
    found: list[tuple[int, int]] = []
    for its_name, entry in zip(names, entries, strict=True):
        before, behind = sizes(its_name, entry, 2, 0)
        found.append((before, behind))
    return tuple(found)
