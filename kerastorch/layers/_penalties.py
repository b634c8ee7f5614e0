"""Penalties on outputs: what activity regularizers cost, collected as Keras collects it.

A layer keeps the penalties of the latest forward pass. A pass begins with the outermost call of a layer, which forgets
what the layers inside it kept from the pass before; a layer that is called twice in one pass keeps both penalties.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..torch_private import is_exporting
from ._graph import leaves
from ._weighted import Weighted

if TYPE_CHECKING:
    from ._base import Layer


class _Pass(threading.local):
    """Where the forward pass of this thread stands."""

    depth = 0  # calls of layers that have not returned
    factor = 1  # of all penalties; 0: nothing is kept and nothing forgotten
    silent: Layer | None = None  # a layer whose own penalty does not count


_current = _Pass()


def call(layer: Layer, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run one call of a layer and keep the penalties of its outputs."""
    if _current.factor == 0 or is_exporting():  # an exported program has outputs and nothing beside them
        return function(*args, **kwargs)
    if _current.depth == 0:
        for module in layer.modules():
            if isinstance(module, Weighted) and module.activity_regularizer is not None:
                module._penalties = ()
    _current.depth += 1
    try:
        outputs = function(*args, **kwargs)
    finally:
        _current.depth -= 1
    regularizer = layer.activity_regularizer
    if regularizer is not None and layer is not _current.silent:
        found = [_penalty(regularizer, output) for output in leaves(outputs) if isinstance(output, Tensor)]
        layer._penalties = (*layer._penalties, *found)
    return outputs


def _penalty(regularizer: Callable[[Tensor], Tensor], output: Tensor) -> Tensor:
    penalty = regularizer(output)
    if output.ndim:
        penalty = penalty / max(output.shape[0], 1)
    return penalty if _current.factor == 1 else penalty * _current.factor


@contextmanager
def unseen() -> Iterator[None]:
    """Run layers for another purpose than their outputs: what they have kept stays."""
    before, _current.factor = _current.factor, 0
    try:
        yield
    finally:
        _current.factor = before


@contextmanager
def steps_apart(layer: Layer, steps: int) -> Iterator[None]:
    """Count as Keras 3 does where it runs `layer` once for each of `steps`: one penalty each, and not `layer`'s own.

    Its TimeDistributed calls the inner layer past the place where activity regularizers act; what is inside that layer
    is called as always.
    """
    before = _current.factor, _current.silent
    _current.factor, _current.silent = _current.factor * steps, layer
    try:
        yield
    finally:
        _current.factor, _current.silent = before
