"""What `--json` says: plain values. docs/command_line.md lists the keys of each command, as a test sees to."""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, quote
from ._printing import make_console, shown

if TYPE_CHECKING:
    from ..models import Model
    from ..spec import Rule

SCHEMA = 1  # another number where a key goes, or means something else; a new key is no other schema


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option --json."""
    parser.add_argument("--json", metavar="PATH", help="write the report as JSON too; - prints that alone")


def only_json(options: argparse.Namespace) -> bool:
    """Whether nothing but JSON is printed."""
    return options.json == "-"


def write_json(options: argparse.Namespace, status: int, said: Mapping[str, Any]) -> None:
    """Write what a command has to say to the place that --json names, whole or not at all; `-` is the output.

    Args:
        options: Of the command; without --json nothing is written.
        status: The exit status.
        said: The rest.
    """
    if options.json is None:
        return
    text = as_text(options.command, status, said)
    if options.json == "-":
        print(text)
    elif _is_stream(options.json):
        try:
            with open(options.json, "w", encoding="utf-8") as stream:
                stream.write(text + "\n")
        except OSError as error:
            raise ArgumentError(f"--json {quote(options.json)} cannot be written: {error}") from error
    else:
        from ..files.replacing import replacing

        with replacing(options.json) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
            file.write(text + "\n")


def show_report(options: argparse.Namespace, report: Any, html_to: str | None = None) -> int:
    """Print a report, write it where --json and --html say, and say that it was written.

    It is printed first: a place that cannot be written does not cost what it took minutes to find.

    Returns:
        The exit status.
    """
    status = 0 if report.passed else 1
    make_console(quiet=only_json(options)).print(str(report))
    write_json(options, status, report.to_dict())
    if html_to is not None:
        report.to_html(html_to)
    written = [shown(path) for path in (options.json, html_to) if path not in (None, "-")]
    if written:  # where JSON is printed alone, nothing else is on stdout
        print(f"Written: {', '.join(written)}", file=sys.stderr if only_json(options) else sys.stdout)
    return status


def as_text(command: str, status: int, said: Mapping[str, Any]) -> str:
    """The JSON of a command."""
    return json.dumps({"schema": SCHEMA, "command": command, "status": status, **said}, indent=1)


def _is_stream(path: str) -> bool:
    """Whether a place is a pipe or a device, which nothing can take the place of."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


# ---------------------------------------------------------------------------- what several commands say


def rules(found: Iterable[Rule]) -> list[dict[str, str]]:
    """What was changed or supplied."""
    return [{"layer": rule.layer, "text": rule.text} for rule in found]


def left_out(found: Iterable[Any]) -> list[dict[str, str]]:
    """What of a file is not used."""
    return [{"what": item.what, "reason": item.reason} for item in found]


def parameters(model: Model) -> dict[str, int | None]:
    """How many values the weights of a model have, in Keras and in torch."""
    from ..models.summary_columns import counts_in_torch
    from ..models.summary_rows import totals

    trained, fixed = totals(model)
    torch = counts_in_torch(model)[0] if model._built else None
    return {"total": trained + fixed, "trainable": trained, "not_trainable": fixed, "torch": torch}


def layers(model: Model, expand: bool, columns: Iterable[str]) -> list[dict[str, Any]]:
    """The layers of a model, with what further columns of the table say."""
    from ..models.summary_columns import value_of
    from ..models.summary_rows import count, rows

    further = [value_of(model, name) for name in columns]
    found = []
    for depth, layer, shape, before in rows(model, expand_nested=expand):
        trained, fixed = count(layer)
        said: dict[str, Any] = {
            "name": layer.name,
            "class": layer._kind,
            "depth": depth,
            "output_shape": None if shape == "?" else shape,
            "connected_to": before,
            "parameters": trained + fixed,
            "trainable_parameters": trained,
        }
        for values in further:
            said.update(values(layer))
        found.append(said)
    return found
