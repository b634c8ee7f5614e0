"""Models of real Keras with classes and functions of somebody's own: saved to files, with their outputs."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .layers import random_weights, weight_names

TIME, WORDS, FEATURES = 5, 6, 3


def _classes(k: ModuleType) -> dict[str, Any]:
    """The classes, made for one framework. All compute with TensorFlow, which is under both."""
    import tensorflow as tf

    class Attention(k.layers.Layer):
        """Attention with context (Yang et al. 2016), as it is copied from project to project."""

        def __init__(self, units: int, activation: Any = "tanh", W_regularizer: Any = None, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = units
            self.activation = k.activations.get(activation)
            self.W_regularizer = k.regularizers.get(W_regularizer)
            self.supports_masking = True

        def build(self, input_shape: Any) -> None:
            features = input_shape[-1]
            self.W = self.add_weight(shape=(features, self.units), name="W", regularizer=self.W_regularizer)
            self.b = self.add_weight(shape=(self.units,), initializer="zeros", name="b")
            self.u = self.add_weight(shape=(self.units,), initializer="uniform", name="u")
            super().build(input_shape)

        def call(self, x: Any, mask: Any = None) -> Any:
            scores = tf.tensordot(self.activation(tf.tensordot(x, self.W, 1) + self.b), self.u, 1)
            if mask is not None:
                scores = tf.where(mask, scores, -1e9)
            return tf.reduce_sum(x * tf.nn.softmax(scores)[:, :, None], axis=1)

        def compute_output_shape(self, input_shape: Any) -> Any:
            return (input_shape[0], input_shape[-1])

        def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
            return None

        def get_config(self) -> dict[str, Any]:
            own = {
                "units": self.units,
                "activation": k.activations.serialize(self.activation),
                "W_regularizer": k.regularizers.serialize(self.W_regularizer),
            }
            return {**super().get_config(), **own}

    class Scale(k.layers.Layer):
        """Keeps the mask."""

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.supports_masking = True

        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
            self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")
            super().build(input_shape)

        def call(self, x: Any) -> Any:
            return x * self.scale + self.count

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

    class Pairing(k.layers.Layer):
        """Called with two tensors, one behind the other."""

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.inner = k.layers.Dense(4, name="inner")

        def call(self, query: Any, values: Any) -> Any:
            scores = tf.nn.softmax(tf.matmul(self.inner(query), values, transpose_b=True))
            return tf.matmul(scores, values)

        def compute_output_shape(self, query: Any, *rest: Any) -> Any:
            return (*query[:-1], 4)

    class Residual(k.layers.Layer):
        """Has a layer in its config."""

        def __init__(self, inner: Any, factors: Any = (1.0, 1.0), **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.inner = inner
            self.factors = tuple(factors)

        def build(self, input_shape: Any) -> None:
            self.inner.build(input_shape)
            super().build(input_shape)

        def call(self, x: Any) -> Any:
            return self.factors[0] * x + self.factors[1] * self.inner(x)

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

        def get_config(self) -> dict[str, Any]:
            own = {"inner": k.layers.serialize(self.inner), "factors": self.factors}
            return {**super().get_config(), **own}

    class Backwards(k.layers.LSTM):
        """An LSTM from the last step to the first, with its outputs in the order of time."""

        def __init__(self, units: int, gain: float = 1.0, **kwargs: Any) -> None:
            super().__init__(units, **kwargs)
            self.gain = gain

        def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: Any = None) -> Any:
            options = {"initial_state": initial_state, "mask": mask, "training": training}
            return tf.reverse(super().call(sequences, **options), [1]) * self.gain

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "gain": self.gain}

    class Minimal(k.layers.Layer):
        """A cell (MGU-like)."""

        def __init__(self, units: int, activation: Any = "tanh", **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = self.state_size = self.output_size = units
            self.activation = k.activations.get(activation)

        def build(self, input_shape: Any) -> None:
            if isinstance(input_shape, list):
                input_shape = input_shape[0]
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
            self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")
            super().build(input_shape)

        def call(self, x: Any, states: Any, constants: Any = None) -> Any:
            h = tf.matmul(x, self.kernel) + tf.matmul(states[0], self.recurrent_kernel)
            if constants is not None:
                h = h + constants[0]
            h = self.activation(h)
            return h, [h]

        def get_config(self) -> dict[str, Any]:
            own = {"units": self.units, "activation": k.activations.serialize(self.activation)}
            return {**super().get_config(), **own}

    class Chain(k.Model):
        """A functional model of a class of one's own."""

    class Reader(k.Model):
        """A model with a call of its own."""

        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = units
            self.reader = k.layers.LSTM(units)
            self.answer = k.layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.answer(self.reader(x))

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "units": self.units}

    made = (Attention, Scale, Pairing, Residual, Backwards, Minimal, Chain, Reader)
    return {cls.__name__: cls for cls in made}


