"""check_parity: a model beside its original."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from .. import optimizers
from ..arrays import check_counts
from ..errors import ArgumentError, quote
from ..paths import AnyPath, is_path
from .child import record
from .compare import compare
from .reading import read_recording
from .recorded import Recording
from .recorder.storing import hash_of_file
from .references import copy_of, is_keras, record_function, record_live
from .report import ParityReport
from .safety import load_checked

WHAT = ("outputs", "layers", "states", "gradients", "training")
STEPS = 5  # of a training


def check_parity(
    reference: Any,
    model: nn.Module | None = None,
    *,
    inputs: Sequence[Any] | Any = None,
    backend: str = "tensorflow",
    what: Sequence[str] = WHAT,
    steps: int = STEPS,
    optimizer: Any = None,
    loss: Any = None,
    seed: int = 0,
    python: AnyPath | None = None,
    keras: str = "auto",
    arch: AnyPath | None = None,
    custom: Sequence[AnyPath] = (),
    custom_objects: Mapping[str, Any] | None = None,
    reading: Mapping[str, Any] | None = None,
    trust: bool = False,
    timeout: float = 600.0,
    self_check: bool = True,
    progress: Callable[[str], None] | None = None,
) -> ParityReport:
    """Compare what a model computes with what its original in Keras computes, layer by layer.

    How far the numbers may lie apart is measured: by the same model in float64, and with weights and inputs moved by
    one unit in the last place. The verdict is a multiple of that.

    Args:
        reference: A model file of Keras, which Keras runs in a process of its own; a recording (a path or what
            `read_recording` gives); a live model of Keras 3 or tf-keras, which runs in this process; or a function that
            takes numpy arrays as `model.predict` does and returns the outputs.
        model: The model here, in any mode; a module of plain torch too, which is called with the inputs one after the
            other, and whose outputs alone are compared. Read from the file, or from the live model, if None.
        inputs: An array for each input, in the place of those that are made from the shapes.
        backend: Of Keras 3, in a process of its own: "tensorflow", "jax" or "torch".
        what: Some of "outputs" (which are always compared), "layers", "states" (of recurrent layers, where they are no
            outputs), "gradients" (of a loss, with respect to inputs and weights) and "training".
        steps: Of the training.
        optimizer: For the training, on both sides: a name or one of `kt.optimizers`. What the reference was compiled
            with if None, else a usual one; the report says which.
        loss: For the training, on both sides: a name, or a list of names for several outputs. Likewise.
        seed: Of the random inputs.
        python: The Python that has Keras; this one if None.
        keras: Which Keras: "auto", "keras", "tf_keras" or "tensorflow"; see `record`.
        arch: For a file of weights: a file with the model's `to_json()` text.
        custom: Python files that are run there; their classes and functions are the model's custom objects.
        custom_objects: The same for the model here, where it is read from the file: see `load_model`.
        reading: `limits`, `expected_sha256` and `isolate` for the model here, where it is read from the file: see
            `load_model`. Keras reads it as ever.
        trust: Whether Keras may run a file that names more than Keras's own layers.
        timeout: Seconds for the process of Keras.
        self_check: Whether faults are planted, where there is parity, to see that they would have been noticed.
        progress: Called with a line on what is being done, now and then.

    Returns:
        The report; `report.passed` is the verdict, `print(report)` shows all of it.

    Raises:
        RecordingError: Keras has not computed the reference: the message holds its last lines.
        UnsafeFileError: Keras would run code for this file, and it is not trusted.
        LoadError: The file cannot be read here.
        ArgumentError: The arguments do not fit together.
    """
    unknown = [item for item in what if item not in WHAT] if not isinstance(what, str) else [what]
    if unknown or not what:
        raise ArgumentError(f"check_parity: what: expected some of {WHAT}, got {quote(what)}.")
    check_counts("check_parity", steps=steps)
    given = _given(inputs)
    kinds = {kind: kind in what for kind in WHAT[1:]}
    options = {
        "seed": seed,
        "layers": kinds["layers"] or kinds["states"],
        "gradients": kinds["gradients"],
        "steps": steps if kinds["training"] else 0,
        "optimizer": stated_optimizer(optimizer),
        "loss": loss,
    }
    again = ""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kerastorch-parity-")))
        if is_path(reference) and not _is_recording(reference):
            # A model that is given need not be in the file in words that are known here.
            loaded = (
                load_checked(reference, arch, trust, custom_objects, reading) if model is None or not trust else model
            )
            there = {"backend": backend, "python": python, "keras": keras, "arch": arch, "custom": custom}
            recording = record(
                reference, folder / "recording.npz", inputs=given, trust=trust, timeout=timeout, progress=progress,
                **there, **options,
            )  # fmt: skip
            recording = replace(recording, path=os.fsdecode(reference))
            _same_file(recording, reference)
            if all(item is None for item in (model, given, optimizer, loss, custom_objects, reading)):
                again = _command(reference, there, seed, trust, what, steps)
            model = loaded if model is None else model
        elif is_path(reference) or isinstance(reference, Recording):
            recording = reference if isinstance(reference, Recording) else read_recording(reference)
            if given is not None:
                raise ArgumentError("check_parity: inputs: a recording has its own; leave them out.")
            if model is None:
                raise ArgumentError(
                    "check_parity: a recording holds no model; give the one to compare: "
                    "check_parity(recording, model), or kerastorch verify FILE --recording R.npz."
                )
        elif is_keras(reference):
            recording = record_live(reference, given, options)
            model = copy_of(reference, folder) if model is None else model
        elif callable(reference):
            if model is None:
                raise ArgumentError("check_parity: a function is no model; give the one to compare as the second.")
            recording = record_function(reference, model, given, seed)
        else:
            raise ArgumentError(
                "check_parity: reference: expected a file, a recording, a model of Keras or a function, got "
                f"{quote(type(reference).__name__)}."
            )
        if progress is not None:
            progress("comparing")
        chosen = {"optimizer": optimizer, "loss": loss}
        return compare(recording, model, **kinds, chosen=chosen, self_check=self_check, again=again)


def _command(
    file: AnyPath,
    there: dict[str, Any],
    seed: int,
    trust: bool,
    what: Sequence[str],
    steps: int,
) -> str:
    """The command that does the same comparison."""
    words = ["kerastorch", "verify", os.fsdecode(file), "--seed", str(seed)]
    if set(what) != set(WHAT):
        words += ["--what", ",".join(what)]
    if steps != STEPS:
        words += ["--steps", str(steps)]
    for key, usual in (("backend", "tensorflow"), ("python", None), ("keras", "auto"), ("arch", None)):
        if there[key] != usual:
            words += [f"--{key}", str(there[key])]
    for path in there["custom"]:
        words += ["--custom", os.fsdecode(path)]
    return shlex.join([*words, *(["--trust"] if trust else [])])


def stated_optimizer(optimizer: Any) -> dict[str, Any] | None:
    """The class and arguments of an optimizer as every Keras takes them: those that are not the usual ones."""
    if optimizer is None:
        return None
    made = optimizers.get(optimizer)
    if not isinstance(made, optimizers.Optimizer):
        raise ArgumentError(
            f"check_parity: optimizer: expected a name or one of kt.optimizers, got {quote(type(made).__name__)}."
        )
    stated = optimizers.serialize(made)
    usual = type(made)().get_config()
    config = {key: value for key, value in stated["config"].items() if key == "name" or value != usual.get(key)}
    return {"class_name": type(made).__name__, "config": {**config, "learning_rate": stated["config"]["learning_rate"]}}


def _given(inputs: Any) -> list[np.ndarray] | None:
    if inputs is None:
        return None
    items = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    return [np.asarray(item) for item in items]


def _is_recording(path: AnyPath) -> bool:
    return os.fsdecode(path).lower().endswith(".npz")


def _same_file(recording: Recording, path: AnyPath) -> None:
    if recording.source is None or recording.source["sha256"] != hash_of_file(os.fsdecode(path)):
        raise ArgumentError(f"{os.fsdecode(path)} has changed while it was compared; try again.")
