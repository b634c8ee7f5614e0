"""Recordings of model files, by the recorder's own script, many in one process."""

from __future__ import annotations

import os
import runpy
from types import ModuleType
from typing import Any

_PARTS: dict[str, dict[str, Any]] = {}


def record(k: ModuleType, script: str, path: str, out: str, **options: Any) -> str | None:
    """Record one file; None, or why Keras could not."""
    if script not in _PARTS:
        _PARTS[script] = runpy.run_path(script)
    parts = _PARTS[script]
    arch = options.pop("arch", None)
    try:
        if arch is None:
            model = k.models.load_model(path, compile=options.get("steps") != 0)  # as the script itself does
        else:
            with open(arch) as stream:
                model = k.models.model_from_json(stream.read())
            model.load_weights(path)
        recorder = parts["Recorder"](model, k, **options)
        said = recorder.record()
    except parts["Refused"] as error:
        return str(error)
    finally:
        k.backend.clear_session()
    said["source"] = {"name": os.path.basename(path), "sha256": parts["hash_of_file"](path)}
    recorder.store.write(out, said)
    return None
