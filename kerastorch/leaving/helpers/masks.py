"""What stands around torch's recurrent modules where steps are skipped."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def used_first(x: Tensor, mask: Tensor) -> Tensor:
    """x `(B, T, F)` with the steps of each row where the mask `(B, T)` is True before the others, in their order."""
    order = mask.logical_not().byte().argsort(dim=1, stable=True)
    return x.gather(1, order[..., None].expand_as(x))


def back_in_place(out: Tensor, mask: Tensor) -> Tensor:
    """What a recurrence made of `used_first`, `(B, T, U)`, with each step where it was.

    A skipped step repeats the output before it; before the first used step there are zeros.
    """
    used = mask.cumsum(1)  # so many steps until now
    latest = (used - 1).clamp(min=0)[..., None].expand_as(out)
    return out.gather(1, latest) * (used > 0)[..., None]


def last_used(out: Tensor, mask: Tensor) -> Tensor:
    """The output `(B, U)` at the last used step, of what a recurrence made of `used_first`; zeros if there is none."""
    count = mask.sum(1)
    rows = torch.arange(out.shape[0], device=out.device)
    return out[rows, (count - 1).clamp(min=0)] * (count > 0)[:, None]


def pack_used(x: Tensor, mask: Tensor) -> nn.utils.rnn.PackedSequence:
    """The used steps of x `(B, T, F)` alone, so that the state behind them is the last one; no row is empty."""
    lengths = mask.sum(1).clamp(min=1).cpu()
    return nn.utils.rnn.pack_padded_sequence(used_first(x, mask), lengths, batch_first=True, enforce_sorted=False)


def unpack(packed: nn.utils.rnn.PackedSequence, mask: Tensor) -> Tensor:
    """The steps `(B, T, U)` of what was packed by this mask, the used ones first."""
    return nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=mask.shape[1])[0]


def state_behind(last: Tensor, mask: Tensor, first: Tensor | None = None) -> Tensor:
    """The state `(1, B, U)` behind the last used step; a row without one keeps the first state, zeros if None."""
    kept = torch.zeros_like(last) if first is None else first
    return torch.where(mask.any(1)[:, None], last, kept)


def states_behind(
    last: tuple[Tensor, Tensor], mask: Tensor, first: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """`state_behind` for both states of an LSTM."""
    if first is None:
        return state_behind(last[0], mask), state_behind(last[1], mask)
    return state_behind(last[0], mask, first[0]), state_behind(last[1], mask, first[1])


def show_first_state(out: Tensor, mask: Tensor, state: Tensor | None) -> Tensor:
    """Outputs `(B, T, U)` with the first state, if there is one, in the place of those before the first used step."""
    if state is None:
        return out
    return torch.where((mask.cumsum(1) > 0)[..., None], out, state.transpose(0, 1))


def show_first_image(out: Tensor, mask: Tensor, state: tuple[Tensor, Tensor] | None) -> Tensor:
    """`show_first_state` of a `ConvLSTM`: outputs `(B, T, C, ...)`, a mask `(B, T)` or of its places `(B, T, ...)`."""
    if state is None:
        return out
    began = (mask.cumsum(1) > 0)[:, :, None]
    while began.ndim < out.ndim:
        began = began[..., None]
    return torch.where(began, out, state[0][:, None])


def show_first_output(out: Tensor, mask: Tensor, state: tuple[Tensor, Tensor] | None) -> Tensor:
    """`show_first_state` of an LSTM, of whose states the first one is its output."""
    return out if state is None else show_first_state(out, mask, state[0])
