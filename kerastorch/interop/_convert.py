"""From one torch module to one layer: the table of the modules that have one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from .. import layers
from ..base.to_torch import AllSteps, ChannelsFirst, ChannelsLast, LastStep
from ..errors import UnsupportedError
from ..models import Sequential
from ..torch_private import has_hooks
from . import _plain_modules as plain
from ._activations import ACTIVATION_MODULES
from ._attention import multi_head_attention
from ._convolutions import CONVOLUTIONS, TRANSPOSED
from ._images import CONVERTERS as _OF_IMAGES
from ._recurrent import CELLS, RECURRENT, cell, recurrent
from ._settings import Settings

CONVERTERS: Mapping[type[nn.Module], Callable[[Any, Settings], layers.Layer]] = {
    **dict.fromkeys(RECURRENT, recurrent),
    **dict.fromkeys(CELLS, cell),
    nn.Linear: plain.linear,
    nn.Embedding: plain.embedding,
    **dict.fromkeys((*CONVOLUTIONS, *TRANSPOSED), plain.convolution),
    **dict.fromkeys((ChannelsFirst, ChannelsLast), plain.moved_channels),
    **dict.fromkeys(plain.AXES_BEHIND, plain.batch_norm),
    nn.LayerNorm: plain.layer_norm,
    nn.GroupNorm: plain.group_norm,
    nn.RMSNorm: plain.rms_norm,
    nn.PReLU: plain.prelu,
    nn.MultiheadAttention: multi_head_attention,
    nn.Flatten: plain.flatten,
    nn.Dropout: plain.dropout,
    **dict.fromkeys(ACTIVATION_MODULES, plain.activation),
    **_OF_IMAGES,
}
HOOKS = "it has hooks, which would be lost; weight_norm and pruning work by them, remove them"


def convert(module: nn.Module, path: str, settings: Settings, refused: list[str]) -> layers.Layer | None:
    """The layer for a module; None, with the reasons in `refused`, if there is none."""
    where = f"{path or 'module'} ({type(module).__name__})"
    if has_hooks(module):
        refused.append(f"{where}: {HOOKS}")
        return None
    if type(module) is nn.Sequential:
        return _sequential(module, path, settings, refused)
    make = CONVERTERS.get(type(module))
    if make is None:
        refused.append(f"{where}: there is no layer for this class")
        return None
    try:
        return make(module, settings).train(module.training)
    except UnsupportedError as error:
        refused.append(f"{where}: {error}")
        return None


def _sequential(module: nn.Sequential, path: str, settings: Settings, refused: list[str]) -> layers.Layer | None:
    children = list(module._modules.items())  # named_children() leaves out what stands there twice
    made: list[layers.Layer | None] = []
    before: nn.Module | None = None
    for (name, child), after in zip(children, [*list(module)[1:], None], strict=False):
        where = f"{path}.{name}" if path else name
        if child is None:
            continue
        if isinstance(child, (AllSteps, LastStep)):
            if not isinstance(before, nn.RNNBase):
                refused.append(f"{where} ({type(child).__name__}): it can only stand right behind nn.LSTM, GRU or RNN")
        else:
            if isinstance(child, nn.RNNBase) and after is not None and not isinstance(after, (AllSteps, LastStep)):
                refused.append(
                    f"{where} ({type(child).__name__}): it hands the next module a tuple of output and state; "
                    "put kerastorch.interop.AllSteps() or LastStep() in between"
                )
            own = replace(
                settings,
                in_sequential=True,
                return_sequences=not isinstance(after, LastStep),
                example_shape=settings.example_shape if before is None else None,
            )
            made.append(convert(child, where, own, refused))
        before = child
    found = [layer for layer in made if layer is not None]
    if len(found) < len(made):
        return None
    result = Sequential(found)
    result.training = module.training  # without its layers: each has its own module's mode
    return result
