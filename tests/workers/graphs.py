"""Models whose graphs hold functions, masks made by functions, and models in models; built in real Keras."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from .layers import flat
from .models import build

TIME, FEATURES, WORDS = 5, 4, 6


def _ops(k: ModuleType) -> Any:
    """The functions by Keras 3's names, for either framework."""
    if k.__name__ == "keras":
        return k.ops
    import tensorflow as tf

    return _TensorFlow(tf)


class _TensorFlow:
    """TensorFlow's functions under Keras 3's names."""

    def __init__(self, tf: Any) -> None:
        self.not_equal, self.cast, self.expand_dims = tf.not_equal, tf.cast, tf.expand_dims
        self.any, self.mean, self.max, self.sum = tf.reduce_any, tf.reduce_mean, tf.reduce_max, tf.reduce_sum
        self.concatenate, self.softmax, self.split, self.stack = tf.concat, tf.nn.softmax, tf.split, tf.stack
        self.one_hot, self.transpose, self.tanh, self.matmul = tf.one_hot, tf.transpose, tf.tanh, tf.matmul
        self.logical_and, self.stop_gradient, self.squeeze = tf.logical_and, tf.stop_gradient, tf.squeeze
        self.abs, self.where = tf.abs, tf.where


def _features(k: ModuleType, name: str | None = None) -> Any:
    return k.Input((TIME, FEATURES), name=name)


def _words(k: ModuleType, name: str | None = None) -> Any:
    return k.Input((TIME,), dtype="int32", name=name)


def mask_by_hand(k: ModuleType) -> Any:
    """A mask that a function makes, given to a layer: it goes on to the layers behind."""
    lay, o, words = k.layers, _ops(k), _words(k)
    x = lay.Embedding(WORDS, 3)(words)
    y = lay.LSTM(3, return_sequences=True)(x, mask=o.not_equal(words, 0))
    return k.Model(words, [lay.GRU(2)(y), lay.Bidirectional(lay.SimpleRNN(2))(x, mask=words > 1)])


def mask_of_two(k: ModuleType) -> Any:
    """A mask from floats, from several functions."""
    lay, o = k.layers, _ops(k)
    words, x = _words(k, "words"), _features(k, "x")
    kept = o.logical_and(o.any(o.not_equal(x, 0.0), axis=-1), o.not_equal(words, 2))
    y = lay.LSTM(3, return_sequences=True)(x, mask=kept)
    weights = o.expand_dims(o.cast(kept, "float32"), -1)
    return k.Model([words, x], o.sum(y * weights, axis=1) / (o.sum(weights, axis=1) + 1.0))


def mask_and_function(k: ModuleType) -> Any:
    """The mask of an Embedding ends at a function, and passes one that returns its input."""
    lay, o, words = k.layers, _ops(k), _words(k)
    x = lay.Embedding(WORDS, 3, mask_zero=True)(words)
    outputs = [lay.LSTM(2)(x * 2.0), lay.LSTM(2)(o.cast(x, "float32")), lay.LSTM(2)(o.stop_gradient(x)), lay.GRU(2)(x)]
    return k.Model(words, outputs)


def mask_beside_functions(k: ModuleType) -> Any:
    """Masks that travel, and functions beside them, one of which makes the same mask again."""
    lay, o, words = k.layers, _ops(k), _words(k)
    x = lay.Embedding(WORDS, 3, mask_zero=True)(words)
    y = lay.Bidirectional(lay.GRU(2, return_sequences=True))(x)
    weights = o.cast(o.not_equal(words, 0), "float32")
    return k.Model(words, [lay.LSTM(3)(y), o.sum(y, axis=1) / (o.sum(weights, axis=1)[:, None] + 1.0)])


