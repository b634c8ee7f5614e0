"""Settings with the digits that Keras computes with: a Python number that TensorFlow casts passes through float32.

In float32 that is nothing. With weights in float64 it is what Keras computes: `1 - beta_2` of Adam is 1.3e-5 larger.
Keras's other backends cast exactly; there all but the learning rate keeps its digits.
"""

from __future__ import annotations

import functools

import numpy as np
import torch


def single(value: float) -> float:
    """What `tf.cast(value, dtype)` makes of a Python number, whatever the dtype."""
    return _single(value) if type(value) is float else float(np.float32(value))


@functools.lru_cache(maxsize=1024)  # every step asks for the same few
def _single(value: float) -> float:
    return float(np.float32(value))


def held(value: float) -> float:
    """What a variable of Keras keeps of a learning rate: the digits of `floatx`, which is torch's default dtype."""
    return single(value) if torch.get_default_dtype() is torch.float32 else torch.tensor(float(value)).item()
