"""Small models built in real Keras, and their outputs and gradients with random weights."""

from __future__ import annotations

import importlib
import pickle
from types import ModuleType
from typing import Any

import numpy as np

from .layers import differentiate, is_keras3, random_weights, shapes, weight_names

TIME, FEATURES, WORDS = 5, 4, 6
_RUN: dict[tuple[str, str, bytes], dict[str, Any]] = {}  # what `run_model` found: several tests look at one model


def _features(k: ModuleType, name: str | None = None, time: int | None = TIME) -> Any:
    return k.Input((time, FEATURES), name=name)


def _words(k: ModuleType, name: str | None = None) -> Any:
    return k.Input((TIME,), dtype="int32", name=name)


def stack(k: ModuleType) -> Any:
    """LSTM on LSTM, as in every tutorial."""
    lay = k.layers
    return k.Sequential([_features(k), lay.LSTM(5, return_sequences=True), lay.LSTM(4), lay.Dense(2)])


def encoder_decoder(k: ModuleType) -> Any:
    """The last output repeated, decoded, and one Dense per step."""
    lay = k.layers
    return k.Sequential(
        [
            _features(k),
            lay.LSTM(4),
            lay.RepeatVector(3),
            lay.LSTM(5, return_sequences=True),
            lay.TimeDistributed(lay.Dense(2, activation="softmax")),
        ]
    )


def mixed_stack(k: ModuleType) -> Any:
    """Every kind of layer that stands between two recurrent ones, time unknown."""
    lay = k.layers
    return k.Sequential(
        [
            _features(k, time=None),
            lay.Masking(),
            lay.Bidirectional(lay.GRU(3, return_sequences=True), merge_mode="ave"),
            lay.SpatialDropout1D(0.3),
            lay.BatchNormalization(),
            lay.LayerNormalization(),
            lay.Activation("tanh"),
            lay.Dropout(0.3),
            lay.Dense(4),
            lay.SimpleRNN(3, return_sequences=True, go_backwards=True),
            lay.LSTM(3, recurrent_activation="hard_sigmoid"),
        ]
    )


def shapes_only(k: ModuleType) -> Any:
    """Layers that only move values."""
    lay = k.layers
    return k.Sequential(
        [_features(k), lay.Permute((2, 1)), lay.Reshape((-1, 2)), lay.GRU(3, return_sequences=True), lay.Flatten()]
    )


def two_in_two_out(k: ModuleType) -> Any:
    """Words and numbers in, a class and a value out."""
    lay = k.layers
    words, numbers = _words(k, "words"), k.Input((3,), name="numbers")
    read = lay.LSTM(4)(lay.Embedding(WORDS, 3, mask_zero=True)(words))
    both = lay.Concatenate()([read, lay.Dense(2, activation="relu")(numbers)])
    return k.Model([words, numbers], [lay.Dense(3, activation="softmax")(both), lay.Dense(1)(both)])


def shared_layer(k: ModuleType) -> Any:
    """One LSTM reads two inputs; its two outputs meet in several merges."""
    lay = k.layers
    a, b = _features(k, "a"), _features(k, "b")
    lstm = lay.LSTM(4)
    left, right = lstm(a), lstm(b)
    merges = [lay.Subtract()([left, right]), lay.Multiply()([left, right]), lay.Maximum()([right, left])]
    return k.Model([a, b], [lay.Concatenate()(merges), lay.Dot(axes=1, normalize=True)([left, right])])


def nested(k: ModuleType) -> Any:
    """A Sequential and a Functional model as layers, the second called twice."""
    lay = k.layers
    inner_in = k.Input((TIME, 3))
    inner = k.Model(inner_in, lay.GRU(4)(lay.BatchNormalization()(inner_in)), name="inner")
    reduce = k.Sequential([_features(k), lay.Dense(3), lay.Activation("tanh")], name="reduce")
    a, b = _features(k, "a"), _features(k, "b")
    return k.Model([a, b], lay.Average()([inner(reduce(a)), inner(reduce(b))]))


def nested_two_ways(k: ModuleType) -> Any:
    """An inner model with two inputs and two outputs, of which one is used twice."""
    lay = k.layers
    p, q = _features(k), k.Input((3,))
    sequence = lay.LSTM(3, return_sequences=True)(p)
    last = lay.SimpleRNN(3)(sequence)
    inner = k.Model([p, q], [sequence, lay.Add()([last, q])], name="inner")
    x, y = _features(k, "x"), k.Input((3,), name="y")
    first, second = inner([x, y])
    return k.Model([x, y], [lay.Minimum()([lay.LSTM(3)(first), second]), second])


def time_distributed_model(k: ModuleType) -> Any:
    """A model inside TimeDistributed."""
    lay = k.layers
    step = k.Sequential([k.Input((2, FEATURES)), lay.LSTM(3), lay.Dense(2)], name="step")
    x = k.Input((TIME, 2, FEATURES))
    return k.Model(x, lay.GRU(3)(lay.TimeDistributed(step)(x)))


