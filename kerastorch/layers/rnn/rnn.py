"""RNN: any cell, run over time, as Keras computes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...base import check
from ...base.dtype_policy import cast_floats, state_dtype_beside
from ...base.inner_layers import serialize_layer
from ...base.layer import Example, Layer, register
from ...base.weighted import repr_of
from ...dtypes import any_dtype
from ...errors import ArgumentError, ShapeError, quote
from ...kernels.types import KernelChoice, States
from ...weights import Shape
from .cell_protocol import (
    cell_of,
    flatten,
    initial_states,
    name_of,
    output_shape_of,
    pack,
    run_steps,
    state_list,
    state_shapes,
    step_function,
    takes,
)
from .gated_cell import GatedCell
from .given_states import begun_with, flat_parts, in_dtype, split_states, states_by_name
from .gru import GRUCell
from .lstm import LSTMCell
from .sequence import SEQUENCE_CONFIG, SequenceLayer
from .simple_rnn import SimpleRNNCell
from .stacked_rnn_cells import StackedRNNCells

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions

_BUILT_IN = (LSTMCell, GRUCell, SimpleRNNCell)


@register("RNN")
class RNN(SequenceLayer):
    """Runs a cell over time, as `keras.layers.RNN`.

    A cell of your own is any torch module or kerastorch layer with `state_size` (an integer, or nested lists or tuples
    of them), `forward(x, states)` or `call(x, states)` that returns (output, new states), and, if it needs them,
    `output_size` and `get_initial_state(batch_size)`. `states` is a list, nested as `state_size`. Such a cell runs step
    by step; torch.export fixes the number of steps then.

    Args:
        cell: The cell, or a list of cells, which become `StackedRNNCells`.
        return_sequences: Return the output of every step instead of the last.
        return_state: Return the final states behind the output, nested as the cell's `state_size`.
        go_backwards: Process the steps from the last to the first; outputs are in the order of processing.
        stateful: Start each batch with the final states of the one before.
        unroll: Accepted; it changes no number.
        zero_output_for_mask: Give zeros at masked steps, instead of the output before.
        num_constants: How many of the tensors behind the input are constants, where the layer is called with a list.
        **base: `name`, `dtype`, `trainable`, ...

    Variables:
        The cell's.

    Example:
        >>> RNN([LSTMCell(5), LSTMCell(4)], return_sequences=True)(torch.zeros(2, 20, 1)).shape
        torch.Size([2, 20, 4])
    """

    _hands_training = True
    CONFIG = (*SEQUENCE_CONFIG, "cell")
    INERT = ("unroll", "time_major", "num_constants")
    EXAMPLES = (
        Example("lstm", dict(cell={"class_name": "LSTMCell", "config": {"units": 5}}), (2, 7, 3)),
        Example(
            "stacked",
            dict(
                cell={
                    "class_name": "StackedRNNCells",
                    "config": {
                        "cells": [
                            {"class_name": "GRUCell", "config": {"units": 5, "reset_after": False}},
                            {"class_name": "SimpleRNNCell", "config": {"units": 4}},
                        ]
                    },
                },
                return_sequences=True,
                return_state=True,
            ),
            (2, 7, 3),
        ),
    )

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        *,
        num_constants: int = 0,
        **base: Unpack[BaseOptions],
    ) -> None:
        super().__init__(
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            zero_output_for_mask=zero_output_for_mask,
            **base,
        )
        self.cell = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else cell_of("cell", cell)
        cells = list(getattr(self.cell, "cells", (self.cell,)))
        for part in (self, *cells):
            state_dtype_beside(part, cells)
        self.num_constants = check.integer("num_constants", num_constants, 0)
        output_shape_of(self.cell)
        self._register_states(len(self._state_sizes))
        if not self.trainable:
            self.trainable = False  # the cell's too

    def get_config(self) -> dict[str, Any]:
        config = {**self._base_config(), **{key: getattr(self, key) for key in SEQUENCE_CONFIG}}
        config["cell"] = serialize_layer(self.cell)
        return config | ({"num_constants": self.num_constants} if self.num_constants else {})

    def _keras_children(self) -> list[tuple[str, Any]]:
        return [("cell", self.cell)]

    # ------------------------------------------------------------------ shapes

    @property
    def state_size(self) -> list[Any]:
        """The cell's `state_size`, as a list."""
        return state_list(self.cell)

    @property
    def _state_sizes(self) -> list[Shape]:
        return state_shapes(self.cell)

    def _output_size(self, input_shape: Shape) -> Shape:
        return output_shape_of(self.cell)

    def _makes_weights(self) -> bool:
        return False

    def _check_input_shape(self, input_shape: Shape) -> None:
        if not self._built:
            self._rank = max(len(input_shape), 3)  # what a cell takes in one step is for it to say
        super()._check_input_shape(input_shape)
        if isinstance(self.cell, Layer):
            self.cell._check_input_shape(_step_shape(input_shape))

    def build(self, input_shape: Shape) -> None:
        self._check_input_shape(input_shape)
        if isinstance(self.cell, Layer):
            self.cell.build(_step_shape(input_shape))

    def compute_output_shape(self, input_shape: Shape) -> Any:
        return self._nested(super().compute_output_shape(input_shape))

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self._computes_in

    @property
    def _policy_dtype(self) -> torch.dtype:
        return self._dtype if self._casts else self.dtype

    @property
    def _computes_in(self) -> torch.dtype:
        """What the outputs are in: by the layer's own policy if it was stated, else what the cell computes in."""
        if self._casts:
            return super()._computes_in
        return self.cell._computes_in if isinstance(self.cell, Layer) else self.dtype

    def _check_input(self, x: Any) -> Tensor:
        if isinstance(x, Tensor) and x.is_floating_point() and (self._casts or x.dtype == self._computes_in):
            x = x.to(self.dtype)  # the cell casts it once more, by its own policy
        return super()._check_input(x)

    def _nested(self, result: Any) -> Any:
        """The layer's result with its states nested as the cell's."""
        return (result[0], *pack(self.state_size, iter(result[1:]))) if self.return_state else result

    # ------------------------------------------------------------------ states

    def get_initial_state(self, batch_size: Any = None, inputs: Any = None, dtype: Any = None) -> list[Any]:
        """The states that a batch of this size starts with, nested as the cell's; `inputs` in its place as tf.keras."""
        zeros = super().get_initial_state(batch_size, inputs, dtype)  # checks what is given
        device, dtype = (self._on_device, self.dtype) if inputs is None else (inputs.device, inputs.dtype)
        states = initial_states(self.cell, len(zeros[0]), device, any_dtype(dtype))
        return pack(self.state_size, iter(states))

    @property
    def states(self) -> list[Any] | None:
        """The states that a stateful layer keeps, nested as the cell's; None before the first batch."""
        kept = self._kept()
        return None if kept is None else pack(self.state_size, iter(kept))

    @states.setter
    def states(self, values: Any) -> None:
        self.reset_state(values)

    def _kept(self) -> list[Tensor] | None:
        return super().states

    @torch.no_grad()
    def reset_state(self, values: Sequence[Any] | None = None) -> None:
        """Set the kept states of a stateful layer to zeros, or to `values`, nested as `states` or in one list."""
        if self.stateful and values is None:
            for state in self._kept() or ():
                state.zero_()
            return
        super().reset_state(values)

    def _as_states(self, values: Any, batch: int | None) -> States:
        return super()._as_states(flatten(values), batch)

    def _values_of(self, given: Any) -> list[Any]:
        return flat_parts(given)

    def _state_dtypes(self) -> list[torch.dtype]:
        return [state.dtype for state in initial_states(self.cell, 1, self._on_device, self.dtype)]

    def _start(self, x: Tensor, initial_state: Any) -> States:
        given, constants = initial_state  # as `forward` put them together
        kept = self._kept() if self.stateful and given is None else None
        if kept is not None and kept[0].shape[0] != x.shape[0]:
            raise ShapeError(
                f"{repr_of(self)} is stateful and keeps states for a batch of {kept[0].shape[0]}, "
                f"got a batch of {x.shape[0]}. "
                "Keep the batch size, or make a layer for the other one and give it these weights."
            )
        if kept is not None:
            return (*(in_dtype(state, x.dtype) for state in begun_with(self, kept)), *constants)
        if given is not None:
            return (*(in_dtype(state, x.dtype) for state in self._as_states(given, x.shape[0])), *constants)
        return (*initial_states(self.cell, x.shape[0], x.device, x.dtype), *constants)

    # ------------------------------------------------------------------ running

    def kernel_choice(self, x: Any = None, mask: Any = None, training: bool | None = None) -> KernelChoice:
        """Which computation runs for this cell, and why.

        Args:
            x: The input `(B, T, F)`, or None if its size is not known.
            mask: Not needed: masks run on the same kernel.
            training: As in `forward`; dropout in the cell can change the choice while training.
        """
        return _choice(self.cell, x, self.training if training is None else training)

    def _call_layer(self, args: tuple[Any, ...], kwargs: dict[str, Any], by_hand: bool = True) -> Any:
        args, kwargs = self._by_name(args, kwargs)
        constants = kwargs.get("constants")
        given = constants is not None and not (isinstance(constants, (list, tuple)) and not constants)
        if given and not _takes_constants(self.cell):
            raise ArgumentError(
                f"{repr_of(self)}: {name_of(self.cell)} takes no constants; give its step an argument of that name, "
                "or pass none."
            )
        return super()._call_layer(args, kwargs, by_hand)

    def _by_name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return states_by_name(self, args, kwargs, self.num_constants)

    def forward(
        self,
        x: Tensor,
        mask: Any = None,
        initial_state: Any = None,
        training: bool | None = None,
        constants: Any = None,
    ) -> Any:
        """Run the cell over time.

        Args:
            x: `(B, T, ...)`, of the layer's dtype.
            mask: bool `(B, T)`, True = use the step. A masked step keeps the states and repeats the output (zeros
                before the first valid step, or everywhere with `zero_output_for_mask`).
            initial_state: The states to start with, nested as the cell's `state_size` or all in one list; what the
                cell's `get_initial_state` gives, or the kept states if stateful, if None.
            training: Handed to the cell if it takes it; `self.training` if None.
            constants: Tensors that the cell gets at every step, if it takes `constants`.

        Returns:
            The last output `(B, ...)`, or all `(B, T, ...)` with `return_sequences`; with `return_state` a tuple of it
            and the final states, nested as the cell's `state_size`.

        Raises:
            ShapeError: x, mask or a state has another shape than the layer needs.
        """
        if constants is None:
            constants = ()
        elif not isinstance(constants, (list, tuple)):
            constants = (constants,)
        constants = tuple(torch.as_tensor(constant, device=self._on_device) for constant in constants)
        x, initial_state = split_states(self, x, initial_state)
        result = self._nested(super().forward(x, mask, (initial_state, constants), training))
        return cast_floats(result, self._computes_in) if self._casts else result

    def _shown_state(self, states: States) -> Tensor:
        cell = self.cell
        while type(cell) is StackedRNNCells:
            states = states[sum(len(state_shapes(inner)) for inner in cell.cells[:-1]) :]
            cell = cell.cells[-1]
        return states[0]

    def _run(self, x: Tensor, states: States, mask: Tensor | None, training: bool) -> tuple[Tensor, States]:
        states, constants = states[: self._state_count], states[self._state_count :]
        want_states = self.return_state or self.stateful
        try:
            out, states = _run_cell(self.cell, x, states, mask, training, constants, want_states)
        finally:
            for module in self.cell.modules():
                if isinstance(module, GatedCell):
                    module.reset_dropout_mask()
                    module.reset_recurrent_dropout_mask()
        wanted = output_shape_of(self.cell)
        if tuple(out.shape[2:]) != wanted:
            raise ShapeError(
                f"{name_of(self.cell)}: expected outputs of size {wanted} (its output_size, else the size of its first "
                f"state), got {tuple(out.shape[2:])}; give the cell the right output_size."
            )
        return self._hide(out, mask), states


