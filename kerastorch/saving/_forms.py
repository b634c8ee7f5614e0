"""How each layer of a model stands in a file: as itself, or as a layer that means the same in one Keras.

A model may hold what that Keras has under another name, computes in another way, or does not have. Each such difference
is a function of a dialect: a `StandIn` makes another layer for a layer, an `Edit` changes what the file states of it.
Both say what they changed, or refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..errors import SaveError, UnsupportedError
from ..layers._base import REGISTRY, Layer
from ..layers._variables import all_variables
from ..layers._weighted import repr_of
from ..layers._wrapper import own_form
from ..layers.operation import Operation
from ..models import Model
from ..models._config import NO_MASKS, CallMasks, functional_config, is_functional
from ..spec import Rule


@dataclass
class Entry:
    """A layer on its way into a file.

    Attributes:
        layer: The layer.
        config: The arguments that the file will state; edits change them.
        masks: The masks that arrive at each of its calls, None for an input without one.
        texts: What was changed, for the report.
        call_options: More arguments for each of its calls in a functional model.
    """

    layer: Layer
    config: dict[str, Any]
    masks: Sequence[tuple[Any, ...]]
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


@dataclass
class Dialect:
    """What one Keras has otherwise than the layers here.

    Attributes:
        stand_ins: Tried in order, on what the one before returned.
        edits: Each looks at every entry.
    """

    stand_ins: Sequence[StandIn]
    edits: Sequence[Edit]


@dataclass
class Forms:
    """Writes the layers of one model, and notes how each was written.

    Attributes:
        dialect: Of the Keras that shall read the file.
        masks: The masks that arrive at the calls of a layer, by its `id`.
        call_masks: Masks that calls must name, by the `id` of the functional model.
        rules: What was changed.
    """

    dialect: Dialect
    masks: Mapping[int, Sequence[tuple[Any, ...]]] = field(default_factory=dict)
    call_masks: Mapping[int, CallMasks] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    _stand_ins: dict[int, Layer] = field(default_factory=dict)
    _met: set[int] = field(default_factory=set)
    _inside_copy: bool = False

    def form(self, layer: Any) -> dict[str, Any]:
        """The dict of one layer, as Keras 3 writes it.

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

    def _make(self, layer: Any, again: bool = False) -> dict[str, Any]:
        if isinstance(layer, Operation):
            raise SaveError(
                f"{repr_of(layer)}: Keras 3 has no operation {layer.function} that takes a tensor where this one "
                "does; compute it in another way, or save the weights alone."
            )
        entry = None
        if isinstance(layer, Layer):
            entry = Entry(layer, {}, self.masks.get(id(layer), ()))
            if id(layer) in self._stand_ins:
                entry.layer = self._stand_ins[id(layer)]
            else:
                for stand_in in self.dialect.stand_ins:
                    entry.layer = stand_in(entry) or entry.layer
            if entry.layer is not layer:
                self._stand_ins[id(layer)] = entry.layer
                layer = entry.layer
        if isinstance(layer, Model) and REGISTRY.get(layer.class_name) is type(layer):
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
        return made

    def _layer(self, layer: Any) -> dict[str, Any]:
        try:
            made = dict(own_form(layer))
        except UnsupportedError as error:
            raise SaveError(str(error)) from error
        if REGISTRY.get(made["class_name"]) is not type(layer):
            name = made["class_name"]
            text = f"{name} is not a class of Keras: it needs custom_objects to open the file"
            self.rules.append(Rule(getattr(layer, "name", name), text))
        return made

    def _model(self, model: Model) -> dict[str, Any]:
        if is_functional(model):
            config = functional_config(model, self.call_masks.get(id(model), NO_MASKS))
            module, name, registered = "keras.src.models.functional", "Functional", "Functional"
        else:
            module, name, registered, config = "keras", "Sequential", None, model.get_config()
        return {"module": module, "class_name": name, "config": config, "registered_name": registered}
