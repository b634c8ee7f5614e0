"""Run cells and RNN layers of real Keras, cells written by hand among them, and report all that can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from .layers import differentiate, flat, numpy, random_weights, shapes, weight_names


def minimal_cell(k: ModuleType) -> Any:
    """The cell of Keras's documentation: one state, no `output_size`, no `get_initial_state`."""

    class MinimalCell(k.layers.Layer):
        def __init__(self, units: int, **options: Any) -> None:
            super().__init__(**options)
            self.units = units
            self.state_size = units

        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
            self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")
            self.built = True

        def call(self, x: Any, states: Any) -> Any:
            import tensorflow as tf

            output = tf.matmul(x, self.kernel) + tf.tanh(tf.matmul(states[0], self.recurrent_kernel))
            return output, [output]

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "units": self.units}

    return MinimalCell


def nested_cell(k: ModuleType) -> Any:
    """States in a nested structure that do not start at zero, and an output that is none of them."""

    class NestedCell(k.layers.Layer):
        def __init__(self, units: int, **options: Any) -> None:
            super().__init__(**options)
            self.units = units
            self.state_size = [units, [units, units + 1]]
            self.output_size = units + 1

        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
            self.recurrent_kernel = self.add_weight(shape=(self.units, self.units + 1), name="recurrent_kernel")
            self.built = True

        def call(self, x: Any, states: Any) -> Any:
            import tensorflow as tf

            a, (b, c) = states
            new_a = tf.tanh(tf.matmul(x, self.kernel) + b)
            new_c = 0.5 * c + tf.matmul(a, self.recurrent_kernel)
            return tf.tanh(new_c) + 0.25, [new_a, [a - 0.5 * b, new_c]]

        def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
            import tensorflow as tf

            dtype = dtype or self.compute_dtype
            a = tf.fill((batch_size, self.units), tf.constant(0.5, dtype))
            return [a, [a - 0.75, tf.fill((batch_size, self.units + 1), tf.constant(-0.25, dtype))]]

    return NestedCell


def constant_cell(k: ModuleType) -> Any:
    """A cell that takes constants (Keras 2 only)."""

    class ConstantCell(k.layers.Layer):
        def __init__(self, units: int, **options: Any) -> None:
            super().__init__(**options)
            self.units = units
            self.state_size = units

        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
            self.constant_kernel = self.add_weight(shape=(2, self.units), name="constant_kernel")
            self.built = True

        def call(self, x: Any, states: Any, constants: Any) -> Any:
            import tensorflow as tf

            first, second = constants
            output = tf.tanh(tf.matmul(x, self.kernel) + tf.matmul(first, self.constant_kernel) + second * states[0])
            return output, [output]

    return ConstantCell


OWN = {"MinimalCell": minimal_cell, "NestedCell": nested_cell, "ConstantCell": constant_cell}


def make(k: ModuleType, description: Any, dtype: str) -> Any:
    """The layer or cell of a `{"class_name", "config"}`, at any depth and in lists."""
    if isinstance(description, list):
        return [make(k, item, dtype) for item in description]
    if not isinstance(description, Mapping) or "class_name" not in description:
        return description
    arguments = {key: make(k, value, dtype) for key, value in description.get("config", {}).items()}
    name = description["class_name"]
    cls = OWN[name](k) if name in OWN else getattr(k.layers, name)
    return cls(**arguments, dtype=dtype)


