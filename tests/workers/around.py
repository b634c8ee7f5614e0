"""What stands around a model in real Keras: the same expressions, evaluated there."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from .around_cases import CASES, CASES2, own_model


def plain(value: Any) -> Any:
    """Arrays for tensors, in nested lists; what Keras says of an error by its class."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not all(isinstance(item, (int, float)) for item in value):
        return [plain(item) for item in value]
    if isinstance(value, (str, bool, int, float)) or value is None:
        return value
    return np.asarray(value)


def run(k: ModuleType) -> dict[str, Any]:
    """All cases."""
    cases = CASES if k.__name__ == "keras" else CASES2
    found = {}
    for name, case in cases.items():
        try:
            found[name] = plain(case(k))
        except (ValueError, TypeError, IndexError) as error:
            found[name] = ("raises", type(error).__name__)
    return found


def save_registered(k: ModuleType, path: str, x: np.ndarray) -> np.ndarray:
    """Save a model with classes and a function of one's own; its output."""
    model = own_model(k)
    output = np.asarray(model(x))  # builds it
    model.save(path)
    k.saving.get_custom_objects().clear()
    return output


def load_registered(k: ModuleType, path: str, x: np.ndarray) -> np.ndarray:
    """The output of a saved one."""
    own_model(k)  # registers
    model = k.models.load_model(path)
    k.saving.get_custom_objects().clear()
    return np.asarray(model(x))


def computed(k: ModuleType) -> dict[str, Any]:
    """What the operations compute that no file holds."""
    import tensorflow as tf

    from .computed_cases import CASES, control, graphs

    calls = {name: lambda case=case, name=name: case(getattr(k.ops, name)) for name, case in CASES.items()}
    found: dict[str, Any] = {}
    for name, call in {**calls, **control(k), **graphs(k)}.items():
        try:
            found[name] = plain(call())
        except (ValueError, TypeError, AttributeError, RuntimeError, tf.errors.OpError) as error:
            found[name] = ("raises", f"{type(error).__name__}: {str(error)[:200]}")
    return found


def backend(k: ModuleType) -> dict[str, Any]:
    """Keras 2's K, and layers that are written with it, on padded data, in both phases; and K.function."""
    import tensorflow as tf

    from .backend_cases import CUBE, EXPRESSIONS, MASK, model, weights

    found: dict[str, Any] = {}
    k.backend.logsumexp = tf.reduce_logsumexp  # standalone Keras had it
    for name, case in EXPRESSIONS.items():
        try:
            found[name] = plain(case(k.backend, tf.convert_to_tensor))
        except (ValueError, TypeError, AttributeError, RuntimeError, tf.errors.OpError) as error:
            found[name] = ("raises", f"{type(error).__name__}: {str(error)[:200]}")
    for name in ("attention", "crf"):
        made = model(k, name)
        made.set_weights(weights(name))
        data = CUBE * MASK[..., None]
        found[name] = [np.asarray(made(data, training=phase)) for phase in (False, True)]
        found[f"{name} function"] = k.backend.function([made.input], [made.output])([data])
    return found


def public_names(k: ModuleType, namespaces: list[str]) -> tuple[dict[str, list[str]], str]:
    """The public names of some namespaces, and Keras's version."""
    modules = {name: k if name == "keras" else getattr(k, name) for name in namespaces}
    names = {name: [item for item in dir(module) if not item.startswith("_")] for name, module in modules.items()}
    return names, k.__version__
