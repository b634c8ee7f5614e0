"""What training adds to a forward pass in real Keras: penalties, constraints, and dropout by given masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from .layers import Description, differentiate, make_layer, random_weights, weight_names


def _with_random_weights(layer: Any, seed: int) -> list[np.ndarray]:
    weights = random_weights(list(zip(weight_names(layer.weights), layer.get_weights(), strict=True)), seed)
    layer.set_weights(weights)
    return weights


def penalties(
    k: ModuleType, class_name: str, config: Description, x: np.ndarray, *, frozen: bool = False
) -> dict[str, Any]:
    """Call a layer twice; return its `losses` then, and the `activity_regularizer` of its config."""
    import tensorflow as tf

    layer = make_layer(k, class_name, config)
    layer.build(x.shape)
    weights = _with_random_weights(layer, 5)
    layer.trainable = not frozen
    for _ in range(2):  # the second pass replaces the penalties of the first
        layer(tf.constant(x))
    return {
        "weights": weights,
        "losses": [float(loss) for loss in layer.losses],
        "config": layer.get_config().get("activity_regularizer"),
    }


def model_penalties(k: ModuleType, x: np.ndarray) -> dict[str, Any]:
    """A model that calls one penalised layer twice, beside a nested one; then the shared layer alone."""
    import tensorflow as tf

    lay = k.layers
    source = k.Input(x.shape[1:])
    shared = lay.Dense(x.shape[-1], activation="tanh", activity_regularizer="l2", kernel_regularizer="l1", name="d")
    inner = k.Sequential([k.Input(x.shape[1:]), lay.GRU(3, activity_regularizer="l1")], name="inner")
    model = k.Model(source, inner(shared(shared(source))))
    weights = _with_random_weights(model, 6)
    model(tf.constant(x))
    first = [float(loss) for loss in model.losses]
    shared(tf.constant(x))
    return {
        "weights": weights,
        "json": model.to_json(),
        "losses": first,
        "after_shared_alone": [float(loss) for loss in model.losses],
        "shared": [float(loss) for loss in shared.losses],
    }


def train(
    k: ModuleType,
    stack: Sequence[tuple[str, Description]],
    x: np.ndarray,
    target: np.ndarray,
    *,
    steps: int = 1,
    rate: float = 0.1,
    eager: bool = True,
) -> dict[str, Any]:
    """Keras's own training step, `steps` times: mean squared error and all penalties, SGD, constraints."""
    made = [make_layer(k, name, config) for name, config in stack]
    model = k.Sequential([k.Input(x.shape[1:], dtype=x.dtype.name), *made])
    weights = _with_random_weights(model, 7)
    model.compile(optimizer=k.optimizers.SGD(rate), loss="mse", run_eagerly=eager)
    losses = []
    for _ in range(steps):
        model.reset_metrics()
        losses.append(float(np.asarray(model.train_on_batch(x, target)).reshape(-1)[0]))
    return {"weights": weights, "weights_after": model.get_weights(), "losses": losses}


Masks = Mapping[str, np.ndarray]  # "dropout" and "recurrent_dropout": (gates, batch, features)


def frozen_dropout(
    k: ModuleType,
    class_name: str,
    config: Description,
    x: np.ndarray,
    masks: Sequence[Masks],
    *,
    mask: np.ndarray | None = None,
) -> dict[str, Any]:
    """Train-mode outputs and gradients of a layer whose dropout masks are given: one set for each direction."""
    import tensorflow as tf

    layer = make_layer(k, class_name, config)
    layer.build(x.shape)
    weights = _with_random_weights(layer, 8)
    directions = [layer.forward_layer, layer.backward_layer] if class_name == "Bidirectional" else [layer]
    freeze = _freeze3 if k.__name__ == "keras" else _freeze2
    for direction, its_masks in zip(directions, masks, strict=True):
        freeze(direction, its_masks)
    source = tf.constant(x)
    arguments = {} if mask is None else {"mask": tf.constant(mask)}
    result = differentiate(lambda: layer(source, training=True, **arguments), [source], layer.trainable_weights, 9)
    return {**result, "weights": weights}


def _freeze3(layer: Any, masks: Masks) -> None:
    """Keras 3 draws masks where its cell has none yet."""
    import tensorflow as tf

    for name, arrays in masks.items():
        tensors = [tf.constant(array) for array in arrays]
        single = getattr(layer.cell, "dropout_mask_count", None) is None
        setattr(layer.cell, "_dropout_mask" if name == "dropout" else "_recurrent_dropout_mask",
                tensors[0] if single else tensors)  # fmt: skip


def _freeze2(layer: Any, masks: Masks) -> None:
    """tf-keras asks the cell for the masks of a step or, where it could use cuDNN, the layer for those of all steps."""
    import tensorflow as tf

    def give(name: str, at_all_steps: bool) -> Any:
        def masks_for_cell(inputs: Any, training: Any, count: int = 1) -> Any:
            if name not in masks:
                return None
            tensors = [tf.constant(array[:, None] if at_all_steps else array) for array in masks[name]]
            return tensors[0] if count == 1 else (tensors * count)[:count]

        return masks_for_cell

    for owner, at_all_steps in ((layer, True), (layer.cell, False)):
        owner.get_dropout_mask_for_cell = give("dropout", at_all_steps)
        owner.get_recurrent_dropout_mask_for_cell = give("recurrent_dropout", at_all_steps)
