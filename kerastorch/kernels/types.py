"""The types that the computations over time share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from torch import Tensor

Activation = Callable[[Tensor], Tensor]
States = tuple[Tensor, ...]
Kernel = Callable[[Tensor, States, Sequence[Tensor]], tuple[Tensor, States]]


INSTEAD = "runs instead where it is faster"  # in the reason of a kernel of torch


class KernelChoice(NamedTuple):
    """Which computation runs, and why."""

    path: Literal["fused", "step loop"]
    reason: str

    @property
    def paths(self) -> str:
        """The path, and the other one where the sizes of a call decide between the two: for a table."""
        return "fused or step loop" if self.path == "fused" and INSTEAD in self.reason else self.path


class Weights(NamedTuple):
    w_hh: Tensor
    b_hh: Tensor | None
    drop: Tensor | None


class Gradients(NamedTuple):
    gates: Tensor  # (T, B, G*U)
    w_hh: Tensor | None
    b_hh: Tensor | None
    states: States  # of the initial states
