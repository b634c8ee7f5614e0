"""torch's recurrent modules where steps are skipped."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def run_masked(rnn: nn.Module, x: Tensor, mask: Tensor, state: Any = None) -> Tensor:
    """All outputs of an nn.LSTM, nn.GRU or nn.RNN that skips the steps where the mask is False.

    The steps of each row are moved together, run, and moved back; a skipped step repeats the output before it.

    Args:
        rnn: A module with `batch_first=True`, in one direction.
        x: `(B, T, F)`.
        mask: bool `(B, T)`, True = use the step.
        state: The first state, as the module takes it.

    Returns:
        `(B, T, U)`; zeros before the first used step.
    """
    order = mask.logical_not().byte().argsort(dim=1, stable=True)  # used steps first
    out, _ = rnn(x.gather(1, order[..., None].expand_as(x)), state)
    used = mask.cumsum(1)  # so many steps until now
    latest = (used - 1).clamp(min=0)[..., None].expand_as(out)
    return out.gather(1, latest) * (used > 0)[..., None]


def run_masked_with_state(rnn: nn.Module, x: Tensor, mask: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """What `run_masked` gives, and the state behind the last used step of each row, as the module returns it."""
    order = mask.logical_not().byte().argsort(dim=1, stable=True)  # used steps first
    x = x.gather(1, order[..., None].expand_as(x))
    used = mask.cumsum(1)  # so many steps until now
    lengths = used[:, -1]
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
    packed, last = rnn(packed, state)
    out, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
    latest = (used - 1).clamp(min=0)[..., None].expand_as(out)
    out = out.gather(1, latest) * (used > 0)[..., None]
    began = (lengths > 0)[:, None]
    if not isinstance(last, tuple):
        return out, torch.where(began, last, torch.zeros_like(last) if state is None else state)
    start = [torch.zeros_like(part) for part in last] if state is None else state
    return out, tuple(torch.where(began, new, old) for new, old in zip(last, start, strict=True))


def show_first_state(out: Tensor, mask: Tensor, state: Any) -> Tensor:
    """Outputs `(B, T, U)` with the first state, if there is one, in the place of those before the first used step."""
    if state is None:
        return out
    h = state[0] if isinstance(state, tuple) else state
    began = mask.cumsum(1) > 0
    return torch.where(began[..., None], out, h.transpose(0, 1))