def run(
    k: ModuleType,
    layer: Mapping[str, Any],
    x: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    states: Any = None,
    constants: Sequence[np.ndarray] = (),
    training: bool | None = None,
    masks: Sequence[Mapping[str, np.ndarray]] = (),
    pieces: Sequence[np.ndarray] = (),
    seed: int = 3,
) -> dict[str, Any]:
    """Run a layer over time, or one step of a cell, with random weights.

    Args:
        layer: Class name and config, those of the cells inside among them.
        x: The input.
        mask: Of the steps.
        states: Initial states, nested as Keras wants them.
        constants: Of a Keras 2 cell.
        training: As in the call.
        masks: The dropout masks that each cell shall use (Keras 3), in its own order of the gates.
        pieces: More inputs, for one call each behind the first.
        seed: Of weights and upstream gradients.
    """
    import tensorflow as tf

    made = make(k, layer, str(x.dtype))
    is_cell = not hasattr(made, "return_state") and not hasattr(made, "layer")
    inputs = tf.constant(x)
    given = nest(tf.constant, states)
    fixed = [tf.constant(constant) for constant in constants]
    options: dict[str, Any] = {} if mask is None else {"mask": tf.constant(mask)}
    if given is not None and not is_cell:
        options["initial_state"] = given
    if fixed:
        options["constants"] = fixed
    if training is not None:
        options["training"] = training

    def call(value: Any = inputs) -> Any:
        return made(value, given, **options) if is_cell else made(value, **options)

    # A call would leave its final states behind, and a reset would make zeros of a cell's own initial ones.
    made.build(x.shape) if getattr(made, "stateful", False) else call()
    named = list(zip(weight_names(made.weights), made.get_weights(), strict=True))
    weights = random_weights(named, seed)
    made.set_weights(weights)
    for cell, kept in zip(cells_of(made), masks, strict=False):
        cell._dropout_mask = frozen(kept["input"], cell)
        cell._recurrent_dropout_mask = frozen(kept["recurrent"], cell)
    sources = [inputs, *flat(given), *fixed]
    result = differentiate(call, sources, [weight for weight in made.weights if weight.trainable], seed + 1)
    grads = result.pop("grads_sources")
    count = len(flat(given))
    if not is_cell:
        free = (None, *x.shape[1:])
        result["output_shape"] = shapes(made.compute_output_shape(free))
        result["mask_out"] = [numpy(item) for item in flat(made.compute_mask(inputs, options.get("mask")))]
    return {
        **result,
        "weights": weights,
        "grads_weights": result.pop("grads_variables"),
        "grads_inputs": grads[:1],
        "grads_initial_state": grads[1 : 1 + count],
        "grads_constants": grads[1 + count :],
        "params": made.count_params(),
        "pieces": [[numpy(y) for y in flat(call(tf.constant(piece)))] for piece in pieces],
    }


def nest(function: Any, structure: Any) -> Any:
    if isinstance(structure, list | tuple):
        return [nest(function, item) for item in structure]
    return None if structure is None else function(structure)


def cells_of(layer: Any) -> list[Any]:
    """The gated cells in a layer, in order."""
    cell = getattr(layer, "cell", layer)
    return list(getattr(cell, "cells", [cell]))


def frozen(masks: np.ndarray, cell: Any) -> Any:
    """A dropout mask in the form in which a Keras 3 cell keeps it."""
    import tensorflow as tf

    tensors = [tf.constant(mask) for mask in masks]
    return tensors if getattr(cell, "dropout_mask_count", None) is not None else tensors[0]


def stacked(k: ModuleType) -> Any:
    """Stacks of cells, one cell, both directions, masks: everything in one Sequential."""
    lay = k.layers
    return k.Sequential(
        [
            k.Input((5, 4)),
            lay.Masking(),
            lay.RNN([lay.LSTMCell(3), lay.LSTMCell(4), lay.GRUCell(3, dropout=0.3)], return_sequences=True),
            lay.Bidirectional(lay.RNN(lay.GRUCell(2, reset_after=False), return_sequences=True)),
            lay.RNN(lay.SimpleRNNCell(3, activation="hard_sigmoid"), return_sequences=True, go_backwards=True),
            lay.RNN(lay.LSTMCell(3, recurrent_activation="hard_sigmoid", use_bias=False)),
        ]
    )


def states(k: ModuleType) -> Any:
    """The states of one stack start another."""
    lay = k.layers
    source, target = k.Input((5, 4)), k.Input((3, 2))
    _, *states = lay.RNN([lay.LSTMCell(3), lay.LSTMCell(2)], return_state=True)(source)
    out, h = lay.RNN(lay.GRUCell(3), return_sequences=True, return_state=True)(source)
    later = lay.RNN([lay.LSTMCell(3), lay.LSTMCell(2)], return_sequences=True)(target, initial_state=states)
    return k.Model([source, target], [later, out, h, *flat(states)])


def save(k: ModuleType, builder: str, path: str, inputs: list[np.ndarray], weights_only: bool = False) -> list[Any]:
    """Save a model with random weights; return its outputs."""
    model = globals()[builder](k)
    named = list(zip(weight_names(model.weights), model.get_weights(), strict=True))
    model.set_weights(random_weights(named, 5))
    model.save_weights(path) if weights_only else model.save(path)
    return [numpy(y) for y in flat(model(inputs if len(inputs) > 1 else inputs[0], training=False))]


def json_of(k: ModuleType, builder: str) -> str:
    return globals()[builder](k).to_json()


def constants_model(k: ModuleType) -> Any:
    """A cell with constants in a graph: by keyword, with states, masked, and behind the input."""
    lay = k.layers
    words, c, d, h = k.Input((5,), dtype="int32"), k.Input((2,)), k.Input((4,)), k.Input((4,))
    x = lay.Embedding(6, 4, mask_zero=True)(words)
    first = lay.RNN(constant_cell(k)(4), return_sequences=True)(x, initial_state=[h], constants=[c, d])
    second = lay.RNN(constant_cell(k)(4), go_backwards=True)(first, constants=[c, lay.Dense(4)(d)])
    return k.Model([words, c, d, h], [first, second])
