"""What the three contestants on torch share: threads, the device, and how a module is called and differentiated."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

DEVICE = torch.device(os.environ.get("BENCH_DEVICE", "cpu"))
if "BENCH_THREADS" in os.environ:  # in a process of its own, see _workers.py
    torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).to(DEVICE)


def versions() -> dict[str, str]:
    return {"torch": torch.__version__}


def finish() -> None:
    """A call has ended when the device has done it."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


class Case:
    """A function of `x`, timed as it is, or with the gradients to `x` and the weights.

    Args:
        function: `x` -> output, states.
        x: The input.
        upstream: The output's gradient, or None in inference.
        weights: What is trained.
        gradients: The weights' gradients, in Keras's order and layout.
        without_gradients: `torch.inference_mode`, or what the framework's own predict uses.
    """

    def __init__(
        self,
        function: Callable[[Tensor], tuple[Tensor, Sequence[Tensor]]],
        x: Tensor,
        upstream: Tensor | None,
        weights: Sequence[Tensor],
        gradients: Callable[[], list[np.ndarray]],
        without_gradients: Callable[[], Any] = torch.inference_mode,
        note: str = "",
    ) -> None:
        self.function, self.upstream, self.weights, self.gradients = function, upstream, weights, gradients
        self.x = x if upstream is None else x.requires_grad_()
        self.without_gradients, self.note = without_gradients, note

    def call(self) -> tuple[Tensor, Sequence[Tensor]]:
        if self.upstream is None:
            with self.without_gradients():
                result = self.function(self.x)
        else:
            self.x.grad = None
            for weight in self.weights:
                weight.grad = None
            result = self.function(self.x)
            result[0].backward(self.upstream)
        finish()
        return result

    def roundings(self) -> dict[str, float]:
        """How far each of the numbers moves if the inputs do by what sums are rounded by: the most in eight tries."""
        before, kept = self.numbers(), self.x.detach().clone()
        generator = torch.Generator().manual_seed(3)
        moved = dict.fromkeys(before, 0.0)
        for _ in range(8):
            up = torch.rand(kept.shape, generator=generator).to(DEVICE) < 0.5
            self.x.data.copy_(torch.where(up, kept * (1 + 2**-20), kept))
            for name, after in self.numbers().items():
                moved[name] = max(moved[name], float(np.abs(after - before[name]).max()))
        self.x.data.copy_(kept)
        return moved

    def numbers(self) -> dict[str, np.ndarray]:
        output, states = self.call()
        found = {"output": output, **{f"state {index}": state for index, state in enumerate(states)}}
        if self.upstream is not None:
            assert self.x.grad is not None
            found["gradient of x"] = self.x.grad
        arrays = {name: value.detach().cpu().numpy() for name, value in found.items()}
        if self.upstream is not None:
            arrays.update({f"gradient {index}": array for index, array in enumerate(self.gradients())})
        return arrays


class Undropped(Case):
    """A case whose numbers are compared without dropout, which no two frameworks draw alike."""

    def __init__(self, plain: Callable[[Tensor], tuple[Tensor, Sequence[Tensor]]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plain = plain

    def roundings(self) -> dict[str, float]:
        """How far the largest of each of the numbers moves if the last digit of each input does."""
        before, kept = self.numbers(), self.x.detach().clone()
        up = torch.rand(kept.shape, generator=torch.Generator().manual_seed(3)).to(DEVICE) < 0.5
        self.x.data.copy_(torch.where(up, kept * (1 + 2**-20), kept))
        after = self.numbers()
        self.x.data.copy_(kept)
        return {name: float(np.abs(after[name] - before[name]).max()) for name in before}

    def numbers(self) -> dict[str, np.ndarray]:
        dropping, self.function = self.function, self.plain
        try:
            return super().numbers()
        finally:
            self.function = dropping
