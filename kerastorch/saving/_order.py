"""The order in which a Keras lists the layers of a graph that it has read: by it, it finds their weights in a file.

By their distance from the outputs, far ones first, then as they are met on the way from the outputs: both Kerases do
so, whatever the order in the file. Layers of equal shapes would swap their weights in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..compat import depths
from ..models.graph_config import kind_of

Config = dict[str, Any]
Key = tuple[str, int]  # a layer, and the number that its call has in the file


def order_in_keras2(config: Config) -> list[str]:
    """The names of the layers of a functional model in tf-keras's order.

    Args:
        config: In tf-keras's form.
    """
    needed: dict[Key, list[Key]] = {}
    for item in config["layers"]:
        first = int(kind_of(item) in ("Functional", "Sequential"))
        for number, node in enumerate(item["inbound_nodes"] or [[]]):
            needed[item["name"], number + first] = _inputs(node)
    return _listed(config, needed, _inputs(config["output_layers"]))


def order_in_keras3(config: Config) -> list[str]:
    """The names of the layers of a functional model in Keras 3's order, operations included.

    Args:
        config: In Keras 3's form.
    """
    needed: dict[Key, list[Key]] = {}
    for item in config["layers"]:
        for number, node in enumerate(item["inbound_nodes"] or [{}]):
            needed[item["name"], number] = _tensors([node.get("args"), node.get("kwargs")])
    first = {item["name"]: int(kind_of(item) == "Functional") for item in config["layers"]}
    return _listed(config, needed, [(name, number - first[name]) for name, number in _ends(config["output_layers"])])


def _listed(config: Config, needed: Mapping[Key, list[Key]], outputs: list[Key]) -> list[str]:
    """The names, for the calls that each call needs, and those that make the outputs."""
    found = depths(needed, outputs)
    names = [item["name"] for item in config["layers"]]
    # One that no output needs is an input. Or it leads nowhere: Keras 3 leaves it out, tf.keras puts it at the end.
    nowhere = {item["name"] for item in config["layers"] if item["inbound_nodes"] and item["name"] not in found.layers}
    return sorted(names, key=lambda name: (name in nowhere, -found.layers.get(name, 0), found.met.get(name, -1)))


def _tensors(value: Any) -> list[Key]:
    """The calls that make the tensors in the arguments of a call of Keras 3; named arguments by their names."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            name, number, _ = value["config"]["keras_history"]
            return [(name, number)]
        return [key for name in sorted(value) for key in _tensors(value[name])]
    return [key for inner in value for key in _tensors(inner)] if isinstance(value, (list, tuple)) else []


def _ends(value: Any) -> list[Key]:
    """The calls that make the outputs of a model of Keras 3."""
    if isinstance(value, dict):
        return [key for name in sorted(value) for key in _ends(value[name])]
    if len(value) == 3 and isinstance(value[0], str):
        return [(value[0], value[1])]
    return [key for inner in value for key in _ends(inner)]


def _inputs(value: Any) -> list[Key]:
    """The calls that make the tensors of a call: those of the first argument, then the others as they are written."""
    tensors: list[Key] = []
    options: Any = {}

    def collect(part: Any) -> None:
        nonlocal options
        if isinstance(part, dict):
            for name in sorted(part):
                collect(part[name])
        elif isinstance(part, list) and len(part) in (3, 4) and isinstance(part[0], str) and isinstance(part[1], int):
            if part[1] >= 0:  # else a constant
                tensors.append((part[0], part[1]))
            options = part[3] if len(part) == 4 else options
        elif isinstance(part, list):
            for inner in part:
                collect(inner)

    collect(value)
    for given in list(options.values()):
        collect(given)
    return tensors
