"""Keras 2's backend functions and layers that are written with them: `k` is tf_keras or kerastorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_rng = np.random.default_rng(12)


def _floats(*shape: int) -> np.ndarray:
    return _rng.normal(size=shape).astype("float32")


X, Y, CUBE, ROW = _floats(3, 4), _floats(3, 4), _floats(3, 5, 4), _floats(4)
PARTS = np.abs(_floats(3, 7, 5)) + 0.05
PARTS = (PARTS / PARTS.sum(-1, keepdims=True)).astype("float32")
LABELS = np.array([[1, 2, 2], [3, 1, 0], [2, 0, 1]], "int32")
MASK = np.array([[1, 1, 0, 1, 1], [0, 0, 1, 1, 0], [1, 1, 1, 1, 1]], bool)
IDS = np.array([[1, 0], [2, 2]], "int32")
IMAGES = _floats(2, 3, 3, 2)
ONE_HOT = np.eye(4, dtype="float32")[[1, 3, 0]]
PROBABILITIES = (np.exp(X) / np.exp(X).sum(-1, keepdims=True)).astype("float32")

# Expressions with K, and t, which makes a tensor.
_PLAIN = (
    "abs argmax argmin cos cumprod cumsum elu exp hard_sigmoid l2_normalize ones_like relu round sigmoid sign sin "
    "softmax softplus softsign square tanh transpose zeros_like batch_flatten flatten"
)
_REDUCED = "all any max mean min prod std sum var"
EXPRESSIONS: dict[str, Callable[[Any, Any], Any]] = {
    **{
        name: lambda K, t, name=name: [
            getattr(K, name)(v(t), **o)
            for v in [(lambda t: t(X > 0)) if name in ("all", "any") else (lambda t: t(X))]
            for o in ({}, {"axis": 1}, {"axis": 0, "keepdims": True}, {"axis": [0, 1]})
        ]
        for name in _REDUCED.split()
    },
    **{
        name: lambda K, t, name=name: getattr(K, name)(t(X))
        for name in [
            "abs",
            "argmax",
            "argmin",
            "cos",
            "cumprod",
            "cumsum",
            "elu",
            "exp",
            "hard_sigmoid",
            "l2_normalize",
            "ones_like",
            "relu",
            "round",
            "sigmoid",
            "sign",
            "sin",
            "softmax",
            "softplus",
            "softsign",
            "square",
            "tanh",
            "transpose",
            "zeros_like",
            "batch_flatten",
            "flatten",
        ]
    },
    **{
        name: lambda K, t, name=name: getattr(K, name)(t(X), t(Y))
        for name in ["equal", "greater", "greater_equal", "less", "less_equal", "maximum", "minimum", "not_equal"]
    },
    "axes": lambda K, t: [
        K.argmax(t(X), axis=0),
        K.cumsum(t(X), axis=1),
        K.softmax(t(X), axis=0),
        K.l2_normalize(t(CUBE), axis=1),
        K.elu(t(X), 0.3),
    ],
    "relu": lambda K, t: [K.relu(t(X), alpha=0.2), K.relu(t(X), max_value=0.5), K.relu(t(X), threshold=0.3)],
    "logs": lambda K, t: [K.log(t(np.abs(X))), K.sqrt(t(np.abs(X))), K.pow(t(X), 2), K.clip(t(X), -0.5, 0.5)],
    "making": lambda K, t: [
        K.zeros((2, 3)),
        K.ones((2,)),
        K.eye(3),
        K.arange(2, 8, 2),
        K.constant(2.5, shape=(2, 2)),
        K.constant(X),
    ],
    "shapes": lambda K, t: [K.int_shape(t(CUBE)), K.ndim(t(CUBE)), K.dtype(t(X)), K.count_params(t(CUBE))],
    "parts": lambda K, t: [
        K.concatenate([t(X), t(Y)]),
        K.concatenate([t(X), t(Y)], axis=0),
        K.stack([t(X), t(Y)], axis=1),
        K.expand_dims(t(X)),
        K.squeeze(t(X[:, :1]), 1),
        K.permute_dimensions(t(CUBE), (2, 0, 1)),
        K.reverse(t(CUBE), 1),
        K.reverse(t(CUBE), [0, 2]),
        K.gather(t(X), t(IDS)),
        K.one_hot(t(IDS), 4),
        K.repeat(t(X), 3),
        K.repeat_elements(t(CUBE), 2, 1),
        K.reshape(t(CUBE), (3, -1)),
        K.tile(t(X), (2, 1)),
        K.batch_flatten(t(CUBE)),
        K.cast(t(X), "int32"),
    ],
    "padding": lambda K, t: [
        K.temporal_padding(t(CUBE), (2, 1)),
        K.spatial_2d_padding(t(IMAGES), ((1, 0), (0, 2))),
        K.spatial_2d_padding(t(IMAGES), ((1, 0), (0, 2)), "channels_first"),
    ],
    "dot": lambda K, t: [K.dot(t(X), t(Y.T)), K.dot(t(CUBE), t(X.T)), K.dot(t(CUBE), t(_KERNELS))],
    "batch_dot": lambda K, t: [
        K.batch_dot(t(X), t(Y)),
        K.batch_dot(t(X), t(Y), axes=1),
        K.batch_dot(t(CUBE), t(X)),
        K.batch_dot(t(CUBE), t(X), axes=(2, 1)),
        K.batch_dot(t(CUBE), t(CUBE), axes=(1, 1)),
        K.batch_dot(t(CUBE), t(CUBE), axes=[2, 2]),
        K.batch_dot(t(CUBE), t(_FOUR), axes=(2, 2)),
        K.batch_dot(t(X), t(CUBE), axes=(1, 2)),
        K.batch_dot(t(_FOUR), t(CUBE), axes=(2, -1)),
    ],
    "bias_add": lambda K, t: [
        K.bias_add(t(CUBE), t(ROW)),
        K.bias_add(t(X), t(ROW)),
        K.bias_add(t(IMAGES), t(ROW[:2])),
        K.bias_add(t(IMAGES), t(ROW[:3]), data_format="channels_first"),
    ],
    "batch_normalization": lambda K, t: [
        K.batch_normalization(t(X), t(ROW), t(np.abs(ROW)), t(Y[0]), t(Y[1])),
        K.batch_normalization(t(X), t(ROW), t(np.abs(ROW)), None, None, epsilon=0.1),
    ],
    "losses": lambda K, t: [
        K.binary_crossentropy(t(np.round(PROBABILITIES)), t(PROBABILITIES)),
        K.binary_crossentropy(t(ONE_HOT), t(X), from_logits=True),
        K.categorical_crossentropy(t(ONE_HOT), t(PROBABILITIES)),
        K.categorical_crossentropy(t(ONE_HOT), t(X), from_logits=True),
        K.sparse_categorical_crossentropy(t(np.array([1, 3, 0])), t(PROBABILITIES)),
    ],
    "in_top_k": lambda K, t: [K.in_top_k(t(X), t(np.array([0, 3, 1])), k) for k in (1, 2)],
    "switch": lambda K, t: [
        K.switch(t(np.array(True)), t(X), t(Y)),
        K.switch(t(np.array(False)), lambda: t(X), lambda: t(Y)),
        K.switch(t(X > 0), t(X), t(Y)),
        K.switch(t(MASK), t(CUBE), t(-CUBE)),
    ],
    "phases": lambda K, t: (
        [K.in_train_phase(t(X), t(Y), training=p) for p in (0, 1, True, False)]
        + [K.in_test_phase(lambda: t(X), t(Y), training=1)]
    ),
    "folds": lambda K, t: [
        K.foldl(lambda a, x: 2 * a + x, t(X)),
        K.foldr(lambda a, x: 2 * a + x, t(X)),
        K.foldl(lambda a, x: 2 * a + x, t(X), t(ROW)),
        K.map_fn(lambda x: x * x, t(X)),
    ],
    "ctc_batch_cost": lambda K, t: K.ctc_batch_cost(
        t(LABELS), t(PARTS), t(np.array([[7], [5], [6]])), t(np.array([[3], [2], [3]]))
    ),
    "ctc_decode": lambda K, t: [
        *K.ctc_decode(t(PARTS), t(np.array([7, 4, 6])))[0],
        K.ctc_decode(t(PARTS), t(np.array([7, 4, 6])))[1],
    ],
    "ctc beams": lambda K, t: [
        *K.ctc_decode(t(PARTS), t(np.array([7, 4, 6])), greedy=False, beam_width=200, top_paths=2)[0],
        K.ctc_decode(t(PARTS), t(np.array([7, 4, 6])), greedy=False, beam_width=200, top_paths=2)[1],
    ],
    "rnn": lambda K, t: [
        part for options in _RNN for part in _flat(K.rnn(_step(K), t(CUBE), [t(X), t(Y)], **options(t)))
    ],
    "variables": lambda K, t: _variables(K),
    "settings": lambda K, t: [
        K.floatx(),
        K.epsilon(),
        K.image_data_format(),
        K.is_keras_tensor(t(X)),
        K.cast_to_floatx(np.arange(3)),
        K.is_sparse(t(X)),
    ],
}
_KERNELS, _FOUR = _floats(2, 4, 3), _floats(3, 2, 4, 2)
_RNN: list[Callable[[Any], dict[str, Any]]] = [
    lambda t: {},
    lambda t: {"go_backwards": True},
    lambda t: {"mask": t(MASK)},
    lambda t: {"mask": t(MASK), "zero_output_for_mask": True},
    lambda t: {"mask": t(MASK), "go_backwards": True, "unroll": True},
    lambda t: {"constants": [t(ROW)]},
]


def _step(K: Any) -> Any:
    def step(x: Any, states: Any) -> Any:
        new = K.tanh(x + 0.5 * states[0])
        total = states[1] + (new if len(states) == 2 else new * states[2])
        return new * total, [new, total]

    return step


def _flat(found: Any) -> list[Any]:
    last, outputs, states = found
    return [last, outputs, *states]


def _variables(K: Any) -> list[Any]:
    one, two = K.variable(X), K.variable(Y)
    K.set_value(one, 2 * X)
    K.batch_set_value([(two, 3 * Y)])
    K.update_add(one, np.ones_like(X))
    K.update_sub(two, Y)
    K.moving_average_update(two, X, 0.9)
    return [*K.batch_get_value([one, two]), K.get_value(one), K.eval(K.sum(one))]


def attention(k: Any) -> Any:
    """Attention over time as it was written ten years ago; `k` and its K are all that it knows."""
    K, layers = k.backend, k.layers

    class Attention(layers.Layer):
        def __init__(self, step_dim: int, bias: bool = True, **kwargs: Any) -> None:
            self.supports_masking = True
            self.init = k.initializers.get("glorot_uniform")
            self.bias, self.step_dim, self.features_dim = bias, step_dim, 0
            super().__init__(**kwargs)

        def build(self, input_shape: Any) -> None:
            assert len(input_shape) == 3
            self.W = self.add_weight(shape=(input_shape[-1],), initializer=self.init, name=f"{self.name}_W")
            self.features_dim = input_shape[-1]
            self.b = self.add_weight(shape=(input_shape[1],), initializer="zero", name=f"{self.name}_b")
            self.built = True

        def compute_mask(self, input: Any, input_mask: Any = None) -> Any:
            return None

        def call(self, x: Any, mask: Any = None) -> Any:
            features_dim, step_dim = self.features_dim, self.step_dim
            eij = K.reshape(
                K.dot(K.reshape(x, (-1, features_dim)), K.reshape(self.W, (features_dim, 1))), (-1, step_dim)
            )
            eij = K.tanh(eij + self.b)
            a = K.exp(eij)
            if mask is not None:
                a *= K.cast(mask, K.floatx())
            a /= K.cast(K.sum(a, axis=1, keepdims=True) + K.epsilon(), K.floatx())
            return K.sum(x * K.expand_dims(a), axis=1)

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape[0], self.features_dim

    return Attention(5)


def crf(k: Any) -> Any:
    """The forward part of a linear chain: scores of paths by K.rnn, the best path or the sums by the phase."""
    K, layers = k.backend, k.layers

    class Chain(layers.Layer):
        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units, self.supports_masking = units, True

        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight(name="k", shape=(input_shape[-1], self.units), initializer="glorot_uniform")
            self.chain = self.add_weight(name="c", shape=(self.units, self.units), initializer="glorot_uniform")
            super().build(input_shape)

        def call(self, x: Any, mask: Any = None) -> Any:
            energy = K.dot(x, self.kernel)

            def sums(step: Any, states: Any) -> Any:
                scores = K.expand_dims(states[0], 2) + K.expand_dims(self.chain, 0)
                new = K.logsumexp(scores, axis=1) + step
                return new, [new]

            def best(step: Any, states: Any) -> Any:
                new = K.max(K.expand_dims(states[0], 2) + K.expand_dims(self.chain, 0), axis=1) + step
                return new, [new]

            start = K.zeros_like(energy[:, 0, :])
            return K.in_train_phase(
                lambda: K.rnn(sums, energy, [start], mask=mask, unroll=True)[1],
                lambda: K.rnn(best, energy, [start], mask=mask, unroll=True)[1],
            )

        def compute_output_shape(self, input_shape: Any) -> Any:
            return (*input_shape[:2], self.units)

    return Chain(3)


def model(k: Any, name: str) -> Any:
    layers = k.layers
    x = k.Input((5, 4))
    made = {"attention": attention, "crf": crf}[name](k)
    return k.Model(x, made(layers.Masking(0.0)(x)))


def weights(name: str) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    shapes = {"attention": [(4,), (5,)], "crf": [(4, 3), (3, 3)]}[name]
    return [rng.normal(size=shape).astype("float32") for shape in shapes]
