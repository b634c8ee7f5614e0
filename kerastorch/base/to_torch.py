"""From layers to plain torch modules: what their `_to_torch` methods share. The way back is `kerastorch.interop`."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .. import activations
from ..activations.records import RECORDS
from ..errors import UnsupportedError
from .protocol import AnyLayer
from .weighted import Weighted, repr_of

_ADVICE = ". It is itself an nn.Module: use it as it is."
_Module = TypeVar("_Module", bound=nn.Module)

# Each activation that torch has as a module -> the module and its settings; then what else is read as one.
ACTIVATIONS: tuple[tuple[activations.Activation, type[nn.Module], Mapping[str, Any]], ...] = tuple(
    (record.function, module.type, module.settings)
    for modules in (
        [(record, record.module) for record in RECORDS],
        [(record, record.read) for record in RECORDS],
    )
    for record, module in modules
    if module is not None
)


class AllSteps(nn.Module):
    """Takes the output of every step, `(B, T, U)`, out of what nn.LSTM, nn.GRU or nn.RNN returns."""

    def forward(self, result: tuple[Tensor, Any]) -> Tensor:
        return result[0]


class LastStep(nn.Module):
    """Takes the last output, `(B, U)` or `(B, 2U)`, out of what nn.LSTM, nn.GRU or nn.RNN returns.

    It is the last layer's final state: of the backward direction therefore the output at the first step, as in Keras.
    """

    def forward(self, result: tuple[Tensor, Any]) -> Tensor:
        output, state = result
        last = state[0] if isinstance(state, tuple) else state
        directions = output.shape[-1] // last.shape[-1]
        return last[-directions:].transpose(0, 1).flatten(1)


class ChannelsFirst(nn.Module):
    """Moves the last axis to the front: layers have the channels last, torch's convolutions behind the batch axis.

    Args:
        rank: How many axes a row (1), an image (2) or a volume (3) has without channels.
    """

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.rank = rank

    def forward(self, x: Tensor) -> Tensor:
        return x.movedim(-1, -1 - self.rank)

    def extra_repr(self) -> str:
        return str(self.rank)


class ChannelsLast(ChannelsFirst):
    """The way back of `ChannelsFirst`."""

    def forward(self, x: Tensor) -> Tensor:
        return x.movedim(-1 - self.rank, -1)


def no_module(layer: AnyLayer, reasons: Sequence[str]) -> UnsupportedError:
    """The error for a layer that no module of torch.nn computes."""
    return UnsupportedError(f"{repr_of(layer)} cannot become a plain torch module: {'; '.join(reasons)}{_ADVICE}")


def convert(layer: AnyLayer, **options: Any) -> nn.Module:
    """Run the `_to_torch` of the layer's own class: a subclass may compute something else than its base.

    Raises:
        UnsupportedError: The class has none, or torch cannot express the configuration.
        NotBuiltError: There are no weights to copy yet.
    """
    make = type(layer).__dict__.get("_to_torch")
    if make is None:
        raise no_module(layer, [f"torch.nn has no module that computes {type(layer).__name__}"])
    for module in layer.modules():
        if isinstance(module, Weighted) and "unbuilt" in module._parameters:
            raise module._not_built("weights to copy")
    computed = layer._computes_in
    if computed != layer.dtype:
        raise no_module(layer, [f"it computes in {computed} with {layer.dtype} weights; torch has autocast for that"])
    module = make(layer, **options)
    module.training = layer.training  # without its children: each has its own layer's mode
    return module


def chain(owner: AnyLayer, layers: Iterable[AnyLayer]) -> nn.Sequential:
    """Make an nn.Sequential of layers.

    Behind nn.LSTM, nn.GRU and nn.RNN stands what picks the output. Around the modules of layers that have the channels
    last stands what moves them.

    Raises:
        UnsupportedError: Some layers cannot be converted; all are named.
    """
    modules: list[nn.Module] = []
    reasons: list[str] = []
    for layer in layers:
        try:
            links = _links(layer)
            if modules and isinstance(modules[-1], ChannelsLast) and type(links[0]) is ChannelsFirst:
                modules.pop()  # there and back again
                links = links[1:]
            modules += links
        except UnsupportedError as error:
            reasons.append(str(error).removesuffix(_ADVICE))
    if reasons:
        raise no_module(owner, reasons)
    return nn.Sequential(*modules)


def _links(layer: Any) -> list[nn.Module]:
    """The modules that stand for one layer in an nn.Sequential."""
    module = convert(layer)
    if isinstance(module, nn.Embedding) and layer.mask_zero:
        raise no_module(layer, ["mask_zero=True: no mask travels in an nn.Sequential"])
    if type(layer).SPATIAL and layer.data_format == "channels_last":
        behind = [ChannelsLast(type(layer).SPATIAL)] if layer._keeps_image else []
        return [ChannelsFirst(type(layer).SPATIAL), module, *behind]
    if not isinstance(module, nn.RNNBase):
        return [module]
    if layer.return_state:
        raise no_module(layer, ["return_state=True: an nn.Sequential hands on one tensor"])
    return [module, AllSteps() if layer.return_sequences else LastStep()]


@torch.no_grad()
def plain(
    module_class: type[_Module], layer: AnyLayer, tensors: Mapping[str, Tensor] | None = None, **arguments: Any
) -> _Module:
    """Make a torch module on the layer's device, in its dtype, that holds copies of `tensors`.

    Args:
        module_class: Of torch.nn.
        layer: The layer that it is made of.
        tensors: For each name in the module's state dict; the layer's own state dict if None. A tensor that does not
            require gradients becomes a frozen parameter.
        **arguments: Of `module_class`.
    """
    # On the meta device nothing is initialised, and no random number is drawn.
    module = module_class(**arguments, device="meta", dtype=layer.dtype).to_empty(device=layer._on_device)
    sources = layer.state_dict(keep_vars=True) if tensors is None else tensors
    for name, target in module.state_dict(keep_vars=True).items():
        target.copy_(sources[name])
        if isinstance(target, nn.Parameter):
            target.requires_grad_(sources[name].requires_grad)
    return module


def with_constants(layer: AnyLayer, **values: float) -> dict[str, Tensor]:
    """The layer's state dict; what it does not have comes from `values`."""
    constants = {
        name: torch.tensor(value, dtype=layer.dtype, device=layer._on_device) for name, value in values.items()
    }
    return {**constants, **layer.state_dict(keep_vars=True)}


