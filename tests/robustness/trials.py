"""Many times the same misfortune, at random moments, in processes that are forked for it."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

import kerastorch as kt

NAMES = ("m.keras", "m.h5", "m.weights.h5", "w.h5")
UNITS = 400  # a save takes about a tenth of a second
_REFUSED, _OTHER, _WRONG = 3, 4, 5


class LostError(AssertionError):
    """What must not be."""


def make(value: float) -> kt.Model:
    """A model whose weights all have one value."""
    layers = kt.layers
    model = kt.Sequential([kt.Input((None, UNITS)), layers.LSTM(UNITS, name="lstm"), layers.Dense(UNITS, name="d")])
    model.set_weights([np.full(array.shape, value, "float32") for array in model.get_weights()])
    return model


def save(model: kt.Model, path: Path) -> None:
    """The model, or its weights, as the name says."""
    model.save(path) if path.name.startswith("m.") and ".weights" not in path.name else model.save_weights(path)


def load(path: Path, into: kt.Model) -> kt.Model:
    """The model of a file, or one with its weights."""
    if path.name.startswith("m.") and ".weights" not in path.name:
        return kt.load_model(path)
    into.load_weights(path)
    return into


def value_of(model: kt.Model) -> float:
    """The one value of all weights.

    Raises:
        LostError: There are several.
    """
    values = {float(value) for array in model.get_weights() for value in (array.min(), array.max())}
    if len(values) != 1:
        raise LostError(f"the weights are of several files: {sorted(values)}")
    return values.pop()


def _forked(work: Callable[[], int]) -> int:
    """The process that does the work; its exit status is what that returns."""
    child = os.fork()
    if child == 0:
        status = _OTHER
        try:
            status = work()
        finally:
            os._exit(status)
    return child


def _typical(work: Callable[[], object]) -> float:
    """The seconds that it takes: the least of three."""
    taken = []
    for _ in range(3):
        begin = time.monotonic()
        work()
        taken.append(time.monotonic() - begin)
    return min(taken)


def kills(count: int, folder: Path, rng: random.Random) -> Counter[str]:
    """Kill -9 at random moments of a save: the file is the old one or the new one, whole.

    Raises:
        LostError: It is neither, or more than that is left when the next save has ended.
    """
    seen: Counter[str] = Counter()
    into = make(0)
    for name in NAMES:
        path, stands = folder / name, 1.0
        save(make(stands), path)
        new = make(stands + 1)
        seconds = _typical(partial(save, make(stands), path))
        for _ in range(_share(count, name)):

            def work(new: kt.Model = new, path: Path = path) -> int:
                save(new, path)
                return 0

            child = _forked(work)
            time.sleep(rng.random() * 1.5 * seconds)
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            seen["killed" if os.WIFSIGNALED(status) else "ended before"] += 1
            found = value_of(load(path, into))
            if found not in (stands, stands + 1):
                raise LostError(f"{name}: {found} stands there, neither {stands} nor {stands + 1}")
            seen["old file" if found == stands else "new file"] += 1
            if found != stands:
                stands += 1
                new = make(stands + 1)
        save(new, path)
        _only(folder, path)
    return seen


def full_disks(count: int, folder: Path, rng: random.Random) -> Counter[str]:
    """A file may not grow beyond a random size, below what it needs: SaveError, the old file, and nothing else.

    Raises:
        LostError: Otherwise.
    """
    seen: Counter[str] = Counter()
    new = make(2)
    for name in NAMES:
        path = folder / name
        save(make(1), path)
        before = path.read_bytes()
        for _ in range(_share(count, name)):
            limit = rng.choice((rng.randrange(len(before)), rng.randrange(5_000), len(before) - 1 - rng.randrange(500)))

            def work(limit: int = limit, path: Path = path) -> int:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
                try:
                    save(new, path)
                except kt.errors.SaveError:
                    return _REFUSED
                return 0

            _, status = os.waitpid(_forked(work), 0)
            if not os.WIFEXITED(status) or os.WEXITSTATUS(status) != _REFUSED:
                raise LostError(f"{name}: with {limit} bytes the save ends with status {status}, expected a SaveError")
            _only(folder, path)
            if path.read_bytes() != before:
                raise LostError(f"{name}: with {limit} bytes the old file has changed")
            seen["SaveError"] += 1
    return seen


def truncations(count: int, folder: Path, rng: random.Random) -> Counter[str]:
    """Cut a file short at a random moment of a load: LoadError, or the whole model.

    Raises:
        LostError: The process dies, or loads something else.
    """
    seen: Counter[str] = Counter()
    into = make(0)
    for name in NAMES:
        path = folder / name
        save(make(1), path)
        content = path.read_bytes()
        seconds = _typical(partial(load, path, into))
        for _ in range(_share(count, name)):
            path.write_bytes(content)

            def work(path: Path = path) -> int:
                try:
                    return 0 if value_of(load(path, into)) == 1 else _WRONG
                except kt.errors.LoadError:
                    return _REFUSED

            child = _forked(work)
            time.sleep(rng.random() * 1.5 * seconds)
            os.truncate(path, rng.choice((0, 4096, rng.randrange(len(content)))))
            _, status = os.waitpid(child, 0)
            ended = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
            if ended not in (0, _REFUSED):
                raise LostError(f"{name}: the load ends with status {status}")
            seen["LoadError" if ended else "loaded before"] += 1
    return seen


def _share(count: int, name: str) -> int:
    """How many of all are of this kind of file."""
    index = NAMES.index(name)
    return count * (index + 1) // len(NAMES) - count * index // len(NAMES)


def _only(folder: Path, path: Path) -> None:
    """Raise where files stand that nobody meant."""
    left = [other.name for other in folder.iterdir() if other.name not in NAMES]
    if left:
        raise LostError(f"{path.name}: beside it are left {left}")
