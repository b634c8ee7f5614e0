"""Variables and the arrays of a Keras v3 weights tree: by place in the tree, or by the names of the layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from torch import nn

from .. import deadline
from ..base.layer import Layer
from ..base.naming import name_in_files
from ..base.variables import listed_variables, own_variables
from ..base.weighted import repr_of
from ..errors import quote
from ..files import Array, TreeObject, TreeWeights
from ..models import Model
from ..spec import ModelSpec, Rule
from ._match import Match, Pair, Slot
from ._owners import has_variables, model_chain
from .attributes import WRITERS, Writer, attribute_children, is_own
from .own import own_part, reads_itself, without_counts

_TWICE = "_layer_checkpoint_dependencies"  # TensorFlow 2.12 and 2.13: each layer with weights stands twice
_CONTAINERS = ("layers", _TWICE)
_BY_ORDER = "Names that Keras makes (lstm, lstm_1, ...) depend on what was made before: leave by_name out then."


@dataclass(frozen=True)
class Placing:
    """How the Keras that shall read a file looks for what is in it.

    Attributes:
        written: What stands in the file for a module; the module itself if nothing else does.
        layers: The layers of a model in the order in which that Keras lists them.
        attributes: Classes -> attributes that have another name there -> that name.
        writer: In which order it walks the attributes of a class of a person's own.
        class_of: The class of a layer: there may be another one in its place here.
    """

    written: Callable[[nn.Module], nn.Module] = lambda module: module
    layers: Callable[[Model], Sequence[nn.Module]] = Model._sublayers
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    writer: Writer = WRITERS[0]
    class_of: Callable[[Layer], str] = lambda layer: layer._class_in_file or layer._class_name


class _Index:
    """What stands in each container of a file: key -> name of the layer, where the file says it."""

    def __init__(self, weights: TreeWeights, names: Mapping[str, str], placing: Placing | None = None) -> None:
        self.objects = weights.objects
        self.writing = placing is not None
        self.placing = placing or Placing()
        self.keys: dict[str, dict[str, str | None]] = {}
        self.filled: set[str] = set()  # places in containers that have arrays, at any depth below
        self.above: set[str] = set()  # every path at or above arrays
        for path, found in weights.objects.items():
            parts = path.split("/")
            if found.arrays:
                self.above.update("/".join(parts[:depth]) for depth in range(len(parts) + 1))
            for index, part in enumerate(parts[:-1]):
                if part in _CONTAINERS:
                    container, key = "/".join(parts[: index + 1]), parts[index + 1]
                    place = f"{container}/{key}"
                    if key not in self.keys.setdefault(container, {}):
                        holder = weights.objects.get(place)
                        name = holder.name if holder is not None else None
                        self.keys[container][key] = names.get(place) if name is None else name
                    if found.arrays:
                        self.filled.add(place)
        self.container = _TWICE if any(name.rpartition("/")[2] == _TWICE for name in self.keys) else "layers"

    def inside(self, path: str) -> dict[str, str | None]:
        """The layers with arrays in the model at `path`."""
        container = _join(path, self.container)
        return {key: name for key, name in self.keys.get(container, {}).items() if f"{container}/{key}" in self.filled}

    def has_below(self, path: str) -> bool:
        """Whether there are arrays at the path or below it."""
        return path in self.above

    def chain(self) -> list[str]:
        """The places of models of which each holds nothing with arrays but the next, from the outside in."""
        found: list[str] = []
        while True:
            path = found[-1] if found else ""
            inside = self.inside(path)
            own = self.objects.get(path)
            inner = _join(path, f"{self.container}/{next(iter(inside), '')}")
            if len(inside) != 1 or not self.inside(inner) or (own is not None and own.arrays):
                return found
            found.append(inner)


class _Place(NamedTuple):
    """A module of the model: its place in the file (None: it has none), the layer of a model that it is part of."""

    path: str | None
    unit: str
    module: nn.Module
    contained: bool = False  # whether it is a layer of a graph or a chain


def tree_pairs(
    model: Model,
    weights: TreeWeights,
    *,
    full_model: bool = False,
    by_name: bool = False,
    names: Mapping[str, str] | None = None,
) -> Match:
    """Pair the variables with the arrays of a Keras v3 weights tree.

    Args:
        model: The model.
        weights: The tree.
        full_model: Whether the model was made from the file's own config: then its names must be the file's, too.
        by_name: Whether layers are found by their names; else by class and order.
        names: Names of layers by their place, where the tree does not say them (before Keras 3.6).
    """
    match = Match(hint=_BY_ORDER if by_name else "")
    weights = without_counts(model, weights, match)
    index = _Index(weights, names or {})
    start = ""
    if is_own(model) and by_name:
        match.problems.append(
            f"{repr_of(model)} is a model of your own class; its layers are found by its attributes: leave by_name out"
        )
    elif not full_model and not is_own(model):
        model, start = _same_depth(model, index, match)
    walk = partial(_walk, model, start, index, by_name, full_model)
    writer = _writer(model, walk, index, match)
    used: set[str] = set()
    own: set[str] = set()
    nameless = _named_by_code(model)
    for path, unit, module, _ in walk(writer, match):
        deadline.check("the weights of {} were looked for", unit)
        layer = module if isinstance(module, Layer) else None
        label = f"layer {layer.name!r}" if layer is not None else path or unit
        variables = listed_variables(module)
        slots = [Slot(unit, f"{label}: {variable.name}", variable) for variable in variables]
        if path is None:
            match.missing += slots
            continue
        found = index.objects.get(path)
        if layer is not None and reads_itself(layer):
            match.own.append(own_part(layer, label, found))
            own.add(path)
            if not type(layer).VARS_PATH:
                continue
        stated = layer if full_model and id(module) not in nameless else None
        if stated is not None and found is not None and found.name not in (None, stated.name):
            match.problems.append(
                f"{path or 'the model'}: named {quote(found.name)} in the file, {quote(stated.name)} in the config"
            )
        home = _home(path, module)
        used.update((path, home))
        _pair(match, slots, index.objects.get(home))
    for path, found in index.objects.items():
        if path in own:
            continue
        if found.strange is not None:
            raise found.strange
        if path not in used:
            match.extra += found.arrays
        if found.words is not None:
            match.rules.append(Rule(path, "the words that the file has for it are not used"))
    return match


def tree_places(model: Model, placing: Placing) -> Iterator[tuple[str, nn.Module]]:
    """The model and everything in it, with the place of each in a weights tree: for writing.

    Args:
        model: The model.
        placing: How the Keras that shall read the file looks for it.

    Yields:
        The path of each module, and what stands there. A layer in several models comes once more for each, without
        what is inside it.
    """
    index = _Index(TreeWeights({}), {}, placing)
    for path, _, module, _ in _walk(model, "", index, False, True, placing.writer, Match()):
        assert path is not None  # only a file in which something is missing has no place
        yield path, module


def _named_by_code(model: Model) -> set[int]:
    """The modules that a class of a person's own makes: their names depend on what was made before, not on a config."""
    return {
        id(inner)
        for module in model.modules()
        if isinstance(module, Layer) and module._tracks
        for inner in module.modules()
        if inner is not module
    }