def attention(k: ModuleType) -> Any:
    """Attention as people write it with functions."""
    lay, o = k.layers, _ops(k)
    source, target = _features(k, "source"), _features(k, "target")
    encoded = lay.LSTM(4, return_sequences=True)(source)
    decoded = lay.LSTM(4, return_sequences=True)(target)
    scores = o.softmax(o.matmul(decoded, o.transpose(encoded, (0, 2, 1))) / 2.0, axis=-1)
    context = o.concatenate([o.matmul(scores, encoded), decoded], axis=-1)
    return k.Model([source, target], lay.Dense(3)(o.tanh(context)))


def slices_and_states(k: ModuleType) -> Any:
    """Parts of a sequence into several layers; a computed state."""
    lay, o, x = k.layers, _ops(k), _features(k)
    first, second = o.split(x, 2, axis=-1)
    state = o.mean(x, axis=1)
    y = lay.GRU(4)(first, initial_state=state)
    z = lay.GRU(4, return_sequences=True)(second[:, ::-1], initial_state=x[:, -1])[:, -1]
    return k.Model(x, [lay.Dense(2)(y - z), o.stack([y, z], axis=1)])


def functions_only(k: ModuleType) -> Any:
    """No layer at all; an output that is a part of an input."""
    o, x = _ops(k), _features(k)
    return k.Model(x, {"last": x[:, -1], "spread": o.max(x, axis=1) - o.mean(x, axis=1)})


def nested_with_functions(k: ModuleType) -> Any:
    """A model with functions inside, called twice, in a model with functions."""
    lay, o = k.layers, _ops(k)
    inner_in = k.Input((TIME, 3))
    inner = k.Model(inner_in, lay.GRU(4)(o.tanh(inner_in) * 0.5) + 1.0, name="inner")
    a, b = _features(k, "a"), _features(k, "b")
    dense = lay.Dense(3)
    return k.Model([a, b], o.abs(inner(dense(a)) - inner(dense(b) * 2.0)))


def functions_in_time_distributed(k: ModuleType) -> Any:
    """A model with functions, once for each step, and masks around it."""
    lay, o = k.layers, _ops(k)
    step_in = k.Input((2, FEATURES))
    step = k.Model(step_in, o.mean(lay.LSTM(3, return_sequences=True)(step_in), axis=1), name="step")
    x = k.Input((TIME, 2, FEATURES))
    return k.Model(x, lay.GRU(3)(lay.TimeDistributed(step)(x)))


def model_first(k: ModuleType) -> Any:
    """A Sequential whose first layer is a Sequential, in a graph behind functions."""
    lay, x = k.layers, _features(k)
    inner = k.Sequential([k.Input((TIME, FEATURES)), lay.LSTM(3, return_sequences=True)], name="inner")
    outer = k.Sequential([inner, lay.GRU(2)], name="outer")
    return k.Model(x, outer(x * 0.5) * 2.0)


def dict_input(k: ModuleType) -> Any:
    """Inputs by name, a nested model with inputs by name, outputs by name."""
    lay = k.layers
    p, q = k.Input((TIME, FEATURES), name="p"), k.Input((3,), name="q")
    inner = k.Model({"p": p, "q": q}, {"sum": lay.LSTM(3)(p) + q, "q": q * 2.0}, name="inner")
    a, b = _features(k, "a"), k.Input((3,), name="b")
    out = inner({"p": a, "q": b})
    return k.Model({"a": a, "b": b}, {"y": lay.Dense(2)(out["sum"]), "z": out["q"]})


def shared_everywhere(k: ModuleType) -> Any:
    """One layer outside and inside of a nested model's inputs, called on functions of one another."""
    lay, x = k.layers, _features(k)
    lstm, dense = lay.LSTM(4, return_sequences=True), lay.Dense(4)
    y = lstm(dense(lstm(x) * 0.5) + x)
    return k.Model(x, [y[:, -1], dense(y)[:, 0]])


