"""The step loop: sequences that torch has no fused kernel for, one step after the other.

Nothing here knows Keras words or keeps state. Shapes: `x` is `(B, T, F)`, states are `(B, U)`, masks are bool `(B, T)`,
weights are in torch layout: `w_ih` `(G*U, F)`, `w_hh` `(G*U, U)`, biases `(G*U,)`; gates i f g o (LSTM), r z n (GRU).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import torch_private
from ..errors import UnsupportedError
from . import fused_steps
from .export_scan import scan_steps
from .matrix_products import linear
from .types import Activation, States


def gate_linear(x: Tensor, w: Tensor, b: Tensor | None, drop: Tensor | None) -> Tensor:
    """`x @ w.T + b` for one step `(B, F)` or all `(T, B, F)`; `drop`: a mask `(1, B, F)`, or one for each gate."""
    if drop is None:
        return linear(x, w, b)
    if drop.shape[0] == 1:
        return linear(x * drop[0], w, b)
    parts = [linear(x * gate, part, None) for gate, part in zip(drop, w.chunk(drop.shape[0]), strict=True)]
    out = torch.cat(parts, dim=-1)
    return out if b is None else out + b


Cell = Callable[[Tensor, States], States]  # the gates' input part of one step, states -> new states; output = states[0]


def loop(cell: Cell, gates_x: Tensor, states: States, mask: Tensor | None) -> tuple[Tensor, States]:
    """Run `cell` over the steps of `gates_x` `(T, B, G*U)`; a masked step repeats the output and keeps the states.

    The step engine does the same faster, where it knows the derivatives.

    Returns:
        outputs `(B, T, U)`, final states.
    """
    if torch_private.is_traced_to_onnx():
        raise UnsupportedError(
            "torch.onnx.export(..., dynamo=False) would fix the number of steps of a step loop (kernel_choice tells "
            "which layers have one) at that of the example: export with dynamo=True, or with model.export(path, "
            'format="onnx").'
        )
    out, states = (scan_steps if torch_private.is_exporting() else one_by_one)(cell, gates_x, states, mask)
    if mask is not None:
        out = out * (mask.cumsum(1) > 0).unsqueeze(-1)  # zeros, not the initial state, before the first valid step
    return out, states


def one_by_one(cell: Cell, gates_x: Tensor, states: States, mask: Tensor | None) -> tuple[Tensor, States]:
    """The first state after each step `(B, T, U)`, and the final states."""
    outputs: list[Tensor] = []
    for step, gates in enumerate(gates_x.unbind(0)):
        new = cell(gates, states)
        if mask is not None:
            use = mask[:, step].unsqueeze(-1)
            new = tuple(torch.where(use, value, old) for value, old in zip(new, states, strict=True))
        states = new
        outputs.append(states[0])
    return torch.stack(outputs, dim=1), states


def lstm_cell(w_hh: Tensor, activation: Activation, recurrent: Activation, drop: Tensor | None) -> Cell:
    def cell(gates: Tensor, states: States) -> States:
        h, c = states
        hidden = gate_linear(h, w_hh, None, drop)
        if fused_steps.fit(gates, c, activation, recurrent):
            return fused_steps.lstm(gates, hidden, c)[:2]
        i, f, g, o = (gates + hidden).chunk(4, dim=-1)
        c = recurrent(f) * c + recurrent(i) * activation(g)
        return recurrent(o) * activation(c), c

    return cell


def gru_cell(
    w_hh: Tensor, b_hh: Tensor | None, activation: Activation, recurrent: Activation, drop: Tensor | None
) -> Cell:
    """GRU with the reset gate applied to the projected state (Keras `reset_after=True`, cuDNN)."""

    def cell(gates: Tensor, states: States) -> States:
        h = states[0]
        hidden = gate_linear(h, w_hh, b_hh, drop)
        if fused_steps.fit(gates, h, activation, recurrent):
            return fused_steps.gru(gates, hidden, h)[:1]
        xr, xz, xn = gates.chunk(3, dim=-1)
        hr, hz, hn = hidden.chunk(3, dim=-1)
        r, z = recurrent(xr + hr), recurrent(xz + hz)
        return (z * h + (1 - z) * activation(xn + r * hn),)

    return cell


def gru_cell_reset_before(w_hh: Tensor, activation: Activation, recurrent: Activation, drop: Tensor | None) -> Cell:
    """GRU with the reset gate acting on the state before its projection (Keras `reset_after=False`; Cho et al.)."""
    units = w_hh.shape[1]

    def cell(gates: Tensor, states: States) -> States:
        w_rz, w_n = w_hh[: 2 * units], w_hh[2 * units :]  # here: torch's scan takes no two views of one weight
        drop_rz, drop_n = (None, None) if drop is None else (drop[:2], drop[-1])
        h = states[0]
        xr, xz, xn = gates.chunk(3, dim=-1)
        hr, hz = gate_linear(h, w_rz, None, drop_rz).chunk(2, dim=-1)
        r, z = recurrent(xr + hr), recurrent(xz + hz)
        kept = h if drop_n is None else h * drop_n
        return (z * h + (1 - z) * activation(xn + F.linear(r * kept, w_n)),)

    return cell


def rnn_cell(w_hh: Tensor, activation: Activation, drop: Tensor | None) -> Cell:
    def cell(gates: Tensor, states: States) -> States:
        return (activation(gates + gate_linear(states[0], w_hh, None, drop)),)

    return cell
