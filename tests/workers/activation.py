"""Models of real Keras with activations, normalisations, noise and small layers; `adapt` of Normalization."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from .layers import differentiate, flat, make_layer, numpy, random_weights, weight_names

TIME, FEATURES, WORDS = 5, 4, 6


def everything(k: ModuleType) -> Any:
    """Each layer once, those with weights among them, and layers as the activation of others."""
    lay, new = k.layers, k.__name__ == "keras"
    slope = {"negative_slope" if new else "alpha": 0.1}
    normal = lay.Normalization()
    normal.build((None, TIME, FEATURES))
    stack = [
        k.Input((TIME, FEATURES)),
        normal,
        lay.Rescaling([1.0, 2.0, 0.5, -1.0], offset=np.array([0.1, 0.2, 0.3, 0.4])),
        lay.Normalization(mean=[0.1, 0.2, -0.3, 0.4], variance=[0.5, 1.0, 2.0, 3.0], invert=True),
        lay.PReLU(shared_axes=[1]),
        lay.GroupNormalization(2, center=False),
        lay.LeakyReLU(**slope),
        lay.Dense(4, activation=lay.LeakyReLU(**slope)),
        lay.ELU(0.3),
        lay.RMSNormalization(axis=[1, 2]) if new else lay.ThresholdedReLU(0.1),
        lay.Dense(4, activation=lay.ReLU(max_value=3.0, negative_slope=0.1, threshold=0.5)),
        lay.UnitNormalization(axis=[1, 2]),
        lay.GroupNormalization(-1, axis=1, scale=False),
        lay.ActivityRegularization(0.1, 0.2),
        lay.Identity(),
        lay.PReLU(),
        lay.GaussianNoise(0.1),
        lay.GaussianDropout(0.2),
        lay.AlphaDropout(0.3, seed=3),
        lay.SimpleRNN(4, return_sequences=True, activation=lay.ELU(0.5)),
        lay.LSTM(4, return_sequences=True, recurrent_activation=lay.ReLU(max_value=1.0)),
        lay.ReLU(max_value=2.0, negative_slope=0.1),
        lay.Dense(3, activation=lay.Softmax(axis=1)),
        lay.Softmax(axis=[1, 2]),
    ]
    return k.Sequential(stack)


def _words(k: ModuleType, *behind: Any) -> Any:
    words = k.Input((TIME,), dtype="int32")
    x = k.layers.Embedding(WORDS, FEATURES, mask_zero=True)(words)
    for layer in behind:
        x = layer(x)
    return k.Model(words, k.layers.LSTM(3)(x))


def masks_go_on(k: ModuleType) -> Any:
    """Layers that hand the mask on in both frameworks."""
    lay = k.layers
    slope = {"negative_slope" if k.__name__ == "keras" else "alpha": 0.1}
    layers = [lay.ReLU(), lay.LeakyReLU(**slope), lay.ELU(), lay.PReLU(), lay.UnitNormalization()]
    noises = [lay.GaussianNoise(0.1), lay.GaussianDropout(0.1), lay.AlphaDropout(0.1), lay.ActivityRegularization(0.1)]
    return _words(k, *layers, *noises)


def mask_at_identity(k: ModuleType) -> Any:
    return _words(k, k.layers.Identity())


def mask_at_rescaling(k: ModuleType) -> Any:
    return _words(k, k.layers.Rescaling(0.5, offset=1.0))


def mask_at_normalization(k: ModuleType) -> Any:
    return _words(k, k.layers.Normalization(mean=0.5, variance=2.0))


def mask_at_group_normalization(k: ModuleType) -> Any:
    """Keras 3 only: tf-keras spreads the mask of steps over features and fails."""
    return _words(k, k.layers.GroupNormalization(2))


def mask_at_rms_normalization(k: ModuleType) -> Any:
    """Keras 3 only."""
    return _words(k, k.layers.RMSNormalization())


def build(k: ModuleType, builder: str) -> tuple[Any, list[np.ndarray]]:
    model = globals()[builder](k)
    named = list(zip(weight_names(model.weights), model.get_weights(), strict=True))
    weights = random_weights(named, 5)
    for index, (name, _) in enumerate(named):
        if name == "count":
            weights[index] = np.asarray(2**40 + 1, "int64")  # no float32 holds it
    model.set_weights(weights)
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return model, weights


def run(k: ModuleType, builder: str, x: np.ndarray) -> dict[str, Any]:
    """JSON, weights, outputs and gradients of a model with random weights."""
    import tensorflow as tf

    model, weights = build(k, builder)
    source = tf.constant(x)
    sources = [source] if source.dtype.is_floating else []
    variables = [weight for weight in model.weights if weight.trainable]
    result = differentiate(lambda: model(source, training=False), sources, variables, 6)
    model(source, training=False)
    return {
        **result,
        "json": model.to_json(),
        "weights": weights,
        "losses": [float(loss) for loss in model.losses],
        "trainable": [bool(weight.trainable) for weight in model.weights],
    }


def save(k: ModuleType, builder: str, path: str, x: np.ndarray, weights_only: bool = False) -> list[Any]:
    """Save a model with random weights; return its outputs."""
    model, _ = build(k, builder)
    model.save_weights(path) if weights_only else model.save(path)
    return [numpy(y) for y in flat(model(x, training=False))]


def softmax_with_mask(k: ModuleType, x: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
    """A model with the values and the mask as inputs."""
    values, hidden = k.Input(x.shape[1:]), k.Input(mask.shape[1:], dtype="bool")
    model = k.Model([values, hidden], k.layers.Softmax()(values, mask=hidden))
    return {"json": model.to_json(), "output": np.asarray(model([x, mask]))}


def adapt(
    k: ModuleType, config: Mapping[str, Any], data: Any, x: np.ndarray, batches: bool = False
) -> tuple[list[np.ndarray], np.ndarray]:
    """Weights and output of a Normalization that has been adapted."""
    import tensorflow as tf

    layer = make_layer(k, "Normalization", config)
    if batches and k.__name__ == "tf_keras":  # Keras 3 takes any iterable, tf-keras datasets or this
        layer.build(data[0].shape)
        layer.reset_state()
        for batch in data:
            layer.update_state(batch)
        layer.finalize_state()
    else:
        layer.adapt(data)
    return layer.get_weights(), np.asarray(layer(tf.constant(x)))


def on_points(k: ModuleType, class_name: str, config: Mapping[str, Any], x: np.ndarray) -> dict[str, Any]:
    """Values and gradients at given points."""
    import tensorflow as tf

    layer = make_layer(k, class_name, config, x.dtype.name)
    source = tf.constant(x)
    result = differentiate(lambda: layer(source), [source], [], 4)
    return {**result, "grads_sources": result["grads_sources"]}
