"""Models that pool, repeat, pad and crop, built in real Keras."""

from __future__ import annotations

from types import ModuleType
from typing import Any

TIME, WORDS = 4, 6


def frames(k: ModuleType) -> Any:
    """A video: each step is an image, which becomes a vector."""
    lay = k.layers
    return k.Sequential(
        [
            k.Input((TIME, 7, 6, 3)),
            lay.TimeDistributed(lay.ZeroPadding2D(((1, 0), (2, 1)))),
            lay.TimeDistributed(lay.MaxPooling2D((3, 2), strides=2, padding="same")),
            lay.TimeDistributed(lay.UpSampling2D((2, 3), interpolation="bilinear")),
            lay.TimeDistributed(lay.SpatialDropout2D(0.3)),
            lay.TimeDistributed(lay.Cropping2D((1, 2))),
            lay.TimeDistributed(lay.GlobalAveragePooling2D()),
            lay.LSTM(3),
            lay.Dense(2),
        ]
    )


def words(k: ModuleType) -> Any:
    """The mask of the words: the mean over time uses it, everything else loses it."""
    lay = k.layers
    x = k.Input((TIME,), dtype="int32")
    embedded = lay.SpatialDropout1D(0.2)(lay.Embedding(WORDS, 3, mask_zero=True)(x))
    outputs = [
        lay.GlobalAveragePooling1D()(embedded),
        lay.Flatten()(lay.GlobalAveragePooling1D(keepdims=True)(lay.LSTM(3, return_sequences=True)(embedded))),
        lay.GlobalMaxPooling1D()(embedded),
        lay.LSTM(3)(lay.MaxPooling1D(2, strides=1, padding="same")(embedded)),
        lay.LSTM(3)(lay.AveragePooling1D(3, strides=1, padding="same")(embedded)),
        lay.LSTM(3)(lay.UpSampling1D(2)(embedded)),
        lay.LSTM(3)(lay.ZeroPadding1D((0, 1))(embedded)),
        lay.LSTM(3)(lay.Cropping1D((1, 0))(embedded)),
        lay.LSTM(3)(lay.Permute((2, 1))(embedded)),
        lay.LSTM(3)(lay.Reshape((2, 6))(embedded)),
        lay.LSTM(3)(lay.RepeatVector(2)(lay.Flatten()(embedded))),
    ]
    return k.Model(x, lay.Dense(2)(lay.Concatenate()(outputs)))


def volumes(k: ModuleType) -> Any:
    """Everything of three axes, and what rows have beside it."""
    lay = k.layers
    x, y = k.Input((4, 5, 6, 2), name="volume"), k.Input((9, 3), name="row")
    volume = lay.AveragePooling3D((2, 1, 2), padding="same")(lay.ZeroPadding3D((1, 0, 2))(x))
    # Upsampled first, the windows would hold equal maxima, whose gradient TensorFlow hands to all of them.
    volume = lay.UpSampling3D((1, 2, 1))(lay.MaxPooling3D(2, strides=1)(volume))
    volume = lay.SpatialDropout3D(0.2)(lay.Cropping3D(((0, 1), (1, 1), (0, 0)))(volume))
    row = lay.GRU(3, return_sequences=True)(lay.AveragePooling1D(2)(lay.UpSampling1D(3)(y)))
    ends = [
        lay.GlobalMaxPooling3D()(volume),
        lay.Flatten()(lay.GlobalAveragePooling3D(keepdims=True)(volume)),
        lay.GlobalMaxPooling1D()(row),
        lay.Flatten()(lay.GlobalMaxPooling2D(keepdims=True)(lay.Reshape((13, 3, 1))(row))),
    ]
    return k.Model([x, y], lay.Dense(2)(lay.Concatenate()(ends)))
