"""A model of which some layers are missing: what stands where, and every shape that can be told all the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ..base import check
from ..errors import KerasTorchError
from ..spec import Constant, LayerSpec, ModelSpec, TensorRef, map_refs, refs_of
from ..structure import is_shape, leaves, map_shapes
from ._order import NodeKey, in_order
from ._texts import vectorized
from .build import Making, make_layer
from .provided import NOTHING, Provided

Shapes = list[Any]  # of shapes with the batch axis; None for one that cannot be told


@dataclass
class Place:
    """A layer of a sketched model.

    Attributes:
        path: Its name, behind the names of the models around it.
        spec: The layer.
        model: The name of the model that it is in.
        before: The layers that its first call takes its inputs from.
        behind: The layers that take its outputs.
        inputs: The shape of each input of its first call.
        outputs: The shape of each output; one that cannot be told where nothing is known.
    """

    path: str
    spec: LayerSpec | ModelSpec
    model: str
    before: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    inputs: tuple[Any, ...] = ()
    outputs: tuple[Any, ...] = (None,)

    @property
    def is_missing(self) -> bool:
        return self.spec.given is not None and self.spec.given.source == "missing"

    @property
    def class_name(self) -> str:
        return self.spec.class_name or (self.spec.kind if isinstance(self.spec, ModelSpec) else "")


def sketch(spec: ModelSpec | LayerSpec, given: Provided = NOTHING) -> list[Place]:
    """All layers of a model in the order of the file; behind a model the layers inside it.

    Nothing is computed: what is there is made on the meta device and asked for its output shape.
    """
    drawing = _Drawing(given, {})
    if isinstance(spec, ModelSpec):
        with torch.device("meta"):
            drawing.model(spec, None, "")
    ordered: list[Place] = []
    _collect(spec, "", drawing.places, ordered)
    return ordered


def _collect(spec: ModelSpec | LayerSpec, path: str, places: dict[str, Place], ordered: list[Place]) -> None:
    for layer in spec.layers if isinstance(spec, ModelSpec) else ():
        inner = _join(path, layer.name)
        # A model that is called on nothing that has a shape was not entered.
        ordered.append(places.setdefault(inner, Place(inner, layer, spec.name)))
        _collect(layer, inner, places, ordered)


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


@dataclass
class _Drawing:
    """One sketch: what the caller gives, and the places so far by their path."""

    given: Provided
    places: dict[str, Place]

    def model(self, spec: ModelSpec, inputs: Shapes | None, path: str) -> Shapes:
        """Draw the layers of a model for inputs of these shapes (None: as it states them itself)."""
        for layer in spec.layers:
            inner = _join(path, layer.name)
            self.places.setdefault(inner, Place(inner, layer, spec.name))
        return self.chain(spec, inputs, path) if spec.kind == "Sequential" else self.graph(spec, inputs, path)

    def chain(self, spec: ModelSpec, inputs: Shapes | None, path: str) -> Shapes:
        names = [layer.name for layer in spec.layers]
        shapes: Shapes = [None] if inputs is None else inputs
        for index, layer in enumerate(spec.layers):
            place = self.places[_join(path, layer.name)]
            place.before, place.behind = tuple(names[max(index - 1, 0) : index]), tuple(names[index + 1 : index + 2])
            place.inputs = tuple(shapes)
            if not (isinstance(layer, LayerSpec) and layer.class_name == "InputLayer" and shapes != [None]):
                shapes = self.outputs(layer, shapes[0] if len(shapes) == 1 else shapes, shapes, place.path)
            place.outputs = tuple(shapes)
        return shapes

    def graph(self, spec: ModelSpec, inputs: Shapes | None, path: str) -> Shapes:
        made: dict[NodeKey, Shapes] = {}

        def shape_of(ref: TensorRef) -> Any:
            outputs = made.get((ref.layer, ref.node), [])
            return outputs[ref.tensor] if ref.tensor < len(outputs) else None

        ends = refs_of(spec.inputs)
        for index, ref in enumerate(ends):
            place = self.places[_join(path, ref.layer)]
            known = inputs[index] if inputs is not None and len(inputs) == len(ends) else None
            made[ref.layer, 0] = [_stated(place.spec) if known is None else known]
            place.outputs = tuple(made[ref.layer, 0])
        calls = {layer.name: layer.calls for layer in spec.layers if layer.calls}
        for name, index in in_order(calls, set(made)):
            call, place = calls[name][index], self.places[_join(path, name)]
            sources = refs_of(call.args)
            shapes = [shape_of(ref) for ref in sources]
            first = map_refs(lambda constant: constant.shape, call.args[0], Constant)
            nested = map_refs(shape_of, first)
            known = all(isinstance(leaf, (TensorRef, Constant)) for leaf in leaves(call.args[0]))
            made[name, index] = self.outputs(place.spec, nested, shapes, place.path) if known else [None]
            for ref in sources:
                user = self.places[_join(path, ref.layer)]
                user.behind = tuple(dict.fromkeys((*user.behind, name)))
            if not index:
                place.before = tuple(dict.fromkeys(ref.layer for ref in sources))
                place.inputs, place.outputs = tuple(shapes), tuple(made[name, index])
        return [shape_of(ref) for ref in refs_of(spec.outputs)]

    def outputs(self, spec: LayerSpec | ModelSpec, nested: Any, shapes: Shapes, path: str) -> Shapes:
        """The shapes of a layer's outputs, as far as they can be told from those of its inputs."""
        if isinstance(spec, ModelSpec):
            return self.model(spec, shapes, path)
        if spec.class_name == "InputLayer":
            return [_stated(spec)]
        if spec.given is not None and spec.given.source == "missing":
            return [_promised(spec, shapes)]
        if None in shapes or _lacks(spec):
            return [None]
        found: Shapes = []
        try:
            layer = make_layer(spec, Making(self.given))
            layer.build(nested)
            map_shapes(found.append, layer.compute_output_shape(nested))
        except KerasTorchError:  # what is wrong with the layer is for the load to say
            return [None]
        return found


