"""The step engine: recurrences without a fused kernel, with a backward pass written by hand.

The loop over the steps holds what depends on the step before and nothing else: the recurrent product, and pointwise
work in place. Everything else is done for all steps at once: the input product (by the caller), the derivatives of the
activations, and each weight gradient as one matrix product.

Kept for the backward pass, in elements: the gates `T*B*G*U`, in the array that the caller made (not for a SimpleRNN
whose activation's derivative follows from its output), each state `(T + 1)*B*U`, `T*B*U` more for a GRU with the reset
gate behind the product, and the masks. Without gradients there are the outputs only.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from . import _pointwise
from ._dtypes import autocasts
from ._equations import Equations, Steps, Weights
from ._kernels import States, loop
from ._ops import is_followed


def no_derivative(*functions: Any) -> str | None:
    """Why a recurrence with these activations is left to autograd, step by step; None if it is not."""
    names = [getattr(f, "__name__", type(f).__name__) for f in functions if _pointwise.find(f) is None]
    if not names:
        return None
    return f"autograd follows every step: no derivative of {' and '.join(names)} is known here"


def run(steps: Steps, gates: Tensor, states: States, mask: Tensor | None) -> tuple[Tensor, States]:
    """Run a recurrence over all steps; a masked step repeats the output and keeps the states.

    Args:
        steps: The recurrence.
        gates: `(T, B, G*U)`, the input's part of the gates, bias included. It is overwritten.
        states: Initial states `(B, U)`.
        mask: bool `(B, T)`, True = use the step, or None.

    Returns:
        outputs `(B, T, U)`, final states.
    """
    activation, recurrent = _pointwise.find(steps.activation), _pointwise.find(steps.recurrent)
    if activation is None or recurrent is None or is_followed():
        return loop(steps.equations.cell(steps), gates, states, mask)
    dtype = torch.promote_types(gates.dtype, states[0].dtype)  # not that of the weights, under autocast
    gates, states = gates.to(dtype), tuple(state.to(dtype) for state in states)
    w_hh, b_hh, drop = steps.w_hh.to(dtype), _to(steps.b_hh, dtype), _to(steps.drop, dtype)
    use = None if mask is None else mask.t().unsqueeze(-1)
    equations = steps.equations(activation, recurrent)
    tensors = (gates, w_hh, b_hh, *states)
    if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors):
        outputs, *others = _Differentiable.apply(equations, drop, use, *tensors)
    else:
        with _no_autocast(gates):
            outputs, others, _ = equations.forward(gates, Weights(w_hh, b_hh, drop), states, use, keep=False)
    out = outputs.transpose(0, 1)
    if mask is not None:
        out = out * (mask.cumsum(1) > 0).unsqueeze(-1)  # zeros, not the initial state, before the first valid step
    return out, (outputs[-1], *others)


def _to(tensor: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    return None if tensor is None else tensor.to(dtype)


def _no_autocast(tensor: Tensor) -> contextlib.AbstractContextManager[Any]:
    device = tensor.device
    return torch.autocast(device.type, enabled=False) if autocasts(device) else contextlib.nullcontext()


class _Differentiable(torch.autograd.Function):
    """All steps as one operation of autograd."""

    @staticmethod
    def forward(
        ctx: Any,
        equations: Equations,
        drop: Tensor | None,
        use: Tensor | None,
        gates: Tensor,
        w_hh: Tensor,
        b_hh: Tensor | None,
        *states: Tensor,
    ) -> States:
        # `gates` is overwritten although it is an input: it was made for this call, and the product that made it
        # needs its factors for its own backward pass, not its result.
        gates = gates.detach()
        with _no_autocast(gates):
            outputs, others, kept = equations.forward(gates, Weights(w_hh, b_hh, drop), states, use, keep=True)
        ctx.equations = equations
        ctx.save_for_backward(drop, use, w_hh, b_hh, *kept)
        return outputs, *others

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        drop, use, w_hh, b_hh, *kept = ctx.saved_tensors
        of_weights = any(ctx.needs_input_grad[4:6])
        with _no_autocast(w_hh):
            found = ctx.equations.backward(tuple(kept), Weights(w_hh, b_hh, drop), use, grads, of_weights)
        return None, None, None, found.gates, found.w_hh, found.b_hh, *found.states