def states_as_edges(k: ModuleType) -> Any:
    """The classic encoder-decoder: the states of one LSTM start the other."""
    lay = k.layers
    source, target = _features(k, "source"), _features(k, "target")
    _, h, c = lay.LSTM(4, return_state=True)(source)
    decoded, *_ = lay.LSTM(4, return_sequences=True, return_state=True)(target, initial_state=[h, c])
    return k.Model([source, target], lay.TimeDistributed(lay.Dense(3, activation="softmax"))(decoded))


def states_of_gru(k: ModuleType) -> Any:
    """One state, from a Bidirectional encoder, through a Dense; the encoder reads words."""
    lay = k.layers
    source, target = _words(k, "source"), _features(k, "target")
    embedded = lay.Embedding(WORDS, 3, mask_zero=True)(source)
    _, forth, back = lay.Bidirectional(lay.GRU(3, return_state=True))(embedded)
    state = lay.Dense(4, activation="tanh")(lay.Concatenate()([forth, back]))
    return k.Model([source, target], lay.GRU(4, return_sequences=True)(target, initial_state=state))


def states_into_bidirectional(k: ModuleType) -> Any:
    """The states of one Bidirectional start another."""
    lay = k.layers
    source, target = _features(k, "source"), _features(k, "target")
    _, *states = lay.Bidirectional(lay.LSTM(3, return_state=True))(source)
    out = lay.Bidirectional(lay.LSTM(3, return_sequences=True))(target, initial_state=states)
    return k.Model([source, target], [out, *states])


def states_as_inputs(k: ModuleType) -> Any:
    """The inference decoder: states come in as inputs and go out as outputs."""
    lay = k.layers
    x, h, c = _features(k, "x"), k.Input((4,), name="h"), k.Input((4,), name="c")
    out, h2, c2 = lay.LSTM(4, return_sequences=True, return_state=True)(x, initial_state=[h, c])
    return k.Model([x, h, c], [lay.Dense(3)(out), h2, c2])


def mask_chain(k: ModuleType) -> Any:
    """The mask of the words passes everything that keeps masks, down to the last LSTM."""
    lay = k.layers
    words = _words(k)
    x = lay.Embedding(WORDS, 4, mask_zero=True)(words)
    x = lay.LSTM(4, return_sequences=True)(lay.SpatialDropout1D(0.2)(x))
    x = lay.TimeDistributed(lay.Dense(3))(lay.LayerNormalization()(lay.Dropout(0.2)(x)))
    x = lay.Bidirectional(lay.GRU(3, return_sequences=True))(lay.Activation("tanh")(x))
    return k.Model(words, lay.LSTM(2)(lay.Dense(3)(x)))


def mask_merges(k: ModuleType) -> Any:
    """Two masks meet: in Keras 3 a step counts that any input has, in Keras 2 one that all have."""
    lay = k.layers
    a, b = _words(k, "a"), _words(k, "b")
    x = lay.Embedding(WORDS, 3, mask_zero=True)(a)
    y = lay.Embedding(WORDS, 3, mask_zero=True)(b)
    outputs = [
        lay.LSTM(2)(lay.Add()([x, y])),
        lay.LSTM(2)(lay.Multiply()([x, y])),
        lay.GRU(2)(lay.Concatenate()([x, y])),
        lay.GRU(2)(lay.Concatenate(axis=1)([x, y])),
        lay.SimpleRNN(2)(lay.Maximum()([x, y])),
    ]
    return k.Model([a, b], outputs)


def mask_meets_none(k: ModuleType) -> Any:
    """A masked input meets an unmasked one."""
    lay = k.layers
    a, b = _words(k, "a"), k.Input((TIME, 3), name="b")
    x = lay.Embedding(WORDS, 3, mask_zero=True)(a)
    merges = [lay.Concatenate(), lay.Average(), lay.Multiply()]  # Keras 3's Multiply takes 1 for a masked step
    return k.Model([a, b], [lay.LSTM(2)(merge([x, b])) for merge in merges])


def mask_ends(k: ModuleType) -> Any:
    """A mask that a last output does not have, and a mask that meets a new one."""
    lay = k.layers
    words = _words(k)
    x = lay.Embedding(WORDS, 3, mask_zero=True)(words)
    repeated = lay.RepeatVector(3)(lay.LSTM(3)(x))
    again = lay.Masking(0.5)(x)
    return k.Model(words, [lay.GRU(2, return_sequences=True)(repeated), lay.LSTM(2)(again)])


def mask_into_nested(k: ModuleType) -> Any:
    """The mask made outside reaches the LSTM inside a nested model, and comes out again."""
    lay = k.layers
    inner_in = k.Input((TIME, 3))
    inner = k.Model(inner_in, lay.LSTM(3, return_sequences=True)(lay.Dense(3)(inner_in)), name="inner")
    chain = k.Sequential([k.Input((TIME, 3)), lay.GRU(3, return_sequences=True)], name="chain")
    words = _words(k)
    x = lay.Embedding(WORDS, 3, mask_zero=True)(words)
    return k.Model(words, lay.LSTM(2)(chain(inner(x))))


