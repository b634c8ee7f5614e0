"""The moving averages of the weights in the place of the weights, while a model is judged or saved."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import ArgumentError
from .base import Callback


class SwapEMAWeights(Callback):
    """Judge, and with `swap_on_epoch` save, the averages of the weights (`keras.callbacks.SwapEMAWeights`).

    The optimizer keeps them: `kt.optimizers.Adam(use_ema=True)`. They stand in the model during each evaluation, and
    are taken out again behind it.

    Args:
        swap_on_epoch: Put them in at the end of each epoch too, for callbacks behind this one, such as
            `ModelCheckpoint`.
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        self.swap_on_epoch = swap_on_epoch
        self._inside = False

    def _optimizer(self) -> Any:
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if not getattr(optimizer, "use_ema", False):
            raise ArgumentError("SwapEMAWeights: the optimizer keeps no averages: give it use_ema=True.")
        return optimizer

    @torch.no_grad()
    def _swap(self) -> None:
        optimizer = self._optimizer()
        for group in optimizer.param_groups:
            for part in group["params"]:
                if "average" in optimizer.state[part]:
                    average = optimizer.state[part]["average"]
                    held = part.clone()
                    part.copy_(average)
                    average.copy_(held)
        self._inside = not self._inside

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Put the weights back that are trained."""
        if self.swap_on_epoch and self._inside:
            self._swap()

    @torch.no_grad()
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Put the averages in."""
        if not self.swap_on_epoch or self._inside:
            return
        self._swap()
        if epoch == self.params["epochs"] - 1:  # at the end of fit the averages are put into the model
            optimizer = self._optimizer()
            for part in (part for group in optimizer.param_groups for part in group["params"]):
                if "average" in optimizer.state[part]:
                    optimizer.state[part]["average"].copy_(part)

    def on_test_begin(self, logs: Any = None) -> None:
        """Put the averages in."""
        if not self._inside:
            self._swap()

    def on_test_end(self, logs: Any = None) -> None:
        """Put the weights back that are trained."""
        if self._inside:
            self._swap()

    def on_predict_begin(self, logs: Any = None) -> None:
        """Put the averages in."""
        if not self._inside:
            self._swap()

    def on_predict_end(self, logs: Any = None) -> None:
        """Put the weights back that are trained."""
        if self._inside:
            self._swap()
