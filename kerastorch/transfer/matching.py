"""Which layer's arrays belong into which place of a torch module: by names, shapes and order, or as a person says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from .. import activations, layers
from ..errors import ArgumentError, MismatchError, counted, did_you_mean, quote
from .slots import Slot
from .sources import Group

Pairs = list[tuple[Group, Slot]]
_ALSO = {
    "LSTM": (layers.LSTM, layers.LSTMCell),
    "GRU": (layers.GRU, layers.GRUCell),
    "SimpleRNN": (layers.SimpleRNN, layers.SimpleRNNCell),
}


def why_not(group: Group, slot: Slot) -> str | None:
    """Why a layer's arrays do not go into a place; None if they do."""
    layer = group.layer
    if layer is not None:
        wanted = _ALSO.get(slot.kind) or (getattr(layers, slot.kind),)
        if type(layer) not in wanted:
            return f"it is a {type(layer)._class_name}, the place is for a {slot.kind}"
    elif group.kind is not None and group.kind != slot.kind:
        return f"it is a {group.kind}, the place is for a {slot.kind}"
    if slot.kind == "GRU" and [shape for shape in group.shapes[2:] if len(shape) == 1]:
        return "its GRU has reset_after=False, which nn.GRU does not compute"
    if group.shapes != slot.shapes:
        return f"its arrays are {_listed(group.shapes)}, the place takes {_listed(slot.shapes)}"
    if None not in (group.reverse, slot.reverse) and group.reverse != slot.reverse:
        ways = "forwards", "backwards"
        return f"it goes {ways[bool(group.reverse)]}, the place {ways[bool(slot.reverse)]}"
    return None if layer is None else _other_numbers(layer, slot.module)


def _listed(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(map(str, shapes)) or "none"


def _other_numbers(layer: Any, module: Any) -> str | None:
    """What a layer computes that the module does not, with the same weights."""
    name = lambda function: getattr(function, "__name__", repr(function))  # noqa: E731
    if isinstance(module, (nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell)):
        for key, wanted in (("activation", activations.tanh), ("recurrent_activation", activations.sigmoid)):
            if getattr(layer, key) is not wanted:
                return f"its {key} is {name(getattr(layer, key))}, {type(module).__name__}'s is {name(wanted)}"
    if isinstance(module, (nn.RNN, nn.RNNCell)) and name(layer.activation) != module.nonlinearity:
        return f"its activation is {name(layer.activation)}, the module's nonlinearity is {module.nonlinearity}"
    epsilon = getattr(layer, "epsilon", None)
    if epsilon is not None and epsilon != module.eps:
        return f"its epsilon is {epsilon:g}, the module's eps is {module.eps:g}"
    return None


def by_order(groups: Sequence[Group], slots: Sequence[Slot]) -> Pairs:
    """Every layer in a place and every place filled: by the same name where there is one, else the next that fits.

    Raises:
        MismatchError: Something is left on either side; what, and why, is listed.
    """
    left = list(groups)
    pairs: Pairs = []
    empty: list[Slot] = []
    for slot in slots:
        fitting = [group for group in left if why_not(group, slot) is None]
        last = slot.path.rpartition(".")[2]
        same = [group for group in fitting if last and last in group.name.split("/")]
        chosen = (same or fitting or [None])[0]
        if chosen is None:
            empty.append(slot)
            continue
        left.remove(chosen)
        pairs.append((chosen, slot))
    if left or empty:
        raise MismatchError(_what_is_left(left, empty))
    return pairs


def _what_is_left(left: Sequence[Group], empty: Sequence[Slot]) -> str:
    lines = ["the layers do not fit the module:"]
    for group in left:
        lines.append(f"  {quote(group.says)}, arrays {_listed(group.shapes)}, has no place")
    for slot in empty:
        lines.append(f"  {slot.name}, a {slot.kind} of {_listed(slot.shapes)}, gets nothing")
        near = [group for group in left if group.shapes[:1] == slot.shapes[:1] or len(group.shapes) == len(slot.shapes)]
        lines += [f"    not from {quote(group.name)}: {why_not(group, slot)}" for group in near[:3]]
    lines.append('For some layers only, pass mapping={"layer": "module.path"}.')
    return "\n".join(lines)


def by_mapping(groups: Sequence[Group], slots: Sequence[Slot], mapping: Mapping[str, str]) -> Pairs:
    """The layers that a person names, each in the module that is named for it.

    Raises:
        ArgumentError: A name is not there.
        MismatchError: A layer does not fit the module that is named for it.
    """
    pairs: Pairs = []
    for name, path in mapping.items():
        own = [group for group in groups if group.name == name or group.name.startswith(f"{name}/")]
        places = [slot for slot in slots if slot.path == path]
        if not own:
            known = [group.name for group in groups]
            near = did_you_mean(name, known) or f" There are {', '.join(map(quote, known))}."
            raise ArgumentError(f"mapping: there is no layer {quote(name)} with weights.{near}")
        if not places:
            known = list(dict.fromkeys(slot.path for slot in slots))
            near = did_you_mean(path, known) or f" There are {', '.join(map(quote, known))}."
            raise ArgumentError(
                f"mapping: the module has no part {quote(path)} that takes weights of a Keras layer.{near}"
            )
        taken = {id(slot) for _, slot in pairs}
        free = [slot for slot in places if id(slot) not in taken]  # several layers for one nn.LSTM, one after the other
        if len(own) > len(free):
            raise MismatchError(
                f"{quote(name)} has {counted(len(own), 'layer')} with weights, {quote(path)} has "
                f"{counted(len(free), 'place')} left."
            )
        for group, slot in zip(own, free, strict=False):
            reason = why_not(group, slot)
            if reason is not None:
                raise MismatchError(f"{quote(group.name)} does not go into {slot.name}: {reason}.")
            pairs.append((group, slot))
    named = set(mapping.values())
    filled = {id(slot) for _, slot in pairs}
    rest = [slot.name for slot in slots if slot.path in named and id(slot) not in filled]
    if rest:
        raise MismatchError(f"the mapping says nothing for {', '.join(rest)}: name a layer for each part of a module.")
    return pairs