def mask_made_in_nested(k: ModuleType) -> Any:
    """The mask is made inside a nested model and used outside."""
    lay = k.layers
    embed = k.Sequential([k.Input((TIME,), dtype="int32"), lay.Embedding(WORDS, 3, mask_zero=True)], name="embed")
    words = _words(k)
    return k.Model(words, lay.Bidirectional(lay.LSTM(2))(embed(words)))


def zero_outputs(k: ModuleType) -> Any:
    """zero_output_for_mask, and the Bidirectional that implies it."""
    lay = k.layers
    words = _words(k)
    x = lay.Embedding(WORDS, 3, mask_zero=True)(words)
    y = lay.GRU(3, return_sequences=True, reset_after=False, zero_output_for_mask=True)(x)
    return k.Model(words, [y, lay.Bidirectional(lay.SimpleRNN(2, return_sequences=True), merge_mode="sum")(x)])


def input_is_output(k: ModuleType) -> Any:
    """An input that is also an output, beside a branch."""
    lay = k.layers
    x = _features(k)
    return k.Model(x, [x, lay.LSTM(2)(x)])


def stateful(k: ModuleType) -> Any:
    """Two stateful layers, fed batch by batch."""
    lay = k.layers
    first = lay.LSTM(4, return_sequences=True, stateful=True)
    return k.Sequential([k.Input(batch_shape=(3, TIME, FEATURES)), first, lay.GRU(3, stateful=True), lay.Dense(2)])


def build(k: ModuleType, builder: str) -> tuple[Any, list[np.ndarray]]:
    """Make the model and give it random weights; returns it and the weights.

    Args:
        builder: A function of this module, or `module:function` of another one here.
    """
    module, _, name = builder.rpartition(":")
    model = getattr(importlib.import_module(f"workers.{module or 'models'}"), name)(k)
    weights = random_weights(list(zip(weight_names(model.weights), model.get_weights(), strict=True)), 5)
    model.set_weights(weights)
    return model, weights


def run_model(k: ModuleType, builder: str, inputs: list[np.ndarray]) -> dict[str, Any]:
    """Its JSON, weights, outputs, gradients, output shapes and count, with random weights."""
    key = (k.__name__, builder, pickle.dumps(inputs))
    if key not in _RUN:
        _RUN[key] = _run_model(k, builder, inputs)
    return _RUN[key]


def _run_model(k: ModuleType, builder: str, inputs: list[np.ndarray]) -> dict[str, Any]:
    import tensorflow as tf

    model, weights = build(k, builder)
    xs = [tf.constant(x) for x in inputs]
    sources = [x for x in xs if x.dtype.is_floating]
    variables = [weight for weight in model.weights if weight.trainable]
    result = differentiate(lambda: model(xs if len(xs) > 1 else xs[0], training=False), sources, variables, 6)
    grads = iter(result.pop("grads_variables"))
    return {
        **result,
        "json": model.to_json(),
        "weights": weights,
        "grads_inputs": result.pop("grads_sources"),
        "grads_weights": [next(grads) if weight.trainable else None for weight in model.weights],
        "output_shape": shapes(model.output_shape),
        "params": model.count_params(),
    }


def run_batches(k: ModuleType, builder: str, batches: list[np.ndarray]) -> dict[str, Any]:
    """The outputs of a model for one batch after the other."""
    model, weights = build(k, builder)
    outputs = [np.asarray(model(batch, training=False)) for batch in batches]
    return {"json": model.to_json(), "weights": weights, "outputs": outputs}


def save_model(
    k: ModuleType, builder: str, path: str, inputs: list[np.ndarray], weights_only: bool = False
) -> list[Any]:
    """Save to `path`, in the format that its ending says; return the outputs for `inputs`."""
    model, _ = build(k, builder)
    model.save_weights(path) if weights_only else model.save(path)
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(output) for output in (outputs if isinstance(outputs, list | tuple) else [outputs])]


def train_model(
    k: ModuleType, builder: str, inputs: list[np.ndarray], targets: list[np.ndarray], rate: float, steps: int
) -> dict[str, Any]:
    """Some SGD steps on the sum of the mean squared errors; the weights before and after."""
    import tensorflow as tf

    model, weights = build(k, builder)
    optimizer = k.optimizers.SGD(rate)
    loss = None
    for _ in range(steps):
        with tf.GradientTape() as tape:
            outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
            outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
            loss = tf.add_n([tf.reduce_mean(tf.square(y - t)) for y, t in zip(outputs, targets, strict=True)])
        variables = model.trainable_variables
        sources = [v.value if is_keras3(v) else v for v in variables]
        optimizer.apply_gradients(zip(tape.gradient(loss, sources), variables, strict=True))
    return {"json": model.to_json(), "weights": weights, "weights_after": model.get_weights(), "loss": float(loss)}
