"""Keras on JAX: one compiled function for the call, one for the call and its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
from _rows import Arrays, Row

from contestants import _keras_like


def versions() -> dict[str, str]:
    return {"keras": keras.__version__, "jax": jax.__version__}


class Case(_keras_like.Compiled):
    def hold(self, arrays: Arrays) -> None:
        self.x, self.upstream = jnp.asarray(arrays.x), jnp.asarray(arrays.upstream)
        self.mask = None if arrays.mask is None else jnp.asarray(arrays.mask)
        self.trained = [[variable.value for variable in layer.trainable_variables] for layer in self.layers]
        self.others = [[variable.value for variable in layer.non_trainable_variables] for layer in self.layers]

    def compiled(self, training: bool) -> Callable[..., Any]:
        places = {id(layer): index for index, layer in enumerate(self.layers)}

        def run(trained: Any, others: Any, x: Any, mask: Any) -> Any:
            def call(layer: Any, x: Any, mask: Any, training: bool) -> Any:
                index = places[id(layer)]
                return layer.stateless_call(trained[index], others[index], x, mask=mask, training=training)[0]

            return _keras_like.chain(self.layers, self.row, mask, training, call)(x)

        def loss(x: Any, trained: Any, others: Any, mask: Any, upstream: Any) -> Any:
            output, states = run(trained, others, x, mask)
            return jnp.sum(output * upstream), (output, states)

        def step(*args: Any) -> Any:
            (_, result), (of_x, of_trained) = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(*args)
            return result, (of_x, [gradient for layer in of_trained for gradient in layer])

        if self.row.training:
            return jax.jit(step)
        return jax.jit(lambda x, trained, others, mask, upstream: (run(trained, others, x, mask), ()))

    def call(self) -> Any:
        return jax.block_until_ready(self.function(self.x, self.trained, self.others, self.mask, self.upstream))


def make(row: Row, arrays: Arrays) -> Case:
    return Case(row, arrays, keras.layers)
