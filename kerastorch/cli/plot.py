"""`kerastorch plot FILE OUT.svg`: a picture of the model."""

from __future__ import annotations

import argparse
import warnings
from typing import Any

from ._json import add_json, only_json, write_json
from ._loading import add_arch, add_bounds, add_file, load
from ._places import refuse_place
from ._printing import make_console, shown


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "plot",
        help="draw it: layers, shapes, states and masks",
        description="Draw the model of a Keras file: .svg (needs no Graphviz), .png, .pdf, or .dot.",
    )
    parser.set_defaults(run=run)
    add_file(parser)
    parser.add_argument("out", metavar="OUT", help="the picture: .svg, .png, .pdf or .dot")
    parser.add_argument("--force", action="store_true", help="replace what is there")
    parser.add_argument("--rankdir", choices=("TB", "LR", "BT", "RL"), default="TB", help="where edges lead (TB: down)")
    parser.add_argument("--dpi", type=int, default=200, metavar="N", help="dots per inch of a .png (200)")
    parser.add_argument("--no-shapes", action="store_true", help="leave out shapes")
    parser.add_argument("--no-names", action="store_true", help="leave out the names of layers")
    parser.add_argument("--no-masks", action="store_true", help="leave out where masks go")
    parser.add_argument("--no-expand", action="store_true", help="show a model in the model as one box")
    parser.add_argument("--dtype", action="store_true", help="show dtypes")
    parser.add_argument("--activations", action="store_true", help="show activation functions")
    parser.add_argument("--trainable", action="store_true", help="show whether weights are trained")
    add_json(parser)
    add_arch(parser)
    add_bounds(parser)


def run(options: argparse.Namespace) -> int:
    """Draw; the exit status."""
    refuse_place(options.out, (options.file, options.arch), options.force)
    model = load(options)
    from ..drawing import plot_model

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plot_model(
            model,
            options.out,
            show_shapes=not options.no_shapes,
            show_dtype=options.dtype,
            show_layer_names=not options.no_names,
            rankdir=options.rankdir,
            expand_nested=not options.no_expand,
            dpi=options.dpi,
            show_layer_activations=options.activations,
            show_trainable=options.trainable,
            show_masks=not options.no_masks,
        )
    console = make_console(quiet=only_json(options))
    console.print(shown(options.out))
    warned = [str(warning.message) for warning in caught]
    for text in warned:
        console.print(text)
    write_json(options, 0, {"file": options.file, "out": options.out, "warnings": warned})
    return 0
