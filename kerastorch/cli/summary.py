"""`kerastorch summary FILE`: the model as Keras prints it."""

from __future__ import annotations

import argparse
from typing import Any

from ._loading import add_arch, add_bounds, add_file, load
from ._printing import add_width


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser("summary", help="the model as Keras prints it: layers, shapes, counts")
    parser.set_defaults(run=run)
    add_file(parser)
    parser.add_argument("--expand", action="store_true", help="list the layers of models in the model")
    parser.add_argument(
        "--columns",
        metavar="NAMES",
        default="",
        help="further columns, with commas between them: dtype, trainable, kernel, memory, mult_adds, torch",
    )
    add_width(parser)
    add_arch(parser)
    add_bounds(parser)


def run(options: argparse.Namespace) -> int:
    columns = [name.strip() for name in options.columns.split(",") if name.strip()]
    load(options).summary(expand_nested=options.expand, columns=columns, width=options.width)
    return 0
