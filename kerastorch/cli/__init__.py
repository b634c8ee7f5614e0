"""The command line: `kerastorch info|summary|plot|verify|record|convert|export FILE`, `scan PATH...` and `self-check`.

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

from ..errors import KerasTorchError
from ..packaged import installed_version
from . import completion, convert, export, info, plot, record, scan, self_check, summary, verify
from ._help import what_next
from ._loading import by_option
from ._parser import Parser
from ._places import refuse_reports

_EPILOG = """\
kerastorch COMMAND --help has examples and the exit statuses. A file is looked at first by kerastorch info FILE.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; `sys.argv` if None.

    Returns:
        The exit status.
    """
    options = make_parser().parse_args(arguments)
    message = None
    try:
        try:
            refuse_reports(options)
            status = options.run(options)
        except KerasTorchError as error:
            text = str(error) if error.keeps_lines else " ".join(str(error).split())
            status, message = 2, f"kerastorch: {by_option(text) if hasattr(options, 'limit') else text}"
        if sys.stdout.isatty():
            _say_next(options, status)
        sys.stdout.flush()  # what was printed before an error stands before it
    except BrokenPipeError:
        # The reader (head, less) has gone; Python would complain once more when it closes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if message:
        print(message, file=sys.stderr)
    return status


def _say_next(options: argparse.Namespace, status: int) -> None:
    """Print what can be done next. A pipe gets what was asked for and no more, and so does who wants a script."""
    given = {"FILE": getattr(options, "file", None), "OUT": getattr(options, "out", None)}
    text = what_next(options.command, status, **{name: place for name, place in given.items() if place is not None})
    if text and getattr(options, "json", None) not in (True, "-") and not getattr(options, "script", False):
        print(text)


def make_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(prog="kerastorch", description="Keras recurrent model files on PyTorch.", epilog=_EPILOG)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for command in (info, scan, summary, plot, verify, record, convert, export, self_check):
        command.add(commands)
    completion.add(commands, parser)
    return parser


class _Version(argparse.Action):
    """--version, which looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *unused: Any) -> None:
        print(f"kerastorch {installed_version() or '(not installed, run from its sources)'}")
        parser.exit()
