"""What the tests of RNN share: random weights and inputs, gradients, and cells that a person might write."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from kerastorch import layers
from kerastorch.structure import leaves

ALL: dict[str, Any] = {"return_sequences": True, "return_state": True}
MASK = torch.tensor([[1, 0, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 1, 1]], dtype=torch.bool)


def fill(layer: Any, shape: Any = (3, 6, 4)) -> Any:
    """Build in float64 with random distinct weights."""
    layer.build(shape)
    layer.double()
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(0, 0.5, array.shape) for array in layer.get_weights()])
    return layer


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def gradients(layer: Any, x: Tensor, **options: Any) -> list[Tensor]:
    """Outputs, and the gradients of x, of the initial states and of the weights."""
    x = x.clone().requires_grad_()
    states = [state.clone().requires_grad_() for state in leaves(options.pop("initial_state", []))]
    outputs = leaves(layer(x, initial_state=states or None, **options))
    sum((out * random(*out.shape, seed=9)).sum() for out in outputs).backward()
    weights = [torch.from_numpy(gradient) for gradient in layer.get_gradients()]
    return [*outputs, x.grad, *(state.grad for state in states), *weights]


class Own(nn.Module):
    """A torch module with one state."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = self.state_size = units
        self.input = nn.Linear(4, units)
        self.recurrent = nn.Linear(units, units, bias=False)

    def forward(self, x: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        h = torch.tanh(self.input(x) + self.recurrent(states[0]))
        return h, [h]


class Pair(NamedTuple):
    mean: Tensor
    count: Tensor


class Running(layers.Layer):
    """A kerastorch layer with states of two shapes, nested, that start elsewhere; it has a configuration."""

    def __init__(self, start: float = 0.5, **base: Any) -> None:
        super().__init__(**base)
        self.start = start

    @property
    def state_size(self) -> Any:
        return (torch.Size((4, 4)), (4, 1))

    output_size = torch.Size((4, 4))

    def build(self, input_shape: Any) -> None:
        self.mix = self.add_weight(shape=(input_shape[-1], 4), name="mix")

    def call(self, x: Tensor, states: Any) -> Any:
        outer, (mean, count) = states
        count = count + 1
        mean = mean + (x @ self.mix - mean) / count
        outer = 0.5 * outer + mean[:, :, None] * x[:, None, :]
        return outer - 1, (outer, Pair(mean, count))

    def get_initial_state(self, batch_size: int, dtype: Any = None) -> Any:
        zero = torch.zeros(batch_size, 4, dtype=dtype)
        return torch.full((batch_size, 4, 4), self.start, dtype=dtype), (zero, zero[:, :1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "start": self.start}


class Attending(nn.Module):
    """A cell that takes two constants."""

    state_size = 4

    def forward(self, x: Tensor, states: list[Tensor], constants: list[Tensor]) -> Any:
        scale, shift = constants
        state = torch.tanh(x * scale + 0.5 * states[0] + shift)
        return state, [state]
