"""Recordings of model files, by the recorder's own script, many in one process."""

from __future__ import annotations

import hashlib
import json
import os
import runpy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

_PARTS: dict[str, dict[str, Any]] = {}
_SAID: dict[str, tuple[Any, dict[str, Any]]] = {}  # what `_identity` gives -> the arrays, and what is said of them


def _identity(k: ModuleType, model: Any, options: dict[str, Any]) -> str:
    """A number for everything that a recording hangs on: the model, how it is compiled, its weights, the options."""
    compiled = model.get_compile_config() if getattr(model, "optimizer", None) is not None else None
    state = model.optimizer.variables if compiled else []
    arrays = [*model.get_weights(), *(state() if callable(state) else state)]
    names = [str(one.name) for one in (*model.weights, *model.inputs)]
    said = [k.__name__, model.to_json(), compiled, names, options]
    found = hashlib.sha256(json.dumps(said, default=str).encode())
    for array in map(np.asarray, arrays):
        found.update(f"{array.dtype} {array.shape} ".encode() + array.tobytes())
    return found.hexdigest()


@contextmanager
def _only(names: dict[str, Any], wanted: Sequence[str]) -> Iterator[None]:
    """The recorder makes some of its probes; all of them if none is named."""
    plan = names["plan"]
    names["plan"] = lambda *given: [probe for probe in plan(*given) if not wanted or probe["name"] in wanted]
    try:
        yield
    finally:
        names["plan"] = plan


def record(k: ModuleType, script: str, path: str, out: str, **options: Any) -> str | None:
    """Record one file; None, or why Keras could not. With `probes`, names, these alone are recorded.

    Two files of one model, .keras and .h5, are recorded once: the second has to be read as the very same model.
    """
    if script not in _PARTS:
        _PARTS[script] = runpy.run_path(script)
    parts = _PARTS[script]
    wanted = options.pop("probes", ())
    arch = options.pop("arch", None)
    k.backend.clear_session()  # the names that Keras makes up start anew for each file
    try:
        if arch is None:
            model = k.models.load_model(path, compile=options.get("steps") != 0)  # as the script itself does
        else:
            with open(arch) as stream:
                model = k.models.model_from_json(stream.read())
            model.load_weights(path)
        identity = _identity(k, model, {**options, "probes": wanted})
        if identity not in _SAID:
            recorder = parts["Recorder"](model, k, **options)
            with _only(parts["Recorder"].record.__globals__, wanted):
                _SAID[identity] = recorder.store, recorder.record()
        store, said = _SAID[identity]
    except parts["Refused"] as error:
        return str(error)
    finally:
        k.backend.clear_session()
    source = {"name": os.path.basename(path), "sha256": parts["hash_of_file"](path)}
    store.write(out, {**said, "source": source})
    return None


def compiled(k: ModuleType, path: str, optimizer: str, **settings: Any) -> None:
    """Save a small model that is compiled with an optimizer and has done no step."""
    model = k.Sequential([k.Input((6, 3)), k.layers.LSTM(4, name="lstm"), k.layers.Dense(2, name="dense")])
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 0.9, array.shape) for array in model.get_weights()])
    model.compile(getattr(k.optimizers, optimizer)(**settings), "mse")
    model.save(path)
