"""Seeds for everything that draws random numbers."""

from __future__ import annotations

import random

import numpy as np
import torch

from .layers import _check


def set_seed(seed: int) -> None:
    """Seed Python's, numpy's and torch's (all devices') generators, as `keras.utils.set_random_seed`.

    Args:
        seed: From 0 to 2**32 - 1.
    """
    seed = _check.integer("seed", seed, 0)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
