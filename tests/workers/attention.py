"""Run one attention layer of real Keras, or another layer that takes its tensors one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from .layers import Description, differentiate, make_layer, numpy, random_weights, shapes, weight_names


def run_attention(
    k: ModuleType,
    class_name: str,
    config: Description,
    inputs: Sequence[np.ndarray],
    *,
    apart: bool,
    masks: Sequence[np.ndarray | None] = (),
    options: Mapping[str, Any] | None = None,
    dtype: str = "float32",
    seed: int = 3,
) -> dict[str, Any]:
    """Call the layer with random weights; return outputs, gradients, shapes, counts and the mask of the output.

    Args:
        apart: Whether the layer takes its tensors one by one, and not as a list.
        masks: One for each input, or None: they hang on the tensors, as an Embedding hangs them there.
        options: More arguments of the call; arrays become tensors.
    """
    import tensorflow as tf

    layer = make_layer(k, class_name, config, dtype)
    given = {key: tf.constant(x) if isinstance(x, np.ndarray) else x for key, x in (options or {}).items()}
    xs = [tf.constant(x) for x in inputs]

    def call() -> Any:
        for x, mask in zip(xs, masks, strict=False):  # a MultiHeadAttention of Keras 3 takes them off
            x._keras_mask = None if mask is None else tf.constant(mask)
        return layer(*xs, **given) if apart else layer(xs, **given)

    call()
    named = list(zip(weight_names(layer.weights), layer.get_weights(), strict=True))
    weights = random_weights(named, seed)
    layer.set_weights(weights)
    masks_out: list[Any] = []

    def run() -> Any:
        outputs = call()
        first = outputs[0] if isinstance(outputs, list | tuple) else outputs
        masks_out.append(getattr(first, "_keras_mask", None))
        return outputs

    result = differentiate(run, xs, layer.weights, seed + 1)
    free = [(None, *x.shape[1:]) for x in inputs]
    stated = layer.compute_output_shape(*free) if apart else layer.compute_output_shape(free)
    return {
        **result,
        "weights": weights,
        "weight_names": [name for name, _ in named],
        "grads_inputs": result["grads_sources"],
        "grads_weights": result["grads_variables"],
        "output_shape": shapes(stated),
        "params": layer.count_params(),
        "mask_out": [] if masks_out[-1] is None else [numpy(masks_out[-1])],
        "weights_after": layer.get_weights(),
    }
