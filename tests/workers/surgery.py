"""Well-known examples that take trained models apart: the same code runs in Keras and, with kerastorch as `k`, here.

A maker builds a model; the surgery of the same name works on it, or on the model read back from its file, and returns
arrays.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from .layers import flat, random_weights, weight_names

BATCH, TOKENS, LATENT, FEATURES, TIME = 3, 6, 5, 4, 7


def inputs(*shapes: tuple[int, ...], seed: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def ids(*shapes: tuple[int, ...], seed: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, TOKENS, size=shape).astype("int32") for shape in shapes]


def run(model: Any, x: Any) -> list[np.ndarray]:
    """The outputs of `predict`, flat."""
    return flat(model.predict(x, verbose=0))


# ---------------------------------------------------------------- keras.io: lstm_seq2seq


def make_seq2seq(k: ModuleType) -> Any:
    encoder_inputs = k.Input(shape=(None, TOKENS))
    encoder = k.layers.LSTM(LATENT, return_state=True)
    _, state_h, state_c = encoder(encoder_inputs)
    decoder_inputs = k.Input(shape=(None, TOKENS))
    decoder_lstm = k.layers.LSTM(LATENT, return_sequences=True, return_state=True)
    decoder_outputs, _, _ = decoder_lstm(decoder_inputs, initial_state=[state_h, state_c])
    decoder_dense = k.layers.Dense(TOKENS, activation="softmax")
    return k.Model([encoder_inputs, decoder_inputs], decoder_dense(decoder_outputs))


def seq2seq(k: ModuleType, model: Any) -> list[np.ndarray]:
    """The inference models of the example, from the reloaded training model; then greedy decoding."""
    encoder_inputs = model.input[0]
    _, state_h_enc, state_c_enc = model.layers[2].output
    encoder_model = k.Model(encoder_inputs, [state_h_enc, state_c_enc])
    decoder_inputs = model.input[1]
    decoder_states_inputs = [k.Input(shape=(LATENT,)), k.Input(shape=(LATENT,))]
    decoder_lstm = model.layers[3]
    decoder_outputs, state_h_dec, state_c_dec = decoder_lstm(decoder_inputs, initial_state=decoder_states_inputs)
    decoder_outputs = model.layers[4](decoder_outputs)
    decoder_model = k.Model([decoder_inputs, *decoder_states_inputs], [decoder_outputs, state_h_dec, state_c_dec])

    [source] = inputs((1, TIME, TOKENS))
    states = run(encoder_model, source)
    target = np.zeros((1, 1, TOKENS), "float32")
    target[0, 0, 0] = 1.0
    found = [*states]
    for _ in range(5):
        tokens, *states = run(decoder_model, [target, *states])
        found += [tokens, *states]
        target = np.eye(TOKENS, dtype="float32")[tokens[:, -1:].argmax(-1)]
    return found


# ---------------------------------------------------------------- word level, masks and a nested encoder


def make_words(k: ModuleType) -> Any:
    source = k.Input((None,), name="source", dtype="int32")
    target = k.Input((None,), name="target", dtype="int32")
    embedded = k.layers.Embedding(TOKENS, 4, mask_zero=True, name="source_embedding")(source)
    _, forth, back = k.layers.Bidirectional(k.layers.GRU(3, return_state=True), name="encoder")(embedded)
    state = k.layers.Concatenate(name="join")([forth, back])
    embedded = k.layers.Embedding(TOKENS, 4, mask_zero=True, name="target_embedding")(target)
    decoder = k.layers.GRU(6, return_sequences=True, return_state=True, name="decoder")
    decoded, _ = decoder(embedded, initial_state=state)
    return k.Model([source, target], k.layers.Dense(TOKENS, activation="softmax", name="head")(decoded))


def words(k: ModuleType, model: Any) -> list[np.ndarray]:
    """Named layers, masks that travel inside the pieces, one state."""
    encoder = k.Model(model.get_layer("source").output, model.get_layer("join").output)
    target, state = k.Input((None,), dtype="int32"), k.Input((6,))
    decoded, last = model.get_layer("decoder")(model.get_layer("target_embedding")(target), initial_state=state)
    decoder = k.Model([target, state], [model.get_layer("head")(decoded), last])
    source, given = ids((BATCH, TIME), (BATCH, 4))
    source[:, 5:] = 0
    given = np.maximum(given, 1)  # Keras 3 forgets the mask of a call with initial_state
    [start] = run(encoder, source)
    return [start, *run(decoder, [given, start]), *run(model, [source, given])]


# ---------------------------------------------------------------- keras.io: captcha_ocr


def make_ocr(k: ModuleType) -> Any:
    image, labels = k.Input((TIME, 3, FEATURES), name="image"), k.Input((TIME, TOKENS), name="label")
    x = k.layers.Reshape((TIME, 3 * FEATURES), name="reshape")(image)
    x = k.layers.Dense(8, activation="relu", name="dense1")(x)
    x = k.layers.Dropout(0.2, name="dropout")(x)
    x = k.layers.Bidirectional(k.layers.LSTM(5, return_sequences=True), name="bidi1")(x)
    x = k.layers.Bidirectional(k.layers.LSTM(4, return_sequences=True), name="bidi2")(x)
    x = k.layers.Dense(TOKENS, activation="softmax", name="dense2")(x)
    return k.Model([image, labels], k.layers.Dot(axes=(1, 1), name="ctc_loss")([labels, x]), name="ocr_model_v1")


def ocr(k: ModuleType, model: Any) -> list[np.ndarray]:
    """The prediction model: the training model without its loss layer and without the labels."""
    image, labels = model.inputs
    prediction = k.Model(model.input[0], model.get_layer(name="dense2").output)
    also = k.Model(image, model.get_layer(index=len(model.layers) - 2).output)
    data = inputs((BATCH, TIME, 3, FEATURES), (BATCH, TIME, TOKENS))
    assert tuple(labels.shape) == (None, TIME, TOKENS)
    names = [layer.name for layer in prediction.layers]
    assert names == ["image", "reshape", "dense1", "dropout", "bidi1", "bidi2", "dense2"], names
    return [*run(prediction, data[0]), *run(also, data[0]), *run(model, data)]


# ---------------------------------------------------------------- feature extraction


def make_stack(k: ModuleType) -> Any:
    layers = k.layers
    return k.Sequential(
        [
            k.Input((TIME, FEATURES)),
            layers.LSTM(5, return_sequences=True, name="first"),
            layers.BatchNormalization(name="norm"),
            layers.GRU(4, name="second"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(3, name="head"),
        ]
    )


def stack(k: ModuleType, model: Any) -> list[np.ndarray]:
    """Every layer's output; the part behind a layer; a new head; pop and add; a slice. Weights are shared."""
    [x] = inputs((BATCH, TIME, FEATURES))
    everything = k.Model(model.inputs, [layer.output for layer in model.layers])
    features = k.Model(model.inputs, model.get_layer("second").output)
    if k.__name__ == "keras":  # Keras 3.15 finds no way through a Sequential from the middle
        hidden = value = k.Input((TIME, 5))
        for layer in model.layers[1:]:
            value = layer(value)
        rest = k.Model(hidden, value)
    else:
        rest = k.Model(model.get_layer("first").output, model.get_layer("head").output)
    found = [*run(everything, x), *run(features, x), *run(rest, run(everything, x)[0])]
    assert rest.layers[-1] is model.layers[-1]
    assert len(rest.layers) == 5
    sliced = k.Sequential(model.layers[:-1])
    sliced.add(model.layers[-1])
    found += run(sliced, x)
    head = k.layers.Dense(2, name="new_head")
    tuned = k.Model(model.inputs, head(features.output))
    head.set_weights(inputs((4, 2), (2,), seed=8))
    found += run(tuned, x)
    popped = model.pop()
    assert popped is None or popped.name == "head"  # tf-keras returns nothing
    assert model.output_shape == (None, 4)
    found += run(k.Model(model.inputs, model.outputs), x)  # tf-keras goes on predicting with the popped layer
    model.add(k.layers.Dense(6, activation="tanh", name="other"))
    model.add(k.layers.Dense(2, name="last"))
    for layer, seed in zip(model.layers[-2:], (9, 10), strict=True):
        layer.set_weights(inputs(*[array.shape for array in layer.get_weights()], seed=seed))
    assert [layer.name for layer in model.layers] == ["first", "norm", "second", "drop", "other", "last"]
    assert model.output_shape == (None, 2)
    again = k.Model(model.inputs, model.outputs)
    return [*found, *run(again, x), *run(k.Model(model.inputs, model.layers[-2].output), x)]


