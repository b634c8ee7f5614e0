"""Models of real Keras, trained by their own `fit`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def sequence(k: ModuleType) -> Any:
    lay = k.layers
    return k.Sequential([k.Input((6, 3)), lay.LSTM(5), lay.Dense(1, activation="sigmoid")])


def masked(k: ModuleType) -> Any:
    lay, x = k.layers, k.Input((7,), dtype="int32")
    y = lay.Embedding(9, 4, mask_zero=True)(x)
    y = lay.GRU(5, return_sequences=True)(y)
    return k.Model(x, lay.Dense(3, activation="softmax")(y))


def two_outputs(k: ModuleType) -> Any:
    lay, x, z = k.layers, k.Input((6, 3), name="first"), k.Input((2,), name="second")
    y = lay.Bidirectional(lay.GRU(3, kernel_regularizer="l2", activity_regularizer="l1"))(x)
    y = lay.Concatenate()([y, z])
    return k.Model([x, z], [lay.Dense(1, name="size")(y), lay.Dense(4, activation="softmax", name="kind")(y)])


def stateful(k: ModuleType) -> Any:
    lay = k.layers
    return k.Sequential([k.Input(batch_shape=(4, 3, 2)), lay.LSTM(4, stateful=True), lay.Dense(1)])


def images(k: ModuleType) -> Any:
    lay = k.layers
    return k.Sequential(
        [
            k.Input((3, 6, 6, 1)),
            lay.ConvLSTM2D(2, 3, padding="same", kernel_constraint="max_norm"),
            lay.BatchNormalization(),
            lay.Flatten(),
            lay.Dense(2),
        ]
    )


def run(k: ModuleType, name: str, path: str, compiled: dict[str, Any], fitted: dict[str, Any]) -> dict[str, Any]:
    """Save the fresh model, train it: the history, the weights, and what `evaluate` gives for the same data."""
    k.utils.set_random_seed(3)
    model = globals()[name](k)
    model.save(path)
    optimizer, arguments = compiled["optimizer"]
    rest = {key: value for key, value in compiled.items() if key != "optimizer"}
    model.compile(optimizer=getattr(k.optimizers, optimizer)(**arguments), run_eagerly=True, **rest)
    text = model.to_json()
    callbacks = [getattr(k.callbacks, kind)(**options) for kind, options in fitted.pop("callbacks", [])]
    history = model.fit(verbose=0, shuffle=False, callbacks=callbacks, **fitted)
    judged = model.evaluate(fitted["x"], fitted["y"], batch_size=fitted.get("batch_size"), verbose=0, return_dict=True)
    listed = model.evaluate(fitted["x"], fitted["y"], batch_size=fitted.get("batch_size"), verbose=0)
    return {
        "history": {key: [float(value) for value in values] for key, values in history.history.items()},
        "weights": [np.array(weight) for weight in model.get_weights()],
        "judged": judged,
        "text": text,
        "listed": listed,
    }


def halves(k: ModuleType, path: str, policy: str, scale: float, frozen: bool, data: Any) -> dict[str, Any]:
    """A model in half precision, saved fresh, after each of some steps: losses, scales, counts; and its weights."""
    before = k.config.dtype_policy()
    k.config.set_dtype_policy(policy)
    try:
        k.utils.set_random_seed(3)
        lay = k.layers
        model = k.Sequential([k.Input((3, 2)), lay.GRU(4, unroll=True), lay.Dense(3, "tanh"), lay.Dense(1)])
        model.layers[0].trainable = not frozen
        model.save(path)
        optimizer = k.optimizers.SGD(0.25, momentum=0.5)
        if policy == "mixed_float16":
            optimizer = k.optimizers.LossScaleOptimizer(optimizer, initial_scale=scale, dynamic_growth_steps=3)
        model.compile(optimizer, "mse", run_eagerly=True)
        found = []
        for _ in range(8):
            loss = float(model.train_on_batch(*data))
            found.append((loss, float(getattr(optimizer, "dynamic_scale", 1.0)), int(optimizer.iterations)))
        return {"steps": found, "weights": [np.array(weight, "float32") for weight in model.get_weights()]}
    finally:
        k.config.set_dtype_policy(before)
