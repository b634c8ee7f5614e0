"""Variables and the arrays of a legacy HDF5 file: layers in order or by name, and the arrays within each layer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from .. import deadline
from ..base.layer import REGISTRY, Layer
from ..base.variables import own_variables
from ..errors import counted, quote
from ..files import LegacyLayer, LegacyWeights
from ..models import Model
from ..spec import Rule
from ._match import Match, Misfit, Pair, Slot
from ._owners import Inside, Owned, Written, inner_modules, model_chain, owned_variables
from .convert import Converted, converted

_BY_ORDER = (
    "Names that Keras makes (lstm_1, lstm_5, ...) depend on what was made before: leave by_name out, and the order of "
    "the layers decides."
)
# Keras 1's names of weights, where it gave them names at all.
_OF_KERAS1 = {"running_mean": "moving_mean", "running_std": "moving_variance"}


@dataclass(frozen=True)
class Options:
    """How a legacy file is read.

    Attributes:
        full_model: Whether the model was made from the file's own config: then its names must be the file's.
        by_name: Whether layers are found by their names; else by their order.
        keras1: Whether Keras 1 wrote the file.
        in_place: Whether the layers of a person's own class stand in the order of its attributes, as before Keras 3.
        sum_biases: Whether the two biases of a CuDNNLSTM may become one.
    """

    full_model: bool = False
    by_name: bool = False
    keras1: bool = False
    in_place: bool = False
    sum_biases: bool = False


def legacy_pairs(model: Model, weights: LegacyWeights, options: Options) -> Match:
    """Pair the variables with the arrays of a legacy HDF5 file."""
    match = Match(hint=_BY_ORDER if options.by_name else "")
    if weights.flat:
        _pair_flat(match, model, weights.layers[0])
        return match
    theirs = [layer for layer in weights.layers if layer.weights]
    if not options.full_model and len(theirs) > 1:
        # A model around the others that the file does not have.
        chain = model_chain(model)
        model = chain[-1] if chain else model
    inside = partial(inner_modules, in_place=options.in_place)
    layers = [layer for layer in inside(model) if isinstance(layer, Layer)]
    listed = owned_variables if weights.as_made else legacy_order
    ours = [(layer, list(listed(layer, inside))) for layer in layers]
    ours = [(layer, owned) for layer, owned in ours if owned]
    if not options.full_model and len(theirs) == 1 < len(ours):
        owned = list(listed(model, inside))
        if len(_converted(owned, theirs[0], options).arrays) == len(owned):
            # A model around the others that only the file has: all weights in one group.
            _pair_group(match, model, owned, theirs[0], options, whole=True)
            return match
    if options.full_model or not options.by_name:
        _compare_names(match, [layer.name for layer, _ in ours], [layer.name for layer in theirs], options.full_model)
        if match.problems:
            return match
    for (layer, owned), stored in _layer_pairs(match, ours, theirs, options.by_name):
        deadline.check("the weights of layer {} were looked for", layer.name)
        _pair_group(match, layer, owned, stored, options)
    own = [Owned(variable, (), 0) for variable in own_variables(model)]
    if own or weights.top_level:
        _pair_group(match, model, own, LegacyLayer(model.name, weights.top_level), options)
    return match


def _pair_flat(match: Match, model: Model, stored: LegacyLayer) -> None:
    """Pair all variables with the arrays of `get_weights`, by their order alone."""
    slots = [Slot(variable.path, variable.path, variable) for variable in model.weights]
    arrays = [array for _, array in stored.weights]
    if len(slots) != len(arrays):
        text = f"the model has {counted(len(slots), 'weight')}, get_weights() of the file {len(arrays)}"
        match.misfits.append(Misfit(model.name, text, slots, arrays))
        return
    match.rules.append(Rule(model.name, "its weights are taken in the order of get_weights(), which has no names"))
    match.pairs += [Pair(slot, array) for slot, array in zip(slots, arrays, strict=True)]


def _layer_pairs(
    match: Match, ours: Sequence[tuple[Layer, list[Owned]]], theirs: Sequence[LegacyLayer], by_name: bool
) -> Iterable[tuple[tuple[Layer, list[Owned]], LegacyLayer]]:
    """The layers that belong together; what is left on either side goes into the match."""
    if by_name:
        for name, count in Counter(layer.name for layer, _ in ours).items():
            if count > 1:
                match.problems.append(f"the model has {counted(count, 'layer')} named {quote(name)}")
        stored = {layer.name: layer for layer in theirs}
        pairs = [(item, stored[item[0].name]) for item in ours if item[0].name in stored]
        wanted = {layer.name for layer, _ in ours}
        ours_left = [item for item in ours if item[0].name not in stored]
        theirs_left = [layer for layer in theirs if layer.name not in wanted]
    else:
        pairs = list(zip(ours, theirs, strict=False))
        ours_left, theirs_left = ours[len(theirs) :], theirs[len(ours) :]
    for layer, owned in ours_left:
        match.missing += _slots(layer, owned)
    for layer in theirs_left:
        match.extra += [array for _, array in layer.weights]
    return pairs


def _compare_names(match: Match, ours: Sequence[str], theirs: Sequence[str], full_model: bool) -> None:
    """Names must agree in order in a full model; elsewhere the same names must not stand in another order."""
    if list(ours) == list(theirs):
        return
    if sorted(ours) == sorted(theirs):
        match.problems.append(
            f"the file lists its layers in another order than the {'config' if full_model else 'model'}: "
            f"{list(theirs)[:10]} and {list(ours)[:10]}"
            + ("" if full_model else ". Use by_name=True if the names are right")
        )
    elif full_model:
        mine, yours = set(ours), set(theirs)
        match.problems += [
            f"missing in the file: all weights of layer {quote(name)}" for name in ours if name not in yours
        ]
        match.problems += [
            f"left over in the file: all weights of layer {quote(name)}" for name in theirs if name not in mine
        ]


def legacy_order(
    layer: Layer, inside: Inside = inner_modules, written: Written | None = None, copies: bool = False
) -> list[Owned]:
    """A layer's variables as legacy files list them: trainable ones, then the others (frozen ones among them).

    Args:
        layer: The layer.
        inside: The modules inside a module, in the order of the file.
        written: What stands in the file for a module.
        copies: Whether a layer that stands in several models or wrappers comes once for each.
    """
    return sorted(owned_variables(layer, inside, written, copies), key=lambda owned: not _trains(owned))


def _trains(owned: Owned) -> bool:
    return owned.variable.var.trainable and all(part.requires_grad for part in owned.variable.parts())


def _slots(layer: Layer, owned: Iterable[Owned], whole: bool = False) -> list[Slot]:
    """The variables with their names; `whole`: the layer is the model itself, whose name stays out."""
    first = () if whole else (layer.name,)
    slots = []
    for variable, names, depth in owned:
        path = "/".join((*first, *names)) or layer.name
        unit = "/".join((*first, *names[:depth])) or layer.name
        slots.append(Slot(unit, f"layer {path!r}: {variable.name}", variable))
    return slots


def _pair_group(
    match: Match, layer: Layer, owned: list[Owned], group: LegacyLayer, options: Options, whole: bool = False
) -> None:
    """Pair the variables of one layer, or of a whole model, with the arrays of one group of the file."""
    label = f"layer {layer.name!r}"
    variables = [item.variable for item in owned]
    result = _converted(owned, group, options)
    match.rules += [Rule(layer.name, text) for text in result.rules]
    match.from_cudnn += result.from_cudnn
    slots, stored = _slots(layer, owned, whole), result.arrays
    arrays = [array for _, array in stored]
    if result.problems:
        match.misfits += [Misfit(layer.name, f"{label}: {text}", slots, arrays) for text in result.problems]
        return
    if len(slots) != len(stored):
        wanted = ", ".join(f"{variable.name} {variable.shape}" for variable in variables)
        listed = ", ".join(f"{name} {array.shape}" for name, array in stored)
        text = f"{label}: expected {counted(len(slots), 'array')} ({wanted}), the file has {len(stored)} ({listed})"
        match.misfits.append(Misfit(layer.name, text, slots, arrays))
        return
    order = _order_by_names(owned, [name for name, _ in stored])
    if order is not None and order != list(range(len(order))):
        text = "its arrays stand in the order of another set of frozen layers; their names say which is which"
        if options.full_model:
            match.problems.append(f"{label}: the names of its arrays say another order than its config")
            return
        match.rules.append(Rule(layer.name, text))
        stored = [stored[index] for index in order]
    elif order is None and whole and options.by_name:
        match.problems.append(f"{label}: the names of its arrays are not those of the model's layers")
        return
    mine = _names_of(owned)
    for slot, (name, array) in zip(slots, stored, strict=True):
        if _means_another(_last_part(name, mine), slot.variable.name, mine):
            text = f"{slot.label.rpartition(':')[0]}: expected {slot.variable.name} {slot.variable.shape}, "
            match.problems.append(f"{text}the file has {quote(name)} in its place")
        match.pairs.append(Pair(slot, array))


def _converted(owned: Sequence[Owned], group: LegacyLayer, options: Options) -> Converted:
    variables = [item.variable for item in owned]
    return converted(variables, group.weights, keras1=options.keras1, sum_biases=options.sum_biases)


def _order_by_names(owned: Sequence[Owned], names: Sequence[str]) -> list[int] | None:
    """Which array each variable takes by the names of the file, if these name every variable once; else None.

    Keras 3 and tf.keras name a weight by the layers around it: `inner/inner_a/kernel`, `inner_a/kernel:0`. Layers that
    a wrapper made for itself have numbers that mean nothing: `both/forward_lstm_5/lstm_cell/kernel`.
    """
    if not any(item.names for item in owned):
        return None
    mine = _names_of(owned)
    lasts = [_last_part(name, mine) for name in names]
    own = {name for item in owned for name in item.names[: item.depth]}
    for plain in (lambda name: name, lambda name: name if name in own else re.sub(r"_\d+$", "", name)):
        paths = [tuple(map(plain, name.split("/")[:-1])) for name in names]
        said = {part for path in paths for part in path}
        wanted = [tuple(part for part in map(plain, item.names) if part in said) for item in owned]
        known = {part for path in wanted for part in path}
        paths = [tuple(part for part in path if part in known) for path in paths]
        for start in (0, -1):
            found = {(path[start:], last): index for index, (path, last) in enumerate(zip(paths, lasts, strict=True))}
            keys = [(path[start:], item.variable.name) for path, item in zip(wanted, owned, strict=True)]
            if len(found) == len(names) == len(set(keys)) and all(key in found for key in keys):
                return [found[key] for key in keys]
    return None


def _names_of(owned: Sequence[Owned]) -> dict[str, str]:
    """Each name that a file may use for one of the variables -> the variable's name."""
    return {name: item.variable.name for item in owned for name in (*item.variable.var.also, item.variable.name)}


def _means_another(last: str, own: str, mine: Collection[str]) -> bool:
    """Whether a weight's name is that of another variable of the layer, or of a layer of another kind."""
    return last != own and (last in mine or (last in _known_names() and own in _known_names()))


@cache
def _known_names() -> frozenset[str]:
    return frozenset(var.name for cls in REGISTRY.values() for var in cls.WEIGHTS)


def _last_part(weight_name: str, mine: Mapping[str, str]) -> str:
    """`bidi/forward_gru/gru_cell/kernel_1:0` -> `kernel`, unless `kernel_1` is itself one of the layer's names.

    Keras 1's `batchnormalization_1_running_std` -> its name now.
    """
    last = re.sub(r":\d+$", "", weight_name.rsplit("/", 1)[-1])
    if last in mine:
        return mine[last]
    for old, new in _OF_KERAS1.items():
        if last.endswith(f"_{old}"):
            return new
    return re.sub(r"_\d+$", "", last)
