"""The options of commands that let Keras run, in a process of its own."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ArgumentError, quote

NAMES = ("python", "keras", "backend", "custom", "trust", "seed", "timeout")


def add_keras(parser: argparse.ArgumentParser) -> None:
    """Which Keras, and what it may do."""
    # The values are checked by `record`, which says what it knows: this way the command line imports nothing of it.
    parser.add_argument("--python", metavar="PATH", help="the Python that has Keras; this one if left out")
    parser.add_argument(
        "--keras", metavar="K", default="auto", help="auto (of the file's era), keras, tf_keras, tensorflow"
    )
    parser.add_argument("--backend", metavar="B", default="tensorflow", help="of Keras 3: tensorflow, jax, torch")
    parser.add_argument("--custom", metavar="M.py", action="append", default=[], help="run there for custom objects")
    parser.add_argument("--trust", action="store_true", help="let Keras run a file that names more than Keras's layers")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of the random inputs")
    parser.add_argument("--timeout", metavar="S", type=float, default=600.0, help="seconds for Keras; 600 if left out")


def keras_options(options: argparse.Namespace) -> dict[str, Any]:
    """The values of these options, by name."""
    return {name: getattr(options, name) for name in NAMES}


def show_progress() -> Callable[[str], None] | None:
    """What prints what is being done, on a terminal; None where there is none."""
    if not sys.stderr.isatty():
        return None
    return lambda text: print(f"kerastorch: {text}", file=sys.stderr, flush=True)


def add_custom_here(parser: argparse.ArgumentParser) -> None:
    """The option --custom-here."""
    parser.add_argument(
        "--custom-here", metavar="M.py", action="append", default=[], help="run here for custom objects of kerastorch"
    )


def custom_objects(paths: Sequence[str]) -> dict[str, Any] | None:
    """The classes and functions of the Python files that the caller has named, by name; None where there are none."""
    found: dict[str, Any] = {}
    for path in paths:
        try:
            names = runpy.run_path(path)
        except (OSError, SyntaxError) as error:
            raise ArgumentError(f"--custom-here {quote(path)} cannot be run: {error}") from error
        found.update((name, value) for name, value in names.items() if callable(value) and not name.startswith("__"))
    return found or None
