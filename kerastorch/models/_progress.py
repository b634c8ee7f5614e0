"""The bar of `predict`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import ArgumentError, quote

_LONG = 1.0  # seconds after which a run is worth a bar that nobody asked for


@contextmanager
def progress(verbose: Any, steps: int | None) -> Iterator[Callable[[], None]]:
    """Show how far a run is, on standard error.

    Args:
        verbose: Keras's: 0 nothing, 1 a bar, 2 one line at the end, "auto" a bar; on a terminal, once it takes long.
        steps: How many there will be, where that is known.

    Yields:
        What is called after each step.
    """
    if not (verbose == "auto" or verbose in (0, 1, 2)):
        raise ArgumentError(f'predict: verbose: expected 0, 1, 2 or "auto", got {quote(verbose)}.')
    if verbose == 1 or (verbose == "auto" and sys.stderr.isatty()):
        with _bar(steps, 0.0 if verbose == 1 else _LONG) as advance:
            yield advance
        return
    done = 0

    def count() -> None:
        nonlocal done
        done += 1

    start = time.monotonic()
    yield count
    if verbose == 2:
        print(f"{done}/{steps or done} - {time.monotonic() - start:.0f}s", file=sys.stderr)


@contextmanager
def _bar(steps: int | None, delay: float) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    # In a notebook rich would send HTML past sys.stderr.
    console = Console(stderr=True, force_jupyter=False)
    bar = Progress(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(), console=console)
    task = bar.add_task("", total=steps)
    start = time.monotonic()
    started = False

    def advance() -> None:
        nonlocal started
        bar.advance(task)
        if not started and time.monotonic() - start >= delay:
            started = True
            bar.start()

    try:
        yield advance
    finally:
        if started:
            bar.stop()
