"""A look at a whole config before anything of it is read: sizes, names, and what the closed table does not have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ..errors import ArgumentError, CorruptFileError, UnsupportedFileError, beyond, quote
from ..spec import Given, Missing
from . import forms, tables
from ._custom import offered_lambda, offered_name
from ._layers import name_of
from ._shared import parts
from ._values import MAX_NESTING, is_own, mapping, sequence, text
from ._writer import Context
from .operations import is_operation

MAX_LAYERS = 100_000
MAX_DEPTH = 500  # of lists and objects in one another: enough for MAX_NESTING models, and few enough to print


@dataclass
class _Entry:
    """A layer or model of the config, by its place; `parent` is the index of what it is in, -1 outside."""

    item: Mapping[str, Any]
    path: tuple[str, ...]
    parent: int
    given: Given | None = None
    note: str | None = None  # why the table does not have it


@dataclass
class _Survey:
    context: Context
    entries: list[_Entry] = field(default_factory=list)
    closed: set[int] = field(default_factory=set)  # what is not looked into: it is replaced, or missing


_NESTED = frozenset((dict, list))


def refuse_deep(config: Mapping[str, Any]) -> None:
    """Refuse what is nested so deep that no Keras wrote it. Iterative, as all here: nothing is known yet."""
    level: list[Any] = [config]
    for _ in range(MAX_DEPTH):
        # By the exact class, which is quick: JSON has no other, and this looks at every value of the file.
        inner = [value if value.__class__ is list else value.values() for value in level]
        level = [item for items in inner for item in items if item.__class__ in _NESTED]
        if not level:
            return
    raise UnsupportedFileError(f"The config is nested more than {MAX_DEPTH} deep.")


def survey(context: Context, config: Mapping[str, Any], most_layers: int = MAX_LAYERS) -> tuple[Missing, ...]:
    """Find what the caller gives, and what nobody has; note both in `context`.

    Returns:
        What is missing, in the order of the file.

    Raises:
        ArgumentError: A key of `replace` is no layer of the model, or more than one.
        UnsupportedFileError: There are too many layers, too deep.
        CorruptFileError: A layer is no object with a class.
    """
    found = _Survey(context)
    stack: list[tuple[Any, tuple[str, ...], int]] = [(config, (), -1)]
    while stack:
        item, path, parent = stack.pop()
        mapping(item, "A layer")
        text(item.get("class_name"), "The class of a layer")
        if len(path) > MAX_NESTING:
            raise UnsupportedFileError(f"Models and wrappers are nested more than {MAX_NESTING} deep.")
        index = len(found.entries)
        found.entries.append(_Entry(item, path, parent))
        if index > most_layers:  # the model itself is none of them
            raise UnsupportedFileError(beyond("The model has more layers", f"{most_layers:,}", "layers"))
        inside = list(_inside(context, item, path))
        stack.extend((part, (*path, name), index) for name, part in reversed(inside))
    _replace(found)
    return tuple(_judge(found))


def _inside(context: Context, item: Mapping[str, Any], path: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Name and config of each layer that stands in a model, or in a wrapper's config."""
    inner, class_name = item.get("config"), item["class_name"]
    own_name = path[-1] if path else name_of(item, "The model") or snake(class_name)
    offered = offered_name(context.offered, item)
    if offered is None and class_name in tables.MODELS and is_own(item):
        layers = inner.get("layers") if isinstance(inner, dict) else inner
        items = sequence(layers, f"The layers of a {class_name}")
        yield from zip(names_of(items, own_name), items, strict=True)
        return
    if offered is not None and isinstance(inner, dict) and is_model_config(inner):
        yield from zip(names_of(inner["layers"], own_name), inner["layers"], strict=True)
        return
    known = class_name in forms.LAYERS and is_own(item) if offered is None else context.offered.classes.get(offered)
    if known and isinstance(inner, dict) and not is_operation(item):
        for part in parts(inner):
            yield inner_name(mapping(part, f"A layer in {quote(own_name)}"), own_name), part


def is_model_config(config: Any) -> bool:
    """Whether a config is that of a graph of layers, as a subclass of Functional has it."""
    keys = ("name", "layers", "input_layers", "output_layers")
    return isinstance(config, dict) and all(key in config for key in keys) and isinstance(config["layers"], list)


