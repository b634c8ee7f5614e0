"""Files and folders that no loader here reads, and what another one would have run: text, SavedModels."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import LoadError, quote
from ..files import Limits, name_of
from ..files.architectures import HARMLESS
from ..files.contents import Bytes, members, open_bytes
from ..files.strict_json import parse_json
from .references import references
from .report import REFUSED, UNSAFE, Finding

_LONGEST = 400  # characters of a reason
_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")
_GRAPHS = (*_SAVED_MODEL, "keras_metadata.pb")
# Operations in the graph of a SavedModel that touch files, or run Python.
_OPERATIONS = re.compile(rb"\x12.(EagerPyFunc|PyFuncStateless|PyFunc|ReadFile|WriteFile)", re.DOTALL)
_CODE = re.compile(rb'"class_name": ?"(Lambda|__lambda__|TFSMLayer|TorchModuleWrapper)"')
_YAML = re.compile(rb"!!python/[\w/:.]+")
_HARMLESS = {tag.encode() for tag in HARMLESS}
_YAML_CODE = re.compile(rb"class_name:\s*['\"]?(Lambda|__lambda__)\b|function_type:\s*['\"]?lambda\b")


def is_folder_of_a_model(entries: set[str]) -> bool:
    """Whether a folder with these entries is one model: a SavedModel, or an unpacked `.keras` file."""
    unpacked = "config.json" in entries and bool({"model.weights.h5", "model.weights.npz"} & entries)
    return unpacked or not entries.isdisjoint(_SAVED_MODEL)


def in_folder(path: str, limits: Limits) -> Iterator[Finding]:
    """What is not safe in a folder that is one model."""
    for name in _GRAPHS:
        yield from _in_graph(_content(os.path.join(path, name), limits), name)
    content = _content(os.path.join(path, "config.json"), limits)
    if content:
        yield from in_json(content, "config.json", limits)
    if os.path.lexists(os.path.join(path, "model.weights.npz")):
        yield Finding(
            UNSAFE, "pickle", "model.weights.npz", "its arrays are pickled, which runs code when it is loaded"
        )


def in_packed(files: Mapping[str, Callable[[], Bytes]], limits: Limits) -> Iterator[Finding]:
    """What is not safe in a SavedModel that stands in a zip archive or a tar with these files."""
    for member, opens in files.items():
        if member.rpartition("/")[2] in _GRAPHS:
            content = opens()
            yield from _in_graph(bytes(content.read(0, min(content.size, limits.json_bytes))), member)


def has_model(data: Bytes, name: str, limits: Limits) -> bool:
    """Whether a SavedModel stands in a zip archive or a tar, or may: it cannot be read."""
    try:
        return any(member.rpartition("/")[2] in _SAVED_MODEL for member in members(data, name, limits))
    except LoadError:
        return True


def _in_graph(content: bytes, where: str) -> Iterator[Finding]:
    """What the graph of a SavedModel, or what stands beside it, would run."""
    for pattern, what in ((_CODE, "its loading runs code that stands in the file"), (_OPERATIONS, _REACHES)):
        for found in sorted({match[1] for match in pattern.finditer(content)}):
            yield Finding(UNSAFE, found.decode("ascii"), where, what)


_REACHES = "an operation of TensorFlow that touches files or runs Python"


def in_json(content: bytes, source: str, limits: Limits) -> Iterator[Finding]:
    """What is not safe in the text of a config."""
    try:
        config: Any = parse_json(content, source, limits)
    except LoadError:
        return
    yield from (found.finding for found in references(config, source) if not found.own)


def in_yaml(content: bytes) -> Iterator[Finding]:
    """What is not safe in YAML text, which is searched here, and never parsed."""
    for found in sorted({match[0] for match in _YAML.finditer(content)} - _HARMLESS):
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
