"""Steps of an LSTM or a GRU with the usual activations on CUDA: a product, and one kernel for all pointwise work.

torch computes its own LSTM with these kernels where cuDNN does not run. Each takes what the inputs and what the states
give to the gates, and returns the new states and an array for the backward pass: of an LSTM the gates i f g o behind
their activations, of a GRU the gates r z n, the state before, and the recurrent side of n.

Shapes: gates `(T, B, G*U)`, with the axes of an image behind B where the products are convolutions; `use` as in
`equations`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .. import activations, torch_private
from .operators import is_followed
from .recurrent_product import Product
from .types import Activation, States

_USUAL = (activations.tanh, activations.sigmoid)


def fit(gates: Tensor, state: Tensor, activation: Activation, recurrent: Activation) -> bool:
    """Whether these kernels compute a step of an LSTM, or of a GRU with its reset gate behind the product."""
    if not runs_on(gates) or (activation, recurrent) != _USUAL or gates.dtype != state.dtype or is_followed():
        return False
    return torch_private.lstm_step is not None and torch_private.gru_step is not None


def runs_on(x: Tensor) -> bool:
    """Whether torch has these kernels for the device of x."""
    return x.is_cuda


def lstm(gates: Tensor, hidden: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One step: h, c, and the gates behind their activations; of rows, or of images.

    Args:
        gates: What the inputs give to the gates `(B, ..., 4U)`.
        hidden: What the state gives.
        c: `(B, ..., U)`.
    """
    flat = (tensor.reshape(-1, tensor.shape[-1]) for tensor in (gates, hidden, c))
    h, new_c, kept = torch_private.lstm_step(*flat)  # type: ignore[misc]
    return h.view(c.shape), new_c.view(c.shape), kept.view(gates.shape)


def gru(gates: Tensor, hidden: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """One step: h `(B, U)`, and r z n, the state before, and the recurrent side of n `(B, 5U)`."""
    return torch_private.gru_step(gates, hidden, h)  # type: ignore[misc]


def run_lstm(
    product: Product, gates: Tensor, states: States, use: Tensor | None, keep: bool
) -> tuple[Tensor, States, States]:
    """All steps: what `Equations.forward` returns."""
    h, c = states
    hs, cs, activated, nothing = [h], [c], [], torch.zeros_like(gates[0])
    for step, all_gates in enumerate(gates.unbind()):
        new_h, new_c, kept = lstm(product.add(all_gates, h, all_gates), nothing, c)
        if use is not None:
            new_h, new_c = torch.where(use[step], new_h, h), torch.where(use[step], new_c, c)
        h, c = new_h, new_c
        hs.append(h)
        if keep:
            cs.append(c)
            activated.append(kept)
    if not keep:
        return torch.stack(hs[1:]), (c,), ()
    torch_private.foreach.copy_(gates.unbind(), activated)
    history = torch.stack(hs)
    return history[1:], (c,), (gates, history, torch.stack(cs))


def run_gru(
    product: Product, bias: Tensor | None, gates: Tensor, state: Tensor, use: Tensor | None, keep: bool
) -> tuple[Tensor, States, States]:
    """All steps: what `Equations.forward` returns."""
    h, hs, kept = state, [state], []
    base = gates.new_zeros(gates.shape[-1]) if bias is None else bias
    for step, all_gates in enumerate(gates.unbind()):
        new, workspace = gru(all_gates, product.plus(base, h), h)
        h = new if use is None else torch.where(use[step], new, h)
        hs.append(h)
        if keep:
            kept.append(workspace)
    history = torch.stack(hs)
    if not keep:
        return history[1:], (), ()
    units, all_kept = state.shape[-1], torch.stack(kept)
    return history[1:], (), (all_kept[..., : 3 * units], history, all_kept[..., 4 * units :])
