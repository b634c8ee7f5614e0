"""Models of layers of one size, so that no shape says which array is whose: of `_outcomes_matching.py` and others."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch

import kerastorch as kt
from kerastorch import layers

WIDTH = 3  # of everything: no shape says which layer an array belongs to


def _lstm(name: str, **options: Any) -> layers.Layer:
    return layers.LSTM(WIDTH, return_sequences=True, name=name, **options)


def _chain(name: str, *inner: Any) -> kt.Sequential:
    model = kt.Sequential(list(inner), name=name)
    model.build((None, 5, WIDTH))
    return model


class Own(kt.Model):
    """Layers under attributes, in lists and in dicts."""

    def __init__(self) -> None:
        super().__init__(name="own")
        self.second = layers.Dense(WIDTH, name="second")
        self.first = layers.Dense(WIDTH, name="first")
        self.rows = [layers.Dense(WIDTH, name="row"), [layers.Dense(WIDTH, name="deeper")]]
        self._hidden = layers.Dense(WIDTH, name="hidden")
        self.table = {"b": layers.Dense(WIDTH, name="b"), "a": _lstm("table_a")}

    def call(self, x: torch.Tensor) -> torch.Tensor:
        for layer in (self.first, self.second, self.rows[0], self.rows[1][0], self._hidden, *self.table.values()):
            x = layer(x)
        return x


@cache
def models() -> dict[str, Any]:
    """Name -> a built model."""
    made: dict[str, Any] = {}
    made["chain"] = _chain(
        "chain", _lstm("a"), _lstm("b"), layers.Dense(WIDTH, name="c"), layers.Dense(WIDTH, name="d")
    )
    made["exchanged"] = _chain(
        "exchanged", _lstm("b"), _lstm("a"), layers.Dense(WIDTH, name="c"), layers.Dense(WIDTH, name="d")
    )
    made["other names"] = _chain(
        "chain", _lstm("lstm"), _lstm("lstm_1"), layers.Dense(WIDTH, name="dense"), layers.Dense(WIDTH, name="dense_1")
    )
    made["wider"] = _chain(
        "chain", _lstm("a"), layers.LSTM(4, return_sequences=True, name="b"), layers.Dense(WIDTH, name="c")
    )
    made["without bias"] = _chain("chain", _lstm("a", use_bias=False), layers.GRU(WIDTH, name="b"))
    made["gru"] = _chain(
        "chain",
        layers.GRU(WIDTH, return_sequences=True, name="a"),
        layers.GRU(WIDTH, return_sequences=True, reset_after=False, name="b"),
    )
    made["cudnn"] = _chain(
        "chain",
        layers.CuDNNLSTM(WIDTH, return_sequences=True, name="a"),
        layers.CuDNNGRU(WIDTH, return_sequences=True, name="b"),
    )
    made["plain of cudnn"] = _chain("chain", _lstm("a"), layers.GRU(WIDTH, return_sequences=True, name="b"))
    cells = [layers.GRUCell(WIDTH, name="one"), layers.LSTMCell(WIDTH, name="two")]
    made["wrapped"] = _chain(
        "wrapped",
        layers.Bidirectional(layers.LSTM(WIDTH, return_sequences=True, name="inner"), merge_mode="sum", name="both"),
        layers.TimeDistributed(layers.Dense(WIDTH, name="dense"), name="each"),
        layers.RNN(layers.StackedRNNCells(cells, name="stack"), return_sequences=True, name="cells"),
        layers.BatchNormalization(name="bn"),
        layers.LayerNormalization(name="ln"),
    )
    frozen = layers.Dense(WIDTH, name="frozen")
    inner = _chain("inner", frozen, layers.BatchNormalization(name="bn"), layers.Dense(WIDTH, name="free"))
    frozen.trainable = False
    made["frozen"] = _chain("outer", layers.Dense(WIDTH, name="before"), inner, layers.Dense(WIDTH, name="after"))
    free = _chain(
        "inner",
        layers.Dense(WIDTH, name="frozen"),
        layers.BatchNormalization(name="bn"),
        layers.Dense(WIDTH, name="free"),
    )
    made["free"] = _chain("outer", layers.Dense(WIDTH, name="before"), free, layers.Dense(WIDTH, name="after"))
    made["inside"] = _chain(
        "inner",
        layers.Dense(WIDTH, name="frozen"),
        layers.BatchNormalization(name="bn"),
        layers.Dense(WIDTH, name="free"),
    )
    made["around"] = _chain(
        "around",
        _chain("chain", _lstm("a"), _lstm("b"), layers.Dense(WIDTH, name="c"), layers.Dense(WIDTH, name="d")),
        layers.Dropout(0.1, name="drop"),
    )
    made["twice around"] = _chain(
        "twice", _chain("around", _chain("chain", _lstm("a"), _lstm("b"), layers.Dense(WIDTH, name="c")))
    )
    x, y = kt.Input((5, WIDTH), name="x"), kt.Input((5, WIDTH), name="y")
    shared = layers.Dense(WIDTH, name="shared")
    part = kt.Model(z := kt.Input((5, WIDTH), name="z"), layers.Dense(WIDTH, name="deep")(shared(z)), name="part")
    joined = layers.Add(name="add")([part(x), shared(y), part(y)])
    made["graph"] = kt.Model([x, y], [layers.Dense(WIDTH, name="left")(joined), _lstm("right")(joined)], name="graph")
    made["one"] = _chain("one", layers.Dense(WIDTH, name="c"))
    made["own"] = Own()
    made["own"](torch.zeros(1, 5, WIDTH))
    made["images"] = kt.Sequential(
        [layers.Conv2D(2, 3, name="conv"), layers.ConvLSTM2D(2, 3, name="steps")][:1], name="images"
    )
    made["images"].build((None, 6, 6, 2))
    for model in made.values():
        for number, variable in enumerate(model.variables):
            size = int(np.prod(variable.shape))
            variable.assign(np.arange(size, dtype="float32").reshape(variable.shape) + 1000 * number)
    return made
