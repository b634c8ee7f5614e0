"""Which weights are updated together: many small ones at once, large ones on the CPU one by one, in stretches."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..torch_private import is_plain

# Of so many numbers on, operations on all weights at once are slower on a CPU: what they compute on the way is then too
# much for the cache, and for the memory that is kept between two steps. RMSprop of 13 MB of weights took 2.9 times as
# long as torch's; it takes 0.7 to 0.9 times (benchmarks/results/optimizers.md).
LARGE = 1 << 15
# So many numbers for each thread are updated before the next of the same weight: what the operations of a rule hand on
# to each other then stays in the cache, and is not asked from the system anew, as memory for 32 MB and more is.
STRETCH = 1 << 19


class Stretch(list[Tensor]):
    """Some rows of a weight in place of it: a list of that one tensor, a view.

    Args:
        whole: The weight.
        rows: Which rows.
    """

    def __init__(self, whole: Tensor, rows: slice) -> None:
        super().__init__([whole[rows]])
        self.whole, self.rows = whole, rows


def pieces(params: list[Tensor], grads: list[Tensor], cut: bool = True) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """The weights and gradients of each piece, in order.

    Args:
        params: The weights.
        grads: Their gradients.
        cut: Whether large weights come as `Stretch`es.
    """
    small: tuple[list[Tensor], list[Tensor]] = [], []
    stretch = STRETCH * torch.get_num_threads()
    cut = cut and not torch.compiler.is_compiling()
    for param, grad in zip(params, grads, strict=True):
        if param.numel() < LARGE or param.device.type != "cpu":
            small[0].append(param)
            small[1].append(grad)
        elif cut and param.numel() > stretch and is_plain(param) and is_plain(grad):
            rows = max(1, stretch * len(param) // param.numel())
            for begin in range(0, len(param), rows):
                place = slice(begin, begin + rows)
                yield Stretch(param, place), [grad[place]]
        else:
            yield [param], [grad]
    if small[0]:
        yield small
