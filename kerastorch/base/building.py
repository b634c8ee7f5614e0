"""Building: what surrounds every `build`, so that a layer is marked, checked and filled once, at its end."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from ..errors import ShapeError
from ..structure import map_shapes
from . import check
from .call_arguments import joined_shapes
from .naming import inside
from .protocol import AnyLayer
from .variables import UnbuiltParameter, mark
from .weighted import repr_of


class _Lock:
    """One thread builds at a time; a layer is first called by several where threads share a model.

    One lock for all layers, not one in each: what a layer builds calls others, and a layer is copied and pickled.
    """

    def __init__(self) -> None:
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)  # the thread that may have held it is not there

    def renew(self) -> None:
        self.lock = threading.RLock()


_LOCK = _Lock()


def alone(layer: AnyLayer | None = None) -> AbstractContextManager[Any]:
    """While it is open no other thread builds. For a call: nothing, if the layer is built already."""
    if (layer is not None and layer._built) or torch.compiler.is_compiling():
        return nullcontext()
    return _LOCK.lock


def lasting() -> AbstractContextManager[Any]:
    """Tensors that are made here serve in training too, whatever runs around: `predict` may be the first call."""
    if torch.compiler.is_compiling() or not torch.is_inference_mode_enabled():
        return nullcontext()
    return torch.inference_mode(False)


def finishing(build: Callable[..., None]) -> Callable[..., None]:
    """Wrap a class's `build`: the outermost call of a chain of `super().build` marks the layer as built.

    A build that fails leaves none of its weights behind, so that the next one can begin anew.
    """

    @functools.wraps(build)
    def wrapped(self: AnyLayer, *shapes: Any, **named: Any) -> None:
        with alone():
            if self._build_depth:
                build(self, *shapes, **named)
                return
            input_shape = joined_shapes(self, shapes, named)
            if self._built and "unbuilt" not in self._parameters and self._build_shape is not None:
                self._check_input_shape(input_shape)
                return
            if input_shape is None and not self._tracks:
                raise ShapeError(f"{repr_of(self)}: build: expected the shape of its input, (None, 5) say, got None.")
            input_shape = map_shapes(lambda shape: check.shape("input_shape", shape), input_shape)
            placeholder = self._parameters.get("unbuilt")
            if isinstance(placeholder, UnbuiltParameter):
                # Not removed yet: it holds the device and dtype that .to() left.
                self._dtype = placeholder.dtype
            given = tuple(input_shape) if self._call_arguments.tensors else (input_shape,)
            tables: list[dict[str, Any]] = [self._parameters, self._buffers]
            added = list(self._added_weights)
            before, shape_before, done = [dict(table) for table in tables], self._build_shape, False
            self._build_depth = 1
            try:
                with torch.no_grad(), lasting(), self._values_on or nullcontext(), inside(self):
                    build(self, *given)
                self._parameters.pop("unbuilt", None)
                self._adopt_added_weights()
                mark(self)
                self._build_shape = input_shape
                if self._initial_weights is not None:
                    self.set_weights(self._initial_weights)
                    self._initial_weights = None
                done = True
            finally:
                self._build_depth = 0
                if not done:
                    for table, kept in zip(tables, before, strict=True):
                        table.clear()
                        table.update(kept)
                    self._added_weights[:] = added
                    self.__dict__.pop("_pending", None)
                    self._build_shape = shape_before
            self._built = True  # last: another thread may look at any time

    return wrapped