def _replace(found: _Survey) -> None:
    """Mark the layers that `replace` names: by their path, or by their bare name where it stands once."""
    by_path: dict[str, list[int]] = {}
    by_name: dict[str, list[int]] = {}
    for index, entry in enumerate(found.entries):
        if entry.path:
            by_path.setdefault("/".join(entry.path), []).append(index)
            by_name.setdefault(entry.path[-1], []).append(index)
    for key, based_on in found.context.offered.layers.items():
        places = by_path.get(key) or by_name.get(key, [])
        if not places:
            shown = ", ".join(map(quote, list(by_path)[:60]))
            more = f" and {len(by_path) - 60} more" if len(by_path) > 60 else ""
            raise ArgumentError(f"replace: the model has no layer {quote(key)}; its layers are {shown}{more}.")
        if len(places) > 1:
            paths = ", ".join(quote("/".join(found.entries[place].path)) for place in places)
            raise ArgumentError(f"replace: more than one layer has the name {quote(key)}; give one of {paths}.")
        entry = found.entries[places[0]]
        if entry.item["class_name"] == "InputLayer":
            raise ArgumentError(f"replace: {quote(key)} is an input of the model, which nothing can stand for.")
        if entry.given is not None:
            raise ArgumentError(f"replace: {quote(entry.given.key)} and {quote(key)} name the same layer.")
        entry.given = Given("replace", key, based_on)


def _judge(found: _Survey) -> Iterator[Missing]:
    """Note in the context where each layer comes from; yield what is missing."""
    context = found.context
    for index, entry in enumerate(found.entries):
        if entry.parent in found.closed:
            if entry.given is not None:
                raise ArgumentError(
                    f"replace: {quote(entry.given.key)} stands in {quote('/'.join(entry.path[:-1]))}, which is "
                    "replaced itself or missing; give that one only."
                )
            found.closed.add(index)
            continue
        if entry.given is None:
            key = offered_name(context.offered, entry.item)
            if key is not None:
                entry.given = Given("custom_objects", key, context.offered.classes.get(key))
            elif (key := offered_lambda(context.offered, entry.item)) is not None:
                entry.given = Given("function", key)
        if entry.given is None:
            note = _unknown(context, entry, entry.parent >= 0 and _is_graph(found.entries[entry.parent]))
            if note is not None:
                entry.given = Given("missing")
                yield Missing("/".join(entry.path), note, entry.item)
        if entry.given is not None:
            context.given[id(entry.item)] = entry.given
            if entry.given.source != "custom_objects":
                found.closed.add(index)


def _is_graph(entry: _Entry) -> bool:
    """Whether a model has its layers in a graph, where operations can stand between them."""
    return entry.item["class_name"] != "Sequential" and isinstance(entry.item.get("config"), dict)


def _unknown(context: Context, entry: _Entry, in_graph: bool) -> str | None:
    """What a layer is that the table does not have; None if it does."""
    item, class_name = entry.item, entry.item["class_name"]
    if in_graph and is_operation(item):
        return None  # one that is not known is refused later, where its arguments are
    if not is_own(item):
        return "a class of one's own"
    if class_name in tables.MODELS:
        return None
    if class_name not in forms.LAYERS:
        return tables.LEFT_OUT.get(class_name, "")
    if context.own:  # ours holds what any Keras had
        return None
    era = "keras2" if context.writer.era == "keras1" else context.writer.era
    return None if era in forms.LAYERS[class_name].eras else f"{context.writer} has no class {class_name}"


# ---------------------------------------------------------------------------------------------- names and parts


@lru_cache(maxsize=1024)  # some of the names come from files
def snake(class_name: str) -> str:
    """The name that Keras makes from a class name."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", class_name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def inner_name(item: Mapping[str, Any], outer: str) -> str:
    """The name of a layer in another one's config."""
    return name_of(item, f"A layer in {quote(outer)}") or snake(text(item.get("class_name"), "The class of a layer"))


def names_of(items: Sequence[Any], model: str) -> list[str]:
    """The names of the layers, those that are missing made as Keras makes them; each may stand once."""
    for item in items:
        text(mapping(item, "A layer").get("class_name"), "The class of a layer")
    stated = [name_of(item, f"A layer of {quote(model)}") for item in items]
    taken = {name for name in stated if name is not None}
    counts: dict[str, int] = {}
    names = []
    for item, name in zip(items, stated, strict=True):
        base = snake(item["class_name"])
        while name is None:
            made = f"{base}_{counts[base]}" if base in counts else base
            counts[base] = counts.get(base, 0) + 1
            name = None if made in taken else made
        names.append(name)
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise CorruptFileError(
            f"Model {quote(model)} has more than one layer of the name {', '.join(map(quote, twice[:5]))}."
        )
    return names


def table_lacks(missing: Sequence[Missing]) -> str:
    """The sentence that names what is missing, and what to do about it."""
    named = [
        f"{quote(item.class_name)}{f' ({item.note})' if item.note else ''} {quote(item.path or 'the model')}"
        for item in missing
    ]
    shown = ", ".join(named[:20]) + (f" and {len(named) - 20} more" if len(named) > 20 else "")
    code = any(item.class_name == "Lambda" for item in missing)
    return (
        f"kerastorch does not have: {shown}. "
        f"{'Code in files (Lambda) is never run. ' if code else ''}"
        "Pass their classes (custom_objects=) or something that stands for the layer (replace=), or replace them by "
        "other layers in Keras and save again."
    )
