"""Run one layer of real Keras and report everything that can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

Description = Mapping[str, Any]


def make_layer(k: ModuleType, class_name: str, config: Description, dtype: str = "float32") -> Any:
    """Build the layer; a `{"class_name", "config"}` under `layer` or `backward_layer` becomes a layer too."""
    arguments = dict(config)
    for key in ("layer", "backward_layer"):
        if isinstance(arguments.get(key), Mapping):
            arguments[key] = make_layer(k, arguments[key]["class_name"], arguments[key]["config"], dtype)
    return getattr(k.layers, class_name)(**arguments, dtype=dtype)


def random_weights(named: Sequence[tuple[str, np.ndarray]], seed: int) -> list[np.ndarray]:
    """Distinct random values for every array: a swapped pair of anything shows."""
    rng = np.random.default_rng(seed)
    arrays = []
    for name, array in named:
        values = rng.normal(size=array.shape) * 0.3
        if "variance" in name:
            values = 0.5 + rng.random(array.shape)
        elif "gamma" in name:
            values = 1 + values
        arrays.append(values.astype(array.dtype))
    return arrays


def weight_names(weights: Sequence[Any]) -> list[str]:
    """The last part of each variable's name, which both frameworks agree on."""
    return [weight.name.split("/")[-1].split(":")[0] for weight in weights]


def flat(structure: Any) -> list[Any]:
    """The tensors in nested lists, tuples and dicts."""
    if isinstance(structure, Mapping):
        structure = list(structure.values())
    if isinstance(structure, list | tuple):
        return [leaf for part in structure for leaf in flat(part)]
    return [] if structure is None else [structure]


def numpy(tensor: Any) -> np.ndarray | None:
    """A tensor, a variable, a sparse gradient or None as a dense numpy array."""
    import tensorflow as tf

    return None if tensor is None else np.asarray(tf.convert_to_tensor(tensor))


def shapes(structure: Any) -> list[tuple[int | None, ...]]:
    """The shapes in what `compute_output_shape` returned, whatever its nesting."""
    if hasattr(structure, "as_list"):
        return [tuple(structure.as_list())]
    if all(part is None or isinstance(part, int) for part in structure):
        return [tuple(structure)]
    return [shape for part in structure for shape in shapes(part)]


def differentiate(function: Any, sources: Sequence[Any], variables: Sequence[Any], seed: int) -> dict[str, Any]:
    """Outputs of `function()`, random upstream gradients, and the gradients to `sources` and `variables`."""
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    with tf.GradientTape() as tape:
        for source in sources:
            tape.watch(source)
        outputs = flat(function())
        upstream = [rng.normal(size=output.shape).astype(output.dtype.name) for output in outputs]
        total = tf.add_n([tf.reduce_sum(tf.convert_to_tensor(y) * u) for y, u in zip(outputs, upstream, strict=True)])
    variables = [getattr(variable, "value", variable) if is_keras3(variable) else variable for variable in variables]
    gradients = tape.gradient(total, [*sources, *variables])
    return {
        "outputs": [numpy(output) for output in outputs],
        "upstream": upstream,
        "grads_sources": [numpy(g) for g in gradients[: len(sources)]],
        "grads_variables": [numpy(g) for g in gradients[len(sources) :]],
    }


def is_keras3(variable: Any) -> bool:
    """Whether the variable is Keras 3's own wrapper around a tensor of TensorFlow."""
    return type(variable).__module__.startswith("keras.")


