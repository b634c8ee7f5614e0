"""Models with code and names of one's own, saved by Keras as people save them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

# name -> the status of a scan; of `.h5` files another one where the second says it
EXPECTED: dict[str, tuple[int, int]] = {
    "plain": (0, 0),
    "compiled": (0, 0),
    "image": (1, 1),  # a class that is not here
    "lambda": (3, 3),
    "lambda in a wrapper": (3, 3),
    "lambda in a model": (3, 3),
    "lambda of a shape": (3, 3),
    "lambda as an activation": (3, 3),
    "lambda as a loss": (3, 0),  # of which the .h5 file holds no more than "<lambda>"
    "function as an activation": (1, 1),
    "function as a loss": (0, 0),
    "function of TensorFlow": (0, 0),
    "layer": (1, 1),
    "registered layer": (1, 1),
    "initializer": (1, 1),
}


def write(k: ModuleType, folder: Path) -> None:
    """Save every model of EXPECTED as `.keras` and as `.h5`."""
    import tensorflow as tf

    layers = k.layers

    class Own(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs

    @k.utils.register_keras_serializable("lab")
    class Registered(Own):
        pass

    @k.utils.register_keras_serializable("lab")
    class Start(k.initializers.Zeros):
        pass

    def halved(x: Any) -> Any:
        return x / 2.0

    def squared(y: Any, z: Any) -> Any:
        return tf.reduce_mean((y - z) ** 2)

    def chain(*parts: Any, shape: tuple[int, ...] = (3,), **compiled: Any) -> Any:
        model = k.Sequential([layers.Input(shape), *parts])
        if compiled:
            model.compile("sgd", **compiled)
        return model

    made = {
        "plain": lambda: chain(layers.Dense(2)),
        "compiled": lambda: chain(layers.Dense(2), loss=k.losses.Huber(), metrics=[k.metrics.AUC()]),
        "image": lambda: chain(layers.RandomFlip(), shape=(8, 8, 3)),
        "lambda": lambda: chain(layers.Lambda(lambda x: x * 2)),
        "lambda in a wrapper": lambda: chain(layers.TimeDistributed(layers.Lambda(lambda x: x)), shape=(4, 3)),
        "lambda in a model": lambda: chain(chain(layers.Dense(2), layers.Lambda(lambda x: x))),
        "lambda of a shape": lambda: chain(layers.Lambda(halved, output_shape=lambda shape: shape)),
        "lambda as an activation": lambda: chain(layers.Dense(2, activation=lambda x: x)),
        "lambda as a loss": lambda: chain(layers.Dense(2), loss=lambda y, z: y - z),
        "function as an activation": lambda: chain(layers.Dense(2, activation=halved)),
        "function as a loss": lambda: chain(layers.Dense(2), loss=squared, metrics=[squared]),
        "function of TensorFlow": lambda: chain(layers.Dense(2, activation=tf.nn.relu)),
        "layer": lambda: chain(Own()),
        "registered layer": lambda: chain(Registered()),
        "initializer": lambda: chain(layers.Dense(2, kernel_initializer=Start())),
    }
    for name, make in made.items():
        for ending in (".keras", ".h5"):
            make().save(str(folder / f"{name}{ending}"))
