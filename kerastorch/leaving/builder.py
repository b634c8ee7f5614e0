"""What a graph of torch's own modules and functions is built with: its values, and what translators add to it."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import GraphAppendingTracer

from ..base.dtype_policy import computes_wide
from ..base.layer import Layer
from ..base.weighted import repr_of
from ..errors import UnsupportedError
from . import helpers

Translator = Callable[..., Any]
STATES = tuple[Tensor, Tensor]
TRANSLATORS: dict[type[Layer], Translator] = {}
MASKS: dict[type[Layer], Callable[..., Any]] = {}
_ADVICE = "It stays an nn.Module of kerastorch, which runs, trains and exports as it is."


# What passes on what it is given, in evaluation.
NOISE = (nn.Dropout, helpers.SharedDropout, helpers.AlphaDropout, helpers.GaussianDropout, helpers.GaussianNoise)
_TRAINED = (
    *(*NOISE, helpers.BatchNorm, helpers.SpectralNorm),
    *(helpers.DroppedGates, helpers.DroppedSteps, helpers.DropoutConvLSTM),
)


def acts_in_training(module: nn.Module) -> bool:
    """Whether a module, or a part of it, computes something else while training."""
    return any(
        isinstance(part, _TRAINED) and not (isinstance(part, nn.Dropout) and part.p == 0) for part in module.modules()
    )


Value: TypeAlias = Any  # a `GraphValue`: to translators it is a tensor, with all that one has


class GraphValue(fx.Proxy):
    """A tensor of the graph that is made, with the mask that goes along with it."""

    mask: Any = None

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, int) or "returns" not in self.node.meta:
            return super().__getitem__(key)  # type: ignore[misc]  # fx adds it to the class
        parts = self.node.meta.setdefault("parts", {})  # one node for each, however often it is asked for
        if key not in parts:
            parts[key] = super().__getitem__(key)  # type: ignore[misc]
            inner = self.node.meta["returns"][key]
            if isinstance(inner, tuple):
                parts[key].node.meta["returns"] = inner
        return parts[key]

    @property
    def shape_known(self) -> tuple[Any, ...]:
        """The shape, with None where a size is open."""
        return tuple(self.node.meta["shape"])

    @property
    def rank(self) -> int:
        return len(self.shape_known)


class _Tracer(GraphAppendingTracer):
    """What lets functions and operators of torch on `Value`s become nodes of the graph."""

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return GraphValue(node, self)


def translates(*classes: type[Layer]) -> Callable[[Translator], Translator]:
    """Register a function that translates calls of these layers: `(builder, layer, *args, **kwargs) -> values`."""

    def keep(function: Translator) -> Translator:
        TRANSLATORS.update(dict.fromkeys(classes, function))
        return function

    return keep


def makes_mask(*classes: type[Layer]) -> Callable[[Translator], Translator]:
    """Register a function that computes the mask behind these layers: `(layer, inputs, masks) -> mask`."""

    def keep(function: Translator) -> Translator:
        MASKS.update(dict.fromkeys(classes, function))
        return function

    return keep


def refusal(layer: Layer, reason: str) -> UnsupportedError:
    """The error for a layer, or a use of it, that no translator knows."""
    return UnsupportedError(f"{repr_of(layer)} cannot become plain torch: {reason}. {_ADVICE}")


def computes_apart(layer: Any) -> bool:
    """Whether a layer computes in another dtype than that of its weights: under a mixed policy."""
    return bool(layer._computes_in != layer.dtype) and not computes_wide(layer)


def _layer_of(key: Any) -> Layer:
    """The layer of a key of `Builder.module`."""
    while isinstance(key, tuple):
        key = key[0]
    return key


def identifier(name: str) -> str:
    """A name of Keras as a name of Python, for an attribute of an nn.Module."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "layer"
    plain = f"layer_{plain}" if plain[0].isdigit() else plain
    taken = keyword.iskeyword(plain) or keyword.issoftkeyword(plain) or hasattr(nn.Module(), plain)
    return f"{plain}_" if taken else plain


