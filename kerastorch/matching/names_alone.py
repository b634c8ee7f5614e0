"""The arrays of a TensorFlow 1 checkpoint, which has names and no objects, for the layers of a model.

A scope is a layer, with `kernel` and `bias` at its end. The cells of TensorFlow 1 have one kernel for the input and
the state; it becomes the two of Keras. Scopes and layers are paired where shapes, and names where there are several,
leave one way; anything else is a problem that names both sides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from .. import convert
from ..base.variables import Variable, own_variables
from ..errors import quote
from ..files import Array, LegacyWeights
from ..models import Model
from ..spec import Rule
from ._match import Match, Pair, Slot

Shapes = tuple[tuple[int, ...], ...]

# What optimizers and savers keep beside the weights.
_BESIDE = re.compile(
    r"(^|/)(global_step|beta[12]_power|Variable(_\d+)?/Adam(_1)?)$"
    r"|/(Adam|Adam_1|Momentum|RMSProp|RMSProp_1|Adagrad|Adadelta|Adadelta_1|Ftrl|Ftrl_1)$"
)
_SHADOW = "/ExponentialMovingAverage"
_ALIASES = {"weights": "kernel", "w": "kernel", "biases": "bias", "b": "bias"}
_KNOWN = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "embeddings")
_GRU = ("gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias")
_WITHOUT_FORGET = "cudnn_compatible"  # cells that add nothing to the forget gate; all others add 1
_DIRECTIONS = {"forward_layer": "fw", "backward_layer": "bw"}


@dataclass(frozen=True)
class _Unit:
    """The arrays of a scope, as a layer of one kind has them."""

    scope: str
    kind: str
    shapes: Shapes
    arrays: tuple[Array, ...]
    note: str = ""

    @property
    def parts(self) -> set[str]:
        return set(self.scope.split("/"))


@dataclass(frozen=True)
class _Part:
    """The variables of a layer, or of a cell."""

    path: str
    names: frozenset[str]
    kind: str
    variables: Sequence[Variable]
    direction: str = ""

    @property
    def shapes(self) -> Shapes:
        return tuple(tuple(variable.shape) for variable in self.variables)


def names_alone_pairs(model: Model, weights: LegacyWeights) -> Match:
    """Pair the variables with the arrays of a checkpoint of names."""
    match = Match(hint="Names of layers that are parts of the scopes tell them apart.")
    arrays = {layer.name: layer.weights[0][1] for layer in weights.layers if layer.weights}
    units = list(_units(_chosen(arrays, match)))
    parts = list(_parts(model))
    found = _paired(parts, units, match)
    for part, unit in found:
        match.pairs += [Pair(slot, array) for slot, array in zip(_slots(part), unit.arrays, strict=True)]
        if unit.note:
            match.rules.append(Rule(part.path, unit.note))
    taken = {id(unit) for _, unit in found}
    paired = {id(part) for part, _ in found}
    for part in parts:
        if id(part) not in paired:
            match.missing += _slots(part)
    match.extra += [array for unit in units if id(unit) not in taken for array in unit.arrays]
    return match


def _slots(part: _Part) -> list[Slot]:
    return [Slot(part.path, f"layer {part.path!r}: {variable.name}", variable) for variable in part.variables]


def _chosen(arrays: Mapping[str, Array], match: Match) -> dict[str, Array]:
    """The weights among the arrays: without what optimizers keep, and shadow averages where there is nothing else."""
    shadows = {name.removesuffix(_SHADOW): array for name, array in arrays.items() if name.endswith(_SHADOW)}
    found = {name: array for name, array in arrays.items() if not name.endswith(_SHADOW) and not _BESIDE.search(name)}
    both = [name for name in shadows if name in found]
    if both:
        text = f"{len(both)} shadow averages are left alone: the variables themselves are in the file"
        match.rules.append(Rule("checkpoint", text))
    return {**shadows, **found}


def _units(arrays: Mapping[str, Array]) -> Iterator[_Unit]:
    scopes: dict[str, dict[str, Array]] = {}
    for name, array in arrays.items():
        scope, _, last = name.rpartition("/")
        last = _ALIASES.get(last.lower(), last)
        if last in ("kernel", "bias") and scope.rpartition("/")[2] in ("gates", "candidate"):
            scope, _, inner = scope.rpartition("/")
            last = f"{inner}/{last}"
        if last not in (*_KNOWN, *_GRU):
            scope, last = name, ""
        scopes.setdefault(scope, {})[last] = array
    for scope, held in scopes.items():
        yield _unit(scope, held)


def _unit(scope: str, held: Mapping[str, Array]) -> _Unit:
    if set(held) == set(_GRU):
        arrays = tuple(held[key] for key in _GRU)
        units = arrays[3].shape[-1] if arrays[3].shape else 0
        made = _made("GRU", arrays, units, lambda *values: convert.gru_from_gru_cell(*values))
        if made is not None:
            return _Unit(scope, "GRU", *made, note="its arrays are those of a GRUCell of TensorFlow 1")
    cell = scope.rpartition("/")[2]
    if set(held) == {"kernel", "bias"} and "cell" in cell:
        arrays = (held["kernel"], held["bias"])
        gates = {"lstm": 4, "rnn": 1}.get(next((kind for kind in ("lstm", "rnn") if kind in cell), ""), 0)
        width = arrays[1].shape[-1] if arrays[1].shape else 0
        if gates == 4:
            add = 0.0 if _WITHOUT_FORGET in cell else 1.0
            made = _made("LSTM", arrays, width // 4, lambda *v: convert.lstm_from_basic_lstm_cell(*v, forget_bias=add))
            if made is not None:
                said = (
                    f"{add:g} is added to the bias of its forget gate, as the cell of TensorFlow 1 adds it by default"
                )
                return _Unit(
                    scope, "LSTM", *made, note=said if add else "its arrays are those of a cell of TensorFlow 1"
                )
        elif gates == 1:
            made = _made("SimpleRNN", arrays, width, lambda *values: convert.simple_rnn_from_basic_rnn_cell(*values))
            if made is not None:
                return _Unit(scope, "SimpleRNN", *made)
    order = [key for key in (*_KNOWN, "") if key in held]
    others = [key for key in held if key not in order]
    arrays = tuple(held[key] for key in (*order, *others))
    return _Unit(scope, "", tuple(array.shape for array in arrays), arrays)


def _made(
    kind: str, arrays: tuple[Array, ...], units: int, function: Callable[..., Any]
) -> tuple[Shapes, tuple[Array, ...]] | None:
    """The shapes and arrays that Keras has for those of a cell; None where theirs are none."""
    gates = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}[kind]
    rows = arrays[0].shape[0] if len(arrays[0].shape) == 2 else 0
    features = rows - units
    wanted: Shapes = ((rows, gates * units), (gates * units,))
    if kind == "GRU":
        wanted = ((rows, 2 * units), (2 * units,), (rows, units), (units,))
    if features <= 0 or units <= 0 or tuple(array.shape for array in arrays) != wanted:
        return None
    shapes: Shapes = ((features, gates * units), (units, gates * units), (gates * units,))

    def part(at: int) -> Array:
        def read() -> np.ndarray:
            made = np.asarray(function(*(np.array(array.read()) for array in arrays))[at])
            made.flags.writeable = False
            return made

        return Array(" and ".join(array.where for array in arrays), shapes[at], arrays[0].dtype, read)

    return shapes, tuple(part(at) for at in range(3))


def _parts(model: Model) -> Iterator[_Part]:
    """Everything in a model that has variables of its own, with the names of the layers around it."""
    stack: list[tuple[nn.Module, tuple[str, ...], str]] = [(model, (), "")]
    seen: set[int] = set()
    while stack:
        module, names, direction = stack.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        variables = own_variables(module)
        if variables:
            class_name = str(getattr(module, "_class_name", "")).removesuffix("Cell")
            before = class_name != "GRU" or not getattr(module, "reset_after", False)
            kind = class_name if class_name in ("LSTM", "GRU", "SimpleRNN") and before and len(variables) == 3 else ""
            yield _Part("/".join(names) or "the model", frozenset(names), kind, variables, direction)
        inner = []
        for attribute, child in module.named_children():
            name = getattr(child, "name", None)
            below = (*names, name) if isinstance(name, str) and child is not model else names
            inner.append((child, below, _DIRECTIONS.get(attribute, direction)))
        stack.extend(reversed(inner))


def _paired(parts: list[_Part], units: list[_Unit], match: Match) -> list[tuple[_Part, _Unit]]:
    fits: dict[tuple[str, Shapes], tuple[list[_Part], list[_Unit]]] = {}
    for part in parts:
        fits.setdefault((part.kind, part.shapes), ([], []))[0].append(part)
    for unit in units:
        if (unit.kind, unit.shapes) in fits:
            fits[unit.kind, unit.shapes][1].append(unit)
    found: list[tuple[_Part, _Unit]] = []
    for ours, theirs in fits.values():
        found += _within(ours, theirs, match)
    return found


def _within(ours: list[_Part], theirs: list[_Unit], match: Match) -> list[tuple[_Part, _Unit]]:
    """Pair layers and scopes of one kind and one set of shapes."""
    found = []
    left, rest = list(ours), list(theirs)
    for part in ours:
        named = [unit for unit in rest if part.names & unit.parts and _goes(part, unit)]
        if len(named) == 1:
            found.append((part, named[0]))
            left.remove(part)
            rest.remove(named[0])
    if not left or not rest:
        return found
    if len(left) == len(rest) == 1 and _goes(left[0], rest[0]):
        return [*found, (left[0], rest[0])]
    for direction in ("fw", "bw", ""):
        mine = [part for part in left if part.direction == direction]
        yours = [unit for unit in rest if (direction in unit.parts if direction else not unit.parts & {"fw", "bw"})]
        if mine and len(mine) == len(yours) and len({re.sub(r"\d+", "#", unit.scope) for unit in yours}) == 1:
            found += zip(mine, sorted(yours, key=_by_numbers), strict=True)
            left = [part for part in left if part not in mine]
            rest = [unit for unit in rest if unit not in yours]
    if left and rest:
        match.problems.append(
            f"several scopes fit several layers: {quote([unit.scope for unit in rest][:5])} and "
            f"{quote([part.path for part in left][:5])}; name each layer as a part of its scope"
        )
    return found


def _goes(part: _Part, unit: _Unit) -> bool:
    """Whether the direction of a layer, if it has one, is not another one than the scope says."""
    said = unit.parts & {"fw", "bw"}
    return not part.direction or not said or part.direction in said


def _by_numbers(unit: _Unit) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", unit.scope)]
