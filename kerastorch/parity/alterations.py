"""Ways in which one layer often differs from another of its name: planted to see if they are noticed, or tried out.

An alteration changes a copy of a layer, or what it is called with. Each is its own way back, or stands beside the one
that is, so the same list serves both: what must not go unnoticed, and what a difference may turn out to be.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import activations, torch_private
from ..activations.records import shown
from ..base.layer import Layer
from ..structure import map_structure

GATES = {"LSTM": "ifco", "GRU": "zrh", "ConvLSTM1D": "ifco", "ConvLSTM2D": "ifco", "ConvLSTM3D": "ifco"}
GATES |= {f"{name}Cell": gates for name, gates in list(GATES.items())}
GATES |= {"CuDNNLSTM": "ifco", "CuDNNGRU": "zrh"}
EPSILONS = (1e-2, 1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-12)  # of normalizations, as one framework or another has them
ACTIVATIONS = ("sigmoid", "hard_sigmoid", "hard_sigmoid_keras2", "tanh", "relu", "linear", "softmax")

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Alteration:
    """One change of a layer.

    Attributes:
        text: What it is, in words.
        change: Changes a copy of the layer in place; None where the call alone changes.
        call: Changes what the layer is called with; None where it stays.
        main: Whether it is planted to see whether it is noticed; the others are tried as explanations alone.
        around: A context in which the layer is run; None where it needs none.
        lost_mask: Whether the layer gets the reference's mask where it has none.
    """

    text: str
    change: Callable[[Layer], None] | None = None
    call: Callable[[tuple[Any, ...], dict[str, Any]], Arguments] | None = None
    main: bool = True
    around: Callable[[], AbstractContextManager[Any]] | None = None
    lost_mask: bool = False


def alterations_of(layer: Layer, *, masked: bool) -> list[Alteration]:
    """The alterations that a layer can have.

    Args:
        layer: The layer, or a wrapper of others.
        masked: Whether it is called with a mask.
    """
    inner = [module for module in layer.modules() if isinstance(module, Layer)]
    found = [*_of_gates(inner), *_of_biases(inner), *_of_activations(inner), *_of_settings(inner)]
    found += [*_of_pair(layer), *_of_parts(layer)]
    if masked:
        found.append(Alteration("the mask left out", call=lambda args, kwargs: (args, {**kwargs, "mask": None})))
        found.append(Alteration("the mask one step late", call=_with_mask(lambda mask: torch.roll(mask, 1, dims=1))))
        found.append(Alteration("the mask one step early", call=_with_mask(lambda mask: torch.roll(mask, -1, dims=1))))
        found.append(Alteration("the mask inverted", call=_with_mask(torch.logical_not), main=False))
    if any(getattr(module, "_state_count", 0) == 2 for module in inner):
        found.append(Alteration("the initial states exchanged", call=_exchange_states, main=False))
    if any(getattr(module, "rate", 0) or getattr(module, "dropout", 0) for module in inner):
        found.append(Alteration("dropout left on", call=_in_training))
        rates = {
            rate for module in inner for rate in (getattr(module, "rate", 0), getattr(module, "dropout", 0)) if rate
        }
        for rate in sorted(rate for rate in rates if isinstance(rate, float) and rate < 1):
            for factor, told in ((1 - rate, "times"), (1 / (1 - rate), "divided by")):
                text = f"its inputs {told} {1 - rate:g}, which dropout leaves"
                found.append(Alteration(text, call=_with_inputs(factor), main=False))
    found.append(Alteration("products of matrices in TF32", around=TF32, main=False))
    return found


# A layer with the mask that the reference's layer is given, and that does not arrive at ours.
LOST_MASK = Alteration("the mask, which does not arrive", lost_mask=True, main=False)


# ---------------------------------------------------------------------------- what is changed


def _of_gates(inner: Sequence[Layer]) -> Iterator[Alteration]:
    held = [(module, GATES[module._class_name]) for module in inner if module._class_name in GATES and module._built]
    neighbours = {("i", "f"), ("c", "o"), ("z", "r"), ("z", "h")}
    for gates in dict.fromkeys(gates for _, gates in held):
        for one, other in combinations(gates, 2):
            swap = _on_each(_swap_gates, (gates.index(one), gates.index(other)))
            yield Alteration(f"gates {one} and {other} exchanged", swap, main=(one, other) in neighbours)
    if any(module._class_name in ("GRU", "GRUCell") for module in inner):
        yield Alteration("the other reset_after", _on_each(_flip_reset, None))


def _of_biases(inner: Sequence[Layer]) -> Iterator[Alteration]:
    if any(_has_bias(module) for module in inner):
        yield Alteration("no bias", _on_each(_scale_bias, 0.0))
        yield Alteration("the bias twice", _on_each(_scale_bias, 2.0))
        yield Alteration("half the bias", _on_each(_scale_bias, 0.5), main=False)


def _of_activations(inner: Sequence[Layer]) -> Iterator[Alteration]:
    for attribute in ("activation", "recurrent_activation"):
        own = {_name_of(getattr(module, attribute, None)) for module in inner} - {None}
        for name in ACTIVATIONS if own else ():
            if own == {name} or (name == "softmax" and attribute == "recurrent_activation"):
                continue
            # What old and new Kerases mean by one name; the rest is a matter of explaining.
            sigmoids = "sigmoid" in name and any("sigmoid" in str(one) for one in own)
            activate = _on_each(_activate, (attribute, getattr(activations, name)))
            yield Alteration(f"{attribute} {shown(name)}", activate, main=sigmoids)


def _of_settings(inner: Sequence[Layer]) -> Iterator[Alteration]:
    if any(isinstance(getattr(module, "go_backwards", None), bool) for module in inner):
        yield Alteration("the other direction of time", _on_each(_flip, "go_backwards"))
        yield Alteration("the other output of masked steps", _on_each(_flip, "zero_output_for_mask"), main=False)
    found = [getattr(module, "epsilon", None) for module in inner]
    epsilons = {epsilon for epsilon in found if isinstance(epsilon, float)}
    for value in EPSILONS if epsilons else ():
        if epsilons != {value}:
            ten_times = max(value / max(epsilons), max(epsilons) / value) >= 10
            yield Alteration(f"epsilon {value:g}", _on_each(_set, ("epsilon", value)), main=ten_times and value >= 1e-3)
    if any(_has_square_kernel(module) for module in inner):
        yield Alteration("a square kernel transposed", _on_each(_transpose, None), main=False)


def _of_pair(layer: Layer) -> Iterator[Alteration]:
    if layer._class_name != "Bidirectional":
        return
    yield Alteration("the weights of both directions exchanged", _exchange_directions)
    for mode in ("concat", "sum", "ave", "mul"):
        if mode != getattr(layer, "merge_mode", None):
            yield Alteration(f"merge_mode {mode}", _on_each(_set, ("merge_mode", mode)), main=False)


def _of_parts(layer: Layer) -> Iterator[Alteration]:
    """The same in one direction, or one of the cells that stand on each other: what was converted part by part."""
    for path, told in _parts(layer):
        inner = [module for module in layer.get_submodule(path).modules() if isinstance(module, Layer)]
        for one in (*_of_gates(inner), *_of_biases(inner)):
            if one.change is not None:
                yield Alteration(f"{one.text} in {told}", _within(path, one.change), main=False)


def _parts(layer: Layer) -> list[tuple[str, str]]:
    """Where the parts are that a layer has more than one of, and what they are called."""
    if layer._class_name == "Bidirectional":
        return [("forward_layer", "the forward layer"), ("backward_layer", "the backward layer")]
    cells = [
        name for name, module in layer.named_modules() if isinstance(module, Layer) and module._class_name in GATES
    ]
    cells = [name for name in cells if name and name.rpartition(".")[2].isdigit()]
    return [(name, f"cell {name.rpartition('.')[2]}") for name in cells] if len(cells) > 1 else []


def _within(path: str, change: Callable[[Layer], None]) -> Callable[[Layer], None]:
    def within(layer: Layer) -> None:
        part = layer.get_submodule(path)
        assert isinstance(part, Layer)
        change(part)

    return within


# ---------------------------------------------------------------------------- how


def _on_each(change: Callable[[Any, Any], None], value: Any) -> Callable[[Layer], None]:
    """A change of every layer inside, and of the layer itself, that has what is changed."""

    def on_each(layer: Layer) -> None:
        for module in layer.modules():
            if isinstance(module, Layer):
                change(module, value)

    return on_each


def _rewrite(layer: Layer, rewrite: Callable[[str, np.ndarray], np.ndarray]) -> None:
    """Set the layer's own weights anew, each by its name in Keras."""
    if not layer.WEIGHTS or not layer._built:
        return
    arrays = layer.get_weights()
    layer.set_weights([rewrite(it.name, array) for it, array in zip(layer.variables, arrays, strict=True)])


