"""Masked sequences on a device: valid steps side by side, in the memory order and the widths that cuDNN is fast with.

A count of the valid steps says where each has its place, and one copy puts it there: no sort, and no synchronization
with the host. Everything is time-major, as the kernels want it. Behind the valid steps stand zeros, so that a NaN in a
masked step does not spread. Both directions of a pair run in one kernel: each has the features once, its own valid
steps where it begins, and zeros in its weights for the features of the other.

Backwards, every step of the inputs gets its gradient from one place, so their gradients are the same in each run. An
output that several steps show, where masked steps repeat it, gets a sum whose order the device decides, unless
`torch.use_deterministic_algorithms` is on: then torch sorts before it sums.

Shapes: `x` `(B, T, F)`, masks bool `(B, T)`; everything that is made here `(T, B, ...)`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..dtypes import HALVES
from .operators import is_followed

_TENSOR_CORES = 8  # in half precision these take rows of so many numbers


def scatters(x: Tensor) -> bool:
    """Whether to order x so: on a device, and not in a graph that serves the CPU as well."""
    return x.is_cuda and (torch.compiler.is_compiling() or not is_followed())


def placed(x: Tensor, mask: Tensor, step: Tensor) -> Tensor:
    """The valid steps of x, each moved to the `step` `(B, T)` of its row; zeros elsewhere."""
    batch, steps = x.shape[:2]
    rows = torch.arange(batch, device=x.device).unsqueeze(1)
    places = torch.where(mask, step * batch + rows, steps * batch)  # what is masked goes behind the end
    if x.stride(0) < x.stride(1):  # time-major already
        x, places = x.transpose(0, 1), places.t()
    room = x.new_zeros(steps * batch + 1, x.shape[-1])
    return room.index_copy(0, places.flatten(), x.flatten(0, 1))[:-1].unflatten(0, (steps, batch))


def beside(parts: Sequence[Tensor]) -> Tensor:
    """Features beside each other; in half precision padded with zeros to a multiple of 8."""
    missing = _missing(parts)
    return torch.cat([*parts, parts[0].new_zeros(*parts[0].shape[:-1], missing)] if missing else list(parts), dim=-1)


def _missing(parts: Sequence[Tensor]) -> int:
    width = sum(part.shape[-1] for part in parts)
    return -width % _TENSOR_CORES if parts[0].dtype in HALVES else 0


def after(last: Tensor, steps: int, like: Tensor) -> Tensor:
    """A feature that is 1 at the steps behind the `last` `(B, 1)` of each row, else 0."""
    return (torch.arange(steps, device=last.device).unsqueeze(1) >= last.t()).to(like.dtype).unsqueeze(-1)


def before(first: Tensor, steps: int, like: Tensor) -> Tensor:
    """A feature that is 1 at the steps before the `first` `(B, 1)` of each row, else 0."""
    return (torch.arange(steps, device=first.device).unsqueeze(1) < first.t()).to(like.dtype).unsqueeze(-1)


def weights_beside(parts: Sequence[Tensor | int], width: int) -> Tensor:
    """Input weights `(G*U, width)` for `beside`: those of each part, or zeros for so many features."""
    like = next(part for part in parts if isinstance(part, Tensor))
    columns = [like.new_zeros(len(like), part) if isinstance(part, int) else part for part in parts]
    rest = width - sum(column.shape[1] for column in columns)
    return torch.cat([*columns, like.new_zeros(len(like), rest)] if rest else columns, dim=1)


def taken(out: Tensor, sources: Sequence[Tensor]) -> Tensor:
    """Outputs of both directions by their steps.

    Args:
        out: Of both `(T, B, 2U)`.
        sources: Of each direction `(B, S)`: the step whose output is shown, counted from 1; 0 for zeros.

    Returns:
        `(B, S, 2U)`.
    """
    batch = out.shape[1]
    rows = torch.cat([out.new_zeros(1, *out.shape[1:]), out]).unflatten(-1, (2, -1)).flatten(0, 2)
    source = torch.stack([source.t() for source in sources], dim=-1)  # (S, B, 2)
    places = (source * batch + torch.arange(batch, device=out.device).unsqueeze(1)) * 2
    places = places + torch.arange(2, device=out.device)
    found = rows.index_select(0, places.flatten()).unflatten(0, places.shape)
    return found.flatten(-2).transpose(0, 1)
