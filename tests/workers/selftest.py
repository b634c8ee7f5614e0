"""Functions with which the harness itself is tested."""

from __future__ import annotations

import contextlib
import os
import time
from types import ModuleType
from typing import Any

import numpy as np


def versions(k: ModuleType) -> dict[str, str]:
    """The name, version and backend of the framework."""
    return {"name": k.__name__, "version": k.__version__, "backend": k.backend.backend(), "pid": str(os.getpid())}


def echo(k: ModuleType, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Return the arguments."""
    return args, kwargs


def fail(k: ModuleType, text: str) -> None:
    """Raise."""
    raise ValueError(text)


def die(k: ModuleType) -> None:
    """End the process without a word to anyone but stderr."""
    os.write(2, b"a last word")
    os._exit(7)


def sleep(k: ModuleType, seconds: float) -> None:
    """Take a while."""
    time.sleep(seconds)


def unpicklable(k: ModuleType) -> Any:
    """Return what no pipe can carry."""
    return lambda: None


def kernels_of_a_gpu(k: ModuleType) -> tuple[list[int], list[list[np.ndarray]]]:
    """What tf-keras computes in graphs, with what it traces for GPUs and without.

    How many such functions it traced, and what `predict` gives and the weights become in a training.
    """
    from . import _graphics

    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, 5, 3)).astype("float32")
    x[0, 3:] = 0
    y, seeds, found = rng.normal(size=(4, 2)).astype("float32"), [], []
    for how in (_graphics.as_it_is, contextlib.nullcontext):
        with how() as traced:
            lay = k.layers
            model = k.Sequential([k.Input((5, 3)), lay.Masking(), lay.LSTM(4), lay.RepeatVector(2), lay.GRU(2)])
            seeds = seeds or [rng.normal(size=array.shape) for array in model.get_weights()]
            model.set_weights(seeds)
            model.compile(k.optimizers.SGD(0.1, momentum=0.9), "mse")
            predicted = model.predict(x, verbose=0)
            model.fit(x, y, epochs=2, verbose=0)
            found.append((len(traced or []), [predicted, *model.get_weights()]))
    return [count for count, _ in found], [arrays for _, arrays in found]
