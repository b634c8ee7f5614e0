"""Files and folders that no loader here reads, and what another one would have run: text, SavedModels."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from ..errors import LoadError, quote
from ..files import Limits, name_of
from ..files.contents import open_bytes
from ..files.strict_json import parse_json
from .references import references
from .report import REFUSED, UNSAFE, Finding

_LONGEST = 400  # characters of a reason
_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")
# Operations in the graph of a SavedModel that touch files, or run Python.
_OPERATIONS = re.compile(rb"\x12.(EagerPyFunc|PyFuncStateless|PyFunc|ReadFile|WriteFile)", re.DOTALL)
_CODE = re.compile(rb'"class_name": ?"(Lambda|__lambda__|TFSMLayer|TorchModuleWrapper)"')
_YAML = re.compile(rb"!!python/[\w/:.]+")
_YAML_CODE = re.compile(rb"class_name:\s*['\"]?(Lambda|__lambda__)\b|function_type:\s*['\"]?lambda\b")


def is_folder_of_a_model(entries: set[str]) -> bool:
    """Whether a folder with these entries is one model: a SavedModel, or an unpacked `.keras` file."""
    unpacked = "config.json" in entries and bool({"model.weights.h5", "model.weights.npz"} & entries)
    return unpacked or not entries.isdisjoint(_SAVED_MODEL)


def in_folder(path: str, limits: Limits) -> Iterator[Finding]:
    """What is not safe in a folder that is one model."""
    for name in (*_SAVED_MODEL, "keras_metadata.pb"):
        content = _content(os.path.join(path, name), limits)
        for pattern, what in ((_CODE, "its loading runs code that stands in the file"), (_OPERATIONS, _REACHES)):
            for found in sorted({match[1] for match in pattern.finditer(content)}):
                yield Finding(UNSAFE, found.decode("ascii"), name, what)
    content = _content(os.path.join(path, "config.json"), limits)
    if content:
        yield from in_json(content, "config.json", limits)
    if os.path.lexists(os.path.join(path, "model.weights.npz")):
        yield Finding(
            UNSAFE, "pickle", "model.weights.npz", "its arrays are pickled, which runs code when it is loaded"
        )


_REACHES = "an operation of TensorFlow that touches files or runs Python"


def in_json(content: bytes, source: str, limits: Limits) -> Iterator[Finding]:
    """What is not safe in the text of a config."""
    try:
        config: Any = parse_json(content, source, limits)
    except LoadError:
        return
    yield from (found.finding for found in references(config, source) if not found.own)


def in_yaml(content: bytes) -> Iterator[Finding]:
    """What is not safe in an architecture as YAML text, which is searched and never parsed."""
    for found in sorted({match[0] for match in _YAML.finditer(content)}):
        yield Finding(UNSAFE, quote(found.decode("ascii"))[1:-1], "YAML text", "it makes Python call what it names")
    if _YAML_CODE.search(content):
        yield Finding(UNSAFE, "Lambda", "YAML text", "Python code that stands in the file, compiled and packed")


def _content(path: str, limits: Limits) -> bytes:
    """The content of a file, as much as a config may have; nothing where it cannot be read."""
    try:
        with open_bytes(path) as data:
            return bytes(data.read(0, min(data.size, limits.json_bytes)))
    except LoadError:
        return b""


def refused(error: LoadError, path: str, what: str) -> Finding:
    """The finding for a file that cannot be opened."""
    return Finding(REFUSED, what, "", reason(error, path))


def reason(error: Exception, path: str) -> str:
    """What an error says, without the name of the file, on one line."""
    said = str(error).removeprefix(f"{path}: ").removeprefix(f"{name_of(path)}: ")  # readers shorten long paths
    text = " ".join(said.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
