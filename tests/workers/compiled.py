"""Compiled models in files: written by real Keras, and opened, trained and judged there."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from .layers import random_weights, weight_names


def _make(k: ModuleType, outputs: int) -> Any:
    x = k.Input((5, 3), name="x")
    hidden = k.layers.GRU(4, name="gru")(x)
    made = [k.layers.Dense(3, activation="softmax", name="kind")(hidden)]
    made += [k.layers.Dense(2, name="size")(hidden)] if outputs == 2 else []
    model = k.Model(x, made if outputs == 2 else made[0], name="net")
    named = list(zip(weight_names(model.weights), model.get_weights(), strict=True))
    model.set_weights(random_weights(named, 3))
    return model


def _object(k: ModuleType, value: Any) -> Any:
    """`("losses.Huber", {"delta": 2.0})` -> that object; in lists and dicts, too."""
    if isinstance(value, tuple):
        path, arguments = value
        found: Any = k
        for part in path.split("."):
            found = getattr(found, part)
        return found if arguments is None else found(**_object(k, arguments))
    if isinstance(value, dict):
        return {key: _object(k, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_object(k, item) for item in value]
    return value


def data(outputs: int) -> tuple[np.ndarray, Any]:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(8, 5, 3)).astype("float32")
    kinds = np.eye(3, dtype="float32")[rng.integers(0, 3, 8)]
    return x, [kinds, rng.random((8, 2)).astype("float32")] if outputs == 2 else kinds


def write(k: ModuleType, paths: Sequence[str], outputs: int, options: dict[str, Any]) -> None:
    """Write a compiled model that was never trained, once for each path."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # .h5 is old, says Keras 3
        for path in paths:  # Keras 3 loses the optimizer of a model that it writes as .h5
            model = _make(k, outputs)
            model.compile(**_object(k, options))
            model.save(path)


def opened(k: ModuleType, path: str, outputs: int, eagerly: bool = False) -> dict[str, Any]:
    """Open a file with how it was compiled; train a few steps. The results of each step, the weights, the optimizer.

    Args:
        k: Keras.
        path: The file.
        outputs: Of the model.
        eagerly: Without a graph, which takes longer to trace than three steps take.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimizer has no state in the file
        model = k.models.load_model(path)
        if not getattr(model, "compiled", getattr(model, "_is_compiled", False)):
            return {"compiled": False}
        return _trained(model, outputs, eagerly)


def _trained(model: Any, outputs: int, eagerly: bool) -> dict[str, Any]:
    model.run_eagerly = eagerly
    x, y = data(outputs)
    # The metrics of a step are those of the outputs before it.
    results = [model.train_on_batch(x, y, return_dict=True) for _ in range(3)]
    return {
        "compiled": True,
        "optimizer": type(model.optimizer).__name__,
        "settings": model.optimizer.get_config(),
        "results": [{key: float(np.asarray(value)) for key, value in result.items()} for result in results],
        "order": [weight.numpy() for weight in model.weights],
    }


def opens(k: ModuleType, path: str) -> bool:
    """Whether a file opens compiled; raises if it does not open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(k.models.load_model(path).compiled)


def arguments_of(k: ModuleType, module: str, name: str) -> list[str]:
    """The arguments of a class."""
    found: Any = k
    for part in f"{module}.{name}".split("."):
        found = getattr(found, part)
    return list(inspect.signature(found.__init__).parameters)


def predicted(k: ModuleType, path: str, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Open a file with all that it says, and predict."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = k.models.load_model(path)
    outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def lacking(k: ModuleType, rows: dict[str, dict[str, Sequence[str]]]) -> list[str]:
    """The classes of each module, and the arguments of them, that this Keras does not have."""
    found = []
    for module, classes in rows.items():
        for name, wanted in classes.items():
            try:
                known = arguments_of(k, module, name)
            except AttributeError:
                found.append(f"{module}.{name}")
                continue
            found += [f"{module}.{name}({key})" for key in wanted if key not in known and "kwargs" not in known]
    return found


def known_names(k: ModuleType, losses: Sequence[str], metrics: Sequence[str]) -> list[str]:
    """The names of losses and metrics that this Keras does not know."""
    found = []
    for module, names in ((k.losses, losses), (k.metrics, metrics)):
        for name in names:
            try:
                module.get(name)
            except (TypeError, ValueError) as error:
                if "missing" not in str(error):  # the class is there, and wants arguments
                    found.append(f"{module.__name__}: {name}")
    return found


def compiles(k: ModuleType, config: dict[str, Any], form: str, outputs: int, eagerly: bool = False) -> dict[str, Any]:
    """Compile a model by a config as a file of this form holds it; train as `opened` does."""
    model = _make(k, outputs)
    if form == "h5":
        from tf_keras.src.saving.legacy.saving_utils import compile_args_from_training_config

        model.compile(**compile_args_from_training_config(config))
    else:
        model.compile_from_config(config)
    return _trained(model, outputs, eagerly)
