"""Classes on top of Keras's own layers and models whose `call` does something else, with Keras or kerastorch as `k`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

X = np.linspace(-1, 1, 24, dtype="float32").reshape(2, 4, 3)
MASK = np.array([[True, True, False, True], [False, True, True, False]])


def classes(k: ModuleType) -> dict[str, Any]:
    """Constructors of layers that change what the layer below them returns, or do without it."""
    layers = k.layers

    class Doubled(layers.Dense):  # type: ignore[name-defined]
        def call(self, inputs: Any) -> Any:
            return super().call(inputs) * 2.0

    class Replaced(layers.Dense):  # type: ignore[name-defined]
        def call(self, inputs: Any) -> Any:
            return inputs - 0.5

    class Further(Doubled):
        def call(self, inputs: Any) -> Any:
            return super().call(inputs) + 1.0

    class Silent(Further):
        pass

    class Moved(layers.Conv1D):  # type: ignore[name-defined]
        def call(self, inputs: Any) -> Any:
            return super().call(inputs + 1.0)

    class Recurrent(layers.LSTM):  # type: ignore[name-defined]
        def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = False) -> Any:
            return 2.0 * super().call(sequences, initial_state=initial_state, mask=mask, training=training)

    class Cell(layers.GRUCell):  # type: ignore[name-defined]
        def call(self, inputs: Any, states: Any, training: Any = False) -> Any:
            output, new = super().call(inputs, states, training=training)
            return output * 3.0, new

    class Merged(layers.Add):  # type: ignore[name-defined]
        def call(self, inputs: Any) -> Any:
            return super().call(inputs) * 0.5

    class Normal(layers.LayerNormalization):  # type: ignore[name-defined]
        def call(self, inputs: Any) -> Any:
            return super().call(inputs) - 3.0

    return {
        "doubled": lambda: Doubled(2),
        "replaced": lambda: Replaced(3),
        "further": lambda: Further(2),
        "silent": lambda: Silent(2),
        "moved": lambda: Moved(2, 2),
        "recurrent": lambda: Recurrent(2, return_sequences=True),
        "cell": lambda: layers.RNN(Cell(2)),
        "stacked": lambda: layers.RNN([Cell(2), layers.LSTMCell(3)], return_sequences=True),
        "over time": lambda: layers.TimeDistributed(Doubled(2)),
        "merged": lambda: Merged(),
        "normal": lambda: Normal(),
    }


def outputs(k: ModuleType) -> dict[str, Any]:
    """Each layer called by hand, in a graph and in a Sequential; and by `call`. Weights are 0.1, 0.2, ..."""
    found = {}
    for name, make in classes(k).items():
        layer = make()
        several = name == "merged"
        data = [X, X + 1.0] if several else X
        made = [np.asarray(_plain(layer(data)))]
        layer.set_weights(
            [0.1 * (np.arange(w.size, dtype="float32").reshape(w.shape) - 2) for w in layer.get_weights()]
        )
        made.append(_plain(layer(data)))
        if name == "recurrent":
            made.append(_plain(layer(data, mask=k.ops.convert_to_tensor(MASK))))
        inputs = [k.Input((4, 3)), k.Input((4, 3))] if several else k.Input((4, 3))
        made.append(k.Model(inputs, layer(inputs)).predict(data, verbose=0))
        if not several:
            made.append(k.Sequential([k.Input((4, 3)), layer]).predict(data, verbose=0))
        found[name] = made[1:]  # with the weights that are the same in both
    return found


def models(k: ModuleType) -> dict[str, Any]:
    """Graphs and chains whose class has a `call` of its own."""

    class Graph(k.Model):  # type: ignore[name-defined]
        def call(self, inputs: Any, training: Any = None) -> Any:
            return inputs * 3.0

    class Chain(k.Sequential):  # type: ignore[name-defined]
        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return inputs * 5.0

    x = k.Input((4, 3))
    graph = Graph(x, k.layers.Rescaling(2.0)(x))
    chain = Chain([k.Input((4, 3)), k.layers.Rescaling(2.0)])
    around = k.Model(x, graph(x))
    return {
        "graph": [_plain(graph(X)), graph.predict(X, verbose=0)],
        "chain": [_plain(chain(X)), chain.predict(X, verbose=0)],
        "inside": [around.predict(X, verbose=0), k.Sequential([k.Input((4, 3)), chain]).predict(X, verbose=0)],
    }


def called(k: ModuleType) -> dict[str, Any]:
    """`layer.call` of built layers, as Keras code calls it."""
    dense = k.layers.Dense(2, kernel_initializer="ones")
    dense.build((None, 3))
    lstm = k.layers.LSTM(2, kernel_initializer="ones", recurrent_initializer="ones", return_sequences=True)
    lstm.build((None, 4, 3))
    x = k.ops.convert_to_tensor(X)
    return {
        "dense": [_plain(dense.call(x)), _plain(dense.call(inputs=x)), _plain(dense.call(x, training=True))],
        "lstm": [_plain(lstm.call(x)), _plain(lstm.call(x, mask=k.ops.convert_to_tensor(MASK)))],
        "dropout": [_plain(k.layers.Dropout(0.5).call(x, training=False))],
    }


def _plain(value: Any) -> Any:
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


CASES = {function.__name__: function for function in (outputs, models, called)}


def run(k: ModuleType, name: str) -> Any:
    return CASES[name](k)
