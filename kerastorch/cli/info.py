"""`kerastorch info FILE`: what a file holds, and on which kernels it will run."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from ..errors import KerasTorchError, UnsupportedFileError, placed
from ._loading import add_bounds, add_file, bounds, opened
from ._printing import add_width, make_console, print_table, shown
from ._skeleton import skeleton

if TYPE_CHECKING:
    from rich.console import Console

    from ..compat import Reading
    from ..files import Archive
    from ..models import Model


# What a person can do with a file that holds a model.
NEXT = (
    ("kerastorch verify FILE", "compare every layer with real Keras"),
    ("kerastorch export FILE FOLDER --to source", "the model as plain PyTorch code"),
    ("kerastorch export FILE OUT.onnx --to onnx", "for onnxruntime; --to torch: for torch.export.load"),
    ("kt.load_model(FILE), compile, fit", "train it further"),
    ("kerastorch convert FILE OUT.keras", "a file for today's Keras; OUT.safetensors: the weights"),
)
# And with one that holds weights only.
NEXT_OF_WEIGHTS = (
    ("kt.load_weights(model, FILE)", "into a model of those layers that you build"),
    ("kt.copy_weights(FILE, module)", "into a torch module of your own; prints what went where"),
    ("kerastorch export FILE ... --arch A.json", "any command, with the to_json() text of the model"),
)
# And with one that holds an architecture only.
NEXT_OF_ARCHITECTURES = (
    ("kt.model_from_json(text), model_from_yaml", "the model with fresh weights"),
    ("kerastorch export WEIGHTS ... --arch FILE", "any command, of a file that holds its weights"),
)


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser("info", help="what a file holds, and on which kernels it will run")
    parser.set_defaults(run=run)
    add_file(parser)
    add_width(parser)
    add_bounds(parser)


def run(options: argparse.Namespace) -> int:
    from ..compat import read_config

    console = make_console(options.width)
    console.soft_wrap = console.width >= 1000  # on a terminal lines are folded between words
    try:
        archive = opened(options)
    except UnsupportedFileError as error:
        if error.kind not in ("architecture", "YAML") or error.reason == "runs code":
            raise
        return _print_architecture(console, options)
    with archive:
        console.print(shown(options.file))
        console.print(f"  format      {archive.format}")
        if archive.config is None:
            stated = f"Keras {shown(archive.keras_version)}" if archive.keras_version else "not stated"
            backend = f" ({shown(archive.backend)})" if archive.backend else ""
            console.print(f"  written by  {stated}{backend}")
            _print_arrays(console, archive)
        else:
            try:
                reading = read_config(archive.config, archive.keras_version, archive.backend, partly=True)
            except KerasTorchError as error:
                raise placed(error, shown(options.file)) from error
            console.print(f"  written by  {reading.writer}")
            for rule in reading.rules:
                console.print(f"  rule        {shown(rule.layer)}: {shown(rule.text)}")
            if reading.missing:
                _print_sketch(console, reading, options.file, archive)
                return 1
        skipped, state = archive.skipped, archive.optimizer
    if archive.config is not None:
        from ..load import load_model_reported  # its warnings stand among the rules

        _print_layers(console, load_model_reported(options.file, **bounds(options))[0])
    if state is not None:
        console.print(f"state of the {shown(state.what)}")
    for item in skipped:
        console.print(f"not used: {shown(item.what)}: {shown(item.reason)}")
    if archive.config is not None:
        console.print("what next (FILE is this file):")
        for command, what in NEXT:
            console.print(f"  {command:<44} {what}", soft_wrap=True)
    return 0


def _print_architecture(console: Console, options: argparse.Namespace) -> int:
    """The layers of a model of which there is the text alone."""
    from ..architectures import model_from_json_reported
    from ..files.architectures import is_json

    with open(options.file, encoding="utf-8") as file:
        text = file.read()
    kind = "JSON" if is_json(text) else "YAML"
    given = bounds(options)
    model, rules = model_from_json_reported(
        text, limits=given["limits"], expected_sha256=given["expected_sha256"], what=shown(options.file)
    )
    console.print(shown(options.file))
    console.print(f"  format      architecture as {kind}, without weights")
    for rule in rules:
        console.print(f"  rule        {shown(rule.layer)}: {shown(rule.text)}")
    _print_layers(console, model)
    console.print("what next (FILE is this file):")
    for command, what in NEXT_OF_ARCHITECTURES:
        console.print(f"  {command:<44} {what}", soft_wrap=True)
    return 0


def _print_sketch(console: Console, reading: Reading, file: str, archive: Archive) -> None:
    """The layers of a model of which some are missing, and what is to be passed for these."""
    from ..missing import explain
    from ..models.sketch import sketch

    places = sketch(reading.spec)
    cells = []
    for place in places:
        shapes = ", ".join("?" if shape is None else str(shape) for shape in place.outputs)
        depth = place.path.count("/") if "/" not in place.spec.name else 0
        name = "  " * depth + shown(place.spec.name)
        cells.append((name, shown(place.class_name), shapes, "missing" if place.is_missing else ""))
    print_table(console, ("Layer", "Class", "Output shape", ""), cells)
    console.print(explain(reading.missing, f"kt.load_model({file!r}", places, reading.spec, archive))


def _print_layers(console: Console, model: Model) -> None:
    from ..models import Model
    from ..models.mask_flow import mask_events
    from ..models.summary_columns import bias_note, kernels
    from ..models.summary_rows import count, rows

    cells = []
    for depth, layer, shape, _ in rows(model, expand_nested=True):
        path, reason = ("", "") if isinstance(layer, Model) else kernels(layer)
        name = "  " * depth + shown(layer.name)
        cells.append((name, layer._kind, str(shape), f"{sum(count(layer)):,}", path, reason))
    print_table(console, ("Layer", "Class", "Output shape", "Params", "Kernel", "Why"), cells, right=(3,))
    trained, fixed = count(model)
    console.print(f"parameters: {trained + fixed:,} ({trained:,} trainable, {fixed:,} not)")
    if note := bias_note(model, trained + fixed):
        console.print(note)
    wording = {"made": "is made by", "used": "is used by", "lost": "is lost at"}
    for layer, class_name, what in mask_events(model):
        console.print(f"mask: {wording[what]} {shown(layer)} ({class_name})")


def _print_arrays(console: Console, archive: Archive) -> None:
    """The arrays of a file of weights only."""
    from ..files import LegacyWeights

    rows: list[tuple[str, ...]] = []
    total = 0
    if isinstance(archive.weights, LegacyWeights):
        layers = [(layer.name, layer.weights) for layer in archive.weights.layers]
        layers += [("(top level)", archive.weights.top_level)] if archive.weights.top_level else []
        found = [(owner, name, array) for owner, weights in layers for name, array in weights]
    elif archive.weights is not None:
        objects = archive.weights.objects.items()
        found = [
            (path, item.keys[i] if item.keys is not None else str(i), array)
            for path, item in objects
            for i, array in enumerate(item.arrays)
        ]
    else:
        found = []
    for owner, name, array in found:
        total += math.prod(array.shape)
        rows.append((shown(owner), shown(name), str(tuple(array.shape)), array.dtype, f"{math.prod(array.shape):,}"))
    print_table(console, ("Of", "Array", "Shape", "Dtype", "Values"), rows, right=(4,))
    console.print(f"arrays: {len(rows)}, values: {total:,}. There is no architecture in this file.")
    console.print("Layers with weights that fit these shapes, in the order of the file, to begin a model with:")
    for line in skeleton(archive):
        console.print(f"  {shown(line)}", soft_wrap=True)
    console.print("What next (FILE is this file):")
    for command, what in NEXT_OF_WEIGHTS:
        console.print(f"  {command:<44} {what}", soft_wrap=True)
