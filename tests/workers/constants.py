"""Models of real Keras with constant tensors among the arguments of calls."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

ROWS = 2


def _values(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def _tensor(k: ModuleType, values: Any) -> Any:
    if k.__name__ == "keras":
        return k.ops.convert_to_tensor(values)
    import tensorflow as tf

    return tf.constant(values)


def _input(k: ModuleType, *shape: int) -> Any:
    return k.Input(shape, batch_size=ROWS)


def _state(k: ModuleType, units: int, seed: int = 7) -> Any:
    return _tensor(k, _values(seed, ROWS, units))


MASK = np.array([[1, 1, 0, 1, 0], [0, 1, 1, 0, 0]], bool)


def states(k: ModuleType) -> Any:
    """Constant states of every layer that takes some, a single one, several, and those of both directions."""
    lay, x = k.layers, _input(k, 5, 3)
    y = lay.GRU(4, return_sequences=True)(x, initial_state=_state(k, 4))
    y = lay.LSTM(4, return_sequences=True)(y, initial_state=[_state(k, 4, 1), _state(k, 4, 2)])
    y = lay.SimpleRNN(3, return_sequences=True, go_backwards=True)(y, initial_state=[_state(k, 3, 3)])
    y = lay.Bidirectional(lay.GRU(2, return_sequences=True))(y, initial_state=[_state(k, 2, 4), _state(k, 2, 5)])
    y, h, c = lay.RNN(lay.LSTMCell(3), return_sequences=True, return_state=True)(
        y, initial_state=[_state(k, 3, 6), _state(k, 3, 7)]
    )
    return k.Model(x, [y, h, c])


def states_and_mask(k: ModuleType) -> Any:
    """A mask from a layer and a constant state: Keras 3 hands none to such a call, tf.keras does."""
    lay = k.layers
    words = k.Input((5,), batch_size=ROWS, dtype="int32")
    x = lay.Embedding(6, 3, mask_zero=True)(words)
    return k.Model(words, lay.GRU(4, return_sequences=True)(x, initial_state=_state(k, 4)))


def some_states(k: ModuleType) -> Any:
    """A state from an input and a constant one; tf.keras takes only one kind at a time."""
    x, h = _input(k, 5, 3), _input(k, 4)
    return k.Model([x, h], k.layers.LSTM(4)(x, initial_state=[h, _state(k, 4)]))


def arrays(k: ModuleType) -> Any:
    """Arrays of numpy in the place of tensors; of other dtypes, too."""
    lay, x = k.layers, _input(k, 5, 3)
    state = [_values(1, ROWS, 4), _values(2, ROWS, 4).astype("float64")]
    y = lay.LSTM(4, return_sequences=True)(x, initial_state=state)
    y = lay.GRU(4, return_sequences=True)(y, mask=MASK)
    return k.Model(x, lay.Add()([y, _values(3, ROWS, 5, 4)]))


def images(k: ModuleType) -> Any:
    """Constant states with more axes."""
    x = _input(k, 3, 4, 4, 2)
    state = [_tensor(k, _values(seed, ROWS, 4, 4, 2)) for seed in (1, 2)]
    return k.Model(x, k.layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True)(x, initial_state=state))


def masks(k: ModuleType) -> Any:
    lay, x = k.layers, _input(k, 5, 3)
    mask = _tensor(k, MASK)
    y = lay.LSTM(4, return_sequences=True)(x, mask=mask)
    y = lay.Bidirectional(lay.GRU(4, return_sequences=True))(y, mask=_tensor(k, ~MASK))
    y = lay.TimeDistributed(lay.Dense(2))(y)
    return k.Model(x, [y, lay.GlobalAveragePooling1D()(y, mask=mask)])


def merged(k: ModuleType) -> Any:
    """Constants as inputs of layers that merge; one spreads over a batch of which the size is not known."""
    lay, x, z = k.layers, _input(k, 5, 3), k.Input((5, 3))
    spread = lay.Add()([z, _tensor(k, _values(1, 1, 5, 3))])
    y = lay.Average()([x, _tensor(k, _values(5, ROWS, 5, 3))])
    y = lay.Multiply()([y, _tensor(k, _values(2, ROWS, 5, 3))])
    y = lay.Concatenate()([y, _tensor(k, _values(3, ROWS, 5, 2))])
    return k.Model([x, z], [y, spread, lay.Dot(axes=2)([y, _tensor(k, _values(4, ROWS, 4, 5))])])


def first(k: ModuleType) -> Any:
    """A constant before the input; Keras 3 does not take one there."""
    lay, x = k.layers, _input(k, 5, 3)
    y = lay.Concatenate()([_tensor(k, _values(3, ROWS, 5, 2)), x])
    return k.Model(x, lay.Subtract()([_tensor(k, _values(4, ROWS, 5, 5)), y]))


def attended(k: ModuleType) -> Any:
    lay, x = k.layers, _input(k, 5, 3)
    y = lay.Attention()([x, _tensor(k, _values(1, ROWS, 4, 3))])
    y = lay.MultiHeadAttention(2, 3)(y, _tensor(k, _values(2, ROWS, 6, 3)))
    causal = _tensor(k, np.tril(np.ones((1, 5, 5), bool)))
    return k.Model(x, lay.MultiHeadAttention(1, 2)(y, y, attention_mask=causal))


def nested(k: ModuleType) -> Any:
    """A constant as an input of a model inside."""
    lay, a, b, x = k.layers, _input(k, 5, 3), _input(k, 5, 3), _input(k, 5, 3)
    inner = k.Model([a, b], lay.Dense(2)(lay.Subtract()([a, b])))
    return k.Model(x, inner([x, _tensor(k, _values(1, ROWS, 5, 3))]))


def wrapped(k: ModuleType) -> Any:
    """States of cells that are stacked, of an image's cells, and of both directions of an LSTM, which has two each."""
    lay, x, image = k.layers, _input(k, 5, 3), _input(k, 3, 4, 2)
    cells = lay.StackedRNNCells([lay.GRUCell(4), lay.GRUCell(3)])
    y = lay.RNN(cells, return_sequences=True)(x, initial_state=[_state(k, 4, 1), _state(k, 3, 2)])
    y = lay.Bidirectional(lay.LSTM(2))(y, initial_state=[_state(k, 2, seed) for seed in range(3, 7)])
    state = [_tensor(k, _values(seed, ROWS, 4, 2)) for seed in (7, 8)]
    return k.Model([x, image], [y, lay.ConvLSTM1D(2, 2, padding="same")(image, initial_state=state)])