def run_layer(
    k: ModuleType,
    class_name: str,
    config: Description,
    inputs: Sequence[np.ndarray],
    *,
    several: bool = False,
    mask: np.ndarray | Sequence[np.ndarray | None] | None = None,
    pass_mask: bool = True,
    initial_state: Sequence[np.ndarray] | None = None,
    training: bool = False,
    dtype: str = "float32",
    seed: int = 0,
    calls: int = 1,
) -> dict[str, Any]:
    """Call a layer that has random weights; return outputs, gradients, shapes, counts and masks.

    Args:
        several: The layer takes the list of all inputs (else the one input alone).
        mask: Given to the call if `pass_mask`, and to `compute_mask`.
        calls: How often to call; outputs and gradients are those of the last call.
    """
    import tensorflow as tf

    layer = make_layer(k, class_name, config, dtype)
    given = [tuple(array.shape) for array in inputs]
    xs = [tf.constant(x) for x in inputs]
    x = xs if several else xs[0]
    masks = [None if m is None else tf.constant(m) for m in mask] if several and mask is not None else mask
    if mask is not None and not several:
        masks = tf.constant(mask)
    arguments: dict[str, Any] = {}
    if masks is not None and pass_mask:
        arguments["mask"] = masks
    states = [tf.constant(state) for state in initial_state or ()]
    if states:
        arguments["initial_state"] = states
    layer.build(given if several else given[0])
    named = list(zip(weight_names(layer.weights), layer.get_weights(), strict=True))
    weights = random_weights(named, seed)
    layer.set_weights(weights)
    if hasattr(layer, "finalize_state"):  # Normalization computes with what this makes of its weights
        layer.finalize_state()

    sources = [x for x in xs if x.dtype.is_floating] + states
    trainable = [bool(weight.trainable) for weight in layer.weights]
    for _ in range(calls):
        result = differentiate(
            lambda: layer(x, training=training, **arguments) if takes_training(layer) else layer(x, **arguments),
            sources,
            [weight for weight in layer.weights if weight.trainable],
            seed + 1,
        )
    grads = iter(result.pop("grads_variables"))
    sources_grads = result.pop("grads_sources")
    free = [(None, *shape[1:]) for shape in given]
    new_mask = layer.compute_mask(x, masks)
    return {
        **result,
        "weights": weights,
        "weight_names": [name for name, _ in named],
        "weights_after": layer.get_weights(),
        "grads_weights": [next(grads) if is_trainable else None for is_trainable in trainable],
        "grads_inputs": sources_grads[: len(sources_grads) - len(states)],
        "grads_initial_state": sources_grads[len(sources_grads) - len(states) :],
        "output_shape": shapes(layer.compute_output_shape(free if several else free[0])),
        "params": layer.count_params(),
        "mask_out": [numpy(m) for m in flat(new_mask)],
    }


def takes_training(layer: Any) -> bool:
    """Whether the layer's call has a `training` argument."""
    import inspect

    return "training" in inspect.signature(layer.call).parameters


def run_many(k: ModuleType, cases: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`run_layer` for each set of arguments."""
    return [run_layer(k, **case) for case in cases]


def run_stateful(
    k: ModuleType,
    class_name: str,
    config: Description,
    xs: Sequence[np.ndarray],
    *,
    mask: np.ndarray | None = None,
    dtype: str = "float32",
    seed: int = 0,
) -> dict[str, Any]:
    """Call a stateful layer on each of `xs` in turn, then reset it and call it on the first one again."""
    import tensorflow as tf

    layer = make_layer(k, class_name, config, dtype)
    arguments = {} if mask is None else {"mask": tf.constant(mask)}
    reset = layer.reset_state if hasattr(layer, "reset_state") else layer.reset_states
    layer.build(xs[0].shape)
    weights = random_weights(list(zip(weight_names(layer.weights), layer.get_weights(), strict=True)), seed)
    layer.set_weights(weights)
    reset()
    outputs = [[numpy(y) for y in flat(layer(tf.constant(x), **arguments))] for x in xs]
    reset()
    outputs.append([numpy(y) for y in flat(layer(tf.constant(xs[0]), **arguments))])
    return {"weights": weights, "outputs": outputs}


def sgd_step(
    k: ModuleType,
    class_name: str,
    config: Description,
    x: np.ndarray,
    target: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    rate: float = 0.1,
    steps: int = 1,
    seed: int = 0,
) -> dict[str, Any]:
    """Train on the mean squared error with plain SGD; return the weights before and after."""
    import tensorflow as tf

    layer = make_layer(k, class_name, config, str(x.dtype))
    layer.build(x.shape)
    weights = random_weights(list(zip(weight_names(layer.weights), layer.get_weights(), strict=True)), seed)
    layer.set_weights(weights)
    optimizer = k.optimizers.SGD(rate)
    arguments = {} if mask is None else {"mask": tf.constant(mask)}
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(layer(tf.constant(x), training=True, **arguments) - target))
        variables = layer.trainable_variables
        sources = [v.value if is_keras3(v) else v for v in variables]
        optimizer.apply_gradients(zip(tape.gradient(loss, sources), variables, strict=True))
    return {"weights": weights, "weights_after": layer.get_weights(), "loss": float(loss)}


def dropout_sample(k: ModuleType, class_name: str, config: Description, x: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Outputs of a layer in training, for statistics over a large batch."""
    import tensorflow as tf

    k.utils.set_random_seed(seed)
    layer = make_layer(k, class_name, config, str(x.dtype))
    layer.build(x.shape)
    weights = random_weights(list(zip(weight_names(layer.weights), layer.get_weights(), strict=True)), seed)
    layer.set_weights(weights)
    return {"weights": weights, "outputs": [numpy(y) for y in flat(layer(tf.constant(x), training=True))]}


def fresh_weights(k: ModuleType, class_name: str, config: Description, shape: tuple[int | None, ...]) -> list[Any]:
    """The weights that a layer starts with."""
    layer = make_layer(k, class_name, config)
    layer.build(shape)
    return layer.get_weights()