def _lacks(spec: LayerSpec) -> bool:
    """Whether something inside a layer's config is missing."""
    inner = [spec.config.get(key) for key in ("layer", "backward_layer", "cell", "cells")]
    found = [part for item in inner for part in (item if isinstance(item, (list, tuple)) else [item])]
    for part in found:
        layers = part.layers if isinstance(part, ModelSpec) else [part]
        for layer in layers:
            if isinstance(layer, ModelSpec) or (isinstance(layer, LayerSpec) and _is_missing_or_lacks(layer)):
                return True
    return False


def _is_missing_or_lacks(spec: LayerSpec) -> bool:
    return (spec.given is not None and spec.given.source == "missing") or _lacks(spec)


def _stated(spec: LayerSpec | ModelSpec) -> Any:
    shape = spec.config.get("batch_shape") if isinstance(spec, LayerSpec) else None
    # Of a class that nobody has, anything may stand there.
    return tuple(shape) if isinstance(shape, (list, tuple)) and is_shape(shape) else None


def _promised(spec: LayerSpec, shapes: Shapes) -> Any:
    """The output shape that the config of a Lambda or TextVectorization states; None if it states none."""
    if spec.class_name == "TextVectorization":
        return vectorized(spec.config, shapes[0][0] if shapes and shapes[0] else None)[0]
    stated = spec.config.get("output_shape") if spec.class_name == "Lambda" else None
    if not isinstance(stated, (list, tuple)) or spec.config.get("output_shape_type", "raw") != "raw":
        return None
    try:
        sizes = check.shape("output_shape", stated)
    except KerasTorchError:
        return None
    batch = shapes[0][0] if shapes and shapes[0] else None
    return (batch, *sizes)