def _join(path: str, rest: str) -> str:
    return f"{path}/{rest}" if path else rest


def _pair(match: Match, slots: list[Slot], found: TreeObject | None) -> None:
    arrays: tuple[Array, ...] = () if found is None else found.arrays
    match.pairs += [Pair(slot, array) for slot, array in zip(slots, arrays, strict=False)]
    match.missing += slots[len(arrays) :]
    match.extra += arrays[len(slots) :]


def _same_depth(model: Model, index: _Index, match: Match) -> tuple[Model, str]:
    """Leave out models around the others that only the model or only the file has; return the model and its place."""
    ours, theirs = model_chain(model, once=True), index.chain()
    if len(theirs) > len(ours):
        start = theirs[len(theirs) - len(ours) - 1]
        match.rules.append(Rule(model.name, f"its weights are taken from the model inside, at {quote(start)}"))
        return model, start
    if len(ours) > len(theirs):
        inner = ours[len(ours) - len(theirs) - 1]
        match.rules.append(Rule(model.name, f"the weights of the file are those of the model {inner.name!r} inside"))
        return inner, ""
    return model, ""


def _home(path: str, module: nn.Module) -> str:
    """Where the module's own variables stand."""
    return _join(path, type(module).VARS_PATH) if isinstance(module, Layer) and type(module).VARS_PATH else path


