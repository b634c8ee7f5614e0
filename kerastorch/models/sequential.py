"""Sequential: one layer after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from ..errors import ArgumentError, UnsupportedError, quote
from ..layers import _plain
from ..layers._base import Layer, register
from ..layers._graph import SymbolicTensor, leaves
from ..layers._weighted import repr_of
from ._config import sequential_config
from .input import InputLayer
from .model import Masked, Model, call_masked


@register("Sequential")
class Sequential(Model):
    """A chain of layers, as `keras.Sequential`; an ordinary `nn.Module`.

    Args:
        layers: The layers, in order. The first may be an `Input`, or carry `input_shape=`: then shapes and weights are
            there at once; else at the first call or `build((None, 20, 1))`.
        name: Name of the model.
        trainable: Whether the weights are trained.

    Variables:
        The layers', in order.

    Example:
        >>> Sequential([Input((20, 1)), LSTM(5), Dense(2)]).output_shape
        (None, 2)
    """

    CONFIG = ()
    EXAMPLES = ()

    def __init__(
        self, layers: Iterable[Any] = (), *, name: str | None = None, trainable: bool = True, **base: Any
    ) -> None:
        super().__init__(name=name, **base)
        self.layers = nn.ModuleList()
        self._input: InputLayer | None = None
        for layer in layers:
            self.add(layer)
        if not trainable:
            self.trainable = False

    def add(self, layer: Any) -> None:
        """Put a layer, a model, an `Input` (first only) or a plain torch module behind the others."""
        if isinstance(layer, SymbolicTensor):
            layer = layer.node.layer
        if isinstance(layer, InputLayer):
            if len(self.layers) or self._input is not None:
                raise ArgumentError(f"{repr_of(self)}: an Input can only stand first.")
            self._set_input(layer)
            return
        if not isinstance(layer, Layer):
            raise ArgumentError(f"{repr_of(self)}: expected a kerastorch layer, got {quote(type(layer).__name__)}.")
        if any(other is layer or other.name == layer.name for other in self.layers):
            raise ArgumentError(f"{repr_of(self)}: there is already a layer named {layer.name!r}; names must differ.")
        if not len(self.layers) and self._input is None:
            declared = layer._build_shape if isinstance(layer, Model) and layer.built else layer._declared_shape
            if declared is not None:
                self._set_input(InputLayer(batch_shape=declared, name=f"{layer.name}_input"))
        if self._built:
            last = self.layers[-1] if len(self.layers) else None
            shape = self._build_shape if last is None else self._shapes()[-1]
            layer.build(shape)
        self.layers.append(layer)

    def pop(self) -> Layer:
        """Remove the last layer and return it."""
        if not len(self.layers):
            raise ArgumentError(f"{repr_of(self)} has no layer to remove.")
        layer = self.layers[-1]
        del self.layers[-1]
        return layer  # type: ignore[return-value]

    def _set_input(self, layer: InputLayer) -> None:
        self._input = layer
        self.build(layer.batch_shape)

    @property
    def inputs(self) -> list[SymbolicTensor]:
        return leaves(self._graph()[0])

    @property
    def _carries_masks(self) -> bool:
        return True

    @property
    def _input_layers(self) -> list[InputLayer]:
        if self._input is None:
            if self._build_shape is None:
                raise self._not_built("inputs")
            self._input = InputLayer(batch_shape=self._build_shape, name=f"{self.name}_input")
        return [self._input]

    def _graph(self) -> tuple[Any, Any]:
        if self._symbols is None:
            symbol = value = self._input_layers[0].symbol()
            for layer in self.layers:
                value = layer(value)
            self._symbols = (symbol, value)
        return self._symbols

    def build(self, input_shape: Any) -> None:
        for layer in self.layers:
            layer.build(input_shape)  # type: ignore[operator]
            input_shape = layer.compute_output_shape(input_shape)  # type: ignore[operator]

    def _makes_weights(self) -> bool:
        return False

    def sublayers(self) -> list[nn.Module]:
        return list(self.layers)

    def _shape_from_call(self, shapes: Any) -> Any:
        return shapes if self.stateful else super()._shape_from_call(shapes)

    def _shapes(self) -> list[Any]:
        """The output shape of each layer."""
        shape, found = self.input_shape, []
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)  # type: ignore[operator]
            found.append(shape)
        return found

    def compute_output_shape(self, input_shape: Any) -> Any:
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)  # type: ignore[operator]
        return input_shape

    def compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        for layer in self.layers:
            input_dtype = layer.compute_output_dtype(input_dtype)  # type: ignore[operator]
        return input_dtype

    @property
    def output_shape(self) -> Any:
        return self.compute_output_shape(self.input_shape)

    def forward(self, *inputs: Any, mask: Any = None, training: bool | None = None, with_masks: bool = False) -> Any:
        """Run the layers one after the other.

        Args:
            *inputs: The first layer's input.
            mask: Its mask.
            training: Handed to the layers; each layer's own `training` if None.
            with_masks: Return `(output, mask)`.
        """
        x = inputs if self._input is None else self._flat_inputs(inputs)
        edges: Any = Masked(x[0], mask)
        for layer in self.layers:
            made = call_masked(layer, (edges,), {}, training)  # type: ignore[arg-type]
            edges = made[0] if len(made) == 1 else made
        if isinstance(edges, Masked):
            return tuple(edges) if with_masks else edges.value
        raise UnsupportedError(f"{repr_of(self)}: its last layer has several outputs; use a functional Model.")

    def get_config(self) -> dict[str, Any]:
        given = [self._input] if self._input is not None else []
        return sequential_config(self, [*given, *self.layers])  # type: ignore[list-item]

    def _to_torch(self) -> nn.Module:
        return _plain.chain(self, self.layers)  # type: ignore[arg-type]
