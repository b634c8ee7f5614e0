"""Recurrent families trained by given optimizers: the same code with Keras 3 or kerastorch as `k`."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

ROWS, STEPS = 4, 20
FAMILIES = ("LSTM", "GRU", "SimpleRNN", "Bidirectional", "masked Embedding", "ConvLSTM", "seq2seq")
Case = tuple[str, dict[str, Any], float]  # the optimizer, its arguments, the factor of the loss


def model_of(k: ModuleType, family: str, dtype: str) -> Any:
    """A small model of a family, with random weights."""
    of = {"dtype": dtype}
    layers = k.layers
    x = k.Input((5, 3), **of)
    if family == "masked Embedding":
        x = k.Input((5,), dtype="int32")
        made = layers.GRU(3, **of)(layers.Embedding(6, 3, mask_zero=True, **of)(x))
    elif family == "ConvLSTM":
        x = k.Input((3, 4, 2), **of)
        made = layers.Flatten(**of)(layers.ConvLSTM1D(2, 3, **of)(x))
    elif family == "seq2seq":
        target = k.Input((4, 2), **of)
        _, h, c = layers.LSTM(3, return_state=True, **of)(x)
        made = layers.LSTM(3, return_sequences=True, **of)(target, initial_state=[h, c])
        x = [x, target]
    elif family == "Bidirectional":
        made = layers.Bidirectional(layers.LSTM(2, **of), **of)(x)
    else:
        made = getattr(layers, family)(3, **of)(x)
    model = k.Model(x, layers.Dense(2, **of)(made))
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 0.9, size=np.shape(array)).astype(dtype) for array in model.get_weights()])
    return model


def batches(family: str, dtype: str) -> list[tuple[list[np.ndarray], np.ndarray]]:
    """Inputs and targets of each step."""
    rng = np.random.default_rng(2)
    shapes = {"ConvLSTM": [(3, 4, 2)], "seq2seq": [(5, 3), (4, 2)]}.get(family, [(5, 3)])
    found = []
    for _ in range(STEPS):
        if family == "masked Embedding":
            words = rng.integers(1, 6, size=(ROWS, 5))
            words[1, 3:] = 0
            inputs = [words.astype("int32")]
        else:
            inputs = [rng.normal(size=(ROWS, *shape)).astype(dtype) for shape in shapes]
        found.append((inputs, rng.normal(size=(ROWS, *((4, 2) if family == "seq2seq" else (2,)))).astype(dtype)))
    return found


def weights_of(
    k: ModuleType, family: str, dtype: str, cases: list[Case], gradients_of: Callable[..., Callable[..., list[Any]]]
) -> list[dict[str, Any]]:
    """Of each case the weights after all steps, and the gradients of each step.

    Args:
        k: The package.
        family: One of `FAMILIES`.
        dtype: Of weights and inputs.
        cases: The optimizers.
        gradients_of: Makes of a model and its loss what gives the gradients of a batch.
    """
    model = model_of(k, family, dtype)
    start = model.get_weights()
    loss = k.losses.MeanSquaredError(dtype=dtype) if k.__name__ == "keras" else k.losses.MeanSquaredError()
    gradients = gradients_of(model, loss)
    found = []
    for name, config, factor in cases:
        model.set_weights(start)
        optimizer = getattr(k.optimizers, name)(**config)
        told = []
        for number, (inputs, target) in enumerate(batches(family, dtype)):
            grads = gradients(inputs if len(inputs) > 1 else inputs[0], target, factor, (name, number))
            optimizer.apply(grads, model.trainable_weights)
            told.append([np.array(gradient.numpy()) for gradient in grads])
        found.append({"weights": model.get_weights(), "gradients": told})
    return found


def trained(k: ModuleType, family: str, dtype: str, cases: list[Case]) -> list[dict[str, Any]]:
    """`weights_of` by Keras on TensorFlow."""
    import tensorflow as tf

    def gradients_of(model: Any, loss: Any) -> Callable[..., list[Any]]:
        @tf.function
        def compiled(inputs: Any, target: Any, factor: Any) -> list[Any]:
            with tf.GradientTape() as tape:
                found = loss(target, model(inputs, training=True)) * factor
            # A table's gradient as one array: Keras 3 on TensorFlow squares the parts of a repeated word one by one.
            return [
                tf.convert_to_tensor(part) for part in tape.gradient(found, [v.value for v in model.trainable_weights])
            ]

        return lambda inputs, target, factor, _: compiled(inputs, target, tf.constant(factor, dtype))

    return weights_of(k, family, dtype, cases, gradients_of)