def _step_shape(shape: Shape) -> Shape:
    return (shape[0], *shape[2:])


def _takes_constants(cell: Any) -> bool:
    return any(map(_takes_constants, cell.cells)) if type(cell) is StackedRNNCells else takes(cell, "constants")


def _choice(cell: Any, x: Tensor | None, training: bool) -> KernelChoice:
    if type(cell) in _BUILT_IN:
        return type(cell).kernel_choice(cell, x, training=training)
    if type(cell) is not StackedRNNCells:
        return KernelChoice("step loop", f"{quote(type(cell).__name__)} is not one of kerastorch's own cells")
    choices = [(inner, _choice(inner, x, training)) for inner in cell.cells]
    slow = [f"{name_of(inner)}: {choice.reason}" for inner, choice in choices if choice.path != "fused"]
    return KernelChoice("step loop", "; ".join(slow)) if slow else KernelChoice("fused", "every cell has a kernel")


def _run_cell(
    cell: Any,
    x: Tensor,
    states: States,
    mask: Tensor | None,
    training: bool,
    constants: States,
    want_states: bool,
) -> tuple[Tensor, States]:
    """All steps of a cell. A stack runs cell after cell: each needs only the steps of the one before."""
    if type(cell) in _BUILT_IN:
        return cell._run_all(x, states, mask, training, want_states)
    if type(cell) is not StackedRNNCells:
        return run_steps(step_function(cell, training, constants), x, states, mask)
    new: list[Tensor] = []
    for inner in cell.cells:
        count = len(state_shapes(inner))
        given = constants if constants and takes(inner, "constants") else ()
        x, its = _run_cell(inner, x, states[:count], mask, training, given, want_states)
        states = states[count:]
        new.extend(its)
    return x, tuple(new)
