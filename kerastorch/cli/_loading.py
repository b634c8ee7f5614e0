"""The file that a command is about."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, UnsupportedFileError, quote

if TYPE_CHECKING:
    from ..load import LoadReport
    from ..models import Model


def add_file(parser: argparse.ArgumentParser) -> None:
    """The argument FILE."""
    parser.add_argument("file", metavar="FILE", help=".keras, .h5, .hdf5 or .weights.h5")


def add_arch(parser: argparse.ArgumentParser) -> None:
    """The option --arch."""
    parser.add_argument("--arch", metavar="A.json", help="for a file of weights only: the model's to_json() text")


def load(options: argparse.Namespace, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """The model of FILE, or of --arch with the weights of FILE."""
    return load_reported(options, custom_objects)[0]


def _refuse_weights(path: str) -> None:
    """Say of a file of weights only what to do with it."""
    from ..files import open_archive

    with open_archive(path) as archive:
        if archive.config is not None:
            return
        raise UnsupportedFileError(
            f"{quote(path)}: this file holds weights only ({archive.format}), no model. Give its architecture: --arch "
            "model.json, the text of the model's to_json(). Without one, build the model in Python and call "
            f"kt.load_weights(model, path); kerastorch info {quote(path)} lists layers that fit the arrays."
        )


def load_reported(
    options: argparse.Namespace, custom_objects: Mapping[str, Any] | None = None
) -> tuple[Model, LoadReport]:
    """The same, with what was done."""
    from dataclasses import replace

    from ..files import open_archive
    from ..load import load_model_reported, load_weights, model_from_json_reported

    if options.arch is None:
        _refuse_weights(options.file)
        return load_model_reported(options.file, custom_objects)
    try:
        with open(options.arch, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"--arch {quote(options.arch)} cannot be read as text: {error}") from error
    with open_archive(options.file) as archive:  # before layers are made that it has no weights for
        model, rules = model_from_json_reported(text, custom_objects, beside=archive)
    report = load_weights(model, options.file)
    return model, replace(report, rules=(*rules, *report.rules))
