"""`kerastorch summary FILE`: the model as Keras prints it."""

from __future__ import annotations

import argparse
from typing import Any

from ._loading import add_arch, add_bounds, add_file, load


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser("summary", help="the model as Keras prints it: layers, shapes, counts")
    parser.set_defaults(run=run)
    add_file(parser)
    add_arch(parser)
    add_bounds(parser)


def run(options: argparse.Namespace) -> int:
    load(options).summary()
    return 0