def make_nested(k: ModuleType) -> Any:
    layers = k.layers
    a = k.Input((TIME, FEATURES), name="inner_in")
    hidden = layers.LSTM(5, return_sequences=True, name="deep")(a)
    inner = k.Model(a, layers.GRU(4, name="deeper")(hidden), name="inner")
    chain = k.Sequential([k.Input((4,)), layers.Dense(4, name="one"), layers.Dense(3, name="two")], name="chain")
    x, y = k.Input((TIME, FEATURES), name="x"), k.Input((TIME, FEATURES), name="y")
    joined = layers.Add(name="add")([inner(x), inner(y)])
    return k.Model([x, y], chain(joined))


def nested(k: ModuleType, model: Any) -> list[np.ndarray]:
    """The layers of models inside a model."""
    x, y = inputs((BATCH, TIME, FEATURES), (BATCH, TIME, FEATURES))
    inner, chain = model.get_layer("inner"), model.get_layer("chain")
    deep = k.Model(inner.input, inner.get_layer("deep").output)
    outside = k.Model(model.inputs, model.get_layer("add").output)
    one = k.Model(chain.inputs, chain.get_layer("one").output)
    tail = k.Model(model.get_layer("add").output, model.output)
    fresh = k.Input((TIME, FEATURES))
    again = k.Model(fresh, chain.layers[1](chain.layers[0](inner(fresh))))
    found = [*run(deep, x), *run(outside, [x, y]), *run(one, run(outside, [x, y])[0])]
    return [*found, *run(tail, run(outside, [x, y])[0]), *run(again, y), *run(model, [x, y])]


