"""`copy_weights`: from Keras into a torch module, or from a torch module into a model of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..base.layer import Layer
from ..errors import ArgumentError, MismatchError, quote
from ..files import Limits, open_archive
from ..load import load_model
from ..paths import AnyPath, text_of
from .matching import Pairs, by_mapping, by_order
from .slots import fill, slots_of
from .sources import Group, groups_of_model, groups_of_weights


@dataclass(frozen=True)
class Copied:
    """What `copy_weights` did.

    Attributes:
        rows: `(layer, place, arrays)` for each layer, as they are printed.
        left: What stayed as it was, on both sides; only with a mapping.
        unchecked: Whether the file says no activations: whether they are those of torch's modules nobody could check.
    """

    rows: tuple[tuple[str, str, str], ...]
    left: tuple[str, ...] = ()
    unchecked: bool = False

    def __str__(self) -> str:
        lines = [f"{layer} -> {place}: {arrays}" for layer, place, arrays in self.rows]
        lines += [f"left as it was: {name}" for name in self.left]
        if self.unchecked:
            lines.append(
                "The file holds weights only: nobody could check that its layers have the activations of torch's "
                "modules, and its normalisations their epsilon."
            )
        return "\n".join(lines)


def copy_weights(
    source: AnyPath | nn.Module,
    target: nn.Module,
    mapping: Mapping[str, str] | None = None,
    *,
    sum_biases: bool = False,
    limits: Limits | None = None,
    expected_sha256: str | None = None,
) -> Copied:
    """Copy weights from Keras into a torch module of your own, or from such a module into a model of ours.

    Every layer that holds weights goes into an nn.LSTM (each of its layers and directions), nn.GRU, nn.RNN, a cell of
    these, nn.Linear, nn.Embedding, a convolution or a normalisation: where a name is the same into that one, else into
    the next that has its kind and shapes, in the order of both. All of it is copied, or nothing. What the module
    computes with the weights, such as the activation behind an nn.Linear, is yours.

    Args:
        source: A Keras file of any version, also one of weights alone; a model or layer of ours; or a torch module,
            then `target` is a model of ours, which `kt.save_weights` writes.
        target: The module, or the model. Its dtype, device and `requires_grad` stay.
        mapping: Only these layers, by name: `{"lstm": "encoder.rnn", "lstm_1": "encoder.rnn"}`. The path of a module is
            that of `get_submodule`; several layers fill an nn.LSTM of several layers in their order. The names of
            layers are Keras's in both directions.
        sum_biases: Whether the two biases of torch's LSTM or RNN, of which Keras has one, may become their sum.
        limits: See `load_model`.
        expected_sha256: See `load_model`.

    Returns:
        What went where; `print` shows it.

    Raises:
        MismatchError: A layer has no place or a place gets nothing; or what a layer computes, torch's module does not.
        ArgumentError: A name in the mapping is not there, or source and target are both Keras's or both torch's.
        LoadError: The file cannot be read.
    """
    if not isinstance(target, nn.Module):
        raise ArgumentError(
            f"copy_weights: target: expected a torch module or a model, got {quote(type(target).__name__)}."
        )
    if isinstance(source, nn.Module) and not isinstance(source, Layer):
        if not isinstance(target, Layer):
            raise ArgumentError("copy_weights: source and target are both torch modules: use target.load_state_dict.")
        return _from_torch(source, target, mapping, sum_biases)
    if isinstance(target, Layer):
        raise ArgumentError(
            "copy_weights: source and target are both Keras's: use kt.load_weights(model, path), or model.set_weights."
        )
    if isinstance(source, Layer):
        return _into_torch(groups_of_model(source), target, mapping, False)
    text_of(source, "copy_weights")
    with open_archive(source, limits, expected_sha256) as archive:
        if archive.config is None:
            return _into_torch(groups_of_weights(archive), target, mapping, True)
    model = load_model(source, compile=False, limits=limits, expected_sha256=expected_sha256)
    return _into_torch(groups_of_model(model), target, mapping, False)


def _into_torch(groups: list[Group], target: nn.Module, mapping: Mapping[str, str] | None, unchecked: bool) -> Copied:
    pairs, left = _pairs(groups, target, mapping)
    values: list[dict[str, Tensor]] = [slot.to_torch(group.read()) for group, slot in pairs]
    for (_, slot), made in zip(pairs, values, strict=True):
        fill(slot, made)
    return Copied(_rows(pairs), left, unchecked)


def _from_torch(source: nn.Module, target: Layer, mapping: Mapping[str, str] | None, sum_biases: bool) -> Copied:
    pairs, left = _pairs(groups_of_model(target), source, mapping)
    values = [slot.from_torch(sum_biases) for _, slot in pairs]
    for (group, _), arrays in zip(pairs, values, strict=True):
        kinds = [torch.float64 if array.dtype == torch.float64 else torch.float32 for array in arrays]
        group.layer.set_weights([array.to("cpu", kind).numpy() for array, kind in zip(arrays, kinds, strict=True)])
    return Copied(tuple((place, layer, arrays) for layer, place, arrays in _rows(pairs)), left)


def _pairs(groups: list[Group], module: nn.Module, mapping: Mapping[str, str] | None) -> tuple[Pairs, tuple[str, ...]]:
    """What belongs together, and with a mapping what is left on both sides."""
    slots, others = slots_of(module)
    if mapping is None:
        if others:
            raise MismatchError(
                f"the module has parameters for which no Keras layer is known: {', '.join(map(quote, others))}. "
                'For the other layers, pass mapping={"layer": "module.path"}.'
            )
        return by_order(groups, slots), ()
    pairs = by_mapping(groups, slots, mapping)
    used = {id(part) for pair in pairs for part in pair}
    left = [group.says for group in groups if id(group) not in used]
    left += [slot.name for slot in slots if id(slot) not in used]
    return pairs, (*left, *others)


def _rows(pairs: Pairs) -> tuple[tuple[str, str, str], ...]:
    def arrays(group: Group, slot: Any) -> str:
        names = list(slot.entries)
        return f"{', '.join(map(str, group.shapes))} as {', '.join(names)}"

    return tuple((group.says, slot.name, arrays(group, slot)) for group, slot in pairs)