def deep(k: ModuleType, depth: int = 150) -> Any:
    """A long chain of functions."""
    lay, x = k.layers, _features(k)
    y = x
    for index in range(depth):
        y = y * 0.99 + (0.01 if index % 2 else x)
    return k.Model(x, lay.LSTM(2)(y))


def run(k: ModuleType, builder: str, inputs: Any, folder: str) -> dict[str, Any]:
    """Save with random weights as `model.keras`, `model.h5`, `model.weights.h5`; JSON and outputs."""
    model, weights = build(k, f"graphs:{builder}")
    unwritten = []
    for name in ("model.keras", "model.h5"):
        try:
            model.save(f"{folder}/{name}")
        except TypeError:  # tf.keras cannot write an Ellipsis into a .keras file
            unwritten.append(name)
    model.save_weights(f"{folder}/model.weights.h5")
    outputs = model(inputs, training=False)
    return {
        "json": model.to_json(),
        "weights": weights,
        "outputs": [np.asarray(output) for output in flat(outputs)],
        "unwritten": unwritten,
    }


def run_graph_layers(k: ModuleType, path: str, inputs: list[np.ndarray]) -> dict[str, Any]:
    """A model with TensorFlowOpLayer, as TensorFlow 2.0 to 2.3 wrote them: tf-keras makes them in a graph of TF 1."""
    import tensorflow as tf

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x, ids = _features(k, "x"), _words(k, "ids")
        y = (x + 1.0) * 2 - 1.0 / (tf.abs(x) + 1.0)
        mixed = k.layers.LSTM(3)(tf.concat([y[:, 1:4, ::2], x[:, 1:4, :1]], -1), mask=tf.not_equal(ids, 0)[:, 1:4])
        outputs = [
            mixed,
            y[:, -1],
            x[..., tf.newaxis, :2],
            tf.reduce_mean(x, axis=1, keepdims=True),
            tf.reduce_sum(x, axis=[1, 2]),
            tf.stack([x, y], 1),
            *tf.split(x, 2, axis=-1),
            *tf.split(x, [1, 4], axis=1),
            tf.einsum("btf,bsf->bts", x, y),
            tf.reshape(x, (tf.shape(x)[0], 20)),
            tf.one_hot(ids, 6),
            tf.nn.leaky_relu(x, 0.3),
            tf.squeeze(x[:, :1], 1),
            tf.cast(ids > 2, tf.float32),
            tf.gather(x, [0, 2], axis=1),
            tf.matmul(x, y, transpose_b=True),
            tf.transpose(x, (0, 2, 1)),
            tf.tile(x, [1, 2, 1]),
            tf.where(x > 0, x, y),
            tf.maximum(x, 0.1) / 3.0,
            tf.math.squared_difference(x, y),
            tf.cumsum(x, axis=1, reverse=True),
            tf.expand_dims(x, 1),
            tf.nn.softmax(x),
            tf.pad(x, [[0, 0], [1, 0], [0, 0]]),
            tf.reverse(x, [1]),
            tf.add_n([x, y, x]),
            tf.clip_by_value(x, -0.5, 0.5),
            tf.math.l2_normalize(x, -1),
            tf.zeros_like(x) + x,
            tf.unstack(x, axis=2)[1],
            tf.pow(tf.abs(x), 1.5),
            tf.nn.bias_add(x, tf.constant([1.0, 2.0, 3.0, 4.0])),
            tf.argmax(x, axis=-1),
        ]
        model = k.Model([x, ids], outputs)
        session.run(tf.compat.v1.global_variables_initializer())
        model.save(path)
        values = session.run(model.outputs, dict(zip(model.inputs, inputs, strict=True)))
        layers = {type(layer).__name__ for layer in model.layers}
        definitions = [
            (layer.node_def.SerializeToString(), layer.node_def.op)
            for layer in model.layers
            if type(layer).__name__ == "TensorFlowOpLayer"
        ]
        return {"outputs": values, "classes": sorted(layers), "definitions": definitions}
