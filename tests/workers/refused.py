"""What Keras refuses: each case is a mistake that people make; `run` tells the built-in class of each error."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

Mistake = Callable[[Any, str], Any]


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, "float32")


def model(k: Any) -> Any:
    return k.Sequential([k.Input((4, 3)), k.layers.LSTM(5, name="lstm"), k.layers.Dense(2, name="head")])


def graph(k: Any) -> Any:
    x = k.Input((4, 3), name="x")
    return k.Model(x, k.layers.Dense(2, name="head")(k.layers.GRU(5, name="gru")(x)))


def load(k: Any, path: str, **options: Any) -> Any:
    return (getattr(k, "load_model", None) or k.models.load_model)(path, **options)


def saved(k: Any, directory: str, name: str = "m.keras") -> str:
    path = os.path.join(directory, name)
    model(k).save(path)
    return path


def damaged(k: Any, directory: str) -> str:
    path = saved(k, directory)
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(data[: len(data) // 2])
    return path


def written(directory: str, name: str, data: bytes) -> str:
    path = os.path.join(directory, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


class Unknown:
    pass


def own(k: Any) -> Any:
    class Own(k.layers.Layer):
        def call(self, x: Any) -> Any:
            return x

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

        def get_config(self) -> Any:
            return super().get_config()

    return Own


def save_own(k: Any, directory: str) -> str:
    path = os.path.join(directory, "own.keras")
    k.Sequential([k.Input((4, 3)), own(k)(), k.layers.LSTM(2)]).save(path)
    return path


def other_weights(k: Any, directory: str) -> Any:
    path = os.path.join(directory, "w.weights.h5")
    model(k).save_weights(path)
    return k.Sequential([k.Input((4, 3)), k.layers.LSTM(6), k.layers.Dense(2)]).load_weights(path)


MISTAKES: dict[str, Mistake] = {
    # arguments of constructors
    "no such argument": lambda k, d: k.layers.LSTM(3, return_sequence=True),
    "no such argument of Dense": lambda k, d: k.layers.Dense(3, activations="relu"),
    "units missing": lambda k, d: k.layers.LSTM(),
    "units zero": lambda k, d: k.layers.LSTM(0),
    "units negative": lambda k, d: k.layers.GRU(-3),
    "units zero, Dense": lambda k, d: k.layers.Dense(0),
    "units a fraction, SimpleRNN": lambda k, d: k.layers.SimpleRNN(-1),
    "unknown activation": lambda k, d: k.layers.LSTM(3, activation="rellu"),
    "unknown initializer": lambda k, d: k.layers.LSTM(3, kernel_initializer="glorot_unifrom"),
    "unknown regularizer": lambda k, d: k.layers.LSTM(3, kernel_regularizer="l3"),
    "unknown constraint": lambda k, d: k.layers.LSTM(3, kernel_constraint="nonneg"),
    "rate above one": lambda k, d: k.layers.Dropout(1.5),
    "rate below zero": lambda k, d: k.layers.Dropout(-0.5),
    "rate of GaussianDropout": lambda k, d: k.layers.GaussianDropout(1.5),
    "padding unknown": lambda k, d: k.layers.Conv1D(3, 2, padding="sames"),
    "filters zero": lambda k, d: k.layers.Conv1D(0, 2),
    "kernel of three sizes": lambda k, d: k.layers.Conv1D(3, (2, 2, 2)),
    "strides and dilation": lambda k, d: k.layers.Conv1D(3, 2, strides=2, dilation_rate=2),
    "data_format unknown": lambda k, d: k.layers.Conv1D(3, 2, data_format="channels"),
    "merge_mode unknown": lambda k, d: k.layers.Bidirectional(k.layers.LSTM(3), merge_mode="cat"),
    "Bidirectional of no layer": lambda k, d: k.layers.Bidirectional(3),
    "Bidirectional of a Dense": lambda k, d: k.layers.Bidirectional(k.layers.Dense(3)),
    "TimeDistributed of no layer": lambda k, d: k.layers.TimeDistributed(3),
    "RNN of no cell": lambda k, d: k.layers.RNN(Unknown()),
    "StackedRNNCells of no cell": lambda k, d: k.layers.StackedRNNCells([Unknown()]),
    "Reshape to several unknown": lambda k, d: k.layers.Reshape((-1, -1))(k.Input((4, 3))),
    "Permute of a wrong axis": lambda k, d: k.layers.Permute((0, 2)),
    "RepeatVector of a text": lambda k, d: k.layers.RepeatVector("3"),
    "Dot of no axes": lambda k, d: k.layers.Dot(axes="1"),
    "LayerNormalization of a text axis": lambda k, d: k.layers.LayerNormalization(axis="a")(ones(2, 3)),
    "unknown dtype": lambda k, d: k.layers.Dense(3, dtype="float33"),
    "name a number": lambda k, d: k.layers.Dense(3, name=3),
    "noise_shape of a zero": lambda k, d: k.layers.Dropout(0.5, noise_shape=(20, 0, 10)),
    "TimeDistributed without steps": lambda k, d: k.layers.TimeDistributed(k.layers.Dense(2))(k.Input((3,))),
    # calls
    "two axes into an LSTM": lambda k, d: k.layers.LSTM(3)(ones(2, 3)),
    "four axes into an LSTM": lambda k, d: k.layers.LSTM(3)(ones(2, 3, 4, 5)),
    "two axes into an LSTM, symbolic": lambda k, d: k.layers.LSTM(3)(k.Input((3,))),
    "other features into an LSTM": lambda k, d: built(k.layers.LSTM(3), (2, 4, 3))(ones(2, 4, 5)),
    "other features into a Dense": lambda k, d: built(k.layers.Dense(3), (2, 3))(ones(2, 5)),
    "other features into a Dense, symbolic": lambda k, d: built(k.layers.Dense(3), (2, 3))(k.Input((5,))),
    "other features into a model": lambda k, d: graph(k)(ones(2, 4, 7)),
    "other features into a model, symbolic": lambda k, d: graph(k)(k.Input((4, 7))),
    "other features into predict": lambda k, d: graph(k).predict(ones(2, 4, 7), verbose=0),
    "one input too many": lambda k, d: graph(k)([ones(2, 4, 3), ones(2, 4, 3)]),
    "Concatenate of one": lambda k, d: k.layers.Concatenate()([ones(2, 3)][0]),
    "Concatenate of other sizes": lambda k, d: k.layers.Concatenate()([k.Input((3, 4)), k.Input((4, 5))]),
    "Add of other sizes": lambda k, d: k.layers.Add()([k.Input((3, 4)), k.Input((5, 7))]),
    "Add of one tensor": lambda k, d: k.layers.Add()(k.Input((3, 4))),
    "Subtract of three": lambda k, d: k.layers.Subtract()([k.Input((3,)), k.Input((3,)), k.Input((3,))]),
    "Dot of other sizes": lambda k, d: k.layers.Dot(1)([k.Input((3,)), k.Input((4,))]),
    "Reshape that does not fit": lambda k, d: k.layers.Reshape((5, 2))(k.Input((3,))),
    "wrong number of states": lambda k, d: k.layers.LSTM(3)(ones(2, 4, 3), initial_state=[ones(2, 3)]),
    "stateful without a batch size": lambda k, d: k.layers.LSTM(3, stateful=True)(k.Input((4, 3))),
    "no input": lambda k, d: k.layers.Dense(3)(),
    "unknown argument of a call": lambda k, d: k.layers.Dense(3)(ones(2, 3), state=1),
    "a pooling larger than the input": lambda k, d: k.layers.MaxPooling1D(9)(k.Input((4, 3))),
    "a convolution larger than the input": lambda k, d: k.layers.Conv1D(2, 9)(k.Input((4, 3))),
    "Cropping of all": lambda k, d: k.layers.Cropping1D(3)(k.Input((4, 3))),
    # models
    "a model without outputs": lambda k, d: k.Model(k.Input((3,))),
    "an output of no input": lambda k, d: k.Model(k.Input((3,)), k.layers.Dense(2)(k.Input((3,)))),
    "an output that is no tensor": lambda k, d: k.Model(k.Input((3,)), 3),
    "an input that is no tensor": lambda k, d: k.Model(3, k.Input((3,))),
    "two layers of a name": lambda k, d: k.Sequential([k.layers.Dense(2, name="a"), k.layers.Dense(2, name="a")]),
    "two layers of a name in a graph": lambda k, d: k.Model(
        x := k.Input((3,)), k.layers.Dense(2, name="a")(k.layers.Dense(2, name="a")(x))
    ),
    "no layer in a Sequential": lambda k, d: k.Sequential([3]),
    "a text in a Sequential": lambda k, d: k.Sequential(["lstm"]),
    "no such layer": lambda k, d: model(k).get_layer("lsmt"),
    "no such index": lambda k, d: model(k).get_layer(index=9),
    "get_layer of nothing": lambda k, d: model(k).get_layer(),
    "pop of nothing": lambda k, d: k.Sequential().pop(),
    "weights of another shape": lambda k, d: model(k).set_weights([ones(2, 2)] * 5),
    "weights too few": lambda k, d: model(k).set_weights([ones(3, 20)]),
    "set_weights of an unbuilt layer": lambda k, d: k.layers.Dense(2).set_weights([ones(3, 2), ones(2)]),
    "count_params of an unbuilt layer": lambda k, d: k.layers.Dense(2).count_params(),
    "count_params of an unbuilt model": lambda k, d: k.Sequential([k.layers.Dense(2)]).count_params(),
    "output of an uncalled layer": lambda k, d: k.layers.Dense(2).output,
    "Input of nothing": lambda k, d: k.Input(),
    "Input of a text": lambda k, d: k.Input("3"),
    "Input of a negative size": lambda k, d: k.Input((-3,)),
    "Input of two shapes": lambda k, d: k.Input((3,), batch_shape=(2, 3)),
    "predict of nothing": lambda k, d: model(k).predict(None, verbose=0),
    "clone of no model": lambda k, d: k.models.clone_model(3),
    "a forgotten call": lambda k, d: type("Own", (k.Model,), {})()(ones(2, 3)),
    "layers that fail to build": lambda k, d: model(k).build((None, 4, 9)),
    # configs
    "an unknown key": lambda k, d: k.layers.LSTM.from_config({"units": 3, "unit": 3}),
    "an unknown class": lambda k, d: k.layers.deserialize({"class_name": "LSMT", "config": {"units": 3}}),
    "a config of a number": lambda k, d: k.layers.deserialize(3),
    "an unknown initializer class": lambda k, d: k.initializers.get({"class_name": "Glorot", "config": {}}),
    "an initializer of a number": lambda k, d: k.initializers.get(3),
    "a regularizer of a number": lambda k, d: k.regularizers.get(3),
    "a constraint of a number": lambda k, d: k.constraints.get(3),
    "an activation of a number": lambda k, d: k.activations.get(3),
    "json of nothing": lambda k, d: k.models.model_from_json("{}"),
    "json that is none": lambda k, d: k.models.model_from_json("{"),
    # files
    "no such file": lambda k, d: load(k, os.path.join(d, "none.keras")),
    "no such h5 file": lambda k, d: load(k, os.path.join(d, "none.h5")),
    "no such weights": lambda k, d: model(k).load_weights(os.path.join(d, "none.weights.h5")),
    "an unknown end": lambda k, d: model(k).save(os.path.join(d, "m.onnx")),
    "weights of an unknown end": lambda k, d: model(k).save_weights(os.path.join(d, "m.txt")),
    "a directory": lambda k, d: load(k, d),
    "a damaged file": lambda k, d: load(k, damaged(k, d)),
    "an empty file": lambda k, d: load(k, written(d, "m.keras", b"")),
    "another file": lambda k, d: load(k, written(d, "m.h5", b"no HDF5, but a text that is long enough" * 99)),
    "weights of another model": other_weights,
    "a class of one's own": lambda k, d: load(k, save_own(k, d)),
    "a save of an unbuilt model": lambda k, d: k.Sequential([k.layers.Dense(2)]).save_weights(
        os.path.join(d, "m.weights.h5")
    ),
    "an argument of save": lambda k, d: model(k).save(os.path.join(d, "m.keras"), overwrit=True),
}


def built(layer: Any, shape: tuple[int, ...]) -> Any:
    layer(ones(*shape))
    return layer


def run(k: Any, names: list[str]) -> dict[str, str]:
    """For each mistake of these names the built-in classes of its error, or "fine"."""
    found = {}
    for name in names:
        with tempfile.TemporaryDirectory() as directory:
            try:
                MISTAKES[name](k, directory)
                found[name] = "fine"
            except Exception as error:  # noqa: BLE001
                found[name] = ",".join(
                    cls.__name__
                    for cls in type(error).__mro__
                    if cls.__module__ == "builtins" and cls not in (object, BaseException, Exception)
                )
    return found
