"""StackedRNNCells: several cells as one, for `RNN`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...base.inner_layers import serialize_layer
from ...base.layer import Example, Layer, register
from ...base.naming import snake_case
from ...base.weighted import repr_of
from ...errors import UnsupportedError
from ...weights import Shape
from .cell_protocol import cells_of, flatten, initial_states, output_shape_of, pack, state_shapes, step_function, takes
from .given_states import check_count, check_shapes, flat_parts, given_states

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ...base.options import BaseOptions


@register("StackedRNNCells")
class StackedRNNCells(Layer):
    """Several cells as one, as `keras.layers.StackedRNNCells`: the output of each is the input of the next.

    The states are nested: one entry for each cell, in the order of the cells.

    Args:
        cells: The cells, the first one first.
        reverse_state_order: Refused if True.
        **base: `name`, `dtype`, `trainable`.

    Variables:
        The cells', in their order.

    Example:
        >>> RNN(StackedRNNCells([LSTMCell(5), GRUCell(4)]))(torch.zeros(2, 20, 1)).shape
        torch.Size([2, 4])
    """

    _has_policy = False
    _hands_training = True
    CONFIG = ("cells",)
    INERT = ("reverse_state_order",)
    EXAMPLES = (
        Example(
            "two kinds",
            dict(
                cells=[
                    {"class_name": "LSTMCell", "config": {"units": 5}},
                    {"class_name": "GRUCell", "config": {"units": 4}},
                ]
            ),
            (2, 3),
        ),
    )

    def __init__(self, cells: Any, *, reverse_state_order: bool = False, **base: Unpack[BaseOptions]) -> None:
        super().__init__(**base)
        if reverse_state_order:
            raise UnsupportedError(
                f"{repr_of(self)}: reverse_state_order=True is not supported; the states are in the cells' order: "
                "reverse the list of states yourself."
            )
        self.cells = nn.ModuleList(cells_of("cells", cells))
        if not self.trainable:
            self.trainable = False  # the cells' too

    def get_config(self) -> dict[str, Any]:
        return {**self._base_config(), "cells": [serialize_layer(cell) for cell in self.cells]}

    def _keras_children(self) -> list[tuple[str, Any]]:
        count: dict[str, int] = {}
        named = []
        for cell in self.cells:
            name = snake_case(cell._class_name if isinstance(cell, Layer) else type(cell).__name__)
            number = count.get(name, 0)
            count[name] = number + 1
            named.append((f"cells/{name}_{number}" if number else f"cells/{name}", cell))
        return named

    # ------------------------------------------------------------------ shapes and states

    @property
    def state_size(self) -> list[Any]:
        """The cells' `state_size`s."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        """What the last cell puts out: a number, or a shape without the batch."""
        shape = output_shape_of(self.cells[-1])
        return shape[0] if len(shape) == 1 else torch.Size(shape)

    def get_initial_state(self, batch_size: int | None = None, inputs: Any = None, dtype: Any = None) -> list[Any]:
        """The initial states of every cell, nested as `state_size`.

        Args:
            batch_size: B; that of `inputs` if None, else 1.
            inputs: Where the batch size, device and dtype come from, if given.
            dtype: Of the states; that of the weights if None.
        """
        device = self._on_device if inputs is None else inputs.device
        dtype = dtype or (self.dtype if inputs is None else inputs.dtype)
        rows = batch_size if batch_size is not None else 1 if inputs is None else inputs.shape[0]
        return [pack(cell.state_size, iter(initial_states(cell, rows, device, dtype))) for cell in self.cells]

    def _makes_weights(self) -> bool:
        return False

    def _check_input_shape(self, input_shape: Shape) -> None:
        first = self.cells[0]
        if isinstance(first, Layer):
            first._check_input_shape(input_shape)

    def build(self, input_shape: Shape) -> None:
        for cell in self.cells:
            if isinstance(cell, Layer):
                cell.build(input_shape)
            input_shape = (input_shape[0], *output_shape_of(cell))

    def compute_output_shape(self, input_shape: Shape) -> Any:
        self._check_input_shape(input_shape)
        batch = input_shape[0]
        states = pack(self.state_size, iter((batch, *shape) for shape in state_shapes(self)))
        return (batch, *output_shape_of(self)), states

    def _shape_of_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        output, given = super()._shape_of_call(args, kwargs), given_states(self, args, kwargs, "states")
        if given is not None:
            check_shapes(self, flat_parts(given), state_shapes(self), args[0][0] if args else None)
        return output

    def _compute_output_dtype(self, input_dtype: torch.dtype) -> torch.dtype:
        return self._computes_in

    @property
    def _computes_in(self) -> torch.dtype:
        """What the last cell computes in."""
        last = self.cells[-1]
        return last._computes_in if isinstance(last, Layer) else self.dtype

    # ------------------------------------------------------------------ running

    def forward(
        self, x: Tensor, states: Any = None, training: bool | None = None, constants: Any = None
    ) -> tuple[Tensor, list[Any]]:
        """Compute one step of every cell.

        Args:
            x: `(B, F)`.
            states: The states of each cell, nested as `state_size`, or all in one list; the initial states if None.
            training: Handed to the cells that take it; `self.training` if None.
            constants: Handed to the cells that take them.

        Returns:
            The last cell's output `(B, U)`, and the new states, nested as `state_size`.

        Raises:
            ShapeError: The number of states or a shape is not what the cells need.
        """
        training = self.training if training is None else training
        flat = flatten(self.get_initial_state(inputs=x) if states is None else states)
        check_count(self, flat, state_shapes(self))
        new: list[Tensor] = []
        for cell in self.cells:
            count = len(state_shapes(cell))
            step = step_function(cell, training, tuple(constants or ()) if takes(cell, "constants") else ())
            x, its = step(x, tuple(flat[:count]))
            flat = flat[count:]
            new.extend(its)
        return x, pack(self.state_size, iter(new))
