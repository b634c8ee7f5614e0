"""The forward pass of each thread: what is known while layers run inside layers."""

from __future__ import annotations

import threading
from typing import Any

from torch import Tensor, nn


class Pass(threading.local):
    """Where the forward pass of this thread stands."""

    found: list[tuple[nn.Module, Tensor]] | None = None  # the penalties of outputs so far; None: no pass is running
    root: nn.Module | None = None  # the layer that the pass began with
    factor = 1  # of all penalties; 0: nothing is kept and nothing forgotten
    silent: Any = None  # a layer whose own penalty does not count

    def so_far(self, module: nn.Module) -> tuple[Tensor, ...] | None:
        """The penalties of a layer in the pass that is running; None if none runs, or it is not a part of that."""
        if self.found is None or self.root is None or all(module is not part for part in self.root.modules()):
            return None
        return tuple([penalty for source, penalty in self.found if source is module])


current = Pass()
