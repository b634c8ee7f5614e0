"""Keras on TensorFlow: a graph function, or one that XLA compiles, as `BENCH_JIT` says."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

THREADS = int(os.environ["BENCH_THREADS"])
tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)

import keras  # noqa: E402 - it starts TensorFlow, which takes no number of threads after that
from _rows import Arrays, Row  # noqa: E402

from contestants import _keras_like  # noqa: E402


def versions() -> dict[str, str]:
    return {"keras": keras.__version__, "tensorflow": tf.__version__}


class Case(_keras_like.Compiled):
    def hold(self, arrays: Arrays) -> None:
        self.x, self.upstream = tf.constant(arrays.x), tf.constant(arrays.upstream)
        self.mask = None if arrays.mask is None else tf.constant(arrays.mask)
        self.trained = [variable.value for layer in self.layers for variable in layer.trainable_variables]

    def compiled(self, training: bool) -> Callable[..., Any]:
        def run(x: Any, mask: Any) -> Any:
            return _keras_like.chain(self.layers, self.row, mask, training)(x)

        def step(x: Any, mask: Any, upstream: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                result = run(x, mask)
            of_x, *of_trained = tape.gradient(result[0], [x, *self.trained], output_gradients=upstream)
            return result, (of_x, of_trained)

        function = step if self.row.training else lambda x, mask, upstream: (run(x, mask), ())
        return tf.function(function, jit_compile=bool(os.environ.get("BENCH_JIT")))

    def call(self) -> Any:
        return self.function(self.x, self.mask, self.upstream)


def make(row: Row, arrays: Arrays) -> Case:
    return Case(row, arrays, keras.layers)