def _swap_gates(layer: Any, pair: tuple[int, int]) -> None:
    gates = GATES.get(layer._class_name)
    if gates is None or max(pair) >= len(gates):
        return

    _rewrite(layer, lambda _, array: swapped(array, array.shape[-1] // _width(layer), *pair, count=len(gates)))


def swapped(array: np.ndarray, parts: int, one: int, other: int, count: int = 0) -> np.ndarray:
    """An array with two of the gates on its last axis exchanged.

    Args:
        array: `(..., parts * U)`.
        parts: How many gates stand there.
        one: Which of them.
        other: And the other.
        count: After how many they come again, as in cuDNN's bias; as many as there are if 0.
    """
    held = np.split(array, parts, axis=-1)
    for first in range(0, parts, count or parts):
        held[first + one], held[first + other] = held[first + other], held[first + one]
    return np.concatenate(held, axis=-1)


def _width(layer: Any) -> int:
    return layer.units if hasattr(layer, "units") else layer.filters


def _scale_bias(layer: Any, factor: float) -> None:
    _rewrite(layer, lambda name, array: array * np.asarray(factor, array.dtype) if name in ("bias", "beta") else array)


def _has_bias(layer: Layer) -> bool:
    return bool(layer.WEIGHTS) and layer._built and any(it.name in ("bias", "beta") for it in layer.variables)


def _transpose(layer: Any, _: None) -> None:
    _rewrite(layer, lambda name, array: array.T.copy() if name.endswith("kernel") and _is_square(array) else array)


def _is_square(array: np.ndarray) -> bool:
    return array.ndim == 2 and array.shape[0] == array.shape[1] > 1


def _has_square_kernel(layer: Layer) -> bool:
    if not (layer.WEIGHTS and layer._built):
        return False
    shapes = [it.shape for it in layer.variables if it.name.endswith("kernel")]
    return any(len(shape) == 2 and shape[0] == shape[1] > 1 for shape in shapes)


def _flip_reset(layer: Any, _: None) -> None:
    if layer._class_name not in ("GRU", "GRUCell"):
        return
    suffix = "_l0" if hasattr(layer, "weight_hh_l0") else ""
    if layer.reset_after and layer.use_bias:
        with torch.no_grad():  # one bias in the place of two
            both = getattr(layer, f"bias_ih{suffix}") + getattr(layer, f"bias_hh{suffix}")
            getattr(layer, f"bias_ih{suffix}").copy_(both)
    layer.reset_after = not layer.reset_after


def _activate(layer: Any, to: tuple[str, Any]) -> None:
    if _name_of(getattr(layer, to[0], None)) is not None:
        setattr(layer, *to)


def _name_of(function: Any) -> str | None:
    """The name of an activation; None of what is none, or is a layer of its own."""
    return None if function is None or isinstance(function, (nn.Module, str)) else getattr(function, "__name__", "own")


def _flip(layer: Any, name: str) -> None:
    if isinstance(layer.__dict__.get(name), bool):
        setattr(layer, name, not getattr(layer, name))


def _set(layer: Any, to: tuple[str, Any]) -> None:
    if to[0] in layer.__dict__:
        setattr(layer, *to)


def _exchange_directions(layer: Any) -> None:
    forward, backward = layer.forward_layer, layer.backward_layer
    one, other = forward.get_weights(), backward.get_weights()
    if [array.shape for array in one] == [array.shape for array in other]:
        forward.set_weights(other)
        backward.set_weights(one)


def _with_mask(change: Callable[[Tensor], Tensor]) -> Callable[[tuple[Any, ...], dict[str, Any]], Arguments]:
    def call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        swapped = map_structure(lambda leaf: change(leaf) if isinstance(leaf, Tensor) else leaf, kwargs.get("mask"))
        return args, {**kwargs, "mask": swapped}

    return call


def _with_inputs(factor: float) -> Callable[[tuple[Any, ...], dict[str, Any]], Arguments]:
    """What dropout does where it scales in the wrong phase, or twice."""

    def call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        first, *rest = args
        return (map_structure(lambda leaf: leaf * factor if _is_float(leaf) else leaf, first), *rest), kwargs

    return call


def _is_float(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


class TF32(torch_private.DispatchMode):
    """Products of matrices as tensor cores have them in TF32: what goes in has ten bits behind its point."""

    PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "linear", "convolution", "matmul")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func).split(".")[1]
        if name in self.PRODUCTS:
            begin = 1 if name in ("addmm", "baddbmm") else 0  # what is added stays
            args = tuple(_in_tf32(arg) if begin <= place < begin + 2 else arg for place, arg in enumerate(args))
            return func(*args, **(kwargs or {}))
        # A whole layer over time, say: its own products, and not those of oneDNN, which nobody sees.
        with self, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch 2.13 warns of its own flag
            with torch.backends.mkldnn.flags(enabled=False):
                made = func.decompose(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {})) if made is NotImplemented else made


def _in_tf32(value: Any) -> Any:
    if not isinstance(value, Tensor) or value.dtype != torch.float32:
        return value
    bits = value.contiguous().view(torch.int32)
    return ((bits + (1 << 12)) & ~((1 << 13) - 1)).view(torch.float32)


def _in_training(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    return args, {**kwargs, "training": True}


def _exchange_states(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    states = kwargs.get("initial_state")
    return args, {**kwargs, "initial_state": list(states)[::-1]} if isinstance(states, (list, tuple)) else kwargs
