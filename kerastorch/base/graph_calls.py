"""What a layer knows of the graphs it stands in: its calls on symbolic tensors, and the ends of each."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ArgumentError, NotBuiltError, attribute, counted
from ..structure import map_shapes, map_structure
from ..weights import Shape
from .call_arguments import inputs_of
from .dtype_policy import state_dtype_for
from .free_names import yielding
from .graph import Node, SymbolicTensor, shapes_of, symbolic_leaves
from .shape_inference import build_what_is_inside, stands_for
from .weighted import Weighted, repr_of

Ends = tuple[list[SymbolicTensor], list[SymbolicTensor]]  # of one call: what goes in, what comes out


class Connected(Weighted):
    """The part of `Layer` that is called on symbolic tensors; abstract."""

    _nodes: list[Node]
    _called_on: tuple[tuple[Any, ...], dict[str, Any]] | None = None  # the latest call, with `Stand`s for its tensors
    # Models that make their graph when somebody asks for it: a Sequential, and every copied model. Weak, so that a
    # layer does not keep a model alive.
    _holders: tuple[weakref.ref[Any], ...] = ()

    def _call_symbolic(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record the call in the graph and return symbolic outputs."""
        self._graph_calls()  # the calls of the layer's own model come first
        if not args:
            raise ArgumentError(f"{repr_of(self)} was called without an input; pass it as the first argument.")
        args, kwargs = map_structure(self._as_constant, args), map_structure(self._as_constant, kwargs)
        if not self._built and not self._nodes:
            state_dtype_for(self, symbolic_leaves((args, kwargs)))
        shapes = shapes_of(inputs_of(self, args, kwargs))
        if not self._built:
            self._build_for_call(shapes)
        else:
            self._check_input_shape(shapes)
        node = Node(self, args, kwargs)
        self._called_on = stands_for((args, kwargs))
        build_what_is_inside(self, shapes)
        output_shapes = self._shape_of_call(*map_structure(_shape_for, (args, kwargs)))
        dtypes = self._output_dtypes(symbolic_leaves((args, kwargs))[0].dtype)

        def make(shape: Shape) -> SymbolicTensor:
            dtype = dtypes[len(node.outputs)] if len(dtypes) > 1 else dtypes[0]
            node.outputs.append(SymbolicTensor(shape, dtype, node, len(node.outputs)))
            return node.outputs[-1]

        node.structure = map_shapes(make, output_shapes)
        self._nodes.append(node)
        return node.structure

    def _as_constant(self, leaf: Any) -> Any:
        """Arrays as tensors; floats in the dtype that the layer computes in, to which Keras casts them."""
        if isinstance(leaf, np.ndarray):
            leaf = torch.tensor(leaf, device="cpu")  # its values are needed on the meta device, too
        floats = isinstance(leaf, Tensor) and leaf.is_floating_point()
        return leaf.to(self._computes_in) if floats else leaf

    def _hold(self, model: Any) -> None:
        """Remember a model whose graph has, or will have, the first call of this layer."""
        alive = [holder for holder in self._holders if holder() is not None]
        self._holders = (*alive, weakref.ref(model))

    def _graph_calls(self) -> list[Node]:
        """The calls in the order in which they were made; the model around the layer makes its graph first."""
        for holder in () if self._nodes else self._holders:
            model = holder()
            if model is not None and model._built and model._symbols is None:
                model._symbolic_ends()
                break
        return self._nodes

    def _ends(self) -> list[Ends]:
        # An Input is called on nothing: its tensor is its input as well.
        return [(node.inputs() or node.outputs, node.outputs) for node in self._graph_calls()]

    def _at(self, node_index: int, end: int, what: str) -> Any:
        ends = self._ends()
        if not ends:
            raise NotBuiltError(
                f"{repr_of(self)} has never been called on a symbolic tensor, so it has no {what}. Call it on an "
                "Input, or on the output of another layer, or put it in a Model or in a Sequential with an Input."
            )
        if not isinstance(node_index, int) or not -len(ends) <= node_index < len(ends):
            raise ArgumentError(
                f"{repr_of(self)}: there is no {what} at call {node_index!r}: it was called "
                f"{counted(len(ends), 'time')}, "
                f"on {[shapes_of(_one(inputs)) for inputs, _ in ends]}."
            )
        return _one(ends[node_index][end])

    @property
    @attribute
    def input(self) -> Any:
        """The symbolic tensor that the layer was called on first, or a list of them: `Model(layer.input, ...)`.

        What was passed as `initial_state` stands behind the input. `get_input_at` has the other calls.

        Raises:
            NotBuiltError: The layer was never called on a symbolic tensor.
        """
        return self._at(0, 0, "input")

    @property
    @attribute
    def output(self) -> Any:
        """The symbolic tensor that the layer's first call made, or a list of them: `Model(..., layer.output)`.

        `get_output_at` has those of the other calls.

        Raises:
            NotBuiltError: The layer was never called on a symbolic tensor.
        """
        return self._at(0, 1, "output")

    @property
    def _in_shape(self) -> Any:
        if self._build_shape is None:
            raise self._not_built("input_shape")
        return self._build_shape

    @property
    @attribute
    def _out_shape(self) -> Any:
        return self._output_shape(self._in_shape)

    @yielding
    def input_shape(self) -> Any:
        """The shape that the layer was built for, with the batch axis."""
        return self._in_shape

    @yielding
    def output_shape(self) -> Any:
        """The output shape for `input_shape`."""
        return self._out_shape

    def get_input_at(self, node_index: int) -> Any:
        """The input of call number `node_index`; a model's own graph counts as its call 0 (as in Keras 2)."""
        return self._at(node_index, 0, "input")

    def get_output_at(self, node_index: int) -> Any:
        """The output of call number `node_index`; a model's own graph counts as its call 0 (as in Keras 2)."""
        return self._at(node_index, 1, "output")

    def get_input_shape_at(self, node_index: int) -> Any:
        """The shape, or list of shapes, of `get_input_at(node_index)`."""
        return shapes_of(self._at(node_index, 0, "input shape"))

    def get_output_shape_at(self, node_index: int) -> Any:
        """The shape, or list of shapes, of `get_output_at(node_index)`."""
        return shapes_of(self._at(node_index, 1, "output shape"))


def _one(tensors: list[SymbolicTensor]) -> Any:
    return tensors[0] if len(tensors) == 1 else list(tensors)


def _shape_for(leaf: Any) -> Any:
    return tuple(leaf.shape) if hasattr(leaf, "shape") else leaf
