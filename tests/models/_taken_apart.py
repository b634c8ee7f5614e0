"""A graph and a chain that tests take apart and copy."""

from __future__ import annotations

from kerastorch import Input, Model, Sequential, layers


def seq2seq() -> Model:
    source, target = Input((None, 3), name="source"), Input((None, 2), name="target")
    _, *states = layers.LSTM(4, return_state=True, name="encoder")(source)
    decoder = layers.LSTM(4, return_sequences=True, return_state=True, name="decoder")
    decoded, *_ = decoder(target, initial_state=states)
    return Model([source, target], layers.Dense(2, name="head")(decoded), name="seq2seq")


def chain() -> Sequential:
    return Sequential(
        [
            Input((6, 3)),
            layers.LSTM(5, return_sequences=True, name="one"),
            layers.Dropout(0.5, name="drop"),
            layers.GRU(4, name="two"),
            layers.Dense(2, name="head"),
        ]
    )
