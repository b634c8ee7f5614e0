"""Layers that stand in several places of a config and are one object: one set of weights.

The `.keras` files of Keras give such places one `shared_object_id`, and often leave the first place without it (Keras
itself then cannot read the file). Other files do not say that a layer is shared: they hold its weights once for each
place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..errors import CorruptFileError, UnsupportedFileError, quote
from . import tables

_ID = "shared_object_id"
WRAPPED = ("layer", "backward_layer", "cell", "cells")  # where a layer, or a list of them, stands in a config
# Keys of a layer, beside its config, that differ from place to place.
_OF_A_PLACE = frozenset({_ID, "build_config", "inbound_nodes", "name", "module", "registered_name"})


class _Place(NamedTuple):
    item: Mapping[str, Any]
    path: tuple[str, ...]  # names of the layers around it


def parts(config: Mapping[str, Any]) -> list[Any]:
    """The configs of the layers that stand in a layer's config."""
    found: list[Any] = []
    for key in WRAPPED:
        inner = config.get(key)
        found += inner if isinstance(inner, list) and key == "cells" else [] if inner is None else [inner]
    return found


def shared_layers(config: Mapping[str, Any]) -> dict[int, int]:
    """Find the layers that are one object: `id()` of a layer's item in the config -> a number, equal for one object.

    Raises:
        CorruptFileError: Different layers have one id.
        UnsupportedFileError: It cannot be told which layer is meant.
    """
    places = [place for place in _places(config) if isinstance(place.item.get("class_name"), str)]
    groups: dict[int, list[int]] = {}
    for index, place in enumerate(places):
        number = place.item.get(_ID)
        if isinstance(number, int) and not isinstance(number, bool):
            groups.setdefault(number, []).append(index)
    found: dict[int, int] = {}
    for number, group in groups.items():
        wanted = _meaning(places[group[0]].item)
        if any(_meaning(places[index].item) != wanted for index in group[1:]):
            raise CorruptFileError(f"{_named(places[group[0]])} and others have one {_ID} and are different layers.")
        first = [
            index
            for index, place in enumerate(places[: group[0]])
            if _ID not in place.item and _meaning(place.item) == wanted
        ]
        if len(first) > 1:
            raise UnsupportedFileError(
                f"{_named(places[group[0]])} is one and the same layer as one of {len(first)} before it, and the file "
                "does not say which: give layers that are not the same different names, and save again."
            )
        if len(first) + len(group) > 1:
            found.update({id(places[index].item): number for index in first + group})
    return found


def _places(config: Mapping[str, Any]) -> Iterator[_Place]:
    """Every layer of a model, however deep, in the order of the file. Iterative: depths were checked, not trusted."""
    stack = [_Place(config, ())]
    while stack:
        place = stack.pop()
        inner = place.item.get("config")
        is_model = place.item.get("class_name") in tuple(tables.MODELS)
        if is_model:
            inside = inner.get("layers") if isinstance(inner, dict) else inner
        else:
            yield place
            inside = parts(inner) if isinstance(inner, dict) else []
        if is_model and place.path:
            yield place
        around = (*place.path, _name(place.item))
        items = inside if isinstance(inside, list) else []
        stack.extend(_Place(item, around) for item in reversed(items) if isinstance(item, dict))


def _meaning(item: Mapping[str, Any]) -> Any:
    """What makes two places one layer: class, name and arguments."""
    return item.get("class_name"), _bare(item.get("config"))


def _bare(value: Any) -> Any:
    if isinstance(value, list):
        return [_bare(item) for item in value]
    if not isinstance(value, dict):
        return value
    dropped = _OF_A_PLACE if "class_name" in value else frozenset()
    return {key: _bare(item) for key, item in value.items() if key not in dropped}


def _name(item: Mapping[str, Any]) -> str:
    inner = item.get("config")
    return str(item.get("name") or (inner.get("name") if isinstance(inner, dict) else "") or item.get("class_name"))


def _named(place: _Place) -> str:
    return f"Layer {quote('/'.join((*place.path, _name(place.item))))}"
