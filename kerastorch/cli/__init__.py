"""The command line: `kerastorch info|summary|verify|record|convert|export FILE`, `scan PATH...` and `self-check`.

Exit status: 0 all right, 1 the numbers differ (`verify`, `convert --check`, `self-check`) or the model needs code that
is not in the file (`info`, `scan`), 2 wrong use, Keras that did not run, a file that cannot be read, or a model that
cannot be written; of `scan` also 3 unsafe files, 4 files that are damaged or not supported.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from ..distribution import installed_version
from ..errors import KerasTorchError, RecordingError
from . import convert, export, info, record, scan, self_check, summary, verify
from ._loading import by_option


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; `sys.argv` if None.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    message = None
    try:
        try:
            status = options.run(options)
        except RecordingError as error:  # with the last lines of another process, which stay lines
            status, message = 2, f"kerastorch: {error}"
        except KerasTorchError as error:
            text = " ".join(str(error).split())
            status, message = 2, f"kerastorch: {by_option(text) if hasattr(options, 'limit') else text}"
        sys.stdout.flush()  # what was printed before an error stands before it
    except BrokenPipeError:
        # The reader (head, less) has gone; Python would complain once more when it closes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if message:
        print(message, file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kerastorch", description="Keras recurrent model files on PyTorch.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (info, scan, summary, verify, record, convert, export, self_check):
        command.add(commands)
    return parser


class _Version(argparse.Action):
    """--version, which looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *unused: Any) -> None:
        print(f"kerastorch {installed_version() or '(not installed, run from its sources)'}")
        parser.exit()
