"""A model as the graph of objects of a TensorFlow checkpoint: what tf-keras finds under which attribute."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import nn

from ..base.layer import Layer
from ..base.tracking import Container
from ..base.variable import Variable
from ..base.variables import all_variables, own_variables
from ..files import Array
from ..files.tensorflow import Object
from ..layers import TimeDistributed
from ..layers.core.operation import Operation
from ..matching import is_own
from ..models import Model
from ._forms import Forms
from ._texts import refuse_counts
from ._training import PlacedState, state_in_checkpoint
from ._weights import cell_of
from ._weights import weight as array_of

_LISTS = (Container, nn.ModuleList, nn.ModuleDict)
_SETTINGS = ("decay", "momentum", "rho", "beta_1", "beta_2")  # which optimizers of before 2.11 keep as variables


def checkpoint(model: Model, forms: Forms) -> tuple[Object, list[Array]]:
    """The objects of a model, its optimizer among them, and the arrays of its weights."""
    refuse_counts(model)
    graph = _Graph(forms)
    root = graph.object_of(model)
    weights = [item.array for item in graph.weights.values() if item.array is not None]
    state = state_in_checkpoint(model, forms)
    if state is not None:
        root.children["optimizer"] = _optimizer(state, graph)
    root.children["root"] = root
    return root, weights


class _Graph:
    """The objects that were made, by the `id` of the module, or of the first tensor of the variable."""

    def __init__(self, forms: Forms) -> None:
        self.forms = forms
        self.weights: dict[int, Object] = {}
        self._modules: dict[int, Object] = {}

    def object_of(self, module: nn.Module, around: tuple[str, ...] = (), unnamed: bool = False) -> Object:
        """A module with all that is inside it.

        Args:
            module: The module.
            around: The names of the layers that it is inside of.
            unnamed: Whether its own name is left out, as of what a TimeDistributed holds.
        """
        if id(module) in self._modules:
            return self._modules[id(module)]
        made = self._modules[id(module)] = Object()
        if isinstance(module, _LISTS):
            inner: Iterator[tuple[str, nn.Module]] = module.named_children()
        elif isinstance(module, Model) and module._graph is not None:
            inner = self._layers(module)
        else:
            inner = self._attributes(module, around)
        home, cell = made, cell_of(module)
        if isinstance(module, Layer) and not isinstance(module, Model) and not unnamed:
            around = (*around, module.name)  # a model gives its layers no name
        own = around if cell is None else (*around, cell[1])
        if cell is not None:
            home = made.children.setdefault(cell[0], Object())
        for variable in own_variables(module):
            home.children[self._attribute(variable)] = self._variable(variable, "/".join((*own, variable.name)))
        for name, child in inner:
            made.children[name] = self.object_of(child, around, isinstance(module, TimeDistributed))
        return made

    def _variable(self, variable: Variable, name: str) -> Object:
        key = id(variable.parts()[0])
        if key not in self.weights:
            self.weights[key] = Object(name=name, array=array_of(variable.path, variable, self.forms))
        return self.weights[key]

    def _attribute(self, variable: Variable) -> str:
        """Under which attribute a layer keeps a variable: Keras's own by its name, a person's as the class says."""
        module = variable.module
        if variable.var in getattr(module, "_added_weights", ()):
            return variable.var.params[0]
        renamed = self.forms.dialect.attributes.get(getattr(module, "_class_name", ""), {})
        return renamed.get(variable.name, variable.name)

    def _layers(self, model: Model) -> Iterator[tuple[str, nn.Module]]:
        """The layers of a graph or a chain: all counted, and those with weights counted.

        tf-keras makes of an operation one layer or several, so where there is one only those with weights count.
        """
        layers = [inner for inner in self.forms.listed(model) if isinstance(inner, Layer)]
        plain = not any(isinstance(inner, Operation) for inner in layers)
        weighted = 0
        for number, inner in enumerate(layers):
            if next(all_variables(inner), None) is not None:
                yield f"layer_with_weights-{weighted}", inner
                weighted += 1
            if plain:
                yield f"layer-{number}", inner

    def _attributes(self, module: nn.Module, around: tuple[str, ...]) -> Iterator[tuple[str, nn.Module]]:
        if not isinstance(module, Layer):
            yield from module.named_children()
            return
        renamed = self.forms.dialect.attributes.get(module._class_name, {})
        places: dict[str, int] = {}
        for name, inner in module.named_children() if is_own(module) else module._keras_children():
            holder, _, _ = name.rpartition("/")
            if not holder:
                yield renamed.get(name, name), inner
                continue
            places[holder] = places.get(holder, -1) + 1  # a list, such as the cells of StackedRNNCells
            listed = self._modules[id(module)].children.setdefault(holder, Object())
            listed.children[str(places[holder])] = self.object_of(inner, around)


def _optimizer(state: PlacedState, graph: _Graph) -> Object:
    made, listed = Object(), Object()
    rate = state.optimizer.learning_rate
    legacy = state.kind == "legacy"
    for place, (name, array) in zip(state.places, state.arrays, strict=True):
        weight = None if place.variable is None else graph.weights[id(place.variable.parts()[0])]
        if place.variable is not None and weight is not None:
            name = name.replace(place.variable.path, weight.name)
        variable = Object(name=name.removesuffix(":0"), array=array)
        if place.slot == "iterations":
            made.children["iter" if legacy else "_iterations"] = variable
        elif legacy and weight is None:
            made.children[variable.name.rpartition("/")[2]] = variable
        elif legacy and weight is not None:
            made.slots.append((weight, variable.name.rpartition("/")[2], variable))
        listed.children[str(len(listed.children))] = variable
    if not legacy:
        made.children["_variables"] = listed
    settings = {"learning_rate": rate}
    if legacy:
        stated = state.optimizer.get_config()
        settings |= {key: stated[key] for key in _SETTINGS if key in stated}
    for key, value in settings.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            where, name = (key, f"{state.optimizer.name}/{key}") if legacy else (f"_{key}", key)
            made.children[where] = _setting(name, value)
    return made


def _setting(name: str, value: float) -> Object:
    held = np.asarray(value, "float32")
    return Object(name=name, array=Array(name, (), "float32", lambda: held))
