"""What every initializer is: it fills a wanted tensor with values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ._serial import Configured
from .dtypes import weight_dtype
from .errors import ShapeError


class Target(NamedTuple):
    """The tensor that is wanted."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    generator: torch.Generator | None


class Initializer(Configured):
    """Base of all initializers. Your own one implements `values`, or is a function `(shape, dtype=None) -> tensor`."""

    ignored = frozenset({"dtype"})  # TensorFlow 1 wrote it; the dtype is the variable's

    def __call__(
        self,
        shape: Sequence[int],
        dtype: torch.dtype | str | None = None,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return a new tensor.

        Args:
            shape: In Keras's layout, from which the fans are computed: (in, out) for a kernel.
            dtype: A dtype of torch, or a name such as "float32"; the default float dtype of torch if None.
            device: On "meta" no numbers are drawn.
            generator: Draws the numbers of an initializer without a seed.
        """
        sizes = tuple(int(size) for size in shape)
        if any(size < 0 for size in sizes):
            raise ShapeError(f"{type(self).__name__}: expected sizes of 0 or more, got shape {sizes}.")
        place = torch.get_default_device() if device is None else torch.device(device)
        named = weight_dtype(dtype) if isinstance(dtype, str) else dtype
        to = Target(sizes, named or torch.get_default_dtype(), place, generator)
        self.check(to)
        if place.type == "meta":
            return torch.empty(sizes, dtype=to.dtype, device=place)
        with torch.no_grad():
            return self.values(to)

    def check(self, to: Target) -> None:
        """Raise if the shape or the dtype is none that this initializer can fill."""

    def values(self, to: Target) -> Tensor:
        """Return the new tensor."""
        raise NotImplementedError
