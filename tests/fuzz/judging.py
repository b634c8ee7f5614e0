"""What becomes of a mutant: read and run, refused, or a fault."""

from __future__ import annotations

import io
import json
import math
import re
import signal
import tempfile
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

import kerastorch as kt
from kerastorch.files import Archive, open_archive
from kerastorch.torch_private import is_out_of_memory

from .mutants import Mutant

SECONDS = 10  # of processor time, for one mutant
LARGEST = 200_000  # values in the inputs of a model that is run
_UNBOUNDED = ("run", "predict")  # stages in which a model may ask for any memory, see SECURITY.md
_OWN = ("read again", "load weights", "load what was saved")  # stages that read what was written here

_INITIALIZER = re.compile("|".join(["initializer", *(name for name in dir(kt.initializers) if name[0].isupper())]))


class TooLongError(BaseException):
    """It took more than SECONDS; no handler of errors may take it for one."""


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _judged(work: Callable[[list[str]], None]) -> str | None:
    """What is wrong with how something is treated; `work` says in its list how far it is."""
    stage = ["read"]
    try:
        with _within(SECONDS), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            work(stage)
    except kt.errors.KerasTorchError as error:
        return f"{stage[-1]}: it is refused: {error}" if stage[-1] in _OWN else None
    except TooLongError:
        return f"{stage[-1]}: it takes more than {SECONDS} s"
    except Exception as error:  # noqa: BLE001
        # Any error that nobody meant is what is looked for.
        if stage[-1] in _UNBOUNDED and is_out_of_memory(error):
            return None
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{stage[-1]}: {type(error).__name__} at {last.filename}:{last.lineno}: {error}"
    return None


def _run(model: kt.Model, stage: list[str], of_file: bool = False) -> None:
    stage.append("run")
    shapes = [tuple(2 if size is None else size for size in symbol.shape) for symbol in model.inputs]
    if sum(map(math.prod, shapes)) < LARGEST:
        given = [torch.ones(shape, dtype=x.dtype) for shape, x in zip(shapes, model.inputs, strict=True)]
        model(given[0] if len(given) == 1 else given)
    stage.append("written")
    text = model.to_json()
    # What people do next, each mutant something else: everything with each would take four times as long.
    way = zlib.crc32(text.encode()) % 4
    if way == 0:
        stage.append("summary")
        model.summary(print_fn=lambda line: None, expand_nested=True)
    elif way == 1 and sum(map(math.prod, shapes)) < LARGEST:
        stage.append("predict")
        model.predict([np.zeros(shape, "float32") for shape in shapes] if len(shapes) != 1 else np.zeros(shapes[0]))
    elif way == 2:
        stage.append("read again")
        try:
            kt.model_from_json(text)
        except kt.KerasTorchError as error:
            # A file brings the values of its weights along, which no initializer there needs to be able to give.
            if not (of_file and _INITIALIZER.search(str(error))):
                raise
    else:
        _saved(model, ("m.keras", "m.h5", "m.weights.h5", "w.h5")[zlib.adler32(text.encode()) % 4], stage)


def _saved(model: kt.Model, name: str, stage: list[str]) -> None:
    """Write the model, and read what was written: that has to fit, whatever the mutant was."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        stage.append(f"save {name}")
        if not name.startswith("m.") or "weights" in name:
            kt.save_weights(model, path)
            stage.append("load weights")
            kt.load_weights(model, path)
        else:
            kt.save_model(model, path)
            stage.append("load what was saved")
            kt.load_model(path)


def fault(config: dict[str, Any] | str) -> str | None:
    """What is wrong with how a config is treated, as a sentence; None where it is read or refused."""

    def work(stage: list[str]) -> None:
        _run(kt.model_from_json(config if isinstance(config, str) else json.dumps(config)), stage)

    return _judged(work)


def file_fault(content: bytes, make: Callable[[], kt.Model] | None) -> str | None:
    """The same of a file.

    Args:
        content: Its bytes.
        make: The model for it, where it should hold weights alone.
    """

    def work(stage: list[str]) -> None:
        with open_archive(io.BytesIO(content)) as archive:
            for array in arrays(archive):
                array.read()
            whole = archive.config is not None
        stage.append("load")
        if whole:
            _run(kt.load_model(io.BytesIO(content)), stage, of_file=True)
        if make is not None:
            model = make()
            before = model.get_weights()
            try:
                kt.load_weights(model, io.BytesIO(content))
            except kt.errors.KerasTorchError:
                stage.append("unchanged")
                for old, new in zip(before, model.get_weights(), strict=True):
                    np.testing.assert_array_equal(old, new)
                raise

    return _judged(work)


def fault_of(made: Mutant) -> str | None:
    """What is wrong with how a mutant is treated."""
    if made.config is not None:
        return fault(made.config)
    return file_fault(made.content, made.seed.model if made.seed is not None else None)


def arrays(archive: Archive) -> Iterator[Any]:
    """Every array of an archive, of the optimizer, too."""
    if archive.weights is not None:
        yield from archive.weights.arrays
    if archive.optimizer is not None:
        yield from (array for _, array in archive.optimizer.arrays)
