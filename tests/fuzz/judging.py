"""What becomes of a config: read and run, refused, or a fault."""

from __future__ import annotations

import json
import math
import signal
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch

import kerastorch as kt

SECONDS = 10  # of processor time, for one config
LARGEST = 200_000  # values in the inputs of a model that is run


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


def fault(config: dict[str, Any]) -> str | None:
    """What is wrong with how a config is treated, as a sentence; None where it is read or refused."""
    stage = "read"
    try:
        with _within(SECONDS), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            model = kt.model_from_json(json.dumps(config))
            stage = "run"
            shapes = [tuple(2 if size is None else size for size in symbol.shape) for symbol in model.inputs]
            if sum(map(math.prod, shapes)) < LARGEST:
                given = [torch.ones(shape, dtype=x.dtype) for shape, x in zip(shapes, model.inputs, strict=True)]
                model(given[0] if len(given) == 1 else given)
            stage = "written"
            model.to_json()
    except kt.errors.KerasTorchError:
        return None
    except TooLongError:
        return f"{stage}: it takes more than {SECONDS} s"
    except Exception as error:  # noqa: BLE001
        # Any error that nobody meant is what is looked for.
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{stage}: {type(error).__name__} at {last.filename}:{last.lineno}: {error}"
    return None
