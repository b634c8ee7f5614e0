"""Small configs, as the Keras versions write them."""

from __future__ import annotations

from typing import Any

import pytest

from kerastorch.compat import to_spec
from kerastorch.errors import LoadError, UnsupportedFileError
from kerastorch.spec import LayerSpec, ModelSpec

Config = dict[str, Any]


def item(class_name: str, name: str | None = None, **config: Any) -> Config:
    named = {} if name is None else {"name": name}
    return {"class_name": class_name, "config": {**named, **config}}


def sequential(*layers: Config, **config: Any) -> Config:
    return {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers), **config}}


def source(name: str = "x", *shape: int | None) -> Config:
    return {**item("InputLayer", name, batch_input_shape=[None, *(shape or (7, 4))]), "inbound_nodes": []}


def called(layer: Config, *nodes: Any) -> Config:
    return {**layer, "name": layer["config"]["name"], "inbound_nodes": list(nodes)}


def functional(layers: list[Config], inputs: Any, outputs: Any, **config: Any) -> Config:
    ends = {"input_layers": inputs, "output_layers": outputs}
    return {"class_name": "Model", "config": {"name": "m", "layers": layers, **ends, **config}}


def chain(*layers: Config) -> Config:
    """An input and the layers one after another, in the dialect of Keras 2."""
    made, before = [{**source(), "name": "x"}], "x"
    for layer in layers:
        made.append(called(layer, [[before, 0, 0, {}]]))
        before = layer["config"]["name"]
    return functional(made, [["x", 0, 0]], [[before, 0, 0]])


def read(config: Config, version: str | None = "2.2.4") -> ModelSpec:
    return to_spec(config, version, "tensorflow")[0]


def last(config: Config, version: str | None = "2.2.4") -> LayerSpec:
    layer = read(config, version).layers[-1]
    assert isinstance(layer, LayerSpec)
    return layer


def one(class_name: str, version: str | None = "2.2.4", **config: Any) -> Config:
    """The converted arguments of one layer."""
    return dict(last(sequential(item(class_name, "l", **config)), version).config)


def refused(
    config: Config, match: str, version: str | None = "2.2.4", error: type[LoadError] = UnsupportedFileError
) -> None:
    with pytest.raises(error, match=match):
        to_spec(config, version)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in nested lists and objects: what holds it, and its key there."""
    found: list[tuple[Any, Any]] = []
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        found.append((value, key))
        found += places(inner) if isinstance(inner, (dict, list)) else []
    return found
