"""Layers and models of real Keras under a mixed dtype policy."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from workers.layers import flat, make_layer, random_weights, weight_names


def wide(tensor: Any) -> tuple[str, np.ndarray]:
    """The name of a tensor's dtype, and its values in float32: the other process has no bfloat16 for numpy."""
    import tensorflow as tf

    return tensor.dtype.name, np.asarray(tf.cast(tensor, "float32"))


def run_layer(
    k: ModuleType,
    class_name: str,
    config: Mapping[str, Any],
    inputs: list[np.ndarray],
    policy: str,
    mask: np.ndarray | None,
) -> dict[str, Any]:
    """Outputs, gradients and dtypes of a layer with random weights, called on float32 (or integer) inputs."""
    import tensorflow as tf

    layer = make_layer(k, class_name, config, policy)
    xs = [tf.constant(x) for x in inputs]
    x: Any = xs if len(xs) > 1 else xs[0]
    layer.build([tuple(x.shape) for x in xs] if len(xs) > 1 else tuple(x.shape))
    weights = random_weights(list(zip(weight_names(layer.weights), layer.get_weights(), strict=True)), 3)
    layer.set_weights(weights)
    rng = np.random.default_rng(5)
    with tf.GradientTape() as tape:
        outputs = flat(layer(x) if mask is None else layer(x, mask=tf.constant(mask)))
        upstream = [rng.normal(size=output.shape).astype("float32") for output in outputs]
        total = tf.add_n([tf.reduce_sum(tf.cast(y, "float32") * u) for y, u in zip(outputs, upstream, strict=True)])
    gradients = tape.gradient(total, [variable.value for variable in layer.trainable_variables])
    return {
        "weights": weights,
        "upstream": upstream,
        "outputs": [wide(output) for output in outputs],
        "gradients": [wide(tf.convert_to_tensor(gradient)) for gradient in gradients],
        "dtypes": (layer.variable_dtype, layer.compute_dtype),
    }


def run_model(k: ModuleType, policy: str, ids: np.ndarray, path: str) -> dict[str, Any]:
    """Save a recurrent model under the policy, with a float32 layer at its end; return its outputs."""
    layers = k.layers
    model = k.Sequential(
        [
            k.Input((None,), dtype="int64"),
            layers.Embedding(11, 4, mask_zero=True, dtype=policy),
            layers.Bidirectional(layers.LSTM(5, return_sequences=True, dtype=policy), dtype=policy),
            layers.LayerNormalization(dtype=policy),
            layers.GRU(4, dtype=policy),
            layers.Dropout(0.5, dtype=policy),
            layers.Dense(3, dtype=policy),
            layers.Activation("softmax", dtype="float32"),
        ]
    )
    named = list(zip(weight_names(model.weights), model.get_weights(), strict=True))
    model.set_weights(random_weights(named, 3))
    model.save(path)
    return {
        "output": wide(model(ids)),
        "dtypes": [(layer.variable_dtype, layer.compute_dtype) for layer in model.layers],
    }


def run_inputs(k: ModuleType, cases: list[tuple[str, str]], values: np.ndarray) -> list[list[tuple[str, np.ndarray]]]:
    """What models with an input of one dtype make of data of another: by themselves, inside a model, and added to."""
    import tensorflow as tf

    found = []
    for declared, given in cases:
        i, j = (k.Input(values.shape[1:], dtype=declared) for _ in range(2))
        inner = k.Model(i, [i + 1, i * 2])
        outer = k.Model(j, inner(j))
        wider = k.Input(values.shape[1:], dtype="float64")
        around = k.Model(wider, inner(wider))
        data = tf.cast(tf.constant(values), given)
        found.append([_exact(out) for model in (inner, outer, around) for out in model(data)])
    return found


def _exact(tensor: Any) -> tuple[str, np.ndarray]:
    import tensorflow as tf

    return tensor.dtype.name, np.asarray(tf.cast(tensor, "float64"))


def run_chains(k: ModuleType, given: list[str], values: np.ndarray) -> list[tuple[list[np.ndarray], str, np.ndarray]]:
    """A Sequential that states no input, on data of these dtypes: weights, the output's dtype, the output."""
    import tensorflow as tf

    found = []
    for name in given:
        model = k.Sequential([k.layers.Dense(2)])
        data = tf.cast(tf.constant(values), name)
        model(data)
        weights = random_weights(list(zip(weight_names(model.weights), model.get_weights(), strict=True)), 3)
        model.set_weights(weights)
        found.append((weights, *_exact(model(data))))
    return found


def policy_of(policies: Any, inner: bool) -> str | None:
    """The policy of a layer, or of those inside it; one name is that of all, None that nobody states one."""
    return policies[int(inner)] if isinstance(policies, (tuple, list)) else policies


def make(k: ModuleType, class_name: str, config: Mapping[str, Any], policies: Any, inner: bool = False) -> Any:
    """A layer with layers in its config made, too, each under its policy; cells are inside."""

    def made(value: Any) -> Any:
        if isinstance(value, Mapping) and "class_name" in value:
            return make(k, value["class_name"], value["config"], policies, True)
        return [made(item) for item in value] if isinstance(value, list) else value

    arguments = {key: made(value) for key, value in config.items()}
    return getattr(k.layers, class_name)(**arguments, dtype=policy_of(policies, inner))


