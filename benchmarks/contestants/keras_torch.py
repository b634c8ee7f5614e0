"""Keras on torch: eager, as it runs there."""

from __future__ import annotations

import keras
import numpy as np
import torch
from _rows import Arrays, Row

from contestants import _keras_like
from contestants._torch import Undropped, tensor
from contestants._torch import versions as torch_versions


def versions() -> dict[str, str]:
    return {"keras": keras.__version__, **torch_versions()}


def make(row: Row, arrays: Arrays) -> Undropped:
    made = _keras_like.make_layers(keras.layers, row, arrays)
    mask = None if arrays.mask is None else tensor(arrays.mask)
    trained = [variable.value for layer in made for variable in layer.trainable_variables]

    def gradients() -> list[np.ndarray]:
        return [weight.grad.cpu().numpy() for weight in trained]

    return Undropped(
        _keras_like.chain(made, row, mask, training=False),
        _keras_like.chain(made, row, mask, training=row.training),
        tensor(arrays.x),
        tensor(arrays.upstream) if row.training else None,
        trained,
        gradients,
        torch.no_grad,
    )
