"""A SavedModel of tf.keras: the config of each of its layers, and its weights by the graph of objects.

TensorFlow 2.5 and later write the configs to `keras_metadata.pb`; before that they stand with the objects in
`saved_model.pb`. The functions there, which are what TensorFlow itself runs, are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kerastorch.errors import LoadError, quote

from .._limits import Limits
from .._source import Source
from .._training import describe_optimizer
from .._values import NO_MODEL, LegacyLayer, LegacyWeights, Skipped
from ..strict_json import parse_json
from ._wire import Wire
from .bundle import Bundle
from .checkpoint import Contents, array_of, layer_of, layers_of, read_checkpoint, state_of
from .folders import Folder
from .objects import Objects

MODEL, METADATA, BUNDLE = "saved_model.pb", "keras_metadata.pb", "variables/variables"
_KERAS = "_tf_keras_"  # how the kinds of objects of Keras begin
_ROOT = ()
Path = tuple[str, ...]


def read_saved_model(folder: Folder, bundle: Bundle, name: str, limits: Limits) -> Contents:
    """What a folder with `saved_model.pb` holds; its variables alone where there is no config of Keras."""
    graph = bundle.graph()
    configs = _configs(folder, name, limits)
    model = configs.get(_ROOT)
    if graph is None or model is None or not isinstance(model.get("config"), dict):
        contents = read_checkpoint(bundle)
        return replace(contents, skipped=(*contents.skipped, Skipped(NO_MODEL, _no_config(model))))
    objects = Objects(graph, bundle.source)
    weights = _weights(objects, bundle, configs)
    training = model.get("training_config")
    training = training if isinstance(training, dict) else None
    skipped: list[Skipped] = []
    state = None
    optimizer = describe_optimizer(training)
    if training is not None:
        state = state_of(objects, bundle, optimizer, skipped)
    config = {"class_name": model.get("class_name"), "config": model["config"]}
    return Contents(
        weights,
        config,
        _text(model.get("keras_version")),
        _text(model.get("backend")),
        training_config=training,
        skipped=tuple(skipped),
        optimizer=state,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _no_config(model: Mapping[str, Any] | None) -> str:
    if model is None:
        return "functions of TensorFlow, and no config of Keras, as tf.saved_model.save and export write it"
    return f"its class {quote(model.get('class_name'))} states no config"


def _weights(objects: Objects, bundle: Bundle, configs: Mapping[Path, Mapping[str, Any]]) -> LegacyWeights:
    """The weights of each layer, and what belongs to the model itself.

    A model that was saved without its functions (`save_traces=False`) has no lists of variables.
    """
    layers, held, as_made = [], set[int](), "variables" not in objects.node(0).children
    for names, number in layers_of(objects, 0, lambda node: "keras_api" in node.children):
        said = next((configs[(name,)] for name in names if (name,) in configs), None)
        label = (_text(said.get("name")) if said is not None else None) or names[0]
        if as_made:
            layers.append(layer_of(objects, bundle, label, number))
            continue
        variables = _listed(objects, number)
        held.update(variables)
        layers.append(LegacyLayer(label, tuple(array_of(objects, bundle, variable) for variable in variables)))
    own = [] if as_made else [number for number in _listed(objects, 0) if number not in held]
    return LegacyWeights(tuple(layers), tuple(array_of(objects, bundle, number) for number in own), as_made)


def _listed(objects: Objects, number: int) -> list[int]:
    """The variables of a layer, or of a model, as an `.h5` file lists them: those that are trained come first."""
    found: dict[int, None] = {}
    for path in (("trainable_variables",), ("keras_api", "non_trainable_variables"), ("variables",)):
        listed = objects.child(number, *path)
        found |= dict.fromkeys(objects.items(listed) if listed is not None else ())
    return list(found)


def _configs(folder: Folder, name: str, limits: Limits) -> dict[Path, dict[str, Any]]:
    """What is said of the model, and of its layers, by the names of attributes that lead there."""
    if folder.has(METADATA):
        return _of_metadata(Source(folder.open(METADATA), f"{name}: {METADATA}", limits), limits)
    return _of_model(Source(folder.open(MODEL), f"{name}: {MODEL}", limits), limits)


def _of_metadata(source: Source, limits: Limits) -> dict[Path, dict[str, Any]]:
    """`SavedMetadata`: a list of nodes, each with its path ("root.layer-0") and JSON."""
    wire = Wire(source.read(0, source.end), source, "the list of objects")
    found = {}
    for number, value in wire:
        if number != 1:
            continue
        node = wire.inner(value)
        said = node.last()
        path = tuple(node.text(said.get(3, memoryview(b""))).split(".")[1:])
        if len(path) < 2 and 5 in said and node.text(said.get(4, memoryview(b""))).startswith(_KERAS):
            found[path] = _parsed(source, path, node.bytes(said[5]), limits)
    return found


def _of_model(source: Source, limits: Limits) -> dict[Path, dict[str, Any]]:
    """`SavedModel`: in its first graph the objects, those of Keras with JSON."""
    wire = Wire(source.read(0, source.end), source, "the model")
    graph = next((wire.inner(value) for number, value in wire if number == 2), None)
    listed = next((graph.inner(value) for number, value in graph if number == 7), None) if graph is not None else None
    if listed is None:
        return {}
    nodes = [listed.inner(value) for number, value in listed if number == 1]
    found: dict[Path, dict[str, Any]] = {}
    if not nodes:
        return found

    def text_of(node: Wire) -> memoryview | None:
        said = next((node.inner(value) for number, value in node if number == 4), None)
        fields = said.last() if said is not None else {}
        if said is None or 3 not in fields or not said.text(fields.get(1, memoryview(b""))).startswith(_KERAS):
            return None
        return said.bytes(fields[3])

    root = nodes[0]
    places: list[tuple[Path, int]] = [(_ROOT, 0)]
    for number, value in root:
        if number == 1:
            child = root.inner(value).last()
            places.append(((root.text(child.get(2, memoryview(b""))),), root.whole(child.get(1, 0))))
    for path, at in places:
        if not 0 <= at < len(nodes):
            raise source.corrupt("the model", f"it names the object {at}, and has {len(nodes)}")
        text = text_of(nodes[at])
        if text is not None:
            found[path] = _parsed(source, path, text, limits)
    return found


def _parsed(source: Source, path: Path, text: memoryview, limits: Limits) -> dict[str, Any]:
    where = f"{source.name}: {'.'.join(('root', *path))}"
    try:
        return parse_json(text, where, limits, finite=False)
    except LoadError:
        if path == _ROOT:
            raise
        return {}
