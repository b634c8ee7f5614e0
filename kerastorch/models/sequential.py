"""Sequential: one layer after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..base import to_torch
from ..base.dtype_policy import state_dtypes_in, stated_dtypes
from ..base.graph import SymbolicTensor
from ..base.layer import Layer, register
from ..base.naming import inside
from ..base.shape_inference import build_what_is_inside
from ..base.weighted import repr_of
from ..dtypes import autocasts
from ..errors import ArgumentError, ShapeError, UnsupportedError, attribute, quote
from ..layers.core.embedding import Embedding
from ..layers.core.wrapped import TorchModuleWrapper
from ..layers.rnn.time_distributed import TimeDistributed
from ..structure import is_shape, leaves
from ..weights import Shape
from ._edges import Masked, call_masked, map_masked
from ._given import cast_inputs, flat_inputs, flat_masks, in_rank, mask_of
from ._layer_list import HeldLayers
from ._rows import rows_after
from .forward_signature import naming_inputs
from .graph import CHAIN
from .graph_config import sequential_config
from .input import InputLayer
from .model import Model


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
        self._graph, self._modules["layers"] = CHAIN, HeldLayers()
        self._input: InputLayer | None = None
        self._ragged = False  # whether what the last layer makes is ragged in Keras
        self._extend(layers)
        if not trainable:
            self.trainable = False

    def add(self, layer: Any) -> None:
        """Put a layer, a model, an `Input` (first only) or a plain torch module behind the others."""
        self._extend([layer])

    def _extend(self, layers: Iterable[Any]) -> None:
        """Add layers: names and shapes are walked once for all of them, so that a long model takes linear time."""
        names, stated = {layer.name for layer in self._layer_list}, stated_dtypes(self._layer_list)
        shape: Any = None  # that the latest layer was built for, once it is known
        for layer in layers:
            if isinstance(layer, SymbolicTensor):
                layer = layer.node.layer
            if isinstance(layer, InputLayer):
                if len(self._layer_list) or self._input is not None:
                    raise ArgumentError(f"{repr_of(self)}: an Input can only stand first.")
                self._set_input(layer)
                continue
            if isinstance(layer, nn.Module) and not isinstance(layer, Layer):
                layer = TorchModuleWrapper(layer)
            if not isinstance(layer, Layer):
                raise ArgumentError(
                    f"{repr_of(self)}: expected a kerastorch layer or a torch module, got "
                    f"{quote(type(layer).__name__)}."
                )
            if layer.name in names:
                raise ArgumentError(
                    f"{repr_of(self)}: there is already a layer named {layer.name!r}; names must differ."
                )
            if not len(self._layer_list) and self._input is None:
                if (start := _stated_start(layer)) is not None:
                    self._set_input(InputLayer(batch_shape=start, name=f"{layer.name}_input"))
                elif (start := _start_elsewhere(layer)) is not None:
                    self.build(start)
            if self._built:
                shape = self._shape_after(shape)
                with inside(self):
                    layer.build(shape)
                    build_what_is_inside(layer, shape)
            if self._symbols is not None:
                symbol, value = self._symbols
                self._symbols = (symbol, layer(value))
            self._ragged = self._ragged and rows_after(layer)
            self._layer_list.put(layer)
            state_dtypes_in(self._layer_list, stated)
            layer._hold(self)
            names.add(layer.name)

    def _shape_after(self, last_input: Any) -> Any:
        """The shape behind the last layer; `last_input` is what goes into it, None if that is not known."""
        if not len(self._layer_list):
            return self._build_shape
        return self._shapes()[-1] if last_input is None else self._layer_list[-1].compute_output_shape(last_input)

    def pop(self, rebuild: bool = True) -> Layer:
        """Remove the last layer and return it; the other layers keep their weights.

        Args:
            rebuild: Accepted for Keras's sake; the model is always ready afterwards.
        """
        if not len(self._layer_list):
            raise ArgumentError(f"{repr_of(self)} has no layer to remove.")
        layer = self._layer_list.take()
        if self._symbols is not None:
            symbol, value = self._symbols
            self._symbols = (symbol, leaves(value)[0].node.args[0])
        return layer

    def _set_input(self, layer: InputLayer) -> None:
        self._input, self._ragged = layer, layer.ragged
        self.build(layer.batch_shape)

    @property
    def _input_layers(self) -> list[InputLayer]:
        if self._input is not None:
            return [self._input]
        # Not kept: a model that was built by a call takes other lengths as well.
        return [self._input_it_was_built_for()]

    def _input_it_was_built_for(self) -> InputLayer:
        """An input of the shape that a call or `build` gave; where a graph calls it on several, of what they share."""
        if self._build_shape is None:
            raise self._not_built("inputs")
        if not is_shape(self._build_shape):
            raise UnsupportedError(
                f"{repr_of(self)} was called with several tensors {self._build_shape}; a Sequential with one input "
                "has a graph and can be saved: write this one as a functional Model."
            )
        names, name = {layer.name for layer in self._layer_list}, f"{self.name}_input"
        while name in names:
            name += "_1"
        calls = [tensors[0] for node in self._graph_calls() if len(tensors := node.inputs()) == 1]
        shape = _shared_shape([self._build_shape, *(tensor.shape for tensor in calls)])
        return InputLayer(batch_shape=shape, dtype=calls[0].dtype if calls else _dtype_into(self), name=name)

    def _new_symbols(self) -> tuple[Any, Any]:
        symbol = value = self._input_layers[0]._symbol()
        for layer in self._layer_list:
            value = layer(value)
        return symbol, value

    def _check_input_shape(self, input_shape: Any) -> None:
        stated = None if self._input is None else self._input.batch_shape
        if stated is not None and is_shape(input_shape) and not _agree(in_rank(tuple(input_shape), stated), stated):
            raise ShapeError(
                f"{repr_of(self)}: its input is stated as {stated}, so it cannot be built for {tuple(input_shape)}; "
                "leave the Input out, or state that shape."
            )

    def build(self, input_shape: Any) -> None:
        for layer in self._layer_list:
            layer.build(input_shape)
            build_what_is_inside(layer, input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def _makes_weights(self) -> bool:
        return False

    @property
    def _takes_ids(self) -> bool:
        return len(self._layer_list) > 0 and self._layer_list[0]._takes_ids  # type: ignore[union-attr]

    @property
    def _ids(self) -> tuple[bool, ...]:
        return (self._takes_ids,)

    def _sublayers(self) -> list[nn.Module]:
        return list(self._layer_list)

    def _shape_from_call(self, shapes: Any) -> Any:
        return shapes if self._keeps_states else super()._shape_from_call(shapes)

    def _shapes(self) -> list[Any]:
        """The output shape of each layer."""
        shape, found = self._in_shape, []
        for layer in self._layer_list:
            shape = layer.compute_output_shape(shape)
            found.append(shape)
        return found

    def compute_output_shape(self, input_shape: Any) -> Any:
        wanted = self._build_shape if self._input is None else self._input.batch_shape
        if is_shape(wanted) and is_shape(input_shape):
            input_shape = in_rank(tuple(input_shape), wanted)
        for layer in self._layer_list:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def _output_dtypes(self, input_dtype: torch.dtype) -> list[torch.dtype]:
        dtypes = [input_dtype if self._input is None else self._input.input_dtype]
        for layer in self._layer_list:
            dtypes = layer._output_dtypes(dtypes[0])
        return dtypes

    @property
    @attribute
    def _out_shape(self) -> Any:
        return self.compute_output_shape(self._in_shape)

    @naming_inputs
    def forward(self, *inputs: Any, mask: Any = None, training: bool | None = None, with_masks: bool = False) -> Any:
        """Run the layers one after the other.

        Args:
            *inputs: The first layer's input.
            mask: Its mask; the one that hangs on it if None.
            training: Handed to the layers; each layer's own `training` if None.
            with_masks: Return `(output, mask)`.
        """
        if hasattr(type(self), "call"):
            return self._run_own_call(inputs, {"mask": mask, "training": training}, {}, with_masks)
        if self._input is None:
            x, mask = self._into_first(inputs[0]), mask_of(inputs[0], mask)
        else:
            given = flat_inputs(self, inputs)
            (mask,) = flat_masks(self, mask, given)
            (x,) = cast_inputs(self, given)
        edges: Any = Masked(x, mask)
        for layer in self._layer_list:
            edges = call_masked(layer, (edges,), {}, training)
        if not with_masks:
            return map_masked(lambda edge: edge.hung(), edges)
        return map_masked(lambda edge: edge.value, edges), map_masked(lambda edge: edge.mask, edges)

    def _into_first(self, x: Any) -> Any:
        """Data for a model that states no input: in the rank and the float dtype of its first layer, as in Keras."""
        if isinstance(x, Tensor) and not x.is_nested and is_shape(self._build_shape):
            x = in_rank(x, self._build_shape)
        dtype = _dtype_into(self) if isinstance(x, Tensor) and x.is_floating_point() and len(self._layer_list) else None
        if dtype is None or not dtype.is_floating_point or x.dtype == dtype or autocasts(x.device):
            return x
        return x.to(dtype)

    def get_config(self) -> dict[str, Any]:
        built = self._input is None and self._build_shape is not None and len(self._layer_list) > 0
        given = [self._input_it_was_built_for()] if built else [self._input]
        return sequential_config(self, [*filter(None, given), *self._layer_list])

    def _to_torch(self) -> nn.Module:
        try:
            return to_torch.chain(self, self._layer_list)
        except UnsupportedError:  # of torch's own modules alone: then a graph of them and of functions
            return Model._to_torch(self)


def _agree(shape: Shape, stated: Shape) -> bool:
    """Whether no known size of two shapes, the batch aside, contradicts the other."""
    sizes = zip(shape[1:], stated[1:], strict=False)
    return len(shape) == len(stated) and all(None in pair or pair[0] == pair[1] for pair in sizes)


def _stated_start(layer: Layer) -> Any:
    """The shape of the input that a first layer states."""
    if isinstance(layer, Model):
        return layer._build_shape if layer._built else None
    return layer._declared_shape


def _start_elsewhere(layer: Layer) -> Any:
    """The shape of the input that a first layer has in the model that it comes from: `Sequential(other.layers[1:])`.

    It is known, so the new model has shapes at once; nobody stated it, so the new model takes others, too, as in Keras.
    """
    calls = layer._graph_calls()
    symbol = calls[0].args[0] if calls else None
    return symbol.shape if isinstance(symbol, SymbolicTensor) else None


def _shared_shape(shapes: Sequence[Shape]) -> Shape:
    """The first shape, with None for the sizes that are others in the rest."""
    same = [shape for shape in shapes if len(shape) == len(shapes[0])]
    return tuple(sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*same, strict=True))


def _dtype_into(layer: Layer) -> torch.dtype:
    """The dtype of the data that a layer, or the first one inside it, is made for."""
    while isinstance(layer, (Sequential, TimeDistributed)):
        layer = layer.layers[0] if isinstance(layer, Sequential) else layer.layer  # type: ignore[assignment]
    if isinstance(layer, Model) and layer._graph is not None:
        return layer.inputs[0].dtype
    return torch.int32 if isinstance(layer, Embedding) else layer.dtype