def _writer(model: Model, walk: Callable[[Writer, Match], Iterator[_Place]], index: _Index, match: Match) -> Writer:
    """Whose order of attributes the file follows: the one in which each array has its variable."""
    if not any(is_own(module) and module._tracks and module._modules for module in model.modules()):
        return WRITERS[0]  # kerastorch's own classes keep layers under plain names only
    filled = {path for path, found in index.objects.items() if found.arrays}
    says_names = any(found.name is not None for found in index.objects.values())
    writers = [writer for writer in WRITERS if writer.keras3 or not says_names]
    places: dict[Writer, dict[str, nn.Module]] = {}
    for writer in writers:
        walked = [(path, module) for path, _, module, _ in walk(writer, Match()) if path is not None]
        places[writer] = {_home(path, module): module for path, module in walked if own_variables(module)}
    fits = [writer for writer in writers if places[writer].keys() == filled]
    if not fits:
        return max(writers, key=lambda writer: len(places[writer].keys() & filled))
    if any(places[writer] != places[fits[0]] for writer in fits):
        match.problems.append(
            f"the attributes of {repr_of(model)} stand in one order for {fits[0].name} and in another for "
            f"{fits[-1].name}, and the file does not say which of the two wrote it"
        )
    return fits[0]


def _walk(
    model: Model, start: str, index: _Index, by_name: bool, full_model: bool, writer: Writer, match: Match
) -> Iterator[_Place]:
    """The model and everything in it, as Keras walks it. Shared layers once.

    A plain torch module, such as a person's own cell, has no layer.
    """
    seen: set[int] = set()
    stack: list[Iterator[_Place]] = [iter([_Place(start, "", model)])]
    while stack:
        place = next(stack[-1], None)
        if place is None:
            stack.pop()
            continue
        module = index.placing.written(place.module)
        place = place._replace(module=module)
        if id(module) in seen:
            if index.writing and place.contained:
                yield place
            continue
        seen.add(id(module))
        yield place
        if isinstance(module, Model) and module._graph is not None:
            stack.append(iter(_layers_of(module, place, index, by_name, full_model, match)))
        else:
            stack.append(_attributes_of(module, place, writer, seen, index))


def _layers_of(
    model: Model, place: _Place, index: _Index, by_name: bool, full_model: bool, match: Match
) -> list[_Place]:
    """The layers of a graph or a chain, each with its place in the container."""
    path = place.path
    numbered = _numbered(model, path, index)
    if path is not None and not full_model and not by_name:
        _compare_order(match, path, numbered, index)
    if by_name:
        numbered = _named(match, model, path, index)
    container = "" if path is None else _join(path, index.container)
    places = [f"{container}/{key}" if container and key is not None else None for key, _ in numbered]
    return [
        _Place(inner, _join(place.unit, layer.name), layer, True)
        for inner, (_, layer) in zip(places, numbered, strict=True)
    ]


def _attributes_of(
    module: nn.Module, place: _Place, writer: Writer, seen: Collection[int], index: _Index
) -> Iterator[_Place]:
    """What is in the attributes of a layer; found step by step, as it depends on what has been seen until then."""
    found: Iterable[tuple[str, nn.Module]] = module.named_children()
    if isinstance(module, Layer):
        found = attribute_children(module, writer, seen) if is_own(module) else module._keras_children()
    renamed = index.placing.attributes.get(module._class_name, {}) if isinstance(module, Layer) else {}
    for name, inner in found:
        is_unit = isinstance(module, Model) and isinstance(inner, Layer)
        unit = _join(place.unit, inner.name) if is_unit else place.unit  # type: ignore[arg-type]
        yield _Place(_attribute(place.path, renamed.get(name, name), index), unit, inner)
    if isinstance(module, Layer) and place.path is not None:
        aliases = [(_join(place.path, name), inner) for name, inner in module._keras_aliases()]
        yield from (_Place(path, place.unit, inner) for path, inner in aliases if index.has_below(path))


