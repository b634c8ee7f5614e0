"""Models in which one layer stands in several places, built in real Keras or in kerastorch."""

from __future__ import annotations

from types import ModuleType
from typing import Any

TIME, FEATURES = 5, 4


def _input(k: ModuleType) -> Any:
    return k.Input((TIME, FEATURES))


def two_wrappers(k: ModuleType) -> Any:
    """One Dense inside two TimeDistributed."""
    dense, x = k.layers.Dense(FEATURES, name="d"), _input(k)
    return k.Model(x, k.layers.TimeDistributed(dense, name="b")(k.layers.TimeDistributed(dense, name="a")(x)))


def wrapper_then_plain(k: ModuleType) -> Any:
    """One Dense inside a TimeDistributed and by itself."""
    dense, x = k.layers.Dense(FEATURES, name="d"), _input(k)
    return k.Model(x, dense(k.layers.TimeDistributed(dense, name="a")(x)))


def plain_then_wrapper(k: ModuleType) -> Any:
    """The other way round."""
    dense, x = k.layers.Dense(FEATURES, name="d"), _input(k)
    return k.Model(x, k.layers.TimeDistributed(dense, name="a")(dense(x)))


def one_cell(k: ModuleType) -> Any:
    """One cell, run by two RNNs."""
    cell, x = k.layers.LSTMCell(FEATURES, name="c"), _input(k)
    first = k.layers.RNN(cell, return_sequences=True, name="r")(x)
    return k.Model(x, [first, k.layers.RNN(cell, go_backwards=True, name="s")(first)])


def one_model(k: ModuleType) -> Any:
    """One model inside two wrappers."""
    p, x = k.Input((FEATURES,)), _input(k)
    inner = k.Model(p, k.layers.Dense(FEATURES, name="d")(p), name="inner")
    return k.Model(x, k.layers.TimeDistributed(inner, name="b")(k.layers.TimeDistributed(inner, name="a")(x)))


def in_two_models(k: ModuleType) -> Any:
    """One Dense in two nested models."""
    dense, x = k.layers.Dense(FEATURES, name="d"), _input(k)
    p, q = _input(k), _input(k)
    first = k.Model(p, k.layers.Activation("tanh", name="t")(dense(p)), name="first")
    second = k.Model(q, k.layers.LSTM(3, name="l")(dense(q)), name="second")
    return k.Model(x, second(first(x)))


def copied_by_bidirectional(k: ModuleType) -> Any:
    """An LSTM by itself, behind a Bidirectional that takes its configuration, not its weights."""
    lstm, x = k.layers.LSTM(FEATURES, return_sequences=True, name="l"), _input(k)
    return k.Model(x, lstm(k.layers.Bidirectional(lstm, merge_mode="sum", name="b")(x)))


def plain_then_bidirectional(k: ModuleType) -> Any:
    """The other way round."""
    lstm, x = k.layers.LSTM(FEATURES, return_sequences=True, name="l"), _input(k)
    return k.Model(x, k.layers.Bidirectional(lstm, merge_mode="sum", name="b")(lstm(x)))
