"""The recorder in a process of its own: started, watched, ended whatever happens, and asked for its last lines."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, MissingKerasError, RecordingError, quote
from ..paths import AnyPath
from ..processes import end, ended, how_it_ended, last_lines, later_interrupts, lines_of
from .reading import read_recording
from .recorded import Recording
from .recorder import script
from .recorder.memory import says_full

BACKENDS = ("tensorflow", "jax", "torch")
KERAS = ("auto", "keras", "tf_keras", "tensorflow")
_LINES = 12  # of a process that failed
_SAID = "recorder: "
_ERROR = f"{_SAID}error: "
_NO_KERAS, _UNREADABLE, _NO_MEMORY = 4, 5, 6  # as in recorder/main.py, which is never imported


def record(
    file: AnyPath,
    recording: AnyPath,
    *,
    python: AnyPath | None = None,
    keras: str = "auto",
    backend: str = "tensorflow",
    arch: AnyPath | None = None,
    custom: Sequence[AnyPath] = (),
    inputs: Sequence[np.ndarray] | None = None,
    layers: bool = True,
    gradients: bool = True,
    steps: int = 5,
    optimizer: dict[str, Any] | None = None,
    loss: Any = None,
    seed: int = 0,
    max_mb: int = 256,
    trust: bool = False,
    timeout: float = 600.0,
    progress: Callable[[str], None] | None = None,
) -> Recording:
    """Let Keras run a model file on probes, in a process of its own, and write down what it computes.

    The file is not looked at here; Keras runs what it says. `check_parity` and `kerastorch record` look first.

    Args:
        file: A model file of any Keras that the other Python can read.
        recording: Where to write, an .npz file.
        python: The Python that has Keras; this one if None.
        keras: Which Keras: "auto" (that of the file's era, else the one that is there), "keras", "tf_keras", or
            "tensorflow" for `tensorflow.keras`.
        backend: Of Keras 3: "tensorflow", "jax" or "torch".
        arch: For a file of weights: a file with the model's `to_json()` text.
        custom: Python files that are run there; their classes and functions are the model's custom objects.
        inputs: Arrays for the inputs of the model, in order, in the place of probes.
        layers: Whether each layer is recorded, or the outputs alone.
        gradients: Whether gradients are recorded.
        steps: Of a training that is recorded; 0 for none.
        optimizer: For the training, its `class_name` and `config`, in the place of what the file was compiled with.
        loss: For the training, a name or a list of them, likewise.
        seed: Of the random inputs.
        max_mb: Megabytes of arrays that are kept; layers beyond them are left out.
        trust: Whether Keras may run code that stands in the file (Lambda layers).
        timeout: Seconds for all of it.
        progress: Called with a line on what is being done, now and then.

    Returns:
        What was recorded.

    Raises:
        MissingKerasError: There is no Keras, or none with that backend.
        RecordingError: It does not open or run the model, it died, the memory was full, or it took longer than
            `timeout`.
        ArgumentError: There is no such Python, or an argument has a value that it cannot take.
    """
    for name, value, known in (("keras", keras, KERAS), ("backend", backend, BACKENDS)):
        if value not in known:
            raise ArgumentError(f"record: {name}: expected one of {', '.join(known)}, got {quote(value)}.")
    if timeout <= 0:
        raise ArgumentError(f"record: timeout: expected seconds, more than 0, got {quote(timeout)}.")
    program = os.fsdecode(python or sys.executable)
    with tempfile.TemporaryDirectory(prefix="kerastorch-record-") as folder:
        source, out = Path(folder, "recorder.py"), Path(folder, "recording.npz")
        source.write_text(script(), encoding="utf-8")
        arguments = [
            os.path.abspath(os.fsdecode(file)),
            str(out),
            "--keras",
            keras,
            "--seed",
            str(seed),
            "--with-parent",
        ]
        arguments += ["--max-mb", str(max_mb)]
        arguments += ["--arch", os.path.abspath(os.fsdecode(arch))] if arch is not None else []
        for path in custom:
            arguments += ["--custom", os.path.abspath(os.fsdecode(path))]
        arguments += ["--trust"] if trust else []
        arguments += ["--backend", backend] if backend != BACKENDS[0] else []
        arguments += [] if layers else ["--outputs-only"]
        arguments += [] if gradients else ["--no-gradients"]
        arguments += ["--steps", str(steps)]
        for name, value in (("optimizer", optimizer), ("loss", loss)):
            arguments += [] if value is None else [f"--{name}", json.dumps(value)]
        if inputs is not None:
            given = Path(folder, "inputs.npz")
            arrays: dict[str, Any] = {f"x{number}": np.asarray(array) for number, array in enumerate(inputs)}
            np.savez(given, **arrays)
            arguments += ["--inputs", str(given)]
        command = [program, str(source), *arguments]
        _run(command, _environment(backend), timeout, progress, Path(folder), os.fsdecode(file))
        if not out.exists():
            raise RecordingError(f"{program}: the recorder ended without a word and wrote nothing.")
        read_recording(out)  # what cannot be read is not put anywhere
        to = Path(os.fsdecode(recording))
        part = to.with_name(f"{to.name}.part")
        try:
            part.write_bytes(out.read_bytes())
            os.replace(part, to)
        except OSError as error:
            raise ArgumentError(f"record: {quote(str(to))} cannot be written: {error}") from error
    return read_recording(to)


def _environment(backend: str) -> dict[str, str]:
    # Keras on the CPU is the reference: neither TF32 nor a kernel of cuDNN stands between the two.
    own = {
        "KERAS_BACKEND": backend,
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }
    return {**os.environ, **own, "PYTHONIOENCODING": "utf-8"}


def _run(
    command: list[str],
    environment: dict[str, str],
    timeout: float,
    progress: Callable[[str], None] | None,
    folder: Path,
    file: str,
) -> None:
    """Run a process to its end; it is gone when this returns or raises, Ctrl-C included."""
    log, said = folder / "log", ""

    def tell() -> None:
        nonlocal said
        latest = _latest(log)
        if progress is not None and latest and latest != said:
            progress(said := latest)

    with log.open("wb") as output, later_interrupts() as interrupts:
        try:
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,  # the recorder ends itself when the other end is closed
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that all that it starts can be ended together
            )
        except OSError as error:
            raise ArgumentError(f"record: {quote(command[0])} cannot be started: {error}. Is it a Python?") from error
        try:
            in_time = ended(process, interrupts, timeout, tell)
        finally:
            end(process)
    if not in_time:
        raise RecordingError(
            f"Keras took longer than {timeout:g} s and was ended; --timeout gives it more. {_last_lines(log)}"
        )
    if process.returncode != 0:
        raise _failed(process.returncode, _text(log), file)


def _failed(status: int, lines: list[str], file: str) -> RecordingError:
    """What is raised where the process has failed: why, what can be done, and its last lines."""
    why = next((line.removeprefix(_ERROR) for line in reversed(lines) if line.startswith(_ERROR)), "").rstrip(".")
    # Progress, what stands in the sentence, and the addresses of a crash would take the place of its reason.
    others = [line for line in lines if not line.startswith(_SAID) and not line.lstrip().startswith("@ ")]
    last = last_lines(others, _LINES) if others or not why else ""
    if status == _NO_KERAS:
        return MissingKerasError(
            f"There is no such Keras there: {why or how_it_ended(status)}. What can be done: install keras there; name "
            "the Python of an environment that has it (--python PATH); or record where it is, by the file that "
            f"kerastorch record --script prints, and give --recording. {last}".rstrip()
        )
    if status == _UNREADABLE:
        new = f"{os.path.splitext(file)[0]}_new.keras"
        convert = shlex.join(["kerastorch", "convert", file, new, "--check"])
        return RecordingError(
            f"Keras refuses this file, so nothing can be compared with it: {why}. What can be done: name code of your "
            f"own that it needs with --custom module.py; write a file that this Keras opens, and compare that: "
            f"{convert if convert.isprintable() else quote(convert)}; or let another Keras run it, that which wrote it "
            f"say: --python PATH, --keras. {last}".rstrip()
        )
    if status == _NO_MEMORY or any(map(says_full, others[-_LINES:])):
        return RecordingError(
            f"Keras ran out of memory, and has computed nothing: {why or how_it_ended(status)}. What can be done: "
            "inputs of fewer rows or steps (inputs=), less that is compared (--what outputs), or a machine with more. "
            f"{last}".rstrip()
        )
    return RecordingError(f"Keras has computed nothing: {why or how_it_ended(status)}. {last}".rstrip())


def _text(log: Path) -> list[str]:
    with log.open("rb") as stream:
        return lines_of(stream)


def _latest(log: Path) -> str:
    lines = [line for line in _text(log) if line.startswith(_SAID)]
    return lines[-1].removeprefix(_SAID) if lines else ""


def _last_lines(log: Path) -> str:
    return last_lines(_text(log), _LINES)