def _functions() -> dict[str, Callable[..., Any]]:
    import tensorflow as tf

    def wave(x: Any) -> Any:
        return tf.sin(x) + 0.1 * x

    def halves(shape: Any, dtype: Any = None) -> Any:
        return tf.fill(shape, tf.cast(0.5, dtype or "float32"))

    def cube(w: Any) -> Any:
        return 0.01 * tf.reduce_sum(tf.abs(w) ** 3)

    def capped(w: Any) -> Any:
        return tf.minimum(w, 0.7)

    def shifted(x: Any, by: float = 0.0) -> Any:
        return x[:, 1:] + by

    return {function.__name__: function for function in (wave, halves, cube, capped, shifted)}


def _words(k: ModuleType) -> Any:
    return k.Input((TIME,), dtype="int32", name="words")


def attention(k: ModuleType, own: dict[str, Any]) -> Any:
    words = _words(k)
    x = k.layers.Embedding(WORDS, FEATURES, mask_zero=True)(words)
    x = k.layers.Bidirectional(k.layers.LSTM(3, return_sequences=True))(x)
    x = own["Attention"](4, activation="hard_sigmoid", W_regularizer=k.regularizers.L2(0.02), name="context")(x)
    return k.Model(words, k.layers.Dense(2)(x))


def keeps_mask(k: ModuleType, own: dict[str, Any]) -> Any:
    words = _words(k)
    x = own["Scale"](name="scale")(k.layers.Embedding(WORDS, FEATURES, mask_zero=True)(words))
    return k.Model(words, k.layers.GRU(3)(x))


def first_layer(k: ModuleType, own: dict[str, Any]) -> Any:
    return k.Sequential([k.Input((TIME, FEATURES)), own["Scale"](), k.layers.LSTM(2), own["Scale"]()])


def two_tensors(k: ModuleType, own: dict[str, Any]) -> Any:
    x, y = k.Input((TIME, FEATURES), name="x"), k.Input((7, 4), name="y")
    return k.Model([x, y], k.layers.LSTM(2)(own["Pairing"](name="pairing")(x, y)))


def layer_inside(k: ModuleType, own: dict[str, Any]) -> Any:
    x = k.Input((TIME, FEATURES))
    inner = k.layers.SimpleRNN(FEATURES, return_sequences=True, activation="hard_sigmoid", name="inner")
    return k.Model(x, own["Residual"](inner, (2.0, 0.5), name="residual")(x))


def subclass_of_lstm(k: ModuleType, own: dict[str, Any]) -> Any:
    x = k.Input((TIME, FEATURES))
    return k.Model(x, own["Backwards"](3, gain=2.0, recurrent_activation="hard_sigmoid", return_sequences=True)(x))


def own_cell(k: ModuleType, own: dict[str, Any]) -> Any:
    x = k.Input((TIME, FEATURES))
    sequence = k.layers.RNN(own["Minimal"](4, name="minimal"), return_sequences=True)(x)
    cells = [own["Minimal"](3, "hard_sigmoid"), k.layers.GRUCell(2), own["Minimal"](2)]
    return k.Model(x, [sequence, k.layers.RNN(cells)(sequence)])


def constants(k: ModuleType, own: dict[str, Any]) -> Any:
    x, c, h = k.Input((TIME, FEATURES), name="x"), k.Input((4,), name="c"), k.Input((4,), name="h")
    first = k.layers.RNN(own["Minimal"](4), return_sequences=True)(x, constants=c)
    second = k.layers.RNN(own["Minimal"](4))(first, initial_state=h, constants=c)
    return k.Model([x, c, h], second)


