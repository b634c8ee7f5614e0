"""Layers with Keras's names, from Keras or from kerastorch: made, given weights, called one after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from _rows import IMAGE, KERNEL, Arrays, Row


def make_layers(layers: Any, row: Row, arrays: Arrays) -> list[Any]:
    """The layers of a row, out of the module `layers`, built and with its weights."""
    features, units = row.channels
    config: dict[str, Any] = {"return_sequences": True, "return_state": row.return_state}
    if row.activation != "tanh":
        config["activation"] = row.activation
    if row.recurrent_dropout:
        config["recurrent_dropout"] = row.recurrent_dropout
    if not row.reset_after:
        config["reset_after"] = False

    def one() -> Any:
        if row.family == "ConvLSTM2D":
            return layers.ConvLSTM2D(units, KERNEL, padding="same", **config)
        if row.family == "BiLSTM":
            return layers.Bidirectional(layers.LSTM(units, **config))
        return getattr(layers, row.family.rpartition(" ")[2])(units, **config)

    places = (IMAGE, IMAGE) if row.family == "ConvLSTM2D" else ()
    made = []
    for weights in arrays.weights:
        layer = one()
        layer.build((row.size.B, row.size.T, *places, features))
        layer.set_weights(weights)
        made.append(layer)
        features = units
    return made


def chain(
    made: Sequence[Any], row: Row, mask: Any, training: bool, call: Callable[..., Any] | None = None
) -> Callable[[Any], tuple[Any, list[Any]]]:
    """`x` -> the output of the last layer, the states of all that return them."""

    def function(x: Any) -> tuple[Any, list[Any]]:
        states: list[Any] = []
        for layer in made:
            x = layer(x, mask=mask, training=training) if call is None else call(layer, x, mask, training)
            if row.return_state:
                x, *new = x
                states += new
        return x, states

    return function


class Compiled(ABC):
    """A row as a compiled function of a framework, with gradients in training.

    Args:
        layers: Keras's module.
    """

    def __init__(self, row: Row, arrays: Arrays, layers: Any) -> None:
        self.row, self.layers = row, make_layers(layers, row, arrays)
        self.hold(arrays)
        self.function = self.compiled(row.training)

    @abstractmethod
    def hold(self, arrays: Arrays) -> None:
        """Take the arrays to where the framework has its own."""

    @abstractmethod
    def compiled(self, training: bool) -> Callable[..., Any]:
        """The function; `training` says whether it drops."""

    @abstractmethod
    def call(self) -> tuple[tuple[Any, list[Any]], tuple[Any, list[Any]] | tuple[()]]:
        """Output and states; in training, the gradients of the input and of the weights."""

    def numbers(self) -> dict[str, np.ndarray]:
        dropping = self.function
        if self.row.recurrent_dropout:  # no two frameworks draw the same
            self.function = self.compiled(training=False)
        (output, states), gradients = self.call()
        self.function = dropping
        found = {"output": output, **{f"state {index}": state for index, state in enumerate(states)}}
        if gradients:
            found["gradient of x"] = gradients[0]
            found.update({f"gradient {index}": gradient for index, gradient in enumerate(gradients[1])})
        return {name: np.asarray(value) for name, value in found.items()}
