"""`step` and `zero_grad` as torch calls them.

torch puts a note for its profiler and the search for hooks around both. In a training of small weights that takes
longer than the update itself, so here it is done only where a profiler runs or a hook is registered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..distributed import gradients_joined
from ..torch_private import steps_are_watched


class Steps(torch.optim.Optimizer):
    """The part of `Optimizer` that torch calls; abstract."""

    def _check_built(self) -> None:
        raise NotImplementedError

    def _apply(self, grads: dict[Tensor, Tensor]) -> None:
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """See `torch.optim.Optimizer.zero_grad`."""
        if not set_to_none:
            super().zero_grad(set_to_none)
            return
        for group in self.param_groups:
            for part in group["params"]:
                part.grad = None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the weights by their gradients. Weights without a gradient stay as they are.

        Args:
            closure: As for every optimizer of torch: computes the loss and the gradients anew.

        Returns:
            What `closure` returns.

        Raises:
            NotBuiltError: The optimizer does not know yet what it trains.
        """
        # Where a subclass defines `step`, torch has put all that around its own.
        return (_watched if type(self).step is Steps.step and steps_are_watched(self) else _step)(self, closure)

    step.hooked = True  # type: ignore[attr-defined] - torch asks for it, and puts nothing around


@torch.no_grad()
def _step(optimizer: Steps, closure: Callable[[], Any] | None) -> Any:
    optimizer._check_built()
    loss = None
    if closure is not None:
        with torch.enable_grad():
            loss = closure()
    grads: dict[Tensor, Tensor] = {}
    for group in optimizer.param_groups:
        for part in group["params"]:
            if (grad := part.grad) is not None:
                grads[part] = grad.to_dense() if grad.is_sparse else grad
    optimizer._apply(gradients_joined(grads))
    return loss


_watched = torch.optim.Optimizer.profile_hook_step(_step)
