"""How each layer of a model stands in a file: as itself, or as a layer that means the same in one Keras.

A model may hold what that Keras has under another name, computes in another way, or does not have. Each such difference
is a function of a dialect: a `StandIn` makes another layer for a layer, an `Edit` changes what the file states of it.
Both say what they changed, or refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from .. import registered
from ..base.inner_layers import own_form, written_as
from ..base.layer import REGISTRY, Layer
from ..base.variables import all_variables
from ..base.weighted import repr_of
from ..errors import SaveError, UnsupportedError, quote
from ..matching import Placing, inner_modules
from ..matching.attributes import WRITERS, Writer
from ..matching.finite import Remarkable
from ..models import Model
from ..models.graph_config import DERIVED, GRAPH_KEYS, NO_MASKS, CallMasks, functional_config, is_functional
from ..models.mask_flow import Visit
from ..registered import OF_KERASTORCH
from ..spec import Rule
from ._texts import of_text
from .objects import serialize_keras_object


@dataclass
class Entry:
    """A layer on its way into a file.

    Attributes:
        layer: The layer.
        config: The arguments that the file will state; edits change them.
        masks: The masks that arrive at each of its calls, None for an input without one.
        mask_used: Whether a layer behind it uses the mask of its output.
        texts: What was changed, for the report.
        call_options: More arguments for each of its calls in a functional model.
    """

    layer: Layer
    config: dict[str, Any]
    masks: Sequence[tuple[Any, ...]]
    mask_used: bool = False
    texts: list[str] = field(default_factory=list)
    call_options: dict[str, Any] = field(default_factory=dict)

    @property
    def masked(self) -> bool:
        """Whether a mask arrives at one of its calls."""
        return any(mask is not None for call in self.masks for mask in call)

    @property
    def masks_differ(self) -> bool:
        """Whether the inputs of one of its calls have different masks, or one has none."""
        return any(len({id(mask) for mask in call}) > 1 for call in self.masks)

    def refuse(self, why: str) -> SaveError:
        """The error that this layer cannot be written."""
        return SaveError(f"{repr_of(self.layer)}: {why}")


Edit = Callable[[Entry], None]
# Returns the layer that stands for the one in the entry, or None if that stands for itself.
StandIn = Callable[[Entry], "Layer | None"]


Config = dict[str, Any]


def _as_it_is(config: Config) -> Config:
    return config


def _no_masks(visits: Sequence[Visit]) -> Mapping[int, CallMasks]:
    """Every call gets the masks of its inputs by itself."""
    return {}


@dataclass(frozen=True)
class Dialect:
    """One Keras: what it has otherwise than the layers here, and how its files look.

    Attributes:
        name: As `save_model(dialect=...)` takes it.
        keras: For messages.
        version: What the files state, and by which they are read.
        stand_ins: Tried in order, on what the one before returned.
        edits: Each looks at every entry.
        call_masks: Looks at every call and finds the masks that calls must name, by the `id` of the functional model.
        layer: From Keras 3's form of a layer to this Keras's; what stands inside is converted already.
        model: The same for a model.
        outside_zip: From the form in a .keras file to that in .h5 and `to_json`.
        json: What `to_json` states beside.
        json_training: Whether `to_json` says how the model was compiled.
        order: The names of the layers of a functional model, from its config, in the order in which this Keras lists
            them when it has read a file.
        attributes: Classes -> attributes, of layers and of weights, with another name in that Keras -> that name.
        writer: In which order it walks the attributes of a class of a person's own.
        states_names: Whether the weights tree says the names of its layers.
        weight_end: What stands behind the name of each weight in .h5.
        in_place: Whether .h5 files list the layers of a class of a person's own in the order of its attributes.
    """

    name: str
    keras: str
    version: str
    order: Callable[[Config], Sequence[str]]
    stand_ins: Sequence[StandIn]
    edits: Sequence[Edit]
    call_masks: Callable[[Sequence[Visit]], Mapping[int, CallMasks]] = _no_masks
    layer: Callable[[Config], Config] = _as_it_is
    model: Callable[[Config], Config] = _as_it_is
    outside_zip: Callable[[Config], Config] = _as_it_is
    json: Mapping[str, str] = field(default_factory=dict)
    json_training: bool = True
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    writer: Writer = WRITERS[0]
    states_names: bool = True
    weight_end: str = ""
    in_place: bool = False


@dataclass
class Forms:
    """Writes the layers of one model, and notes how each was written.

    Attributes:
        dialect: Of the Keras that shall read the file.
        masks: The masks that arrive at the calls of a layer, by its `id`.
        masks_used: The layers, by `id`, whose output's mask is used.
        call_masks: Masks that calls must name, by the `id` of the functional model.
        rules: What was changed.
        own_classes: The classes that were written and are none of Keras's, by their names.
        not_finite: The weights that hold NaN or infinity, when they are written.
    """

    dialect: Dialect
    masks: Mapping[int, Sequence[tuple[Any, ...]]] = field(default_factory=dict)
    masks_used: Container[int] = frozenset()
    call_masks: Mapping[int, CallMasks] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    own_classes: dict[str, type] = field(default_factory=dict)
    not_finite: Remarkable = field(default_factory=Remarkable)
    _stand_ins: dict[int, Layer] = field(default_factory=dict)
    _met: set[int] = field(default_factory=set)
    _inside_copy: bool = False
    _places_in: dict[int, Mapping[str, int]] = field(default_factory=dict)  # the order of the layers in each model

    def form(self, layer: Any) -> dict[str, Any]:
        """The dict of one layer, as this Keras writes it.

        One that stands in several models is written in each: of a shared layer Keras finds the wrong call when it reads
        the graph, also in its own files.
        """
        if id(layer) not in self._met:
            self._met.add(id(layer))
            return self._make(layer)
        outermost, self._inside_copy = not self._inside_copy, True
        if outermost and next(all_variables(layer), None) is not None:
            text = "it stands in several models; Keras gets one in each, and these train apart"
            self.rules.append(Rule(layer.name, text))
        try:
            return self._make(layer, again=True)
        finally:
            self._inside_copy = not outermost

    def written(self, module: nn.Module) -> nn.Module:
        """What was written in the place of a module."""
        return self._stand_ins.get(id(module), module)

    def listed(self, module: nn.Module) -> Sequence[nn.Module]:
        """The modules inside a module, in the order in which they come in the file."""
        found = inner_modules(module, self.dialect.in_place)
        places = self._places_in.get(id(module), {})
        return sorted(found, key=lambda inner: places.get(getattr(inner, "name", ""), 0))

    def placing(self, whole: bool) -> Placing:
        """Where the weights tree has everything.

        Args:
            whole: Whether the config stands beside it, with the classes of the layers as they are here.
        """
        placing = Placing(self.written, self.listed, self.dialect.attributes, self.dialect.writer)
        return replace(placing, class_of=lambda layer: layer._class_name) if whole else placing

    def _make(self, layer: Any, again: bool = False) -> dict[str, Any]:
        entry = None
        if isinstance(layer, Layer):
            entry = Entry(layer, {}, self.masks.get(id(layer), ()), id(layer) in self.masks_used)
            if id(layer) in self._stand_ins:
                entry.layer = self._stand_ins[id(layer)]
            else:
                for stand_in in self.dialect.stand_ins:
                    entry.layer = stand_in(entry) or entry.layer
            if entry.layer is not layer:
                self._stand_ins[id(layer)] = entry.layer
                layer = entry.layer
        if isinstance(layer, Model) and REGISTRY.get(layer._class_name) is type(layer):
            made = self._model(layer)
        else:
            made = self._layer(layer)
        if entry is not None and REGISTRY.get(made["class_name"]) is type(layer):
            entry.config = made["config"]
            for edit in self.dialect.edits:
                edit(entry)
            if not again:
                self.rules += [Rule(layer.name, text) for text in entry.texts]
            if entry.call_options:
                made["call_options"] = entry.call_options
        if not isinstance(layer, Model):
            return self.dialect.layer(made)
        made = self.dialect.model(made)
        if is_functional(layer):
            graph = made["config"] if set(made["config"]) >= GRAPH_KEYS else self._graph_inside(layer)
            places = {name: place for place, name in enumerate(self.dialect.order(graph))}
            graph["layers"].sort(key=lambda item: places[item["name"]])
            for item in graph["layers"]:
                item.pop(DERIVED, None)
            self._places_in[id(layer)] = places
        return made

    def _graph_inside(self, model: Model) -> Config:
        """The graph that the constructor of somebody's class makes: by its order Keras finds the weights."""
        with written_as(own_form):
            config = functional_config(model, derived=True)
        form = {"module": None, "class_name": "Functional", "config": config, "registered_name": None}
        return self.dialect.model(form)["config"]

    def _layer(self, layer: Any) -> dict[str, Any]:
        try:
            made = dict(own_form(layer))
        except UnsupportedError as error:
            raise SaveError(str(error)) from error
        if made.get("registered_name") in OF_KERASTORCH and registered.name_of(type(layer)) == made["registered_name"]:
            return of_text(made)
        if REGISTRY.get(made["class_name"]) is not type(layer):
            name = made["class_name"]
            text = f"{name} is not a class of Keras: it needs custom_objects to open the file"
            self.rules.append(Rule(getattr(layer, "name", name), text))
            self.own_classes[name] = type(layer)
            try:  # what a person's get_config returns may be objects: Keras writes their configs
                made["config"] = serialize_keras_object(made["config"])
            except UnsupportedError as error:
                raise SaveError(f"{name} {quote(getattr(layer, 'name', name))}: its get_config: {error}") from error
        return made

    def _model(self, model: Model) -> dict[str, Any]:
        if is_functional(model):
            config = functional_config(model, self.call_masks.get(id(model), NO_MASKS), derived=True)
            module, name, registered = "keras.src.models.functional", "Functional", "Functional"
        else:
            module, name, registered, config = "keras", "Sequential", None, model.get_config()
        return {"module": module, "class_name": name, "config": config, "registered_name": registered}
