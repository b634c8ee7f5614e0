"""The gates of recurrent cells in the order of every framework, as data, and the maps that follow from them.

Whoever reads, writes or computes with blocks of gates takes their order from here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .weights import Step, identity, reorder_gates, transpose


@dataclass(frozen=True)
class Cell:
    """One kind of recurrent cell: its gates, in the order of each framework.

    The letters are Keras's: LSTM input, forget, candidate, output; GRU update (z), reset (r), candidate (h).
    """

    name: str
    keras: str
    torch: str
    cudnn: str
    onnx: str
    tensorflow1: str
    keras1: str = ""

    @property
    def count(self) -> int:
        return len(self.keras)

    def order(self, framework: str) -> Step:
        """Reorder the last axis from Keras's gates to those of `framework` ("torch", "cudnn", "onnx", ...)."""
        other: str = getattr(self, framework)
        return identity if other == self.keras else reorder_gates(f"{self.keras} -> {other}")

    def stacked(self, framework: str, parts: Tensor) -> Tensor:
        """One part for each gate along the first axis, from Keras's order to that of `framework`."""
        other: str = getattr(self, framework)
        return parts if other == self.keras else torch.stack([parts[self.keras.index(gate)] for gate in other])

    def matrix(self, framework: str) -> Step:
        """`(rows, G*U)` of Keras -> `(G*U, rows)` with the gates of `framework`."""
        return self.order(framework) >> transpose


LSTM = Cell("LSTM", keras="ifco", torch="ifco", cudnn="ifco", onnx="iofc", tensorflow1="icfo", keras1="icfo")
GRU = Cell("GRU", keras="zrh", torch="rzh", cudnn="rzh", onnx="zrh", tensorflow1="rzh", keras1="zrh")
SIMPLE_RNN = Cell("SimpleRNN", keras="h", torch="h", cudnn="h", onnx="h", tensorflow1="h")
