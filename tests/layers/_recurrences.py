"""Random recurrences for the tests of the step engine."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from kerastorch import activations as A
from kerastorch.kernels.equations import GRU, LSTM, Equations, GRUResetBefore, SimpleRNN, Steps
from kerastorch.kernels.input_product import LINEAR
from kerastorch.kernels.step_engine import Inputs
from kerastorch.kernels.step_loop import gate_linear, loop
from kerastorch.kernels.types import States

EQUATIONS = [LSTM, GRU, GRUResetBefore, SimpleRNN]
GATES = {LSTM: 4, GRU: 3, GRUResetBefore: 3, SimpleRNN: 1}
B, U = 3, 2
MASKS = {
    "none": None,
    "right": [[1, 1, 1, 0], [1, 1, 1, 1], [1, 0, 0, 0]],
    "holes": [[1, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 0]],
}
DROPS = ["none", "one", "each gate"]

Run = Callable[[Steps, Inputs, States, "Tensor | None"], "tuple[Tensor, States]"]


def follow_steps(
    steps: Steps, inputs: Inputs, states: States, mask: Tensor | None, *, only_last: bool = False
) -> tuple[Tensor, States]:
    """What the engine replaces; all outputs, whether or not the last is enough."""
    gates = gate_linear(inputs.x.transpose(0, 1), *inputs[1:4])
    return loop(steps.equations.cell(steps), gates, states, mask)


class Problem:
    """Random float64 inputs of a recurrence, distinct everywhere."""

    def __init__(
        self,
        equations: type[Equations],
        activation: str = "relu",
        recurrent: str = "sigmoid",
        *,
        mask: str = "none",
        drop: str = "none",
        steps: int = 4,
        batch: int = B,
        units: int = U,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        generator = torch.Generator().manual_seed(7)

        def random(*shape: int) -> Tensor:
            return (0.6 * torch.randn(*shape, dtype=torch.float64, generator=generator)).to(dtype)

        count = GATES[equations]
        self.equations, self.functions = equations, (A.get(activation), A.get(recurrent))
        biased = equations is GRU
        self.tensors = [random(steps, batch, count * units), random(count * units, units)]
        self.tensors[1] *= (U / units) ** 0.5
        self.tensors += [random(count * units)] * biased
        self.tensors += [random(batch, units) for _ in range(2 if equations is LSTM else 1)]
        self.weights = 3 if biased else 2  # how many of the tensors are not states
        pattern = MASKS[mask]
        self.mask = None if pattern is None else torch.tensor(pattern, dtype=torch.bool)[:batch, :steps]
        masks = {"none": 0, "one": 1, "each gate": count}[drop]
        self.drop = 2.0 * (random(masks, batch, units) > 0) if masks else None
        if self.drop is not None:
            self.drop = self.drop.to(dtype)

    def run(self, run: Run, *tensors: Tensor) -> tuple[Tensor, ...]:
        gates, w_hh, *rest = tensors
        b_hh = rest[0] if self.weights == 3 else None
        steps = Steps(self.equations, w_hh, b_hh, *self.functions, self.drop)
        self.unit = torch.eye(gates.shape[-1], dtype=gates.dtype, device=gates.device)  # the gates are the inputs
        inputs = Inputs(gates.transpose(0, 1), self.unit, None, None, LINEAR)
        out, states = run(steps, inputs, tuple(tensors[self.weights :]), self.mask)
        return out, *states

    def everything(self, run: Run) -> list[Tensor]:
        """Outputs, final states, and the gradients of all inputs."""
        leaves = [tensor.detach().requires_grad_() for tensor in self.tensors]
        outputs = self.run(run, *leaves)
        weights = [torch.randn(out.shape, generator=torch.Generator().manual_seed(i)) for i, out in enumerate(outputs)]
        loss = sum((out * weight.to(out)).sum() for out, weight in zip(outputs, weights, strict=True))
        return [*(out.detach() for out in outputs), *torch.autograd.grad(loss, leaves)]  # type: ignore[arg-type]

    def to(self, device: str) -> Problem:
        self.tensors = [tensor.to(device) for tensor in self.tensors]
        self.mask, self.drop = (None if x is None else x.to(device) for x in (self.mask, self.drop))
        return self