def run_case(
    k: ModuleType,
    class_name: str,
    config: Mapping[str, Any],
    policies: Any,
    inputs: list[np.ndarray],
    dtype: str,
    several: bool = False,
    apart: bool = False,
) -> dict[str, Any]:
    """The outputs of a layer with random weights, called on inputs that are cast to `dtype` first, and their dtypes.

    Args:
        policies: The layer's policy, or a pair: its, and that of the layers inside it.
        dtype: Of the inputs as they are given to the layer.
        several: The layer takes a list.
        apart: The layer takes the inputs one after the other.
    """
    import tensorflow as tf

    try:
        layer = make(k, class_name, config, policies)
        xs = [tf.cast(tf.constant(x), dtype) for x in inputs]
        symbols = [k.Input(batch_shape=x.shape, dtype=dtype) for x in xs]
        symbolic = flat(layer(*symbols) if apart else layer(symbols if several else symbols[0]))
        named = list(zip(weight_names(layer.weights), layer.get_weights(), strict=True))
        weights = random_weights(named, 3)
        layer.set_weights(weights)
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
        outputs = flat(layer(*xs) if apart else layer(xs if several else xs[0]))
    except (TypeError, ValueError, tf.errors.OpError) as error:  # it is the result
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    return {
        "weights": [np.asarray(tf.cast(w, "float32")) if w.dtype.name == "bfloat16" else w for w in weights],
        "outputs": [wide(output) for output in outputs],
        "symbolic": [getattr(output.dtype, "name", output.dtype) for output in symbolic],
    }


def run_cases(k: ModuleType, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`run_case` for each set of arguments."""
    return [run_case(k, **case) for case in cases]


def beside(k: ModuleType) -> dict[str, Any]:
    """Models in which one layer states its dtype, and those before, behind and beside it do not."""
    lay = k.layers
    x = k.Input((4, 3))
    doubles = k.Input((4, 3), dtype="float64")
    half = lay.Dense(2, dtype="mixed_bfloat16")(x)
    cells = [lay.LSTMCell(2, dtype="float16"), lay.GRUCell(2)]
    return {
        "sequential": k.Sequential([k.Input((4, 3)), lay.Dense(2, dtype="mixed_bfloat16"), lay.Dense(2)]),
        "sequential without weights": k.Sequential(
            [k.Input((4, 3)), lay.Dense(2, dtype="float16"), lay.Activation("tanh"), lay.Flatten()]
        ),
        "before": k.Sequential([k.Input((4, 3)), lay.GRU(2, return_sequences=True), lay.Dense(2, dtype="float64")]),
        "functional": k.Model(x, [lay.LSTM(2)(half), lay.Bidirectional(lay.GRU(2))(half), lay.ReLU()(half)]),
        "joined": k.Model(x, lay.Concatenate()([half, lay.Dense(2)(x)])),
        "doubles": k.Model(doubles, [lay.Dense(2)(doubles), lay.Activation("tanh")(doubles)]),
        "cells": k.Model(x, lay.RNN(cells, return_state=True)(x)),
        "one of two": k.Model(
            x,
            lay.Bidirectional(lay.GRU(2), backward_layer=lay.GRU(2, dtype="float16", go_backwards=True))(x),
        ),
    }


def run_beside(k: ModuleType, x: np.ndarray) -> dict[str, Any]:
    """The weights of these models, and their outputs with the dtypes."""
    found = {}
    for name, model in beside(k).items():
        named = list(zip(weight_names(model.weights), model.get_weights(), strict=True))
        weights = random_weights(named, 3)
        model.set_weights(weights)
        given = x.astype("float64") if name == "doubles" else x
        found[name] = weights, [wide(output) for output in flat(model(given))]
    return found


WRAPPERS = ("dense", "tanh", "norm", "lstm in steps", "both", "sum", "apart")


def wrapper(k: ModuleType, form: str, policies: Any, **old: Any) -> Any:
    """A wrapper of one policy around a layer of another.

    Args:
        old: What kerastorch names of a wrapper of Keras 2.
    """
    lay, (outer, inside) = k.layers, policies
    if form in ("both", "sum", "apart"):
        cell = lay.GRU(2, return_sequences=True, return_state=form == "apart", dtype=inside)
        mode = {"both": "concat", "sum": "sum", "apart": None}[form]
        return lay.Bidirectional(cell, merge_mode=mode, dtype=outer, **old)
    layers = {
        "dense": lambda: lay.Dense(2, dtype=inside),
        "tanh": lambda: lay.Activation("tanh", dtype=inside),
        "norm": lambda: lay.LayerNormalization(dtype=inside),
        "lstm in steps": lambda: lay.SimpleRNN(2, dtype=inside),
    }
    return lay.TimeDistributed(layers[form](), dtype=outer, **old)


def write_wrappers(k: ModuleType, folder: str, pairs: list[Any], inputs: dict[str, np.ndarray]) -> dict[str, Any]:
    """Save a model of each wrapper under each pair of policies, in both containers; its outputs by name."""
    found = {}
    for form in WRAPPERS:
        for number, pair in enumerate(pairs):
            x = inputs["steps" if form == "lstm in steps" else "x"]
            symbol = k.Input(x.shape[1:])
            model = k.Model(symbol, wrapper(k, form, pair)(symbol))
            named = list(zip(weight_names(model.weights), model.get_weights(), strict=True))
            model.set_weights(random_weights(named, 3))
            name = f"{form.replace(' ', '_')}{number}"
            for ending in ("keras", "h5"):
                model.save(f"{folder}/{name}.{ending}")
            found[name] = form, pair, [wide(output) for output in flat(model(x))]
    return found


def open_each(k: ModuleType, paths: list[str], inputs: list[np.ndarray]) -> list[Any]:
    """The outputs of saved models."""
    models = [k.models.load_model(path) for path in paths]
    return [[wide(out) for out in flat(model(x))] for model, x in zip(models, inputs, strict=True)]
