"""Models of real Keras with convolutions: their outputs, and their files."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from .layers import numpy, random_weights, weight_names


def over_time(k: ModuleType) -> Any:
    """Every convolution over time, in front of a recurrent layer."""
    lay = k.layers
    return k.Sequential(
        [
            k.Input((12, 4)),
            lay.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu"),
            lay.Conv1D(4, 2, strides=2, padding="same", groups=2, kernel_regularizer="l2"),
            lay.SeparableConv1D(5, 3, depth_multiplier=2, padding="same"),
            lay.Conv1DTranspose(4, 3, strides=2, output_padding=1, padding="same"),
            lay.DepthwiseConv1D(3, depth_multiplier=2, bias_initializer="ones"),
            lay.LSTM(3, return_sequences=True),
            lay.TimeDistributed(lay.Dense(2)),
        ]
    )


def over_images(k: ModuleType) -> Any:
    """Every convolution over images, step by step and at once, and one over volumes."""
    lay = k.layers
    x = k.Input((3, 7, 6, 2))
    y = lay.TimeDistributed(lay.Conv2D(4, 3, padding="same", activation="tanh"))(x)
    y = lay.TimeDistributed(lay.SeparableConv2D(4, (2, 3), use_bias=False))(y)
    y = lay.Conv3D(3, (2, 2, 1), padding="same", strides=(1, 2, 2), dilation_rate=1)(y)
    y = lay.Conv3DTranspose(2, (1, 2, 2), strides=(1, 2, 2))(y)
    y = lay.TimeDistributed(lay.DepthwiseConv2D(2, depth_multiplier=2))(y)
    y = lay.TimeDistributed(lay.Conv2DTranspose(3, 2, strides=2, padding="same"))(y)
    return k.Model(x, lay.LSTM(2)(lay.Reshape((3, -1))(y)))


def local(k: ModuleType) -> Any:
    """Keras 2 only."""
    lay = k.layers
    return k.Sequential(
        [
            k.Input((8, 3)),
            lay.LocallyConnected1D(4, 3, activation="relu"),
            lay.LocallyConnected1D(3, 2, padding="same", implementation=2),
            lay.LocallyConnected1D(2, 2, strides=2, implementation=3),
            lay.Reshape((3, 2, 1)),
            lay.LocallyConnected2D(2, (2, 1)),
        ]
    )


def masked(k: ModuleType) -> Any:
    """Masks in front of convolutions: nothing of them arrives behind."""
    lay = k.layers
    words = k.Input((9,), dtype="int32")
    x = lay.Embedding(6, 4, mask_zero=True)(words)
    outputs = [
        lay.LSTM(2)(lay.Conv1D(3, 2)(x)),
        lay.LSTM(2)(lay.Conv1D(3, 2, padding="same")(x)),
        lay.GRU(2)(lay.SeparableConv1D(3, 2, padding="same")(x)),
        lay.GRU(2)(lay.DepthwiseConv1D(2, padding="same")(x)),
        lay.SimpleRNN(2)(lay.Conv1DTranspose(3, 2, padding="same")(x)),
        lay.LSTM(2)(lay.Masking()(lay.Conv1D(3, 2, activation="relu")(x))),
    ]
    return k.Model(words, outputs)


def batches(k: ModuleType) -> Any:
    """tf.keras takes several batch axes."""
    lay = k.layers
    x = k.Input((3, 7, 6, 2))
    return k.Model(x, [lay.Conv2D(4, 3, padding="same", strides=2)(x), lay.Conv1D(3, 2, activation="softmax")(x)])


def save_model(
    k: ModuleType, builder: str, path: str, x: np.ndarray, weights_only: bool = False
) -> tuple[str, list[np.ndarray | None]]:
    """Save a model with random weights; return its JSON and its outputs for `x`."""
    model = globals()[builder](k)
    named = zip(weight_names(model.weights), model.get_weights(), strict=True)
    model.set_weights(random_weights(list(named), 4))
    model.save_weights(path) if weights_only else model.save(path)
    outputs = model(x, training=False)
    return model.to_json(), [numpy(y) for y in (outputs if isinstance(outputs, list | tuple) else [outputs])]
