"""`kerastorch completion SHELL`: what makes the tab key complete commands and options."""

from __future__ import annotations

import argparse
from typing import Any

from ..errors import UnsupportedError
from ..packaged import install
from ._parser import Parser

SHELLS = ("bash", "zsh", "tcsh")
_PLACES = ("FILE", "PATH", "IN", "OUT")  # and what has an ending, as G.npz
_DESCRIPTION = """\
Print a script with which a shell completes commands, options and files.

  bash   kerastorch completion bash > ~/.local/share/bash-completion/completions/kerastorch
  zsh    kerastorch completion zsh > DIR/_kerastorch, for a DIR of $fpath
  tcsh   kerastorch completion tcsh > /etc/profile.d/kerastorch.completion.csh

It is made by the package shtab.
"""


def add(commands: Any, whole: Parser) -> None:
    """The command's arguments; `whole` is the parser of all commands."""
    parser = commands.add_parser("completion", help="a script for the tab key of your shell", description=_DESCRIPTION)
    parser.set_defaults(run=run, whole=whole)
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def run(options: argparse.Namespace) -> int:
    try:
        import shtab
    except ImportError as error:
        raise UnsupportedError(f"completion needs shtab: {install('completion')}.") from error
    for command in options.whole.commands.values():
        for action in command._actions:
            if isinstance(action.metavar, str) and (action.metavar in _PLACES or "." in action.metavar):
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's way
    print(shtab.complete(options.whole, shell=options.shell))
    return 0
