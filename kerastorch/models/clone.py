"""clone_model: the same architecture once more, with layers and weights of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .._serial import keeping_objects
from ..base.graph import SymbolicTensor
from ..base.layer import Layer
from ..base.weighted import repr_of
from ..errors import ArgumentError, counted, quote
from ..structure import leaves
from .graph import Step, map_template, run_graph
from .input import InputLayer
from .model import Model
from .sequential import Sequential
from .walk import begin, input_layers_by_slot, layer_of


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Model:
    """Make the model once more, from new layers with fresh weights, as `keras.models.clone_model`.

    `clone.set_weights(model.get_weights())` gives it the same numbers.

    Args:
        model: A `Sequential` or functional model, or one of a class of your own, which is made again from its config.
        input_tensors: Symbolic tensors to build on, nested as `model.input`; new `Input`s of the same shapes if None.
            With another batch size or length this makes, for example, a stateful model that predicts step by step.
        clone_function: `clone_function(layer)` returns the layer that shall stand in the place of `layer`; a layer of
            the same class and configuration if None. A layer that it returns as it is shares its weights.
        call_function: `call_function(layer, *args, **kwargs)` calls a new layer and returns the symbolic outputs, and
            may call others before and behind it; functional models only.
        recursive: Whether models inside are cloned with the two functions as well, or handed to `clone_function` whole.

    Returns:
        The new model; compiled as the model is, with a new optimizer, unless that is torch's own.

    Raises:
        ArgumentError: `input_tensors` do not fit the model, or a function returns something else.
        UnsupportedError: A class of your own has no configuration.

    Example:
        >>> model = Sequential([Input(batch_shape=(32, 20, 1)), LSTM(5, stateful=True)])
        >>> clone_model(model, Input(batch_shape=(1, 1, 1))).output_shape
        (1, 5)
    """
    new = _Cloning(clone_function, call_function, recursive, {}).model(model, input_tensors)
    if model.compiled and hasattr(model.__dict__.get("optimizer"), "get_config"):
        new.compile_from_config(model.get_compile_config())
    return new


@dataclass(frozen=True)
class _Cloning:
    """One call of `clone_model`: its functions, and the layers that are made already, by the `id` of the old one."""

    clone_function: Callable[[Layer], Layer] | None
    call_function: Callable[..., Any] | None
    recursive: bool
    made: dict[int, Layer]

    def model(self, model: Model, input_tensors: Any) -> Model:
        if not isinstance(model, Model):
            raise ArgumentError(
                f"clone_model: expected a kerastorch model, got {quote(type(model).__name__)}; copy.deepcopy copies "
                "modules of torch."
            )
        if model._graph is None:
            new = self._own(model, input_tensors)
        elif not isinstance(model, Sequential):
            new = self._functional(model, input_tensors)
        elif self.call_function is None:
            new = self._sequential(model, input_tensors)
        else:
            raise ArgumentError(
                f"clone_model: {repr_of(model)} is a Sequential, call_function is for functional models."
            )
        if not model.trainable:
            new.trainable = False
        return new

    def layer(self, layer: Layer) -> Layer:
        """The new layer in the place of `layer`; one that is called twice is cloned once."""
        if id(layer) not in self.made:
            self.made[id(layer)] = self._new(layer)
        return self.made[id(layer)]

    def _new(self, layer: Layer) -> Layer:
        if isinstance(layer, Model) and (self.recursive or self.clone_function is None):
            inside = self.recursive and not isinstance(layer, Sequential)
            return replace(self, call_function=self.call_function if inside else None).model(layer, None)
        new = _again(layer) if self.clone_function is None else self.clone_function(layer)
        if not isinstance(new, Layer):
            raise ArgumentError(
                f"clone_model: clone_function must return a layer in the place of {repr_of(layer)}, "
                f"got {quote(type(new).__name__)}."
            )
        return new

    def _own(self, model: Model, input_tensors: Any) -> Model:
        """A model of somebody's class, from its config."""
        if input_tensors is not None or self.clone_function is not None or self.call_function is not None:
            raise ArgumentError(
                f"clone_model: {repr_of(model)} has no graph, so it is made again whole: input_tensors, clone_function "
                "and call_function are for Sequential and functional models."
            )
        new = _again(model)
        assert isinstance(new, Model)
        if model._built and not new._built:
            new.build(model._build_shape)
        return new

    def _sequential(self, model: Sequential, input_tensors: Any) -> Model:
        first: list[Layer] = [] if model._input is None else [_again(model._input)]
        if input_tensors is not None:
            first = [symbol.node.layer for symbol in _checked(model, input_tensors)]
        if first and not isinstance(first[0], InputLayer):
            raise ArgumentError(
                f"clone_model: {repr_of(model)}: input_tensors: expected an Input, got the output of "
                f"{repr_of(first[0])}; call the clone on it."
            )
        new = Sequential([*first, *map(self.layer, model.layers)], name=model.name)
        if not new._built and model._built:
            new.build(model._build_shape)
        return new

    def _functional(self, model: Model, input_tensors: Any) -> Model:
        graph, values = begin(model, lambda tensor: tensor)
        if input_tensors is None:
            given = [InputLayer.from_config(layer.get_config())._symbol() for layer in model._input_layers]
        else:
            given = _checked(model, input_tensors)
        for (slot, layer), symbol in zip(input_layers_by_slot(model).items(), given, strict=True):
            values[slot] = symbol
            self.made[id(layer)] = symbol.node.layer

        def run(step: Step, args: Any, kwargs: Any) -> list[Any]:
            layer = self.layer(layer_of(model, step))
            call = self.call_function
            outputs = leaves(layer(*args, **kwargs) if call is None else call(layer, *args, **kwargs))
            if len(outputs) != len(step.outputs) or not all(isinstance(item, SymbolicTensor) for item in outputs):
                raise ArgumentError(
                    f"clone_model: {repr_of(layer)}: expected {counted(len(step.outputs), 'symbolic output')}, got "
                    f"{outputs}."
                )
            return outputs

        inputs = map_template(lambda slot: values[slot.index], graph.inputs)
        run_graph(graph, run, values)
        outputs = map_template(lambda slot: values[slot.index], graph.outputs)
        # The same order, so that set_weights(model.get_weights()) fits; calls and tensors of others may bring layers.
        same = self.call_function is None and all(isinstance(symbol.node.layer, InputLayer) for symbol in given)
        layers = list(dict.fromkeys(map(self.layer, model.layers))) if same else None
        return Model(inputs, outputs, layers=layers, name=model.name)


def _again(layer: Layer) -> Layer:
    with keeping_objects():
        config = layer.get_config()
    return type(layer).from_config(config)


def _checked(model: Model, input_tensors: Any) -> list[SymbolicTensor]:
    """The given tensors in the order of the model's inputs."""
    structure = model.input
    if isinstance(structure, SymbolicTensor) and isinstance(input_tensors, (list, tuple)) and len(input_tensors) == 1:
        input_tensors = input_tensors[0]
    if isinstance(structure, dict) and isinstance(input_tensors, dict):
        input_tensors = {key: input_tensors[key] for key in structure if key in input_tensors}
    flat = leaves(input_tensors)
    if not all(isinstance(tensor, SymbolicTensor) for tensor in flat) or _form(input_tensors) != _form(structure):
        raise ArgumentError(
            f"clone_model: input_tensors must be symbolic tensors, nested as the inputs of {repr_of(model)}, "
            f"{structure!r}; got {input_tensors!r}."
        )
    return flat


def _form(value: Any) -> Any:
    """The nesting alone; a tuple counts as a list."""
    if isinstance(value, dict):
        return {key: _form(item) for key, item in value.items()}
    return [_form(item) for item in value] if isinstance(value, (list, tuple)) else None