def more_masks(k: ModuleType) -> Any:
    """Masks of layers that compute with one, and of a wrapper whose steps have several axes."""
    lay, x, z = k.layers, _input(k, 5, 3), _input(k, 5)
    mask = _tensor(k, MASK)
    y = lay.BatchNormalization()(x, mask=mask)
    steps = lay.Reshape((5, 1, 3))(y)
    steps = lay.TimeDistributed(lay.Dense(2))(steps, mask=_tensor(k, ~MASK))
    query = lay.Attention()([y, x], mask=[None, mask])
    return k.Model([x, z], [steps, query, lay.Softmax()(z, mask=_tensor(k, ~MASK))])


def inside(k: ModuleType) -> Any:
    """Constants inside of a model that is called twice, between operations, and in numbers of words."""
    lay, a, x, words = k.layers, _input(k, 5, 3), _input(k, 5, 3), k.Input((5,), batch_size=ROWS, dtype="int32")
    y = lay.GRU(3, return_sequences=True)(a, initial_state=_state(k, 3, 1))
    inner = k.Model(a, lay.AdditiveAttention()([y, _tensor(k, _values(2, ROWS, 4, 3))]))
    y = inner(inner(x)) * _tensor(k, _values(3, 1, 1, 3)) + _tensor(k, _values(4, 1, 3))
    table = lay.Embedding(9, 3)(words + _tensor(k, np.arange(5, dtype="int32")))
    return k.Model([x, words], [lay.Subtract()([y, _tensor(k, _values(5, ROWS, 5, 3))]), table])
