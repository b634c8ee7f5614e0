"""What `training=` in the call of a layer means for the layer and for what is inside it, as in Keras."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from .protocol import AnyLayer
from .weighted import Weighted

# Whether the layers with a `call` that run now train, the innermost last: Keras 2's learning phase.
phases: list[bool] = []


def take_training(layer: AnyLayer, options: dict[str, Any]) -> tuple[list[nn.Module], bool]:
    """Read `training` from the options of a call; a layer that has no such argument is not given it.

    Returns:
        The modules inside that the layer does not hand it to and that are in the other mode; and the mode.
    """
    training = options["training"]
    if not layer._takes_training:
        del options["training"]
    if training is None or not layer._modules:
        return [], False
    mode = bool(training)
    return [module for module in _unreached(layer) if module.training != mode], mode


def _unreached(layer: nn.Module) -> Iterator[nn.Module]:
    """The modules inside a layer to which it does not hand `training`; in Keras it reaches them all the same."""
    for child in layer.children():
        if getattr(layer, "_hands_training", False) and getattr(child, "_takes_training", False):
            yield from _unreached(child)
        else:
            yield from (module for module in child.modules() if not _is_inert(module))


def _is_inert(module: nn.Module) -> bool:
    """Whether training or not is the same to a module: a layer of ours that does not ask and has nothing inside."""
    ours = isinstance(module, Weighted) and not module._tracks
    return ours and not module._modules and not getattr(module, "_takes_training", True)


@contextmanager
def in_mode(modules: list[nn.Module], training: bool) -> Iterator[None]:
    """These modules in this mode, and in the other one afterwards. As always, two threads cannot share them then."""
    try:
        for module in modules:
            module.training = training
        yield
    finally:
        for module in modules:
            module.training = not training
