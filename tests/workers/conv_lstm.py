"""Models of real Keras with convolutional LSTMs, saved to files."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from .layers import random_weights, weight_names


def save_model(k: ModuleType, path: str, x: np.ndarray, weights_only: bool = False) -> tuple[str, np.ndarray]:
    """Masking, a Bidirectional ConvLSTM2D, a ConvLSTM2D and a ConvLSTM1D; return its JSON and its output for `x`."""
    lay = k.layers
    both = lay.ConvLSTM2D(2, (2, 3), padding="same", return_sequences=True, recurrent_activation="hard_sigmoid")
    model = k.Sequential(
        [
            k.Input(x.shape[1:]),
            lay.Masking(),
            lay.Bidirectional(both),
            lay.ConvLSTM2D(3, 2, padding="same", return_sequences=True, use_bias=False),
            lay.Permute((2, 1, 3, 4)),
            lay.Reshape((x.shape[2], x.shape[3], -1)),
            lay.ConvLSTM1D(2, 3, strides=2, go_backwards=True),
        ]
    )
    named = zip(weight_names(model.weights), model.get_weights(), strict=True)
    model.set_weights(random_weights(list(named), 4))
    model.save_weights(path) if weights_only else model.save(path)
    return model.to_json(), np.asarray(model(x, training=False))
