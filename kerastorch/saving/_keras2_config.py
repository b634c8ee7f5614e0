"""A config in Keras 3's form -> the form of tf-keras 2.21, and that of the Keras 2 before it. Dicts only.

The reading direction is `compat/`; what its tables say is not said again here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..compat import forms, tables
from ..errors import SaveError, quote
from ..models.graph_config import GRAPH_KEYS, kind_of, lists_layers
from ._keras2_calls import is_operation, operation_layer, written_calls
from ._texts import in_keras2, is_of_text

Config = dict[str, Any]

# Arguments that only Keras 3 has -> values with which they say nothing; with others a layer is refused.
KERAS3_ONLY: Mapping[str, tuple[Any, ...]] = {
    "use_gate": (False,),
    "sliding_window": (None,),
    "rms_scaling": (False,),
    "optional": (False,),
    "renorm": (False,),  # and the layer of TensorFlow 1, which tf-keras has beside its own
}
# Arguments that tf-keras does not take -> values with which they say nothing.
_SAYS_NOTHING: Mapping[str, tuple[Any, ...]] = {
    "zero_output_for_mask": (False,),  # recurrent layers take it, convolutional ones do not
    **KERAS3_ONLY,
    "flash_attention": (None, False),
    "robust_masking": (False,),
}
SEEDLESS = forms.RECURRENT | {"LSTMCell", "GRUCell", "SimpleRNNCell", "MultiHeadAttention"}
# Arguments that came after Keras 2.3 -> their defaults, which Keras 2.3 computes with.
_YOUNG: Mapping[str, Any] = {"groups": 1, "keepdims": False, "backward_layer": None}
_HAVE_GROUPS = frozenset({"Conv1D", "Conv2D", "Conv3D"})
_MODELS = {"Functional": "tf_keras.src.engine.functional", "Sequential": "keras"}
_INNER = ("layer", "backward_layer", "cell", "cells")
_OF_ZIP = ("module", "registered_name")
# Initializers that were functions before TensorFlow 1.13: their names as such are read by every Keras since 1.
_FUNCTIONS = {name: snake for snake, name in tables.INITIALIZERS.spellings.items() if snake.endswith(("form", "mal"))}
_FUNCTIONS = {name: snake for name, snake in _FUNCTIONS.items() if snake.startswith(("glorot", "he_", "lecun"))}


def layer(item: Config) -> Config:
    """One layer; the layers inside it are converted already."""
    name = item["class_name"]
    if name == "InputLayer":
        return _input_layer(item)
    form = forms.LAYERS.get(name)
    if is_of_text(item):
        return in_keras2(item)
    if form is None or item.get("module") is None:  # a class of somebody's own: its config is its own, too
        return item
    config: Config = {}
    older = {new: old for old, new in form.aliases.items()}
    for key, value in item["config"].items():
        for inner in _inside(key, value):
            if is_operation(inner):
                raise _no_place(inner, f"inside {name} {quote(item['config'].get('name'))}")
        if _says_nothing(key, value) or (key == "seed" and name in SEEDLESS):
            continue
        if key == "layer":  # Bidirectional states more of it than the layer itself
            stated = {name: inner for name, inner in value["config"].items() if not _says_nothing(name, inner)}
            value = {**value, "config": stated}
        if key in tables.ACTIVATION_KEYS:
            value = _activation(value)
        if key == "dtype" and isinstance(value, str):
            value = _policy(value)
        config[older.get(key, key)] = value
    return {**item, "config": config}


def _says_nothing(key: str, value: Any) -> bool:
    return key in _SAYS_NOTHING and value in _SAYS_NOTHING[key]


def _inside(key: str, value: Any) -> list[Config]:
    """The layers that stand in an argument."""
    if key not in _INNER or value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _activation(value: Any) -> Any:
    if isinstance(value, dict):
        return layer(value) if value.get("class_name") in forms.LAYERS else value
    return "hard_sigmoid" if value == "hard_sigmoid_keras2" else value


def _policy(name: str) -> Any:
    if not name.startswith("mixed_"):
        return name
    return {
        "module": "keras.mixed_precision",
        "class_name": "Policy",
        "config": {"name": name},
        "registered_name": None,
    }


def _input_layer(item: Config) -> Config:
    given = item["config"]
    shape = {"batch_input_shape": given["batch_shape"], "dtype": given["dtype"], "sparse": False}
    ragged = {"ragged": True} if given.get("ragged") else {}  # a key that Keras 2.3 does not know
    return {**item, "config": {**shape, **ragged, "name": given["name"]}}


def model(item: Config) -> Config:
    """A model; its layers are converted already."""
    name, config = item["class_name"], item["config"]
    if set(config) >= GRAPH_KEYS:
        config = _functional(config)
    elif lists_layers(config):
        config = _sequential(config)
    return {**item, "module": _MODELS.get(name, item["module"]), "config": config}


def _sequential(config: Config) -> Config:
    for inner in config["layers"]:
        if is_operation(inner):
            raise _no_place(inner, f"in Sequential {quote(config['name'])}")
    return {"name": config["name"], "layers": config["layers"]}


def _no_place(item: Config, where: str) -> SaveError:
    return SaveError(
        f"the operation {quote(item['config'].get('function', item['class_name']))} stands {where}; tf-keras has "
        "operations in the graphs of functional models alone: write the model as one."
    )


def _functional(config: Config) -> Config:
    # The call that made a model counts as its first; Keras 3's form says so at the ends of Functional models alone.
    graphs = {item["name"] for item in config["layers"] if kind_of(item) == "Functional"}
    chains = {item["name"] for item in config["layers"] if kind_of(item) == "Sequential"}
    first = {item["name"]: int(item["name"] in graphs | chains) for item in config["layers"]}

    def end(node: list[Any]) -> list[Any]:
        name, number, output = node
        return [name, number + int(name in chains), output]

    def ends(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: ends(inner) for key, inner in value.items()}
        if value and isinstance(value[0], str):
            return end(value)
        return [ends(inner) for inner in value]

    def listed(value: Any) -> Any:
        value = ends(value)
        return [value] if isinstance(value, list) and isinstance(value[0], str) else value

    layers = []
    for item in config["layers"]:
        if is_operation(item):
            layers.append(operation_layer(item, first))
        else:
            layers.append({**item, "inbound_nodes": written_calls(item, first)})
    return {
        **config,
        "layers": layers,
        "input_layers": listed(config["input_layers"]),
        "output_layers": listed(config["output_layers"]),
    }


# ---------------------------------------------------------------- .h5 and JSON


def outside_zip(item: Config) -> Config:
    """The form of .h5 files and of `to_json`, without what Keras 2.3 and TensorFlow 1 and 2 would not read.

    Nothing is left out but what says nothing: names of modules, and later arguments with the values that they had
    before they existed.
    """
    return _bare(item)


def _bare(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_bare(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    made = {key: _bare(inner) for key, inner in value.items()}
    name, config = made.get("class_name"), made.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        return made
    for key in _OF_ZIP:
        made.pop(key, None)
    made["class_name"] = {"Functional": "Model", **_FUNCTIONS}.get(name, name)
    if name in forms.LAYERS:
        made["config"] = dict(_without_young(name, config))
    return made


def _without_young(name: str, config: Config) -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        young = key in _YOUNG and value == _YOUNG[key] and (key != "groups" or name in _HAVE_GROUPS)
        if not young:
            yield key, value
