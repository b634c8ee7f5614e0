"""The file that a command is about."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, UnsupportedFileError, did_you_mean, quote
from ._skeleton import skeleton

if TYPE_CHECKING:
    from ..files import Archive, Limits
    from ..load import LoadReport
    from ..models import Model

_MOST_LINES = 30  # of a model's layers in a message


def add_file(parser: argparse.ArgumentParser) -> None:
    """The argument FILE."""
    parser.add_argument("file", metavar="FILE", help=".keras, .h5, .hdf5 or .weights.h5")


def add_arch(parser: argparse.ArgumentParser) -> None:
    """The option --arch."""
    parser.add_argument("--arch", metavar="A.json", help="for a file of weights only: the model's to_json() text")


def add_bounds(parser: argparse.ArgumentParser) -> None:
    """What a file may ask for, which one it has to be, and who reads it."""
    add_limit(parser)
    parser.add_argument("--sha256", metavar="HEX", help="the SHA-256 that the file must have")
    parser.add_argument("--isolate", action="store_true", help="read the file in a process of its own")


def add_limit(parser: argparse.ArgumentParser) -> None:
    """What a file may ask for."""
    parser.add_argument(
        "--limit",
        metavar="NAME=N",
        action="append",
        default=[],
        help="bytes, layers, parameters, depth, seconds, memory or another bound of kt.Limits; may stand several times",
    )


def bounded(options: argparse.Namespace) -> bool:
    """Whether any of these options is given."""
    return bool(options.limit or options.sha256 is not None or options.isolate)


def bounds(options: argparse.Namespace) -> dict[str, Any]:
    """The values of these options, as `load_model` takes them; raises as `limits_of`."""
    return {"limits": limits_of(options), "expected_sha256": options.sha256, "isolate": options.isolate}


def limits_of(options: argparse.Namespace) -> Limits:
    """What a file may ask for.

    Raises:
        ArgumentError: There is no such bound, or it is no number.
    """
    from dataclasses import fields

    from ..files import Limits

    known, given = [item.name for item in fields(Limits)], {}
    for text in options.limit:
        name, _, value = text.partition("=")
        if name not in known:
            near = did_you_mean(name, known) or f" There are {', '.join(known)}."
            raise ArgumentError(f"--limit {quote(text)}: there is no bound {quote(name)}.{near}")
        try:
            given[name] = float(value) if name == "seconds" else int(value)
        except ValueError:
            raise ArgumentError(f"--limit {quote(text)}: expected {name}= and a number.") from None
    return Limits(**given)


def by_option(message: str) -> str:
    """A message that names an argument of Python, for the command line."""
    message = message.replace("expected_sha256: expected", "--sha256: expected")
    message = message.replace("load it without isolate=True", "give no --isolate")
    return re.sub(r"pass limits=kt\.Limits\((\w+)=\.\.\.\)", r"give --limit \1=N", message)


def opened(options: argparse.Namespace) -> Archive:
    """FILE, of which what it says is wanted and no values of arrays."""
    from ..files import open_archive
    from ..isolation import open_isolated

    given = bounds(options)
    if given.pop("isolate"):
        return open_isolated(options.file, **given, arrays=False)
    return open_archive(options.file, **given)


def load(options: argparse.Namespace, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """The model of FILE, or of --arch with the weights of FILE."""
    return load_reported(options, custom_objects)[0]


class _WithSkeletonError(UnsupportedFileError):
    """Has lines of code, to be copied."""

    keeps_lines = True


def _refuse_weights(options: argparse.Namespace) -> None:
    """Say of a file of weights only what to do with it."""
    path = options.file
    with opened(options) as archive:
        if archive.config is not None:
            return
        lines = skeleton(archive)
        more = len(lines) - _MOST_LINES
        shown = [f"  {line}" for line in lines[:_MOST_LINES]]
        shown += [f"  and {more} more; kerastorch info {quote(path)} lists them all"] if more > 0 else []
        raise _WithSkeletonError(
            f"{quote(path)}: {archive.without_model} Give its architecture: --arch model.json, the text of the model's "
            "to_json(). Without one, build the model in Python and call kt.load_weights(model, path), or "
            "kt.copy_weights(path, module) for a torch module of your own. Layers that fit the arrays, to begin with:\n"
            + "\n".join(shown)
        )


def load_reported(
    options: argparse.Namespace, custom_objects: Mapping[str, Any] | None = None
) -> tuple[Model, LoadReport]:
    """The same, with what was done."""
    from dataclasses import replace

    from ..architectures import model_from_json_reported
    from ..load import load_model_reported, load_weights

    if options.arch is None:
        _refuse_weights(options)
        return load_model_reported(options.file, custom_objects, **bounds(options))
    try:
        with open(options.arch, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"--arch {quote(options.arch)} cannot be read as text: {error}") from error
    given = bounds(options)
    with opened(options) as archive:  # before layers are made that it has no weights for
        model, rules = model_from_json_reported(
            text, custom_objects, limits=given["limits"], beside=archive, what="--arch"
        )
    report = load_weights(model, options.file, **given)
    return model, replace(report, rules=(*rules, *report.rules))
