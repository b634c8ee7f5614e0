"""`kerastorch export FILE OUT --to source|onnx|torch`: the model for a life without kerastorch."""

from __future__ import annotations

import argparse
import hashlib
import os
from typing import Any, BinaryIO

from ..errors import ArgumentError, quote
from ..packaged import install
from ._json import add_json, only_json, write_json
from ._loading import add_arch, add_bounds, add_file, load_reported
from ._places import refuse_place
from ._printing import make_console, shown

_DESCRIPTION = f"""\
Write the model of a Keras file in a form that needs neither Keras nor kerastorch.

  source   OUT is a folder: model.py (torch only), model.safetensors, a recorded example, and a test
  onnx     OUT.onnx, for onnxruntime and others; needs onnx and onnxscript ({install("onnx")})
  torch    OUT.pt2, a program that torch.export.load reads where there is no kerastorch

What has no translation is refused by name, and nothing is written.

Other ways out: kerastorch convert (a state dict, a file for today's Keras), kt.copy_weights(FILE, module) (into a torch
module of your own), model.to_torch() (the modules of source, in memory). docs/leave.md has all of them, with limits.
"""


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "export",
        help="write it as plain PyTorch code, for ONNX, or as a program of torch.export",
        description=_DESCRIPTION,
    )
    parser.set_defaults(run=run)
    add_file(parser)
    parser.add_argument("out", metavar="OUT", help="what to write")
    parser.add_argument("--to", choices=[*TARGETS], required=True, help="the form")
    parser.add_argument("--force", action="store_true", help="replace what is there")
    parser.add_argument("--class-name", metavar="NAME", help="source: the name of the class")
    shapes = parser.add_mutually_exclusive_group()
    shapes.add_argument("--keep-shapes-comments", action="store_true", help="source: shapes as comments, as is usual")
    shapes.add_argument("--no-shapes", action="store_true", help="source: no comments with shapes")
    parser.add_argument("--inference", action="store_true", help="source: leave out dropout and noise")
    parser.add_argument(
        "--helpers",
        choices=("inline", "import"),
        default="inline",
        help="source: copy what torch lacks into model.py, or import it from kerastorch",
    )
    add_json(parser)
    add_arch(parser)
    add_bounds(parser)


def run(options: argparse.Namespace) -> int:
    """Export; the exit status."""
    return TARGETS[options.to](options)


def _artifact(options: argparse.Namespace) -> int:
    """An .onnx or a .pt2 file."""
    from ..export.exporting import inputs_text

    ending = _ENDINGS[options.to]
    refuse_place(options.out, (options.file, options.arch), options.force)
    if not options.out.endswith(ending):
        raise ArgumentError(f"OUT {quote(options.out)}: --to {options.to} writes {ending}.")
    model, _ = load_reported(options)
    model.export(options.out, format=options.to, verbose=False)
    console = make_console(quiet=only_json(options))
    console.print(shown(options.out))
    console.print(f"It takes {shown(inputs_text(model, options.to))}.")
    _report(options, [options.out])
    return 0


def _source(options: argparse.Namespace) -> int:
    from ..leaving import to_source

    model, report = load_reported(options)
    digest = options.sha256
    if digest is None:
        with open(options.file, "rb") as file:
            digest = _digest(file)
    name = os.path.basename(options.file)
    origin = f"From {name} (SHA-256 {digest}), written by {report.writer}."
    paths = to_source(
        model,
        options.out,
        class_name=options.class_name,
        origin=origin,
        shapes=not options.no_shapes,
        inference=options.inference,
        import_helpers=options.helpers == "import",
        overwrite=options.force,
    )
    console = make_console(quiet=only_json(options))
    for path in paths:
        console.print(shown(path))
    console.print(f"python {shown(paths[0])} computes the recorded example again.")
    _report(options, [str(path) for path in paths])
    return 0


def _report(options: argparse.Namespace, files: list[str]) -> None:
    """What --json says."""
    write_json(options, 0, {"file": options.file, "out": options.out, "to": options.to, "files": files})


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


_ENDINGS = {"onnx": ".onnx", "torch": ".pt2"}
TARGETS = {"source": _source, **dict.fromkeys(_ENDINGS, _artifact)}