def functions(k: ModuleType, own: dict[str, Any]) -> Any:
    given = _functions()
    x = k.Input((TIME, FEATURES))
    options = {"kernel_initializer": given["halves"], "kernel_regularizer": given["cube"]}
    lstm = k.layers.LSTM(3, activation=given["wave"], return_sequences=True, bias_constraint=given["capped"], **options)
    both = k.layers.Bidirectional(lstm)(x)
    return k.Model(x, k.layers.Dense(2, activation=given["wave"])(k.layers.Activation(given["wave"])(both)))


def named_lambda(k: ModuleType, own: dict[str, Any]) -> Any:
    x = k.Input((TIME, FEATURES))
    shifted = k.layers.Lambda(
        _functions()["shifted"], arguments={"by": 0.25}, output_shape=(TIME - 1, FEATURES), name="shift"
    )(x)
    return k.Model(x, k.layers.LSTM(2)(shifted))


def lambdas(k: ModuleType, own: dict[str, Any]) -> Any:
    """Code, at the top and inside a nested model."""
    x = k.Input((TIME, FEATURES), name="x")
    y = k.Input((TIME, 4))
    last = k.layers.Lambda(lambda z: z[:, -1], output_shape=(4,), name="last")(y)
    inner = k.Model(y, k.layers.Dense(3)(last), name="inner")
    sequence = k.layers.LSTM(4, return_sequences=True)(x)
    both = k.layers.Lambda(lambda z: z[0] * z[1], output_shape=(3,), name="both")
    return k.Model(x, both([inner(sequence), k.layers.LSTM(3)(x)]))


def masked_lambda(k: ModuleType, own: dict[str, Any]) -> Any:
    """A Lambda loses the mask."""
    words = _words(k)
    x = k.layers.Embedding(WORDS, FEATURES, mask_zero=True)(words)
    return k.Model(
        words, k.layers.LSTM(2)(k.layers.Lambda(lambda z: z * 2.0, output_shape=(TIME, FEATURES), name="double")(x))
    )


def operations(k: ModuleType, own: dict[str, Any]) -> Any:
    """Functions of Keras 3 before and behind a Lambda."""
    x = k.Input((TIME, FEATURES))
    last = k.layers.Lambda(lambda z: z[:, -1], output_shape=(FEATURES,), name="last")(x * 0.5)
    return k.Model(x, k.layers.Dense(2)(k.ops.tanh(last)))


def own_model(k: ModuleType, own: dict[str, Any]) -> Any:
    x = k.Input((TIME, FEATURES))
    return own["Chain"](x, k.layers.Dense(2)(k.layers.LSTM(3)(x)), name="chain")


def whole_model(k: ModuleType, own: dict[str, Any]) -> Any:
    """A model that is no graph."""
    model = own["Reader"](4)
    model(np.zeros((1, TIME, FEATURES), "float32"))
    return model


def save(
    k: ModuleType, builder: str, path: str, inputs: list[np.ndarray], register: bool = False, weights_only: bool = False
) -> dict[str, Any]:
    """Save with random weights; the outputs for `inputs`, the sum of the penalties, and the config as JSON."""
    own = _classes(k)
    if register:
        own = {name: k.saving.register_keras_serializable("mine")(cls) for name, cls in own.items()}
    with k.saving.custom_object_scope(_functions()):  # a Bidirectional copies its layer by name
        model = globals()[builder](k, own)
    weights = random_weights(list(zip(weight_names(model.weights), model.get_weights(), strict=True)), 8)
    model.set_weights(weights)
    model.save_weights(path) if weights_only else model.save(path)
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    return {
        "outputs": [np.asarray(output) for output in outputs],
        "weights": weights,
        "penalty": float(sum(float(loss) for loss in model.losses)),
        "json": None if builder == "whole_model" else model.to_json(),
    }


def compute(k: ModuleType, expressions: list[str], inputs: list[Any]) -> list[np.ndarray]:
    """Expressions of the test itself, on TensorFlow."""
    import tensorflow as tf

    found = []
    for expression, given in zip(expressions, inputs, strict=True):
        x = [tf.constant(item) for item in given] if isinstance(given, list) else tf.constant(given)
        found.append(np.asarray(eval(expression, {"tf": tf, "x": x})))
    return found
