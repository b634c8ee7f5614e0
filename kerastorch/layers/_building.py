"""Building: what surrounds every `build`, so that a layer is marked, checked and filled once, at its end."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from . import _check
from ._calling import joined_shapes
from ._shapes import map_shapes
from ._variables import UnbuiltParameter

if TYPE_CHECKING:
    from ._base import Layer


def finishing(build: Callable[..., None]) -> Callable[..., None]:
    """Wrap a class's `build`: the outermost call of a chain of `super().build` marks the layer as built."""

    @functools.wraps(build)
    def wrapped(self: Layer, *shapes: Any, **named: Any) -> None:
        input_shape: Any = None
        if self._build_depth == 0:
            input_shape = joined_shapes(self, shapes, named)
            if self._built and "unbuilt" not in self._parameters and self._build_shape is not None:
                self.check_input_shape(input_shape)
                return
            input_shape = map_shapes(lambda shape: _check.shape("input_shape", shape), input_shape)
            placeholder = self._parameters.get("unbuilt")
            if isinstance(placeholder, UnbuiltParameter):
                # Not removed yet: it holds the device and dtype that .to() left.
                self._dtype = placeholder.dtype
            shapes, named = (tuple(input_shape) if self._call_arguments.tensors else (input_shape,)), {}
        self._build_depth += 1
        try:
            with torch.no_grad(), self._values_on or nullcontext():
                build(self, *shapes, **named)
        finally:
            self._build_depth -= 1
        if self._build_depth == 0:
            self._parameters.pop("unbuilt", None)
            self._adopt_added_weights()
            self._build_shape = input_shape
            self._built = True
            if self._initial_weights is not None:
                weights, self._initial_weights = self._initial_weights, None
                self.set_weights(weights)

    return wrapped
