"""References that are computed in this process: by a live model of Keras, or by a function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ..errors import ArgumentError
from ..models import Model
from .needs import specs_of
from .plain_arithmetic import plain_arithmetic
from .reading import from_said
from .recorded import Probe, Recording
from .recorder.probes import arrays, plan
from .recorder.recording import Recorder
from .recorder.storing import SCHEMA


def is_keras(reference: Any) -> bool:
    """Whether something is a live model of a Keras."""
    homes = {base.__module__.partition(".")[0] for base in type(reference).__mro__}
    return not isinstance(reference, Model) and bool(homes & {"keras", "tf_keras", "tensorflow"})


def _module_of(reference: Any) -> Any:
    """The Keras that a live model is of."""
    for base in type(reference).__mro__:
        top = base.__module__.partition(".")[0]
        if top in ("keras", "tf_keras") and top in sys.modules:
            return sys.modules[top]
    return sys.modules["tensorflow"].keras


def record_live(reference: Any, given: list[np.ndarray] | None, options: dict[str, Any]) -> Recording:
    """What a live model computes, in this process."""
    recorder = Recorder(reference, _module_of(reference), **options)
    with plain_arithmetic(), _without_tf32():
        recorded = recorder.record(given)
    said = {**recorded, "schema": SCHEMA, "kind": "kerastorch recording"}
    name = f"a live model, {getattr(reference, 'name', '')}"
    return from_said(name, said, set(recorder.store.arrays), recorder.store.arrays.__getitem__)


@contextmanager
def _without_tf32() -> Iterator[None]:
    """TensorFlow in this process, if it is there, computes float32 on a GPU without TF32."""
    tensorflow: Any = sys.modules.get("tensorflow")
    experimental = getattr(getattr(tensorflow, "config", None), "experimental", None)
    if experimental is None or not experimental.tensor_float_32_execution_enabled():
        yield
        return
    experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        experimental.enable_tensor_float_32_execution(True)


def copy_of(reference: Any, folder: Path) -> Model:
    """A model of ours from a live one, by way of a file."""
    from ..load import load_model

    three = str(_module_of(reference).__version__).startswith("3")
    path = folder / ("model.keras" if three else "model.h5")
    reference.save(str(path))
    return load_model(path)


def record_function(
    function: Callable[..., Any], model: nn.Module, given: list[np.ndarray] | None, seed: int
) -> Recording:
    """What a function computes on the probes for a model."""
    if given is None:
        if not isinstance(model, Model):
            raise ArgumentError("check_parity: a module of plain torch does not say what it takes; give inputs.")
        specs, length = specs_of(model)
        plans = [probe for probe in plan(specs, False, length, seed) if probe["weights"] == "own"]
        batches = [arrays(specs, probe) for probe in plans]
    else:
        specs, batches = [], [given]
        plans = [{"name": "given", "what": "the inputs that were given", "seed": seed}]
    held: dict[str, np.ndarray] = {}

    def keep(array: Any) -> str:
        held[f"a{len(held)}"] = np.asarray(array)
        return f"a{len(held) - 1}"

    probes = []
    for said, batch in zip(plans, batches, strict=True):
        with plain_arithmetic():
            made = function(batch if len(batch) > 1 else batch[0])
        flat = [made[key] for key in sorted(made)] if isinstance(made, dict) else made
        outputs = flat if isinstance(flat, (list, tuple)) else [flat]
        names = tuple(map(keep, batch)), tuple(map(keep, outputs))
        probes.append(Probe(said["name"], said["what"], said["seed"], "own", False, None, *names))
    writer = {"package": f"the function {getattr(function, '__name__', 'given')}", "version": ""}
    return Recording(
        "a function", writer, None, tuple(specs), False, (), (), True, seed, tuple(probes), held.__getitem__
    )
