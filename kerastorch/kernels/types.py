"""The types that the computations over time share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from torch import Tensor

Activation = Callable[[Tensor], Tensor]
States = tuple[Tensor, ...]
Kernel = Callable[[Tensor, States, Sequence[Tensor]], tuple[Tensor, States]]


class KernelChoice(NamedTuple):
    """Which computation runs, and why."""

    path: Literal["fused", "step loop"]
    reason: str


class Weights(NamedTuple):
    w_hh: Tensor
    b_hh: Tensor | None
    drop: Tensor | None


class Gradients(NamedTuple):
    gates: Tensor  # (T, B, G*U)
    w_hh: Tensor | None
    b_hh: Tensor | None
    states: States  # of the initial states
