"""AbstractRNNCell: Keras 2's base of a person's own cells."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...base.layer import Layer
from ...base.weighted import repr_of
from ...errors import ArgumentError, NotDefinedError
from .cell_protocol import pack, state_list, state_shapes


class AbstractRNNCell(Layer):
    """The base of your own cells for `RNN`, as `keras.layers.AbstractRNNCell` of Keras 2; abstract.

    A subclass has `state_size`, `call(inputs, states)` that returns (output, new states), and, where the output has
    another size than the first state, `output_size`. Nothing asks for this base: any module with these will do.

    Example:
        >>> class Minimal(AbstractRNNCell):
        ...     def __init__(self, units, **base):
        ...         super().__init__(**base)
        ...         self.units = units
        ...     @property
        ...     def state_size(self):
        ...         return self.units
        ...     def build(self, input_shape):
        ...         self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        ...         self.recurrent = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")
        ...     def call(self, inputs, states):
        ...         output = inputs @ self.kernel + states[0] @ self.recurrent
        ...         return output, output
        >>> RNN(Minimal(5))(torch.zeros(2, 20, 1)).shape
        torch.Size([2, 5])
    """

    @property
    def state_size(self) -> Any:
        """The size of the state without the batch axis, or nested lists or tuples of sizes; a subclass defines it."""
        raise NotDefinedError(f"{repr_of(self)} must define state_size: an integer, or lists or tuples of them.")

    @property
    def output_size(self) -> Any:
        """The size of one step's output; that of the first state if None."""
        return None

    def call(self, inputs: Tensor, states: Any) -> tuple[Tensor, Any]:
        """Compute one step; a subclass defines it.

        Args:
            inputs: `(B, F)`, one step of the sequence.
            states: The states `(B, U)`, nested as `state_size`, in a list.

        Returns:
            The output of the step, and the new states.
        """
        raise NotDefinedError(f"{repr_of(self)} must define call(inputs, states) that returns (output, new states).")

    def get_initial_state(self, inputs: Any = None, batch_size: int | None = None, dtype: Any = None) -> Any:
        """Zeros for a batch, nested as `state_size`.

        Args:
            inputs: A tensor whose rows and dtype are taken where the others are None.
            batch_size: The rows.
            dtype: The dtype; the cell's if None.
        """
        if inputs is not None:
            batch_size = len(inputs) if batch_size is None else batch_size
            dtype = inputs.dtype if dtype is None else dtype
        if batch_size is None:
            raise ArgumentError(f"{repr_of(self)}.get_initial_state: give inputs or a batch_size.")
        dtype = self.dtype if dtype is None else dtype
        zeros = [torch.zeros(batch_size, *shape, dtype=dtype, device=self._on_device) for shape in state_shapes(self)]
        states = pack(state_list(self), iter(zeros))
        return states if isinstance(self.state_size, (list, tuple)) else states[0]
