"""`kerastorch info FILE`: what a file holds, and on which kernels it will run."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import KerasTorchError, UnsupportedFileError, placed
from ._help import NEXT_OF_A_MODEL, NEXT_OF_ARCHITECTURES, NEXT_OF_WEIGHTS
from ._json import add_json, layers, left_out, only_json, parameters, rules, write_json
from ._loading import add_bounds, add_file, bounds, opened
from ._printing import add_width, make_console, print_table, say, shown
from ._skeleton import skeleton

if TYPE_CHECKING:
    from rich.console import Console

    from ..compat import Reading
    from ..files import Archive
    from ..models import Model


def add(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser("info", help="what a file holds, and on which kernels it will run")
    parser.set_defaults(run=run)
    add_file(parser)
    add_width(parser)
    add_json(parser)
    add_bounds(parser)


def run(options: argparse.Namespace) -> int:
    from ..compat import read_config

    console = make_console(options.width, quiet=only_json(options))
    try:
        archive = opened(options)
    except UnsupportedFileError as error:
        if error.kind not in ("architecture", "YAML") or error.reason == "runs code":
            raise
        write_json(options, 0, _say_architecture(console, options))
        return 0
    with archive:
        said: dict[str, Any] = {"file": options.file, "format": archive.format, **dict.fromkeys(_KEYS)}
        say(console, shown(options.file))
        say(console, f"  format      {archive.format}", _BEHIND)
        if archive.config is None:
            stated = f"Keras {shown(archive.keras_version)}" if archive.keras_version else "not stated"
            backend = f" ({shown(archive.backend)})" if archive.backend else ""
            say(console, f"  written by  {stated}{backend}", _BEHIND)
            said |= {"written_by": f"{stated}{backend}" if archive.keras_version else None}
            said |= _say_arrays(console, archive)
        else:
            try:
                reading = read_config(archive.config, archive.keras_version, archive.backend, partly=True)
            except KerasTorchError as error:
                raise placed(error, shown(options.file)) from error
            say(console, f"  written by  {reading.writer}", _BEHIND)
            for rule in reading.rules:
                say(console, f"  rule        {shown(rule.layer)}: {shown(rule.text)}", _BEHIND)
            said |= {"written_by": str(reading.writer), "rules": rules(reading.rules)}
            if reading.missing:
                said |= _say_sketch(console, reading, options.file, archive)
                write_json(options, 1, said)
                return 1
        skipped, state = archive.skipped, archive.optimizer
    if archive.config is not None:
        from ..load import load_model_reported  # its warnings stand among the rules

        said |= _say_layers(console, load_model_reported(options.file, **bounds(options))[0])
    if state is not None:
        say(console, f"state of the {shown(state.what)}")
    for item in skipped:
        say(console, f"not used: {shown(item.what)}: {shown(item.reason)}")
    said |= {"optimizer": None if state is None else state.what, "not_used": left_out(skipped)}
    if archive.config is not None:
        _say_next(console, "what next (FILE is this file):", NEXT_OF_A_MODEL)
    write_json(options, 0, said)
    return 0


_BEHIND = 12  # "  written by  " and the text behind it
# What --json says beside the file and its format; None of what there is nothing to say.
_KEYS = (
    "written_by",
    "rules",
    "layers",
    "parameters",
    "masks",
    "missing",
    "arrays",
    "fitting_layers",
    "optimizer",
    "not_used",
)


def _say_next(console: Console, title: str, lines: Sequence[tuple[str, str]]) -> None:
    console.print(title)
    for command, what in lines:
        console.print(f"  {command:<44} {what}", soft_wrap=True)


def _say_architecture(console: Console, options: argparse.Namespace) -> dict[str, Any]:
    """The layers of a model of which there is the text alone."""
    from ..architectures import model_from_json_reported
    from ..files.architectures import is_json

    with open(options.file, encoding="utf-8") as file:
        text = file.read()
    form = f"architecture as {'JSON' if is_json(text) else 'YAML'}, without weights"
    given = bounds(options)
    model, changed = model_from_json_reported(
        text, limits=given["limits"], expected_sha256=given["expected_sha256"], what=shown(options.file)
    )
    say(console, shown(options.file))
    say(console, f"  format      {form}", _BEHIND)
    for rule in changed:
        say(console, f"  rule        {shown(rule.layer)}: {shown(rule.text)}", _BEHIND)
    said = {"file": options.file, "format": form, **dict.fromkeys(_KEYS), "rules": rules(changed)}
    said |= _say_layers(console, model)
    _say_next(console, "what next (FILE is this file):", NEXT_OF_ARCHITECTURES)
    return said


def _say_sketch(console: Console, reading: Reading, file: str, archive: Archive) -> dict[str, Any]:
    """The layers of a model of which some are missing, and what is to be passed for these."""
    from ..missing import explain
    from ..models.sketch import sketch

    places = sketch(reading.spec)
    cells, listed = [], []
    for place in places:
        shapes = ", ".join("?" if shape is None else str(shape) for shape in place.outputs)
        depth = place.path.count("/") if "/" not in place.spec.name else 0
        name = "  " * depth + shown(place.spec.name)
        cells.append((name, shown(place.class_name), shapes, "missing" if place.is_missing else ""))
        shape = place.outputs[0] if len(place.outputs) == 1 else place.outputs
        listed.append({"name": place.spec.name, "class": place.class_name, "depth": depth, "output_shape": shape})
    print_table(console, ("Layer", "Class", "Output shape", ""), cells)
    say(console, explain(reading.missing, f"kt.load_model({file!r}", places, reading.spec, archive))
    missing = [{"path": item.path, "class": item.class_name, "note": item.note} for item in reading.missing]
    return {"layers": listed, "missing": missing}


def _say_layers(console: Console, model: Model) -> dict[str, Any]:
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
    say(console, f"parameters: {trained + fixed:,} ({trained:,} trainable, {fixed:,} not)")
    if note := bias_note(model, trained + fixed):
        say(console, note)
    wording = {"made": "is made by", "used": "is used by", "lost": "is lost at"}
    events = list(mask_events(model))
    for layer, class_name, what in events:
        say(console, f"mask: {wording[what]} {shown(layer)} ({class_name})")
    masks = [{"layer": layer, "class": class_name, "what": what} for layer, class_name, what in events]
    return {"layers": layers(model, True, ["kernel"]), "parameters": parameters(model), "masks": masks}


def _say_arrays(console: Console, archive: Archive) -> dict[str, Any]:
    """The arrays of a file of weights only."""
    from ..files import LegacyWeights

    found: list[tuple[str, str, Any]] = []
    if isinstance(archive.weights, LegacyWeights):
        owners = [(layer.name, layer.weights) for layer in archive.weights.layers]
        owners += [("(top level)", archive.weights.top_level)] if archive.weights.top_level else []
        found = [(owner, name, array) for owner, weights in owners for name, array in weights]
    elif archive.weights is not None:
        found = [
            (path, item.keys[i] if item.keys is not None else str(i), array)
            for path, item in archive.weights.objects.items()
            for i, array in enumerate(item.arrays)
        ]
    sizes = [math.prod(array.shape) for _, _, array in found]
    cells = [
        (shown(owner), shown(name), str(tuple(array.shape)), array.dtype, f"{size:,}")
        for (owner, name, array), size in zip(found, sizes, strict=True)
    ]
    print_table(console, ("Of", "Array", "Shape", "Dtype", "Values"), cells, right=(4,))
    say(console, f"arrays: {len(cells):,}, values: {sum(sizes):,}. There is no architecture in this file.")
    lines = skeleton(archive)
    order = "the model" if isinstance(archive.weights, LegacyWeights) else "the file, which need not be the model's"
    say(console, f"Layers with weights that fit these shapes, in the order of {order}, to begin a model with:")
    for line in lines:
        console.print(f"  {shown(line)}", soft_wrap=True)
    _say_next(console, "What next (FILE is this file):", NEXT_OF_WEIGHTS)
    listed = [
        {"of": owner, "name": name, "shape": tuple(array.shape), "dtype": array.dtype} for owner, name, array in found
    ]
    return {"arrays": listed, "fitting_layers": lines}
