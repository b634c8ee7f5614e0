"""The cells of workers/cells.py, written in torch and in the Keras way."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from kerastorch import layers

FEATURES = 4


class MinimalCell(nn.Module):
    def __init__(self, units: int, dtype: Any = None) -> None:
        super().__init__()
        dtype = getattr(torch, dtype or "float32")
        self.state_size = units
        self.kernel = nn.Parameter(torch.zeros(FEATURES, units, dtype=dtype))
        self.recurrent_kernel = nn.Parameter(torch.zeros(units, units, dtype=dtype))

    def forward(self, x: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        output = x @ self.kernel + torch.tanh(states[0] @ self.recurrent_kernel)
        return output, [output]


class NestedCell(layers.Layer):
    """In the Keras way."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.state_size = (units, [units, units + 1])
        self.output_size = units + 1

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units + 1), name="recurrent_kernel")

    def call(self, x: Tensor, states: Any) -> Any:
        a, (b, c) = states
        new_a = torch.tanh(x @ self.kernel + b)
        new_c = 0.5 * c + a @ self.recurrent_kernel
        return torch.tanh(new_c) + 0.25, (new_a, [a - 0.5 * b, new_c])

    def get_initial_state(self, batch_size: int) -> Any:
        a = torch.full((batch_size, self.units), 0.5)
        return [a, [a - 0.75, torch.full((batch_size, self.units + 1), -0.25)]]


class ConstantCell(nn.Module):
    def __init__(self, units: int, dtype: Any = None) -> None:
        super().__init__()
        dtype = getattr(torch, dtype or "float32")
        self.state_size = units
        self.kernel = nn.Parameter(torch.zeros(FEATURES, units, dtype=dtype))
        self.constant_kernel = nn.Parameter(torch.zeros(2, units, dtype=dtype))

    def forward(self, x: Tensor, states: list[Tensor], constants: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        first, second = constants
        output = torch.tanh(x @ self.kernel + first @ self.constant_kernel + second * states[0])
        return output, [output]


OWN = {"MinimalCell": MinimalCell, "NestedCell": NestedCell, "ConstantCell": ConstantCell}
