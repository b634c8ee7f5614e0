"""Merge of Keras 1: the class that its mode names, and the Sequential that begins with a Merge of branches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import CorruptFileError, UnsupportedFileError, quote
from ..spec import Rule
from ._layers import declared_shape, name_of
from ._values import mapping, sequence

_Item = dict[str, Any]
_Ref = list[Any]  # [layer, call, output]

MERGES: Mapping[str, str] = {
    "sum": "Add",
    "mul": "Multiply",
    "concat": "Concatenate",
    "ave": "Average",
    "max": "Maximum",
    "dot": "Dot",
    "cos": "Dot",
}


@dataclass
class Notes:
    """What was rewritten, layer by layer; and what stays as it is, because the caller replaces it."""

    replaced: Collection[str] = ()  # names, or paths `outer/inner`
    rules: list[Rule] = field(default_factory=list)

    def is_replaced(self, name: str) -> bool:
        return any(key == name or key.endswith(f"/{name}") for key in self.replaced)

    def add(self, layer: str, text: str) -> None:
        self.rules.append(Rule(layer, text))


def merged(config: Mapping[str, Any], name: str, notes: Notes) -> _Item:
    """Merge is the class that its mode names."""
    mode = config.get("mode")
    if config.get("layers"):
        raise UnsupportedFileError(
            f"Layer {quote(name)}: a Merge that holds its branches can only be the first layer of a Sequential."
        )
    if mode == "join":
        raise UnsupportedFileError(
            f"Layer {quote(name)}: Merge with mode 'join' hands on all its inputs, which no later Keras has; call the "
            "next layer on the list of them, and save again."
        )
    if config.get("mode_type", "raw") != "raw" or not isinstance(mode, str) or mode not in MERGES:
        raise UnsupportedFileError(
            f"Layer {quote(name)}: Merge with mode {quote(mode)}: code in files is never run; known are "
            f"{', '.join(MERGES)}. Pass replace={{{quote(name)}: ...}}."
        )
    if config.get("output_mask") is not None:
        raise UnsupportedFileError(
            f"Layer {quote(name)}: Merge with an output_mask of its own: code in files is never run; pass "
            f"replace={{{quote(name)}: ...}}."
        )
    made: dict[str, Any] = {"name": name}
    if mode == "concat":
        made["axis"] = config.get("concat_axis", -1)
    if mode in ("dot", "cos"):
        made |= {"axes": _axes(config.get("dot_axes", -1), name), "normalize": mode == "cos"}
    notes.add(name, f"Merge with mode {mode!r} is read as {MERGES[mode]}")
    return {"class_name": MERGES[mode], "config": made}


def _axes(value: Any, name: str) -> Any:
    """`[[1], [1]]` of Keras 1 -> `[1, 1]`."""
    if isinstance(value, list) and all(isinstance(axis, list) and len(axis) == 1 for axis in value):
        return [axis[0] for axis in value]
    if isinstance(value, list) and any(isinstance(axis, list) for axis in value):
        raise UnsupportedFileError(
            f"Layer {quote(name)}: dot_axes = {quote(value)}: one axis of each input is supported."
        )
    return value


# ---------------------------------------------------------------------------------------------- branches


def begins_with_branches(layers: list[Any]) -> bool:
    """Whether the layers of a Sequential begin with a Merge that holds the models it merges."""
    first = layers[0] if layers else None
    config = first.get("config") if isinstance(first, dict) and first.get("class_name") == "Merge" else None
    return isinstance(config, dict) and bool(config.get("layers"))


def model_of_branches(layers: list[Any], convert: Callable[[Any], Any], notes: Notes) -> _Item:
    """The functional model that such a Sequential is.

    Its inputs are those of the branches. Its layers stand in the order in which Keras 1 stored them: those of the
    branches one by one, then the others; a branch itself was not stored.

    Args:
        layers: Of the Sequential.
        convert: Rewrites one layer in the spelling of Keras 2.
        notes: Where the rule is noted.
    """
    graph = _Branches(convert)
    output = graph.chain(layers)
    notes.add(output[0], "the Sequential of branches is read as a functional model with the inputs of the branches")
    config = {"layers": graph.layers, "input_layers": graph.inputs, "output_layers": [output]}
    return {"class_name": "Model", "config": config}


class _Branches:
    """A functional graph that grows branch by branch."""

    def __init__(self, convert: Callable[[Any], Any]) -> None:
        self.convert = convert
        self.layers: list[_Item] = []
        self.inputs: list[_Ref] = []

    def chain(self, layers: list[Any]) -> _Ref:
        """Add the layers of a Sequential, each called on the one before; return the last one's output."""
        sources: list[_Ref] = []
        if begins_with_branches(layers):
            first = layers[0]
            sources = [self._branch(item) for item in self._of_merge(first["config"])]
            layers = [{**first, "config": {**first["config"], "layers": None}}, *layers[1:]]
        for item in layers:
            converted = mapping(self.convert(item), "A layer of a branch")
            sources = [self._call(converted, sources or [self._input_of(converted)])]
        if not sources:
            raise CorruptFileError("A branch of a Merge has no layers.")
        return sources[0]

    def _of_merge(self, config: Mapping[str, Any]) -> list[Any]:
        where = f"Layer {quote(config.get('name') or 'Merge')}"
        for key in ("node_indices", "tensor_indices"):
            if any(sequence(config.get(key) or [], f"{where}, {key}")):
                raise UnsupportedFileError(
                    f"{where}: a Merge of branches that takes another than their first outputs ({key}) is not "
                    "supported; rebuild the model in PyTorch and load its weights."
                )
        return sequence(config["layers"], f"{where}, layers")

    def _branch(self, item: Any) -> _Ref:
        """Add one of the models that a Merge merges; return its output."""
        config = mapping(item, "A branch of a Merge").get("config")
        if isinstance(config, list):
            return self.chain(config)
        outputs = config.get("output_layers") if isinstance(config, dict) else None
        if not isinstance(config, dict) or not isinstance(outputs, list) or len(outputs) != 1:
            raise UnsupportedFileError(
                f"A branch of a Merge is {quote(item.get('class_name'))}; a Sequential and a Model with one output are "
                "supported. Rebuild the model in PyTorch and load its weights."
            )
        self.layers += [self.convert(layer) for layer in sequence(config.get("layers"), "The layers of a branch")]
        self.inputs += sequence(config.get("input_layers"), "The input_layers of a branch")
        return outputs[0]

    def _call(self, item: Mapping[str, Any], sources: list[_Ref]) -> _Ref:
        """Add a layer that is called on `sources`; return its output."""
        name = name_of(item, "A layer of a branch")
        if name is None:
            raise UnsupportedFileError(
                "A model inside a branch of a Merge has no name in the file, by which its weights would be found. "
                "Rebuild the model in PyTorch and load its weights."
            )
        self.layers.append({**item, "name": name, "inbound_nodes": [sources]})
        return [name, 0, 0]

    def _input_of(self, first: Mapping[str, Any]) -> _Ref:
        """Add the input that Keras 1 made for the first layer of a branch; return it."""
        inner = first.get("config")
        config: Mapping[str, Any] = inner if isinstance(inner, dict) else {}
        owner = name_of(first, "A layer of a branch")
        shape = declared_shape(config, f"Layer {quote(owner)}", str(first.get("class_name")))
        if shape is None:
            raise UnsupportedFileError(
                f"Layer {quote(owner)}: the first layer of a branch must state batch_input_shape; add it to the config."
            )
        kind = config.get("input_dtype") or config.get("dtype") or "float32"
        made = {"name": f"{owner}_input", "batch_input_shape": list(shape), "dtype": kind}
        self.layers.append({"class_name": "InputLayer", "name": made["name"], "config": made, "inbound_nodes": []})
        self.inputs.append([made["name"], 0, 0])
        return self.inputs[-1]
