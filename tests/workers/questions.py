"""What people ask about LSTMs in Keras: the code of the questions, run with Keras or kerastorch as `k`.

Each returns arrays and numbers that do not depend on the initial weights, which are set, or a training from them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

RNG_SEED = 7


def refill(model: Any, scale: float = 0.4) -> None:
    """The same weights in every framework."""
    rng = np.random.default_rng(RNG_SEED)
    model.set_weights([(scale * rng.normal(size=w.shape)).astype("float32") for w in model.get_weights()])


def wave(rows: int, steps: int, features: int = 1) -> np.ndarray:
    at = np.arange(rows * steps * features).reshape(rows, steps, features)
    return np.sin(at / 5).astype("float32")


def trained(model: Any, x: Any, y: Any, epochs: int = 2, **options: Any) -> list[Any]:
    """The losses of a training from given weights, and what the model computes then."""
    refill(model)
    # Each batch as it comes, and updates that follow gradients, not their rounding.
    history = model.fit(x, y, epochs=epochs, shuffle=False, verbose=0, **options)
    losses = [float(value) for value in history.history["loss"]]
    return [losses, model.count_params(), model.predict(x, batch_size=options.get("batch_size"), verbose=0)]


def two_stacked(k: ModuleType) -> list[Any]:
    """Why has the second layer 160 parameters? (140 + 160 + 5)"""
    model = k.Sequential()
    model.add(k.layers.LSTM(5, input_shape=(20, 1), return_sequences=True))
    model.add(k.layers.LSTM(4))
    model.add(k.layers.Dense(1))
    model.compile(loss="mse", optimizer="sgd")
    counts = [layer.count_params() for layer in model.layers]
    return [counts, *trained(model, wave(10, 20), wave(10, 1)[:, :, 0], batch_size=5)]


def simple_binary(k: ModuleType) -> list[Any]:
    """A SimpleRNN that says yes or no."""
    model = k.Sequential([k.layers.SimpleRNN(6, input_shape=(5, 1)), k.layers.Dense(1, activation="sigmoid")])
    model.compile(loss="binary_crossentropy", optimizer="sgd", metrics=["accuracy"])
    x = wave(40, 5)
    return trained(model, x, (x.sum(axis=(1, 2)) > 0).astype("float32"), batch_size=20)


def repeat_vector_autoencoder(k: ModuleType) -> list[Any]:
    """An LSTM autoencoder by RepeatVector, with shuffle=False."""
    inputs = k.Input(shape=(6, 2))
    encoded = k.layers.LSTM(4)(inputs)
    decoded = k.layers.RepeatVector(6)(encoded)
    decoded = k.layers.LSTM(2, return_sequences=True)(decoded)
    model = k.Model(inputs, decoded)
    encoder = k.Model(inputs, encoded)
    model.compile(optimizer="sgd", loss="mse")
    x = wave(6, 6, 2)
    return [*trained(model, x, x, batch_size=3), encoder.predict(x, verbose=0)]


def encoder_decoder(k: ModuleType) -> list[Any]:
    """125 steps of 2 features to 50 steps of 2."""
    model = k.Sequential()
    model.add(k.layers.LSTM(5, input_shape=(125, 2)))
    model.add(k.layers.RepeatVector(50))
    model.add(k.layers.LSTM(4, return_sequences=True))
    model.add(k.layers.TimeDistributed(k.layers.Dense(2)))
    model.compile(loss="mae", optimizer="sgd")
    return trained(model, wave(2, 125, 2), wave(2, 50, 2), epochs=1, batch_size=2)


def stateful_by_hand(k: ModuleType) -> list[Any]:
    """States kept between batches, reset between epochs."""
    model = k.Sequential()
    model.add(k.Input(batch_shape=(2, 3, 1)))
    model.add(k.layers.LSTM(4, stateful=True))
    model.add(k.layers.Dense(1))
    model.compile(loss="mse", optimizer="sgd")
    refill(model)
    x, y, losses = wave(8, 3), wave(8, 1)[:, 0], []
    for _ in range(2):
        losses += model.fit(x, y, batch_size=2, epochs=1, shuffle=False, verbose=0).history["loss"]
        for layer in model.layers:
            if hasattr(layer, "reset_state"):
                layer.reset_state()
    once = model.predict(x[:2], batch_size=2, verbose=0)
    return [[float(value) for value in losses], once, model.predict(x[:2], batch_size=2, verbose=0)]


def outliers(k: ModuleType) -> list[Any]:
    """Forecasting from 22 steps of 10 features."""
    model = k.Sequential()
    model.add(k.layers.LSTM(6, activation="relu", return_sequences=True, input_shape=(22, 10)))
    model.add(k.layers.LSTM(4, activation="relu"))
    model.add(k.layers.Dense(10))
    model.compile(optimizer="sgd", loss="mse")
    return trained(model, wave(4, 22, 10), wave(4, 1, 10)[:, 0], batch_size=2)


def returned_states(k: ModuleType) -> list[Any]:
    """What do return_sequences and return_state give?"""
    inputs = k.Input(shape=(3, 1))
    every, hidden, cell = k.layers.LSTM(2, return_sequences=True, return_state=True)(inputs)
    model = k.Model(inputs=inputs, outputs=[every, hidden, cell])
    refill(model)
    found = model.predict(np.array([0.1, 0.2, 0.3]).reshape((1, 3, 1)), verbose=0)
    return [*found, [tuple(value.shape) for value in found]]


def parameters_of_layers(k: ModuleType) -> list[Any]:
    """How many parameters has an LSTM, a GRU, both ways?"""
    found = []
    for layer in (
        k.layers.LSTM(7),
        k.layers.GRU(7),
        k.layers.GRU(7, reset_after=False),
        k.layers.SimpleRNN(7),
        k.layers.Bidirectional(k.layers.LSTM(7)),
        k.layers.LSTM(7, use_bias=False),
        k.layers.ConvLSTM2D(3, 2),
    ):
        layer.build((None, 4, 5, 5, 2) if type(layer).__name__ == "ConvLSTM2D" else (None, 4, 3))
        found.append(layer.count_params())
    return found


def weights_in_parts(k: ModuleType) -> list[Any]:
    """Which part of the weights belongs to which gate?"""
    model = k.Sequential([k.Input((4, 3)), k.layers.LSTM(2)])
    refill(model)
    W, U, b = model.layers[-1].get_weights()
    units = 2
    gates = {name: W[:, at * units : (at + 1) * units] for at, name in enumerate("ifco")}
    bias_f = b[units : units * 2]
    return [W.shape, U.shape, b.shape, gates["f"], bias_f]


def variable_lengths(k: ModuleType) -> list[Any]:
    """Sequences of different lengths: padded and masked, or a batch for each length."""
    sequences = [[1, 2, 3], [4, 5], [6]]
    padded = k.utils.pad_sequences(sequences, padding="post")
    model = k.Sequential([k.layers.Embedding(7, 3, mask_zero=True), k.layers.LSTM(2), k.layers.Dense(1)])
    model.build((None, None))
    refill(model)
    together = model.predict(padded, verbose=0)
    return [padded, together, *[model.predict(np.array([row]), verbose=0) for row in sequences]]


def masking_of_zeros(k: ModuleType) -> list[Any]:
    """Masking in front of an LSTM."""
    model = k.Sequential()
    model.add(k.layers.Masking(mask_value=0.0, input_shape=(5, 2)))
    model.add(k.layers.LSTM(3))
    model.add(k.layers.Dense(1))
    model.compile(loss="mse", optimizer="sgd")
    x = wave(6, 5, 2)
    x[:3, 3:] = 0.0
    return trained(model, x, x[:, 0, :1], batch_size=3)


def many_to_many(k: ModuleType) -> list[Any]:
    """A class for each step, and weights for steps."""
    model = k.Sequential()
    model.add(k.layers.Embedding(6, 4))
    model.add(k.layers.Bidirectional(k.layers.LSTM(3, return_sequences=True)))
    model.add(k.layers.TimeDistributed(k.layers.Dense(4, activation="softmax")))
    model.build((None, 5))
    model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
    x = np.arange(40).reshape(8, 5) % 6
    weight = (np.arange(40).reshape(8, 5) % 3).astype("float32")
    return trained(model, x, x % 4, batch_size=4, sample_weight=weight)


def multivariate_windows(k: ModuleType) -> list[Any]:
    """Reshaped rows of a table: samples, time steps, features."""
    table = wave(1, 20, 3)[0]
    x = np.stack([table[at : at + 4] for at in range(16)])
    y = table[4:, 0]
    train_x = x.reshape((x.shape[0], x.shape[1], x.shape[2]))
    model = k.Sequential()
    model.add(k.layers.LSTM(5, input_shape=(train_x.shape[1], train_x.shape[2])))
    model.add(k.layers.Dense(1))
    model.compile(loss="mae", optimizer="sgd")
    return trained(model, train_x, y, batch_size=8, validation_split=0.25)


def cnn_lstm(k: ModuleType) -> list[Any]:
    """TimeDistributed convolutions in front of an LSTM."""
    model = k.Sequential()
    model.add(k.layers.TimeDistributed(k.layers.Conv1D(3, 1, activation="relu"), input_shape=(None, 4, 1)))
    model.add(k.layers.TimeDistributed(k.layers.MaxPooling1D(2)))
    model.add(k.layers.TimeDistributed(k.layers.Flatten()))
    model.add(k.layers.LSTM(4, activation="tanh"))
    model.add(k.layers.Dense(1))
    model.compile(optimizer="sgd", loss="mse")
    return trained(model, wave(6, 8).reshape(6, 2, 4, 1), wave(6, 1)[:, 0], batch_size=3)


def initial_states(k: ModuleType) -> list[Any]:
    """A decoder that starts from the states of an encoder."""
    encoder_inputs = k.Input(shape=(None, 2))
    _, state_h, state_c = k.layers.LSTM(3, return_state=True)(encoder_inputs)
    decoder_inputs = k.Input(shape=(None, 2))
    decoder = k.layers.LSTM(3, return_sequences=True, return_state=True)
    outputs, _, _ = decoder(decoder_inputs, initial_state=[state_h, state_c])
    model = k.Model([encoder_inputs, decoder_inputs], k.layers.Dense(2)(outputs))
    model.compile(optimizer="sgd", loss="mse")
    return trained(model, [wave(6, 4, 2), wave(6, 3, 2)], wave(6, 3, 2), batch_size=3)


def features_beside(k: ModuleType) -> list[Any]:
    """A sequence and numbers that do not change over time, in one model."""
    sequence, fixed = k.Input(shape=(5, 2)), k.Input(shape=(3,))
    merged = k.layers.concatenate([k.layers.LSTM(4)(sequence), k.layers.Dense(2, activation="relu")(fixed)])
    model = k.Model(inputs=[sequence, fixed], outputs=k.layers.Dense(1, activation="sigmoid")(merged))
    model.compile(loss="binary_crossentropy", optimizer="sgd")
    y = (np.arange(8) % 2).astype("float32")
    return trained(model, [wave(8, 5, 2), wave(8, 3)[:, :, 0]], y, batch_size=4, class_weight={0: 1.0, 1: 3.0})


def layer_by_layer(k: ModuleType) -> list[Any]:
    """What comes out of a layer in the middle?"""
    model = k.Sequential([k.Input((4, 2)), k.layers.GRU(3, return_sequences=True, name="first"), k.layers.LSTM(2)])
    refill(model)
    middle = k.Model(inputs=model.inputs, outputs=model.get_layer("first").output)
    return [middle.predict(wave(2, 4, 2), verbose=0), [layer.name for layer in model.layers][:1]]


def frozen_and_copied(k: ModuleType) -> list[Any]:
    """A model with another batch size gets the weights of the trained one."""

    def make(batch: int) -> Any:
        made = k.Sequential([k.Input(batch_shape=(batch, 3, 1)), k.layers.LSTM(3, stateful=True), k.layers.Dense(1)])
        made.compile(loss="mse", optimizer="sgd")
        return made

    model, single = make(3), make(1)
    refill(model)
    model.layers[0].trainable = False
    model.compile(loss="mse", optimizer="sgd")
    history = model.fit(wave(6, 3), wave(6, 1)[:, 0], batch_size=3, epochs=1, shuffle=False, verbose=0)
    single.set_weights(model.get_weights())
    counts = [len(model.trainable_weights), len(model.non_trainable_weights)]
    return [history.history["loss"][0], counts, single.predict(wave(1, 3), batch_size=1, verbose=0)]


def bidirectional_shapes(k: ModuleType) -> list[Any]:
    """How are the two directions joined?"""
    found: list[Any] = []
    for mode in ("concat", "sum", "mul", "ave"):
        model = k.Sequential([k.Input((4, 2)), k.layers.Bidirectional(k.layers.LSTM(3), merge_mode=mode)])
        refill(model)
        found.append(model.predict(wave(2, 4, 2), verbose=0))
    return found


def dropouts(k: ModuleType) -> list[Any]:
    """Does predict drop anything?"""
    model = k.Sequential([k.Input((4, 2)), k.layers.LSTM(3, dropout=0.5, recurrent_dropout=0.5), k.layers.Dropout(0.5)])
    refill(model)
    x = wave(2, 4, 2)
    return [model.predict(x, verbose=0), np.asarray(k.ops.convert_to_numpy(model(x, training=False)))]


QUESTIONS: dict[str, Callable[[ModuleType], list[Any]]] = {
    function.__name__: function
    for function in (
        *(two_stacked, simple_binary, repeat_vector_autoencoder, encoder_decoder, stateful_by_hand, outliers),
        *(returned_states, parameters_of_layers, weights_in_parts, variable_lengths, masking_of_zeros, many_to_many),
        *(multivariate_windows, cnn_lstm, initial_states, features_beside, layer_by_layer, frozen_and_copied),
        *(bidirectional_shapes, dropouts),
    )
}


def answer(k: ModuleType, name: str) -> list[Any]:
    """That of one question, of Keras in eager mode: tracing costs more than these small models."""
    if k.__name__ != "keras":
        return QUESTIONS[name](k)
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        return QUESTIONS[name](k)
    finally:
        tf.config.run_functions_eagerly(False)
