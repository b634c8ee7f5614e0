"""Vocabularies that stand in files: what a caller names is read, what a config names is not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ...errors import ArgumentError, UnsafeFileError, quote
from ...paths import AnyPath, is_path

# Under this name `load_own_variables` gets the words that stand in a file of their own beside the arrays.
VOCABULARY = "vocabulary"
COUNTS = "idf_weights"  # and what each counts


def lines_of(path: AnyPath, where: str) -> list[str]:
    """The words of a file, one on each line.

    Raises:
        ArgumentError: It cannot be read, or is no text.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return [line.rstrip("\n") for line in file]
    except (OSError, ValueError) as error:  # a path with a NUL, or what is no UTF-8 text
        reason = error.strerror if isinstance(error, OSError) else error
        raise ArgumentError(
            f"{where}: the file {quote(os.fsdecode(path))} cannot be read ({reason}); expected UTF-8 text with one "
            "word on each line, or a list of words."
        ) from None


def without_paths(config: Mapping[str, Any], class_name: str) -> None:
    """Raise where a config, which may be anybody's, names a file of this machine as the vocabulary."""
    for key in (VOCABULARY, COUNTS):
        value, name = config.get(key), quote(config.get("name"))
        if is_path(value):
            raise UnsafeFileError(
                f"layer {name} ({class_name}): its config names a file as its {key}, {quote(value)}. No file is read "
                f"because another one says so: pass the layer with its words, as replace={{{name}: {class_name}(...)}}."
            )
