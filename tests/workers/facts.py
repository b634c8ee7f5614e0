"""Small facts about real Keras: what its classes are made with, and what a few of its functions compute."""

from __future__ import annotations

import contextlib
import importlib
import inspect
from types import ModuleType
from typing import Any

import numpy as np


def default(k: ModuleType, place: str, argument: str) -> Any:
    """The default of a constructor's argument: `default("layers.GRU", "reset_after")`."""
    module, name = place.split(".")
    return inspect.signature(getattr(getattr(k, module), name).__init__).parameters[argument].default


def activation(k: ModuleType, name: str, x: np.ndarray) -> np.ndarray:
    import tensorflow as tf

    return np.asarray(getattr(k.activations, name)(tf.constant(x)))


def adam_step(k: ModuleType, gradient: np.ndarray) -> np.ndarray:
    """How far Adam's first step moves a variable, with Keras's defaults."""
    import tensorflow as tf

    variable = tf.Variable(np.zeros_like(gradient)) if k.__name__ == "tf_keras" else k.Variable(np.zeros_like(gradient))
    optimizer = k.optimizers.Adam(learning_rate=0.01)
    optimizer.build([variable])
    optimizer.apply_gradients([(tf.constant(gradient), variable)])
    return np.asarray(variable)


def first_weights(k: ModuleType, class_name: str, config: dict[str, Any], shape: tuple[Any, ...]) -> list[np.ndarray]:
    layer = getattr(k.layers, class_name)(**config)
    layer.build(shape)
    return layer.get_weights()


def arguments_of(k: ModuleType, class_name: str) -> list[str]:
    """Every argument that a layer's constructor takes: its own, its bases', and the keys of its config."""
    cls = getattr(k.layers, class_name)
    found: set[str] = set()
    for base in cls.__mro__:
        if base.__module__.startswith(("keras.", "tf_keras.")) and "__init__" in vars(base):
            found |= set(inspect.signature(base.__init__).parameters)
    return sorted(found - {"self", "args", "kwargs"})


def cudnn_parameters(k: ModuleType, kind: str, weights: list[np.ndarray]) -> np.ndarray:
    """The flat buffer that tf-keras's LSTM or GRU hands to cuDNN; the call to cuDNN itself is kept from happening."""
    from unittest import mock

    import tensorflow as tf

    class Taken(Exception):
        pass

    taken = []

    def take(**arguments: Any) -> None:
        taken.append(np.asarray(arguments["params"]))
        raise Taken

    layers = importlib.import_module(f"{k.__name__}.src.layers.rnn.{kind.lower()}")
    units = weights[1].shape[0]
    states = [tf.zeros((1, units))] * (2 if kind == "LSTM" else 1)
    build = {"is_cuda_build": True, "is_rocm_build": False}
    with (
        mock.patch.object(layers.tf.raw_ops, "CudnnRNNV3", take),
        mock.patch.object(layers.tf.sysconfig, "get_build_info", return_value=build),
        contextlib.suppress(Taken),
    ):
        run = getattr(layers, f"gpu_{kind.lower()}")
        given = [tf.constant(array) for array in weights]
        run(tf.zeros((1, 2, weights[0].shape[0])), *states, *given, None, False, False, None, True)
    return taken[0]


def public_names(keras: Any) -> list[str]:
    """The public attributes of Keras's layers, recurrent layers, cells and models, of classes and of instances."""
    inputs = keras.Input((4, 3))
    lstm = keras.layers.LSTM(2)
    both = keras.layers.Bidirectional(keras.layers.LSTM(2))
    functional = keras.Model(inputs, both(inputs))
    things = [keras.layers.Layer(), lstm, lstm.cell, keras.layers.Conv2D(1, 1), both, functional]
    things += [keras.Sequential([keras.Input((4, 3)), lstm]), keras.layers.RNN(keras.layers.LSTMCell(2))]
    names = {name for thing in things for name in (*dir(type(thing)), *vars(thing))}
    return sorted(name for name in names if not name.startswith("_"))


def adam_on_a_table(k: ModuleType, table: np.ndarray, words: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """The table of an Embedding after Adam's first step on `sum(slopes * table[words])`."""
    import tensorflow as tf

    layer = k.layers.Embedding(*table.shape)
    layer.build((None,))
    layer.set_weights([table])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(slopes * layer(words))
    weights = layer.trainable_weights
    held = [getattr(weight, "value", weight) for weight in weights] if k.__name__ == "keras" else weights
    optimizer = k.optimizers.Adam(learning_rate=0.01)
    optimizer.apply_gradients(zip(tape.gradient(loss, held), weights, strict=True))
    return layer.get_weights()[0]


def swapped_averages(k: ModuleType, weight: np.ndarray, average: np.ndarray) -> dict[str, np.ndarray]:
    """A weight while SwapEMAWeights has its average in the model, and when it is back."""
    model = k.Sequential([k.Input((weight.shape[0],)), k.layers.Dense(weight.shape[1], use_bias=False)])
    model.compile(k.optimizers.SGD(0.1, use_ema=True), "mse")
    model.optimizer.build(model.trainable_variables)
    model.set_weights([weight])
    model.optimizer._model_variables_moving_average[0].assign(average)
    callback = k.callbacks.SwapEMAWeights()
    callback.set_model(model)
    callback.on_test_begin()
    inside = model.get_weights()[0]
    callback.on_test_end()
    return {"inside": inside, "back": model.get_weights()[0]}
