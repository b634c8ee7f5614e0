"""One seed for every generator of random numbers."""

from __future__ import annotations

from ..random import set_seed


def set_random_seed(seed: int) -> None:
    """Seed Python's, numpy's and torch's generators: `keras.utils.set_random_seed`, and `kerastorch.set_seed`.

    Args:
        seed: From 0 to 2**32 - 1.
    """
    set_seed(seed)