class Builder:
    """A graph in the making, and the modules that it calls.

    Attributes:
        inference: Whether what acts while training only is left out.
        root: The modules, by the names that the class of the model will have as attributes.
        states: The state behind each stateful layer.
        behind: The mask behind the layer that is translated.
        inside: The wrapper whose inner layer is translated: attributes have the wrapper's name.
        mode: Whether the calls that are translated run as in training, or as in evaluation, by what the graph says;
            None: as the model does.
        around: Makes a module of helpers around the next one that has weights; None for none.
    """

    def __init__(self, inference: bool) -> None:
        self.inference = inference
        self.graph = fx.Graph()
        self.root = nn.Module()
        self.behind: Any = None
        self.inside: Any = None
        self.mode: bool | None = None
        self.around: Callable[[nn.Module], nn.Module] | None = None
        self._modes: dict[Any, bool | None] = {}
        self._of_several_modes: set[Any] = set()
        self._tracer = _Tracer(self.graph)
        self._names: dict[Any, str] = {}
        self.states: dict[tuple[Layer, str], Any] = {}  # of the stateful layers

    def input(self, name: str, shape: Any = None) -> Value:
        """An argument of the model."""
        node = self.graph.create_node("placeholder", name, (), {}, name=name)
        node.meta["shape"] = shape
        return GraphValue(node, self._tracer)

    def module(
        self, key: Any, name: str, make: Callable[[], nn.Module], *args: Any, returns: Any = None, **kwargs: Any
    ) -> Value:
        """Call a module; it is made once for each key, under a name of its own.

        Args:
            key: What the module is made of: a layer, or a layer and a part of it.
            name: The name of the attribute, if it is free.
            make: Makes the module.
            *args: Of the call.
            returns: How a result of several parts is nested, by names: `("out", ("h", "c"))`.
            **kwargs: Of the call.
        """
        if key in self._names and self._modes[key] is not self.mode and acts_in_training(self._module(key)):
            if isinstance(self._module(key), NOISE):
                key = (key, self.mode)  # it has no weights: another module computes the same
            else:
                self._in_modes(key)
        if self.mode is False and key not in self._names and isinstance(make(), NOISE):
            return args[0]
        held = self._held(key, name, make)
        if key in self._of_several_modes and self.mode is not None:
            own = self._tracer.create_proxy("get_attr", held, (), {})
            made = self._tracer.create_proxy("call_function", helpers.in_mode, (own, self.mode, *args), kwargs)
        else:
            made = self._tracer.create_proxy("call_module", held, args, kwargs)
        if returns is not None:
            made.node.meta["returns"] = returns
        return made

    def _held(self, key: Any, name: str, make: Callable[[], nn.Module]) -> str:
        """The name of the attribute that is the module for a key; it is made at the first call."""
        if key in self._names:
            return self._names[key]
        layer = _layer_of(key)
        made = make()
        if computes_apart(layer) and any(value.is_floating_point() for value in made.parameters()):
            made = helpers.ComputesIn(made, layer._computes_in)
        if self.around is not None and next(made.parameters(), None) is not None:
            made, self.around = self.around(made), None
        if not isinstance(made, fx.GraphModule):
            made.train(layer.training)
        if self.mode is not None and acts_in_training(made):
            made = helpers.FixedMode(made, self.mode)
        self._modes[key], self._names[key] = self.mode, self.put(name, made)
        return self._names[key]

    def _module(self, key: Any) -> Any:
        """The module for a key, without what keeps its mode."""
        held: Any = getattr(self.root, self._names[key])
        return held.module if isinstance(held, helpers.FixedMode) else held

    def _in_modes(self, key: Any) -> None:
        """Let each call of a module say in which mode it runs, if it is not that of the model."""
        name, module = self._names[key], self._module(key)
        held = getattr(self.root, name)
        self._of_several_modes.add(key)
        self._modes[key] = self.mode
        if held is module:
            return
        setattr(self.root, name, module.train(_layer_of(key).training))
        for node in [node for node in self.graph.nodes if node.op == "call_module" and node.target == name]:
            with self.graph.inserting_before(node):
                own = self.graph.get_attr(name)
            node.op, node.target, node.args = "call_function", helpers.in_mode, (own, held.fixed, *node.args)

    def exchange(self, key: Any, kind: type[nn.Module], make: Callable[[], nn.Module]) -> None:
        """Put another module in the place of the one for a key, if that is there already and of this kind."""
        if key in self._names:
            around, own = self.root, self._names[key]
            while isinstance(getattr(around, own), (helpers.FixedMode, helpers.ComputesIn)):
                around, own = getattr(around, own), "module"
            if isinstance(getattr(around, own), kind):
                setattr(around, own, make().train(getattr(around, own).training))

    def _free(self, name: str) -> str:
        """A name that no attribute has yet."""
        if self.inside is not None and name.startswith(self.inside.layer.name):
            name = self.inside.name + name[len(self.inside.layer.name) :]
        own, number = identifier(name), 1
        base = own
        while own in self.root._modules or own in self.root._buffers or own in self.root._parameters:
            number += 1
            own = f"{base}_{number}"
        return own

    def put(self, name: str, module: nn.Module) -> str:
        """Make a module an attribute; the name that it has then."""
        own = self._free(name)
        self.root.add_module(own, module)
        return own

    def constant(self, name: str, tensor: Tensor) -> Value:
        """A tensor that is no parameter: a buffer."""
        own = self._free(name)
        self.root.register_buffer(own, tensor.detach().clone())
        return self._tracer.create_proxy("get_attr", own, (), {})

    def parameter(self, layer: Layer, name: str) -> Value:
        """A copy of a layer's own weight: an attribute of the model."""
        key = (layer, name)
        if key not in self._names:
            value = getattr(layer, name)
            own = self._free(f"{layer.name}_{name}")
            copied = value.detach().clone(memory_format=torch.contiguous_format)
            if name in layer._parameters:
                self.root.register_parameter(own, nn.Parameter(copied, requires_grad=value.requires_grad))
            else:
                self.root.register_buffer(own, copied)
            self._names[key] = own
        held = self._tracer.create_proxy("get_attr", self._names[key], (), {})
        return held.to(layer._computes_in) if computes_apart(layer) else held

    def call(self, function: Callable[..., Any], *args: Any, returns: Any = None, **kwargs: Any) -> Value:
        """Call a function as a whole, as those of `helpers`."""
        made = self._tracer.create_proxy("call_function", function, args, kwargs)
        if returns is not None:
            made.node.meta["returns"] = returns
        return made

    def state_input(self, layer: Layer, kind: Any, part: str = "") -> Any:
        """The state of a stateful layer, or of a part of it: an argument of the model that may be left out.

        Of a layer that was called before it is the state behind that call.

        Args:
            layer: The layer.
            kind: The type of its state: `Tensor` or `STATES`.
            part: Of the layer.
        """
        if (layer, part) in self.states:
            state = self.states[layer, part]  # as a value: what a layer keeps hands on no gradient
            return (state[0].detach(), state[1].detach()) if kind is STATES else state.detach()
        name = f"{identifier(layer.name)}{part}_state"
        last = [node for node in self.graph.nodes if node.op == "placeholder"][-1]
        with self.graph.inserting_after(last):
            node = self.graph.create_node("placeholder", name, (None,), {}, name=name, type_expr=kind | None)
        node.meta["is_state"] = kind
        self.states[layer, part] = None
        return GraphValue(node, self._tracer)

    def state_output(self, layer: Layer, kind: Any, state: Value, part: str = "") -> None:
        """The state behind a stateful layer: the model returns it behind its outputs."""
        state.node.meta.update(label=f"{identifier(layer.name)}{part}_state", is_state=kind)
        self.states[layer, part] = state

    def cast(self, layer: Any, value: Any) -> Any:
        """A value in the dtype that a layer casts floats to."""
        dtype = value.node.meta.get("dtype") if isinstance(value, GraphValue) else None
        wanted = layer.dtype if computes_wide(layer) else layer._computes_in
        if dtype is None or not dtype.is_floating_point or dtype == wanted:
            return value
        made: Any = value.to(wanted)
        made.node.meta.update({key: value.node.meta[key] for key in ("shape", "layer") if key in value.node.meta})
        made.node.meta.update(dtype=wanted, label="x")
        made.mask = value.mask
        return made

    def alias(self, value: Value, mask: Any) -> Value:
        """The same value with another mask."""
        made = GraphValue(value.node, self._tracer)
        made.mask = mask
        return made