def activation_module(layer: AnyLayer, activation: Any) -> nn.Module:
    """The torch module of an activation function.

    Raises:
        UnsupportedError: torch has none.
    """
    if isinstance(activation, nn.Module):
        return copy.deepcopy(activation)
    for function, module_class, settings in ACTIVATIONS:
        if function is activation:
            return module_class(**settings)
    made = _layer_function_module(activation)
    if made is None:
        name = getattr(activation, "__name__", repr(activation))
        raise no_module(layer, [f"torch.nn has no module for the activation {name}"])
    return made


def _layer_function_module(function: Any) -> nn.Module | None:
    """The torch module of a layer without weights that is an activation; None if torch has none."""
    if isinstance(function, activations.LeakyReLU):
        return nn.LeakyReLU(function.negative_slope)
    if isinstance(function, activations.ELU):
        return nn.ELU(function.alpha)
    if isinstance(function, activations.Softmax):
        axes = (function.axis,) if isinstance(function.axis, int) else function.axis
        return nn.Softmax(axes[0]) if len(axes) == 1 else None
    if not isinstance(function, activations.ReLU):
        return None
    slope, most, threshold = function.negative_slope, function.max_value, function.threshold
    if most is None:
        return (
            nn.Threshold(threshold, 0.0) if threshold and not slope
            else None if threshold
            else nn.LeakyReLU(slope) if slope
            else nn.ReLU()
        )  # fmt: skip
    if slope or threshold:
        return None
    return nn.ReLU6() if most == 6 else nn.Hardtanh(0.0, most) if most > 0 else None


def followed_by(modules: Sequence[nn.Module], layer: AnyLayer, activation: Any, axis: int = -1) -> nn.Module:
    """The modules one after the other, with the module of the activation behind them if there is one.

    Args:
        axis: Where the module has the axis that is the layer's last: softmax and the like work along it.
    """
    if activation is not activations.linear:
        last = activation_module(layer, activation)
        if getattr(last, "dim", None) == -1:
            last.dim = axis  # type: ignore[assignment]  # of nn.Softmax, nn.LogSoftmax, nn.GLU
        modules = [*modules, last]
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules).train(layer.training)
