"""Arrays of TensorFlow 1's cells, and which function of `kt.convert` and which layer belongs to each cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from kerastorch import convert, layers


@dataclass(frozen=True)
class Cell:
    """A cell of TensorFlow 1.

    Args:
        name: In the functions' names.
        layer: The class of Keras.
        widths: Columns of each kernel, in units. Every kernel has a bias behind it.
        forget: Whether the cell adds a forget bias.
        states: How many states it has; an LSTM's are h and c.
    """

    name: str
    layer: str
    widths: tuple[int, ...]
    forget: bool = False
    states: int = 1

    def arrays(self, features: int, units: int, seed: int = 0) -> list[np.ndarray]:
        """Random distinct values, in the order of the cell's variables."""
        rng = np.random.default_rng(seed)
        shapes = [shape for wide in self.widths for shape in ((features + units, wide * units), (wide * units,))]
        return [(rng.normal(size=shape) * 0.4).astype("float32") for shape in shapes]

    def options(self, forget_bias: float) -> dict[str, float]:
        return {"forget_bias": forget_bias} if self.forget else {}

    def to_keras(self, *arrays: Any, **options: Any) -> Any:
        return getattr(convert, f"{_KERAS[self.layer]}_from_{self.name}")(*arrays, **options)

    def from_keras(self, *arrays: Any, **options: Any) -> Any:
        return getattr(convert, f"{_KERAS[self.layer]}_to_{self.name}")(*arrays, **options)

    def run(self, arrays: list[np.ndarray], x: np.ndarray, states: list[np.ndarray], **options: Any) -> list[Any]:
        """Outputs of all steps and the last states of Keras's layer with the cell's arrays, in their dtype."""
        extra = {"reset_after": False, "recurrent_activation": "sigmoid"} if self.layer == "GRU" else {}
        made = getattr(layers, self.layer)(
            states[0].shape[1], return_sequences=True, return_state=True, dtype=str(x.dtype), **extra
        )
        made.build((None, None, x.shape[-1]))
        made.set_weights(list(self.to_keras(*arrays, **options)))
        with torch.no_grad():
            found = made(torch.from_numpy(x), initial_state=[torch.from_numpy(state) for state in states])
        return [part.numpy() for part in found]


_KERAS = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "simple_rnn"}
CELLS = {
    "BasicLSTMCell": Cell("basic_lstm_cell", "LSTM", (4,), forget=True, states=2),
    "LSTMBlockFusedCell": Cell("lstm_block_fused_cell", "LSTM", (4,), forget=True, states=2),
    "GRUCell": Cell("gru_cell", "GRU", (2, 1)),
    "BasicRNNCell": Cell("basic_rnn_cell", "SimpleRNN", (1,)),
}


def example(cell: Cell, features: int = 3, units: int = 4) -> tuple[list[np.ndarray], np.ndarray, list[np.ndarray]]:
    """The cell's arrays, an input of 7 steps for 2 rows, and states that are not zero."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 7, features)).astype("float32")
    states = [(rng.normal(size=(2, units)) * 0.5).astype("float32") for _ in range(cell.states)]
    return cell.arrays(features, units), x, states
