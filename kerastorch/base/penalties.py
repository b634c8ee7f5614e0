"""Penalties on outputs: what activity regularizers cost, collected as Keras collects it.

A layer keeps the penalties of the latest forward pass. A pass is the outermost call of a layer that has an activity
regularizer, or has one inside; a layer that is called twice in one pass keeps both penalties. Where a pass ends, what
it found takes the place of what the layers kept from the pass before, all at once: two threads that run one model do
not mix their penalties. A layer without any such regularizer is never watched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ..forward_pass import current
from ..structure import leaves
from ..torch_private import is_exporting
from .protocol import AnyLayer
from .weighted import Weighted


def penalises(layer: Weighted) -> bool:
    """Whether the outputs of a layer, or of one inside it, have a penalty."""
    if layer._watched:
        return True
    stack = [layer._modules]
    while stack:  # as any(layer.modules()), which takes several times as long
        for module in stack.pop().values():
            if module is None:
                continue
            if isinstance(module, Weighted) and module._watched:
                return True
            if module._modules:
                stack.append(module._modules)
    return False


def call(layer: AnyLayer, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run one call of a layer that `penalises`, and keep the penalties of its outputs."""
    if current.factor == 0 or is_exporting():  # an exported program has outputs and nothing beside them
        return function(*args, **kwargs)
    if current.found is not None:
        return _noted(layer, function(*args, **kwargs))
    found: list[tuple[nn.Module, Tensor]] = []
    current.found, current.root = found, layer
    try:
        outputs = _noted(layer, function(*args, **kwargs))
    except BaseException:
        found.clear()
        raise
    finally:
        current.found = current.root = None
        for module in layer.modules():
            if isinstance(module, Weighted) and module._watched:
                module._penalties = tuple([penalty for source, penalty in found if source is module])
    return outputs


def _noted(layer: AnyLayer, outputs: Any) -> Any:
    """The outputs of a call, whose penalties are noted."""
    regularizer = layer._activity_regularizer
    if regularizer is not None and layer is not current.silent and current.found is not None:
        for output in leaves(outputs):
            if isinstance(output, Tensor):
                current.found.append((layer, _penalty(regularizer, output)))
    return outputs


def _penalty(regularizer: Callable[[Tensor], Tensor], output: Tensor) -> Tensor:
    penalty = regularizer(output)
    if output.ndim:
        penalty = penalty / max(output.shape[0], 1)
    return penalty if current.factor == 1 else penalty * current.factor


@contextmanager
def unseen() -> Iterator[None]:
    """Run layers for another purpose than their outputs: what they have kept stays."""
    before, current.factor = current.factor, 0
    try:
        yield
    finally:
        current.factor = before


@contextmanager
def steps_apart(layer: AnyLayer, steps: int) -> Iterator[None]:
    """Count as Keras 3 does where it runs `layer` once for each of `steps`: one penalty each, and not `layer`'s own.

    Its TimeDistributed calls the inner layer past the place where activity regularizers act; what is inside that layer
    is called as always.
    """
    before = current.factor, current.silent
    current.factor, current.silent = current.factor * steps, layer
    try:
        yield
    finally:
        current.factor, current.silent = before
