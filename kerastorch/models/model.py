"""Model: layers wired into a graph, as Keras's functional API; also the base of models that people write themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ..base import constants
from ..base.attached_masks import mask_on
from ..base.call_arguments import inputs_of
from ..base.dtype_policy import as_tensor
from ..base.free_names import yielding
from ..base.graph import shapes_of
from ..base.graph_calls import Ends
from ..base.layer import REGISTRY, Layer, register
from ..base.shape_inference import build_inside, infer_output_shape
from ..base.weighted import repr_of
from ..errors import ArgumentError, as_attribute_error, attribute, counted, did_you_mean, quote
from ..outside import outside
from ..spec import TrainingConfig
from ..structure import map_shapes, map_structure
from ._edges import Masked, call_masked, edges_of
from ._ends import WithEnds
from ._files import OnDisk
from ._given import cast_inputs, flat_inputs, flat_masks
from ._layer_list import HeldLayers, LayerList
from ._once import once
from ._protocol import AnyModel
from ._rows import follow_rows
from ._running import Runs
from ._training import Trains
from .forward_signature import naming_inputs
from .graph import Chain, Graph, Step, map_template, run_graph, slots_of
from .graph_config import GRAPH_KEYS, functional_config, takes_graph
from .input import InputLayer
from .plan import make_graph, with_placeholders
from .walk import begin, graph_of, layer_of, shapes_behind, symbols_of


@register("Functional")
class Model(OnDisk, Runs, Trains, WithEnds, Layer, AnyModel):
    """A graph of layers between inputs and outputs, as `keras.Model`; an ordinary `nn.Module`.

    Masks travel along the edges: a layer that makes one (`Embedding(mask_zero=True)`, `Masking`) hands it to the layers
    behind it, as in Keras.

    Args:
        inputs: A symbolic tensor from `Input`, or a list or dict of them. A tensor in the middle of a graph is taken
            too: an input of its own comes in its place, layers and weights are shared.
        outputs: Symbolic tensors that depend on them, nested as the result shall be.
        layers: The order of `model.layers`; Keras's order (far from the outputs first) if None.
        name: Name of the model.
        trainable: Whether the weights are trained.

    A subclass that is called without inputs and outputs is a container of your own: define `forward` or `call`.

    Variables:
        The layers', in the order of `layers`.

    Attributes:
        training_config: How the original was compiled, as its file says it; None for a model that is from no file. It
            is kept by copies and written again by `save_model`, unless `compile` was called since.

    Example:
        >>> x = Input((20, 1)); model = Model(x, Dense(2)(LSTM(5)(x))); model.output_shape
        (None, 2)
    """

    supports_masking = False  # as in Keras: its layers decide
    CONFIG = ()
    EXAMPLES = ()
    _config_is_recorded = True
    training_config: TrainingConfig | None = None
    _has_policy = False
    _runs_call = True
    _is_called: bool = False  # while a call builds the model
    _symbols: Any = None  # the symbolic inputs and outputs; a copied model makes them anew when they are asked for

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        *,
        layers: Sequence[Layer] | None = None,
        name: str | None = None,
        trainable: bool = True,
        **base: Any,
    ) -> None:
        super().__init__(name=name, **base)
        self._graph: Graph | Chain | None = None
        if inputs is None and outputs is None and type(self) is not Model:
            return
        if inputs is None or outputs is None:
            raise ArgumentError("Model needs inputs and outputs, or a subclass that defines forward.")
        self._wire(inputs, outputs, layers)
        if not trainable:
            self.trainable = False

    def _wire(self, inputs: Any, outputs: Any, layers: Sequence[Layer] | None) -> None:
        inputs, outputs = with_placeholders(_unpacked(inputs), _unpacked(outputs))
        graph, ordered, held = make_graph(inputs, outputs, layers)
        for tensor in held:
            constants.hold(self, tensor)
        self._graph, self._modules["layers"] = graph, HeldLayers(ordered)
        follow_rows(graph, ordered, self._input_layers)
        self._symbols = (inputs, outputs)
        self._built, self._build_shape = True, shapes_of(inputs)
        # Made of layers of a loaded model, it computes what they compute there.
        modes = {layer.training for layer in ordered if not isinstance(layer, InputLayer)}
        self.training = modes != {False}

    def _makes_weights(self) -> bool:
        return False

    def build(self, input_shape: Any) -> None:
        """Build the layers inside, for a model of your own class: it is run once, on zeros of this shape."""
        super().build(input_shape)
        if self._graph is None and not self._is_called:
            build_inside(self, input_shape)

    def _build_for_call(self, shapes: Any) -> None:
        self._is_called = True
        try:
            super()._build_for_call(shapes)
        finally:
            self._is_called = False

    @property
    def layers(self) -> LayerList:
        """The layers, in Keras's order: a new list each time, to edit as one likes."""
        if self._graph is not None:
            return self._layer_list.copied()
        return LayerList(layer for layer in self._sublayers() if isinstance(layer, Layer))

    @property
    @attribute
    def _layer_list(self) -> HeldLayers:
        """The list that holds the layers of a chain or a graph."""
        if "layers" not in self._modules or type(self._modules["layers"]) is not HeldLayers:
            graph_of(self)
        return self._modules["layers"]  # type: ignore[return-value]

    def __setattr__(self, name: str, value: Any) -> None:
        ours = name == "layers" and getattr(type(self), "layers", None) is Model.layers
        if ours and "_replicated" not in self.__dict__:
            raise as_attribute_error(
                ArgumentError,
                (
                    f"{type(self).__name__}: the attribute 'layers' is taken (it has a meaning in every model); give "
                    "yours another name. A Sequential has add() and pop(); or make a new model of other layers.",
                ),
            )
        super().__setattr__(name, value)

    def _sublayers(self) -> list[nn.Module]:
        return list(self._layer_list) if isinstance(self._graph, Graph) else super()._sublayers()

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_symbols": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self._graph is not None:
            for layer in self._layer_list:
                layer._hold(self)

    # ------------------------------------------------------------------ the graph

    def _ends(self) -> list[Ends]:
        own = [(self.inputs, self.outputs)] if self._graph is not None else []
        return [*own, *super()._ends()]

    def _symbolic_ends(self) -> tuple[Any, Any]:
        """The symbolic inputs and outputs; a copied model makes them anew."""
        if self._symbols is None:
            self._symbols = ()  # its layers ask only for a graph that is not begun
            made = None
            try:
                made = self._new_symbols()
            finally:
                self._symbols = made
        return self._symbols

    def _new_symbols(self) -> tuple[Any, Any]:
        return symbols_of(self)

    @property
    def _hands_training(self) -> bool:
        return self._graph is not None  # what a call of somebody's own does is for nobody to know

    @property
    def _ids(self) -> tuple[bool, ...]:
        """For each input, whether a layer looks it up in a table."""
        return self._graph.ids if isinstance(self._graph, Graph) else ()

    @property
    def _takes_ids(self) -> bool:
        return any(self._ids)

    @property
    @attribute
    def _input_layers(self) -> list[InputLayer]:
        return [self._layer_list[index] for index in graph_of(self).input_layers]

    def get_layer(self, name: str | int | None = None, index: int | None = None) -> Any:
        """The layer of this name, or at this place in `layers`.

        Args:
            name: A name; an integer is taken as `index`.
            index: A place; it counts where both are given.
        """
        layers: Any = self.layers
        index = name if index is None and isinstance(name, int) else index
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ArgumentError(f"{repr_of(self)} has {counted(len(layers), 'layer')}, no index {index}.")
            return layers[index]
        if name is None:
            raise ArgumentError("get_layer: give a name or an index.")
        for layer in layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in layers]
        raise ArgumentError(f"{repr_of(self)} has no layer {quote(name)}; it has {names}.{did_you_mean(name, names)}")

    # ------------------------------------------------------------------ running

    def _as_tensor(self, leaf: Any) -> Any:
        # Its inputs know their dtypes.
        return as_tensor(leaf, self._on_device) if self._graph is not None else super()._as_tensor(leaf)

    @naming_inputs
    def forward(
        self,
        *inputs: Any,
        mask: Any = None,
        training: bool | None = None,
        with_masks: bool = False,
        **named: Any,
    ) -> Any:
        """Run the graph.

        Args:
            *inputs: As `Model(inputs=...)`: one tensor, or a list or dict (or the tensors one after the other).
            mask: Masks of the inputs, nested as they are; those that hang on the inputs if None.
            training: Handed to the layers; each layer's own `training` if None.
            with_masks: Return `(outputs, masks)`, both nested like the outputs.
            **named: Other arguments of the `call` of a model of your own.

        Raises:
            ShapeError: A shape does not fit what the model was made for.
        """
        if self._graph is None or hasattr(type(self), "call"):
            return self._run_own_call(inputs, {"mask": mask, "training": training}, named, with_masks)
        if named:
            raise ArgumentError(f"{repr_of(self)}: a graph has no argument {', '.join(map(repr, sorted(named)))}.")
        graph, values = begin(self, lambda tensor: Masked(tensor, None))
        slots = slots_of(graph.inputs)
        given = flat_inputs(self, inputs)
        masks = flat_masks(self, mask, given)
        for slot, value, its_mask in zip(slots, cast_inputs(self, given), masks, strict=True):
            values[slot.index] = Masked(value, its_mask)

        def call(step: Step, args: Any, kwargs: Any) -> list[Masked]:
            return edges_of(call_masked(layer_of(self, step), args, kwargs, training))

        run_graph(graph, call, values)
        if not with_masks:
            return map_template(lambda slot: values[slot.index].hung(), graph.outputs)
        result = map_template(lambda slot: values[slot.index].value, graph.outputs)
        return result, map_template(lambda slot: values[slot.index].mask, graph.outputs)

    def _run_own_call(
        self, inputs: tuple[Any, ...], options: dict[str, Any], named: dict[str, Any], with_masks: bool
    ) -> Any:
        """Run the `call` of somebody's own class, which counts for a graph as well."""
        # In a graph masks come by themselves, and a `call` need not take them.
        missing = () if not isinstance(self._graph, Graph) else set(options) - set(self._call_arguments.names)
        named |= {key: value for key, value in options.items() if value is not None and key not in missing}
        outputs = super().forward(*inputs, **named)
        return (outputs, map_structure(mask_on, outputs)) if with_masks else outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self._graph is None:
            return super().compute_output_shape(input_shape)
        shapes: list[Any] = []
        map_shapes(shapes.append, input_shape)
        with once() as known:
            called = (id(self), *map(tuple, shapes))
            if called not in known:
                known[called] = shapes_behind(self, shapes)
            return known[called]

    def _to_torch(self) -> nn.Module:
        return outside("to_torch")(self)

    def _shape_of_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if self._graph is None and type(self).compute_output_shape is Model.compute_output_shape:
            return infer_output_shape(self, inputs_of(self, args, kwargs))
        return super()._shape_of_call(args, kwargs)

    def _output_dtypes(self, input_dtype: torch.dtype) -> list[torch.dtype]:
        return [out.dtype for out in self.outputs] if self._graph is not None else super()._output_dtypes(input_dtype)

    @property
    @attribute
    def _out_shape(self) -> Any:
        return shapes_of(self._symbolic_ends()[1]) if self._graph is not None else super()._out_shape

    @yielding
    def stateful(self) -> bool:
        """Whether a layer in the model keeps states between batches."""
        return self._keeps_states

    @property
    def _keeps_states(self) -> bool:
        return any(getattr(layer, "_keeps_states", False) for layer in self._sublayers())

    def reset_states(self) -> None:
        """Set the kept states of all stateful layers to zeros."""
        stateful: list[Any] = [layer for layer in self._sublayers() if getattr(layer, "_keeps_states", False)]
        for layer in stateful:
            type(layer).reset_states(layer)

    # ------------------------------------------------------------------ configuration

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """Make a model, with fresh weights, from `get_config()`'s result or Keras's.

        Args:
            config: The layers and their calls; for a subclass of your own its constructor's arguments.
            custom_objects: See `kerastorch.load_model`.
        """
        if cls not in (Model, REGISTRY["Sequential"]):
            if not (set(config) >= GRAPH_KEYS and takes_graph(cls)):
                return super().from_config(config)
            made = Model.from_config(config, custom_objects)
            return cls(made.input, made.output, name=made.name, trainable=made.trainable)
        return outside("from_config")(cls, config, custom_objects)

    def get_config(self) -> dict[str, Any]:
        """The graph in Keras 3's form.

        Of a subclass whose constructor takes no graph it is what that was called with, as of a layer, or where the
        class defines `get_config` and asks for this one, `name` and `trainable` alone: it adds its arguments.
        """
        return functional_config(self) if takes_graph(type(self)) else self._recorded_config()

    def _base_config(self) -> dict[str, Any]:
        return {"name": self.name, "trainable": self.trainable}


def _unpacked(value: Any) -> Any:
    """A list of one tensor is that tensor, as in Keras."""
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