# ---------------------------------------------------------------- copies


def make_lines(k: ModuleType, batch: int = BATCH, time: int = TIME, stateful: bool = False) -> Any:
    layers = k.layers
    first = layers.LSTM(5, return_sequences=True, stateful=stateful, name="first")
    return k.Sequential(
        [
            k.Input(batch_shape=(batch, time, FEATURES)),
            first,
            layers.GRU(4, stateful=stateful, name="second"),
            layers.Dense(2, name="head"),
        ]
    )


def lines(k: ModuleType, model: Any) -> list[np.ndarray]:
    """A stateful copy with batch size 1 predicts step by step: built again, and by `clone_model`."""

    def stateful(layer: Any) -> Any:
        config = layer.get_config()
        if "stateful" in config:
            config["stateful"] = True
        config.pop("batch_input_shape", None)
        return layer.__class__.from_config(config)

    [x] = inputs((1, TIME, FEATURES))
    found = run(model, np.repeat(x, BATCH, axis=0))
    copies = [
        make_lines(k, 1, 1, stateful=True),
        k.models.clone_model(model, k.Input(batch_shape=(1, 1, FEATURES)), clone_function=stateful),
    ]
    for copy in copies:
        copy.set_weights(model.get_weights())
        for step in range(TIME):
            found += run(copy, x[:, step : step + 1])
        copy.reset_states() if hasattr(copy, "reset_states") else [
            layer.reset_state() for layer in copy.layers if hasattr(layer, "reset_state")
        ]
        found += run(copy, x[:, :1])
    return found


def make_shared(k: ModuleType) -> Any:
    x = k.Input((TIME, FEATURES), name="x")
    encoded = k.layers.LSTM(5, name="encoder")(x)
    return k.Model(x, k.layers.Dense(2, name="first_head")(encoded))


def shared(k: ModuleType, model: Any) -> list[np.ndarray]:
    """A second model on the encoder of the first: a change through one shows in the other; freezing; cloning."""
    [x] = inputs((BATCH, TIME, FEATURES))
    encoder = k.Model(model.input, model.get_layer("encoder").output)
    head = k.layers.Dense(3, name="second_head")
    other = k.Model(model.input, head(encoder.output))
    other.set_weights(inputs(*[array.shape for array in other.get_weights()], seed=6))
    found = [*run(encoder, x), *run(model, x), *run(other, x)]
    encoder.trainable = False
    counts = [len(part.trainable_weights) for part in (model, other, encoder)]
    frozen = [len(part.non_trainable_weights) for part in (model, other, encoder)]
    model.get_layer("encoder").trainable = True
    counts += [len(model.trainable_weights), len(model.weights), model.count_params()]
    clone = k.models.clone_model(other)
    assert [layer.name for layer in clone.layers] == [layer.name for layer in other.layers]
    assert clone.layers[1] is not other.layers[1]
    clone.set_weights([array + 0.1 for array in other.get_weights()])
    return [*found, *run(clone, x), *run(other, x), np.array([*counts, *frozen])]


MAKERS = {
    "seq2seq": make_seq2seq,
    "words": make_words,
    "ocr": make_ocr,
    "stack": make_stack,
    "nested": make_nested,
    "lines": make_lines,
    "shared": make_shared,
}


def operate(k: ModuleType, example: str, path: str, reads: bool = True, eagerly: bool = False) -> list[np.ndarray]:
    """Make the model with random weights, save it, read it back (if Keras can) and operate on that.

    Args:
        k: Keras.
        example: One of `MAKERS`.
        path: Of the file.
        reads: Whether Keras can read it.
        eagerly: Whether `predict` traces no graph of each model, which takes tf-keras longer than to run it.
    """
    import tensorflow as tf

    model = MAKERS[example](k)
    model.set_weights(random_weights(list(zip(weight_names(model.weights), model.get_weights(), strict=True)), 5))
    model.save(path)
    if reads:
        model = k.models.load_model(path, compile=False)
    tf.config.run_functions_eagerly(eagerly)
    try:
        return globals()[example](k, model)
    finally:
        tf.config.run_functions_eagerly(False)


def mask_with_states(k: ModuleType, **options: Any) -> list[np.ndarray]:
    """A layer that is called with states, on an input with a mask."""
    words, state = k.Input((TIME,), dtype="int32"), k.Input((4,))
    embedding, gru = k.layers.Embedding(TOKENS, 3, mask_zero=True), k.layers.GRU(4)
    model = k.Model([words, state], gru(embedding(words), initial_state=state, **options))
    model.set_weights(inputs(*[array.shape for array in model.get_weights()], seed=7))
    [given] = ids((BATCH, TIME))
    given[:, 4:] = 0
    return run(model, [given, *inputs((BATCH, 4))])
