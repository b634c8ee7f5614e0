"""kerastorch."""

from __future__ import annotations

import numpy as np
from _rows import Arrays, Row

from contestants import _keras_like
from contestants._torch import DEVICE, Case, Undropped, tensor, versions
from kerastorch import layers

__all__ = ["make", "versions"]


def make(row: Row, arrays: Arrays) -> Case:
    made = _keras_like.make_layers(layers, row, arrays)
    for layer in made:
        layer.to(DEVICE).train(row.training)
    x = tensor(arrays.x)
    mask = None if arrays.mask is None else tensor(arrays.mask)
    weights = [weight for layer in made for weight in layer.parameters() if weight.requires_grad]
    asked = made[0].forward_layer if row.family == "BiLSTM" else made[0]

    def gradients() -> list[np.ndarray]:
        return [gradient for layer in made for gradient in layer.get_gradients()]

    return Undropped(
        _keras_like.chain(made, row, mask, training=False),
        _keras_like.chain(made, row, mask, training=row.training),
        x,
        tensor(arrays.upstream) if row.training else None,
        weights,
        gradients,
        note=asked.kernel_choice(x, mask, row.training).path,
    )