def _attribute(path: str | None, name: str, index: _Index) -> str | None:
    """The place of what a layer keeps under this attribute; some Keras versions keep it under a private one."""
    if path is None:
        return None
    public, private = _join(path, name), _join(path, f"_{name}")
    return private if public not in index.objects and private in index.objects else public


def _numbered(model: Model, path: str | None, index: _Index) -> list[tuple[str | None, Layer]]:
    """The key of each layer in a model's container: snake_case of the class, numbered per class.

    A layer that stands for one of another class may have either in a file: that of what it stands for, or its own.
    """
    found = _keys(model, index, index.placing.class_of)
    if index.writing or path is None or all(layer._class_in_file is None for _, layer in found):
        return found
    own = _keys(model, index, lambda layer: layer._class_name)
    there = index.inside(path)
    return max((found, own), key=lambda keys: sum(key in there for key, layer in keys if has_variables(layer)))


def _keys(model: Model, index: _Index, class_of: Callable[[Layer], str]) -> list[tuple[str | None, Layer]]:
    """The key of each layer in a container.

    TensorFlow 2.12 and 2.13 wrote a container in which each layer with weights stands twice, and numbered both.
    """
    count: Counter[str] = Counter()
    found: list[tuple[str | None, Layer]] = []
    for layer in index.placing.layers(model):
        if isinstance(layer, Layer):
            name = name_in_files(class_of(index.placing.written(layer)))  # type: ignore[arg-type]
            number = count[name]
            found.append((f"{name}_{number}" if number else name, layer))
            count[name] += 2 if index.container == _TWICE and has_variables(layer) else 1
    return found


def _named(match: Match, model: Model, path: str | None, index: _Index) -> list[tuple[str | None, Layer]]:
    """The key of each layer in a model's container: the one under which the file has a layer of this name."""
    inside = index.inside(path) if path is not None else {}
    if None in inside.values():
        match.problems.append(
            f"the file does not say the names of its layers in {quote(path or 'the model')} (Keras before 3.6 did not "
            "write them): match by order"
        )
    keys: dict[str | None, str] = {}
    for key, name in inside.items():
        if name is not None and keys.setdefault(name, key) != key:
            match.problems.append(f"the file has two layers named {quote(name)} in {quote(path or 'the model')}")
    return [(keys.get(layer.name), layer) for layer in model._sublayers() if isinstance(layer, Layer)]


def _compare_order(match: Match, path: str, numbered: list[tuple[str | None, Layer]], index: _Index) -> None:
    """Refuse layers that have the file's names in another order: one of the two orders is not what is meant."""
    inside = index.inside(path)
    ours = {key: layer.name for key, layer in numbered if key in inside}
    theirs = {key: inside[key] for key in ours}
    if ours != theirs and sorted(ours.values()) == sorted(map(str, theirs.values())) and len(ours) == len(inside):
        swapped = [f"{quote(theirs[key])} at {key}, where the model has {name!r}" for key, name in ours.items()]
        shown = "; ".join(text for text, (key, name) in zip(swapped, ours.items(), strict=True) if theirs[key] != name)
        match.problems.append(
            f"the file has the model's layers in another order: {shown[:300]}. Use by_name=True if the names are right"
        )


def names_in_config(spec: ModelSpec, weights: TreeWeights) -> dict[str, str]:
    """The names of a model's layers by their place in its weights tree, from the config beside the tree."""
    index = _Index(weights, {})
    found: dict[str, str] = {}
    todo = [(spec, "")]
    while todo:
        model, path = todo.pop()
        container = _join(path, index.container)
        count: Counter[str] = Counter()
        for layer in model.layers:
            kind = name_in_files(layer.kind if isinstance(layer, ModelSpec) else layer.class_name)
            place = f"{container}/{kind}_{count[kind]}" if count[kind] else f"{container}/{kind}"
            count[kind] += 2 if index.container == _TWICE and place in index.filled else 1
            found[place] = layer.name
            if isinstance(layer, ModelSpec):
                todo.append((layer, place))
    return found
