"""Files of tf-keras with the layers of cuDNN in wrappers and models, and what LSTM and GRU compute of their weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

Maker = Callable[..., Any]


def write(k: ModuleType, folder: str) -> dict[str, tuple[list[np.ndarray], list[np.ndarray]]]:
    """`<name>.keras`, `<name>.h5` and `<name>_weights.h5` for each; by name the inputs and outputs.

    The layers themselves run on a GPU alone: tf-keras's own conversion gives their weights to LSTM and GRU.
    """
    from tf_keras.src.layers.rnn.cudnn_gru import CuDNNGRU
    from tf_keras.src.layers.rnn.cudnn_lstm import CuDNNLSTM

    def gru(units: int, **config: Any) -> Any:
        return k.layers.GRU(units, reset_after=True, **config)

    rng, found = np.random.default_rng(0), {}
    for name, make in _models(k).items():
        model, twin = make(CuDNNLSTM, CuDNNGRU), make(k.layers.LSTM, gru)
        model.set_weights([rng.uniform(-0.7, 0.7, array.shape).astype("float32") for array in model.get_weights()])
        model.save_weights(Path(folder, f"{name}_weights.h5"))
        twin.load_weights(Path(folder, f"{name}_weights.h5"))
        for ending in (".keras", ".h5"):
            model.save(Path(folder, name + ending))
        inputs = [rng.normal(size=(2, *tensor.shape[1:])).astype("float32") for tensor in model.inputs]
        outputs = twin(inputs if len(inputs) > 1 else inputs[0])
        outputs = outputs if isinstance(outputs, list) else [outputs]
        found[name] = inputs, [np.asarray(output) for output in outputs]
    return found


def _models(k: ModuleType) -> dict[str, Callable[[Maker, Maker], Any]]:
    lay = k.layers

    def both_ways(lstm: Maker, gru: Maker) -> Any:
        backward = gru(4, go_backwards=True)
        return k.Sequential([k.Input((5, 3)), lay.Bidirectional(lstm(4), backward_layer=backward, merge_mode="mul")])

    def over_time(lstm: Maker, gru: Maker) -> Any:
        x, a = k.Input((2, 5, 3)), k.Input((5, 3))
        inner = k.Model(a, lstm(4)(a))
        return k.Model(x, [lay.TimeDistributed(lay.Bidirectional(gru(2)))(x), gru(2)(lay.TimeDistributed(inner)(x))])

    def nested(lstm: Maker, gru: Maker) -> Any:
        chain = k.Sequential([lay.Bidirectional(lstm(4, return_sequences=True), merge_mode="sum"), lay.Dense(3)])
        return k.Sequential([k.Input((5, 3)), chain, gru(2)])

    def states(lstm: Maker, gru: Maker) -> Any:
        x = k.Input((5, 3))
        _, *state = lstm(4, return_state=True)(x)
        _, *two = lay.Bidirectional(gru(3, return_state=True))(x)
        again = lay.Bidirectional(gru(3, return_sequences=True))(x, initial_state=two)
        return k.Model(x, [lstm(4)(x, initial_state=state), again])

    def shared(lstm: Maker, gru: Maker) -> Any:
        a, b, layer = k.Input((5, 3)), k.Input((4, 3)), lstm(4)
        return k.Model([a, b], [layer(a), layer(b), gru(2, go_backwards=True)(b)])

    return {function.__name__: function for function in (both_ways, over_time, nested, states, shared)}
