"""Models of a person's own class: the same lines make them in Keras and, with kerastorch as `k`, here."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from .layers import random_weights, weight_names

SHAPE = (2, 4, 3)


def every_form(k: ModuleType) -> Any:
    """Attributes of every form, in an order that no writer visits them in; several names on either side of `layers`."""
    lay = k.layers

    class Block(lay.Layer):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.zeta = lay.Dense(units)
            self._inner = lay.Dense(units)
            self.alpha = lay.Dense(units)
            self.many = [lay.Dense(units), lay.Dense(units)]

        def build(self, input_shape: Any) -> None:
            self.w = self.add_weight(shape=(input_shape[-1],), name="w", initializer="ones")
            self.built = True

        def call(self, x: Any) -> Any:
            x = x * self.w
            for layer in [self.zeta, self._inner, self.alpha, *self.many]:
                x = layer(x)
            return x

    class Net(k.Model):
        def __init__(self) -> None:
            super().__init__()
            self.enc = lay.Dense(3)
            self.out = lay.Dense(3)
            self.downs, self.ups = [], []
            for _ in range(2):
                self.downs.append(lay.Dense(3))
                self.ups.append(lay.Dense(3))
            self.heads = {"b": lay.Dense(3), "a": lay.Dense(3)}
            self.pair = (lay.Dense(3), lay.Bidirectional(lay.LSTM(3, return_sequences=True), merge_mode="sum"))
            self._priv = lay.Dense(3)
            self.block = Block(3)
            self.xblock = Block(3)
            self.again = self.out
            self.inner = k.Sequential([lay.Dense(3), lay.BatchNormalization()])
            self.unused = lay.Dense(7)

        def call(self, x: Any) -> Any:
            for layer in [self.enc, self.out, *self.downs, *self.ups, *self.heads.values(), self.pair[0], self._priv]:
                x = layer(x)
            return self.pair[1](self.inner(self.xblock(self.block(x))))

    return Net()


def nested_lists(k: ModuleType) -> Any:
    """Lists in lists on either side of `layers`: looked into since Keras 3.15."""
    lay = k.layers

    class Net(k.Model):
        def __init__(self) -> None:
            super().__init__()
            self.grid = [[lay.Dense(3)], {"k": lay.Dense(3)}, lay.Dense(3), [lay.Dense(3), lay.Dense(3)]]
            self.more = [[lay.Dense(3)], lay.Dense(3)]

        def call(self, x: Any) -> Any:
            row, named, single, last = self.grid
            for layer in [*row, named["k"], single, *last, self.more[0][0], self.more[1]]:
                x = layer(x)
            return x

    return Net()


def seq2seq(k: ModuleType) -> Any:
    """An encoder and a decoder, each a model of its own, as in many tutorials."""
    lay = k.layers

    class Encoder(k.Model):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = lay.GRU(4, return_sequences=True, return_state=True)

        def call(self, x: Any) -> Any:
            return self.rnn(x)

    class Decoder(k.Model):
        def __init__(self) -> None:
            super().__init__()
            self.gru = lay.GRU(4, return_sequences=True)
            self.fc = lay.Dense(3)
            self._attention = lay.Dense(4, activation="tanh")

        def call(self, x: Any, state: Any) -> Any:
            return self.fc(self.gru(x, initial_state=self._attention(state)))

    class Seq2Seq(k.Model):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = Encoder()
            self.decoder = Decoder()

        def call(self, x: Any) -> Any:
            _, state = self.encoder(x)
            return self.decoder(x, state)

    return Seq2Seq()


def in_a_graph(k: ModuleType) -> Any:
    """A layer and a model of one's own inside a functional model."""
    lay = k.layers

    class Residual(lay.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.steps = [lay.Dense(3), lay.LSTM(3, return_sequences=True)]

        def call(self, x: Any) -> Any:
            y = x
            for layer in self.steps:
                y = layer(y)
            return x + y

    class Head(k.Model):
        def __init__(self) -> None:
            super().__init__()
            self.wide = lay.Dense(5)
            self.deep = lay.Dense(2)

        def call(self, x: Any) -> Any:
            return self.deep(self.wide(x))

    x = k.Input(SHAPE[1:])
    return k.Model(x, Head()(Residual()(Residual()(x))))


def own_cells(k: ModuleType) -> Any:
    """Cells of one's own, in Keras 2 on `AbstractRNNCell`, alone and stacked under a built-in one."""
    lay = k.layers

    class Minimal(getattr(lay, "AbstractRNNCell", lay.Layer)):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.units = units

        @property
        def state_size(self) -> int:
            return self.units

        @property
        def output_size(self) -> int:
            return self.units

        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
            self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")
            self.built = True

        def call(self, inputs: Any, states: Any) -> Any:
            output = inputs @ self.kernel + states[0] @ self.recurrent_kernel
            return output, [output]

    class Net(k.Model):
        def __init__(self) -> None:
            super().__init__()
            self.stack = lay.RNN([Minimal(4), lay.GRUCell(3)], return_sequences=True)
            self.alone = lay.Bidirectional(lay.LSTM(2, return_sequences=True))
            self.last = lay.RNN(Minimal(5), return_state=True)

        def call(self, x: Any) -> Any:
            return self.last(self.alone(self.stack(x)))[1]

    return Net()


def own_store(k: ModuleType) -> Any:
    """Layers that say themselves what a file holds of them: under other names, or more than their weights."""
    lay = k.layers

    class Renamed(lay.Layer):
        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(shape=(input_shape[-1],), name="scale")
            self.shift = self.add_weight(shape=(input_shape[-1],), name="shift", trainable=False)
            self.built = True

        def call(self, x: Any) -> Any:
            return x * self.scale + self.shift

        def save_own_variables(self, store: Any) -> None:
            store["the scale"] = self.scale
            store["1"] = np.asarray(self.shift) * 2

        def load_own_variables(self, store: Any) -> None:
            self.scale.assign(store["the scale"])
            self.shift.assign(np.asarray(store["1"]) / 2)

    class Counting(lay.Dense):
        count = 3

        def save_own_variables(self, store: Any) -> None:
            super().save_own_variables(store)
            store["count"] = np.array(self.count + 1)

        def load_own_variables(self, store: Any) -> None:
            self.count = int(np.asarray(store["count"]))
            super().load_own_variables({key: store[key] for key in store.keys() if key != "count"})  # noqa: SIM118

    class Net(k.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first = Counting(3)
            self.second = Renamed()
            self.third = lay.Dense(3)

        def call(self, x: Any) -> Any:
            return self.third(self.second(self.first(x))) * 1.0

    return Net()


def made(k: ModuleType, builder: str) -> Any:
    """The model, called once."""
    model = globals()[builder](k)
    model(np.zeros(SHAPE, "float32"))
    return model


def write(k: ModuleType, builder: str, path: str, x: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Save random weights; return the output for `x`, and the weights."""
    model = made(k, builder)
    model.set_weights(random_weights(list(zip(weight_names(model.weights), model.get_weights(), strict=True)), 5))
    model.save_weights(path)
    return np.asarray(model(x)), model.get_weights()


def read(k: ModuleType, builder: str, path: str, x: np.ndarray) -> np.ndarray:
    """The output for `x` with the weights of a file."""
    model = made(k, builder)
    model.load_weights(path)
    return np.asarray(model(x))
