"""ConvLSTMs with random weights, and images for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from kerastorch import layers
from kerastorch.layers.rnn.conv_lstm_base import ConvLSTM

CLASSES: dict[int, Any] = {1: layers.ConvLSTM1D, 2: layers.ConvLSTM2D, 3: layers.ConvLSTM3D}
IMAGES = {1: (7,), 2: (5, 6), 3: (3, 4, 5)}
MASK = torch.tensor([[1, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 0]], dtype=torch.bool)


def make(rank: int = 2, **config: Any) -> ConvLSTM:
    """A float64 layer on 3 channels with random distinct weights."""
    layer = CLASSES[rank](**{"filters": 2, "kernel_size": 3 if rank < 3 else 2, "dtype": "float64", **config})
    image = IMAGES[rank]
    layer.build((3, 4, 3, *image) if layer.data_format == "channels_first" else (3, 4, *image, 3))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(0, 0.4, array.shape) for array in layer.get_weights()])
    return layer


def images(rank: int = 2, size: tuple[int, ...] | None = None, seed: int = 1) -> torch.Tensor:
    shape = (3, 4, *(size or IMAGES[rank]), 3)
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
