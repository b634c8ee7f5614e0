"""Models that are drawn: of each kind of edge and box one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers


class Own(kt.Model):
    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self.first = layers.Dense(3, name="first")
        self.second = layers.GRU(2, name="second")

    def call(self, x: Any) -> Any:
        return self.second(self.first(x))


def masked() -> Model:
    x = Input((None,), name="words")
    y = layers.Embedding(50, 12, mask_zero=True, name="embedding")(x)
    y = layers.Bidirectional(layers.LSTM(8, return_sequences=True, name="inner"), name="both")(y)
    y = layers.Dropout(0.1, name="drop")(y)
    y = layers.Conv1D(4, 3, activation="relu", name="conv")(layers.LSTM(3, return_sequences=True, name="top")(y))
    return Model(x, layers.GlobalMaxPooling1D(name="pool")(y), name="masked")


def seq2seq() -> Model:
    source, target = Input((None, 3), name="source"), Input((None, 2), name="target")
    _, h, c = layers.LSTM(4, return_state=True, name="encoder")(source)
    y, _, _ = layers.LSTM(4, return_sequences=True, return_state=True, name="decoder")(target, initial_state=[h, c])
    return Model([source, target], layers.TimeDistributed(layers.Dense(2), name="head")(y), name="seq2seq")


def nested() -> Model:
    innermost = Sequential([Input((3,)), layers.Dense(2, name="lowest")], name="innermost")
    inner = Sequential([Input((3,)), innermost, layers.Dense(4, name="middle")], name="inner")
    x, a = Input((3,), name="x"), Input((3,), name="a")
    two = Model(a, [layers.Dense(2, name="p")(a), layers.Dense(3, name="q")(layers.Dense(7, name="r")(a))], name="two")
    p, q = two(x)
    return Model(x, layers.Concatenate(name="all")([inner(x), layers.Dense(1, name="side")(x), p, q]), name="outer")


def shared() -> Model:
    a, b = Input((3,), name="a"), Input((3,), name="b")
    same = layers.Dense(3, name="same")
    tower = Sequential([Input((3,)), layers.Dense(4, name="up"), layers.Dense(3, name="down")], name="tower")
    y, z = same(a), same(layers.Dense(3, name="between")(same(same(b))))
    return Model([a, b], [layers.Add(name="sum")([tower(y), tower(tower(z))]), z], name="shared")


def given_mask() -> Model:
    x, mask = Input((5, 3), name="x"), Input((5,), dtype="bool", name="valid")
    return Model([x, mask], layers.GRU(2, name="rnn")(x, mask=mask), name="given")


def chain() -> Sequential:
    return Sequential([Input((7, 2)), layers.GRU(4, name="rnn"), layers.Dense(1, name="head")], name="chain")


def deep() -> Sequential:
    inside = [layers.GRU(2, return_sequences=True, name=f"rnn_{number}") for number in range(40)]
    return Sequential([Input((5, 2)), *inside], name="deep")


def wide() -> Model:
    x = Input((20, 8), name="x")
    found = []
    for number in range(6):
        y = layers.Conv1D(4, number + 1, padding="same", name=f"conv_{number}")(x)
        found.append(layers.LSTM(4, return_sequences=True, name=f"lstm_{number}")(y) if number % 2 else y)
    y = layers.Dense(8, name="mix")(layers.Concatenate(name="cat")(found)) + x
    return Model(x, [layers.Dense(1, name="first")(y[:, -1]), layers.GRU(2, name="second")(y)], name="wide")


def own() -> Model:
    model = Own(name="own")
    model(torch.zeros(1, 5, 3))
    return model


MODELS: dict[str, Callable[[], Model]] = {
    made.__name__: made for made in (masked, seq2seq, nested, shared, given_mask, chain, deep, wide, own)
}
