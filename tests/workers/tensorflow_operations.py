"""Functions of TensorFlow, which tf.keras takes into its graphs."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .keras_operations import MATRIX, VECTOR, Case, each, reduce


def cases() -> dict[str, Case]:
    """Name -> function of (tf_keras, x, y, ids): floats `(3, 5, 4)` twice, integers `(3, 5)`."""
    import tensorflow as tf

    unary = "math.abs math.negative math.square math.exp math.expm1 math.sin math.cos math.tan math.sinh math.cosh "
    unary += "math.tanh math.asinh math.atan math.sigmoid math.erf math.sign math.floor math.ceil math.round math.rint "
    unary += (
        "math.is_nan math.is_inf math.is_finite math.log_sigmoid math.real math.conj stop_gradient identity nn.relu "
    )
    unary += "nn.relu6 nn.selu nn.elu nn.softplus nn.softsign nn.silu nn.gelu nn.leaky_relu nn.softmax nn.log_softmax "
    unary += "zeros_like ones_like nn.l2_loss rank size math.reduce_sum math.reduce_mean math.reduce_max math.argmax "
    unary += "math.cumsum math.l2_normalize transpose norm"
    positive = "math.sqrt math.rsqrt math.log math.log1p math.reciprocal math.acosh"
    small = "math.asin math.acos math.atanh"
    binary = (
        "math.add math.subtract math.multiply math.divide math.truediv math.divide_no_nan math.floordiv math.floormod "
    )
    binary += "math.maximum math.minimum math.equal math.not_equal math.greater math.greater_equal math.less "
    binary += "math.less_equal math.atan2 math.squared_difference"

    def find(name: str) -> Any:
        found: Any = tf
        for part in name.split("."):
            found = getattr(found, part)
        return found

    reductions = "sum mean max min prod std variance logsumexp euclidean_norm"
    v1 = tf.compat.v1
    cases: dict[str, Case] = {
        **each(unary, find, lambda f, k, x, y, ids: f(x)),
        **each(positive, find, lambda f, k, x, y, ids: f(tf.abs(x) + 1.2)),
        **each(small, find, lambda f, k, x, y, ids: f(x / 4)),
        **each(binary, find, lambda f, k, x, y, ids: f(x, y)),
        **{
            f"reduce_{name}_{axis}_{keep}".replace(" ", ""): partial(reduce, find(f"math.reduce_{name}"), axis, keep)
            for name in reductions.split()
            for axis, keep in ((1, False), (-1, True), ([0, 2], False), (None, True))
        },
    }
    return cases | {
        "plus": lambda k, x, y, ids: [x + 1, 1 + x, x + y, x + VECTOR, VECTOR + x],
        "minus": lambda k, x, y, ids: [x - 1, 1 - x, x - y, tf.ones((5, 4)) - x],
        "times": lambda k, x, y, ids: [x * 2, 2 * x, x * y, x * VECTOR],
        "over": lambda k, x, y, ids: [x / 2, x // 0.7, x % 0.7, x / (tf.abs(y) + 1)],
        "powers": lambda k, x, y, ids: [x**2, 2**x, tf.pow(tf.abs(x), y)],
        "signs": lambda k, x, y, ids: [-x, abs(x)],
        "at": lambda k, x, y, ids: [x @ tf.transpose(y, (0, 2, 1)), x @ MATRIX],
        "comparisons": lambda k, x, y, ids: [x < y, x <= 0, x > y, x >= 0, tf.not_equal(ids, 2), tf.equal(ids, 2)],
        "logic": lambda k, x, y, ids: [
            (x < 0) & (y < 0),
            (x < 0) | (y < 0),
            (x < 0) ^ (y < 0),
            ~(x < 0),
            tf.logical_and(x < 0, y < 0),
        ],
        "integers": lambda k, x, y, ids: [
            ids + 1,
            ids * 2,
            ids // 2,
            ids % 3,
            -ids,
            ids * ids,
            ids * np.arange(5, dtype="int32"),
        ],
        "truth": lambda k, x, y, ids: [tf.reduce_any(x > 1, axis=1), tf.reduce_all(x > -9, axis=[1, 2], keepdims=True)],
        "items": lambda k, x, y, ids: [
            x[:, -1],
            x[:, 1:3],
            x[:, ::2],
            x[:, ::-1],
            x[:, tf.newaxis, 1:, 0],
            x[1],
            x[:, -3:, :2],
        ],
        "items_by_tensor": lambda k, x, y, ids: [x[:, ids[0, 0] % 5], x[:, : ids[0, 0]]],
        "sliced": lambda k, x, y, ids: [
            tf.slice(x, [0, 1, 0], [-1, 2, 3]),
            tf.strided_slice(x, [0, 1], [3, 5], [1, 2]),
        ],
        "cast": lambda k, x, y, ids: [
            tf.cast(ids > 2, tf.float32),
            tf.cast(ids, "float32"),
            tf.cast(x, tf.int32),
            tf.cast(x, "float64"),
        ],
        "saturate": lambda k, x, y, ids: tf.saturate_cast(x * 100, tf.uint8),
        "reshape": lambda k, x, y, ids: [tf.reshape(x, (-1, 20)), tf.reshape(x, [-1, 2, 2, 5])],
        "reshape_by_shape": lambda k, x, y, ids: [
            tf.reshape(x, (tf.shape(x)[0], 20)),
            tf.reshape(x, tf.shape(y)),
            tf.reshape(x, (tf.shape(x)[0] * tf.shape(x)[1], 4)),
            tf.reshape(x, tf.concat([tf.shape(x)[:1], [4, 5]], 0)),
        ],
        "made_by_shape": lambda k, x, y, ids: [
            tf.zeros((tf.shape(x)[0], 3)) + x[:, 0, :3],
            tf.fill((tf.shape(x)[0], 4), 2.5) * x[:, 0],
            tf.tile(x[:, :1], [1, tf.shape(y)[1], 1]),
            tf.broadcast_to(x[:, :1], tf.shape(y)),
            tf.cast(tf.shape(x)[1], tf.float32) * x,
            tf.range(tf.shape(x)[1]) * ids,
            tf.ones(tf.shape(x)) + x,
        ],
        "expand": lambda k, x, y, ids: [tf.expand_dims(x, 1), tf.expand_dims(x, -1), v1.expand_dims(x, dim=1)],
        "squeezed": lambda k, x, y, ids: [
            tf.squeeze(x[:, :1], 1),
            tf.squeeze(x[:, 1:2, :1], [1, 2]),
            tf.squeeze(x[:, :1]),
        ],
        "transposed": lambda k, x, y, ids: tf.transpose(x, perm=[0, 2, 1]),
        "concat": lambda k, x, y, ids: [tf.concat([x, y], -1), tf.concat([x, y[:, :2]], axis=1)],
        "stack": lambda k, x, y, ids: [tf.stack([x, y], 1), tf.stack([x, y, x], axis=-1)],
        "unstack": lambda k, x, y, ids: tf.unstack(x, axis=1),
        "split": lambda k, x, y, ids: tf.split(x, 2, axis=-1),
        "split_sizes": lambda k, x, y, ids: tf.split(x, [1, 3, 1], axis=1),
        "split_rest": lambda k, x, y, ids: tf.split(x, [1, -1, 1], 1),
        "repeat": lambda k, x, y, ids: [tf.repeat(x, 2, axis=1), tf.repeat(x, [1, 0, 2, 1, 1], axis=1)],
        "tile": lambda k, x, y, ids: tf.tile(x, [1, 2, 1]),
        "reverse": lambda k, x, y, ids: [tf.reverse(x, [1]), tf.reverse(x, axis=[1, 2])],
        "roll": lambda k, x, y, ids: [tf.roll(x, 1, 1), tf.roll(x, [1, -2], [1, 2])],
        "pad": lambda k, x, y, ids: [
            tf.pad(x, [[0, 0], [1, 2], [0, 0]]),
            tf.pad(x, [[0, 0], [2, 1], [1, 0]], "REFLECT"),
            tf.pad(x, [[0, 0], [2, 1], [0, 2]], mode="SYMMETRIC"),
            tf.pad(x, [[0, 0], [1, 0], [0, 0]], constant_values=7),
        ],
        "gather": lambda k, x, y, ids: [
            tf.gather(x, [0, 2], axis=1),
            tf.gather(x, ids[0] % 4, axis=2),
            tf.gather(x, ids % 5, axis=1, batch_dims=1),
            tf.gather(x, ids % 4, axis=2, batch_dims=1),
            tf.gather(x, [0, 2]),
        ],
        "lookup": lambda k, x, y, ids: tf.nn.embedding_lookup(MATRIX, ids % 4),
        "one_hot": lambda k, x, y, ids: [
            tf.one_hot(ids, 6),
            tf.one_hot(ids, depth=3, axis=1),
            tf.one_hot(ids, 6, on_value=2.0, off_value=-1.0),
            tf.one_hot(ids, 6, dtype="int32"),
        ],
        "sequence_mask": lambda k, x, y, ids: [
            tf.sequence_mask(ids[:, 0], 5),
            tf.sequence_mask(ids[:, 0], maxlen=6, dtype="float32"),
        ],
        "where": lambda k, x, y, ids: [tf.where(ids[..., tf.newaxis] > 2, x, 0.0), tf.where(x > 0, x, y)],
        "clip": lambda k, x, y, ids: [tf.clip_by_value(x, -0.5, 0.5), tf.clip_by_value(x, -tf.abs(y), 1.0)],
        "matmul": lambda k, x, y, ids: [
            tf.matmul(x, y, transpose_b=True),
            tf.matmul(x, y, transpose_a=True),
            tf.matmul(x, MATRIX),
            tf.linalg.matvec(x, y[:, 0]),
        ],
        "tensordot": lambda k, x, y, ids: [tf.tensordot(x, MATRIX, 1), tf.tensordot(x, MATRIX, axes=[[2], [0]])],
        "add_n": lambda k, x, y, ids: tf.add_n([x, y, x]),
        "bias_add": lambda k, x, y, ids: tf.nn.bias_add(x, VECTOR),
        "moments": lambda k, x, y, ids: tf.nn.moments(x, axes=[1]),
        "cumulated": lambda k, x, y, ids: [
            tf.cumsum(x, 1),
            tf.cumsum(x, axis=1, reverse=True),
            tf.cumsum(x, axis=-1, exclusive=True),
            tf.cumsum(x, axis=1, exclusive=True, reverse=True),
            tf.math.cumprod(x, axis=1),
        ],
        "top_k": lambda k, x, y, ids: tf.math.top_k(x, 2),
        "norms": lambda k, x, y, ids: [
            tf.norm(x, axis=-1),
            tf.norm(x, ord=1, axis=1, keepdims=True),
            tf.norm(x, axis=[1, 2]),
        ],
        "l2_normalized": lambda k, x, y, ids: [
            tf.math.l2_normalize(x, axis=-1),
            tf.math.l2_normalize(x, axis=[1, 2], epsilon=30.0),
        ],
        "arg": lambda k, x, y, ids: [tf.argmax(x, axis=-1), tf.argmin(x, axis=1)],
        "activations": lambda k, x, y, ids: [
            tf.nn.leaky_relu(x, 0.3),
            tf.nn.gelu(x, approximate=True),
            tf.nn.silu(x, 2.0),
            tf.nn.softmax(x, axis=1),
        ],
        "keras_activations": lambda k, x, y, ids: [
            k.activations.relu(x, max_value=1.0),
            k.activations.tanh(x),
            k.activations.softmax(x),
            k.activations.swish(x),
            k.activations.hard_sigmoid(x),
        ],
        "backend": lambda k, x, y, ids: [
            k.backend.sum(x, axis=1),
            k.backend.mean(x, axis=[1, 2]),
            k.backend.expand_dims(x, 1),
            k.backend.concatenate([x, y]),
            k.backend.permute_dimensions(x, (0, 2, 1)),
            k.backend.reverse(x, 1),
            k.backend.clip(x, 0.0, 1.0),
            k.backend.batch_dot(x, y, axes=[2, 2]),
            k.backend.square(x),
            k.backend.cast(ids, "float32"),
            k.backend.not_equal(ids, 0),
            k.backend.repeat_elements(x, 2, 1),
            k.backend.l2_normalize(x, -1),
            k.backend.std(x, 1),
            k.backend.max(x, -1),
            k.backend.softmax(x),
        ],
        "dropped_nothing": lambda k, x, y, ids: tf.nn.dropout(x, 0.0),
        "version_1": lambda k, x, y, ids: [
            v1.reduce_sum(x, reduction_indices=1, keep_dims=True),
            v1.concat([x, y], 2),
            v1.nn.softmax(x),
            v1.argmax(x, 1),
            v1.squeeze(x[:, :1], squeeze_dims=[1]),
        ],
    }
