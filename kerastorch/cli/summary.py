"""`kerastorch summary FILE`: the model as Keras prints it."""

from __future__ import annotations

import argparse
from typing import Any

from ._json import add_json, layers, only_json, parameters, write_json
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
    add_json(parser)
    add_arch(parser)
    add_bounds(parser)


def run(options: argparse.Namespace) -> int:
    columns = [name.strip() for name in options.columns.split(",") if name.strip()]
    model = load(options)
    if not only_json(options):
        model.summary(expand_nested=options.expand, columns=columns, width=options.width)
    if options.json is not None:
        from ..models.summary_columns import checked

        listed = layers(model, options.expand, checked(columns))
        said = {"file": options.file, "model": model.name, "layers": listed, "parameters": parameters(model)}
        write_json(options, 0, said)
    return 0
