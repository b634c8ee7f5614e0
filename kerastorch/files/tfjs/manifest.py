"""The arrays that `weightsManifest` lists: where each stands in the files of its group, and what its bytes mean.

The arrays of a group follow one another without gaps through all files of the group. They may be quantized: then a
value is `bytes * scale + min`, or a float of 16 bits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError, UnsupportedFileError, counted, placed, quote

from .._bytes import Bytes
from .._limits import Limits
from .._source import DAMAGED, FOREIGN
from .._values import Array

_DTYPES = {"float32": "<f4", "int32": "<i4", "bool": "|u1"}
_NOT_READ = ("string", "complex64")
_WHOLE = {"uint8": "|u1", "uint16": "<u2"}  # quantized to these
_FILE = re.compile(r"[^/\\\0:]+")


@dataclass(frozen=True)
class _Piece:
    """An array before its place is known."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    raw: str
    scale: float | None
    least: float

    @property
    def size(self) -> int:
        return math.prod(self.shape) * np.dtype(self.raw).itemsize

    def values(self, content: bytes | memoryview) -> np.ndarray:
        found = np.frombuffer(content, self.raw)
        if self.scale is not None:
            real = found.astype("f8") * self.scale + self.least
            found = np.rint(real).astype("i4") if self.dtype == "int32" else real.astype("f4")
        elif self.dtype == "bool":
            found = found != 0
        else:
            found = found.astype(self.dtype, copy=False)
        found = found.reshape(self.shape)
        found.flags.writeable = False
        return found


def read_manifest(
    manifest: Any, name: str, limits: Limits, open_file: Callable[[str], Bytes], check_open: Callable[[], None]
) -> tuple[list[tuple[str, Array]], list[str]]:
    """The arrays by their names, in order, and the names of those of an optimizer, which are left alone.

    Args:
        manifest: What `model.json` says.
        name: What to call that in messages.
        limits: The bounds.
        open_file: From the name of a file beside it to its bytes.
        check_open: Raises where the archive is closed.
    """
    if not isinstance(manifest, list) or not all(isinstance(group, dict) for group in manifest):
        raise _strange(name, "weightsManifest is no list of groups")
    files = [path for group in manifest for path in _listed(group, "paths", name)]
    if len(files) > limits.shards:
        raise UnsafeFileError(limits.beyond(f"{name}: it names {counted(len(files), 'file')} of weights", "shards"))
    if len(set(map(repr, files))) != len(files):
        raise _strange(name, "it names a file of weights twice")
    found: dict[str, Array] = {}
    others: list[str] = []
    for group in manifest:
        parts = [_opened(path, name, limits, open_file) for path in _listed(group, "paths", name)]
        total, at = sum(part.size for part in parts), 0
        for entry in _listed(group, "weights", name):
            piece = _piece(entry, name, limits)
            if len(found) >= limits.objects:
                raise UnsafeFileError(limits.beyond(f"{name}: it lists more arrays", "objects"))
            if piece.name in found or piece.name in others:
                raise _strange(name, f"it lists the array {quote(piece.name)} twice")
            if at + piece.size > total:
                raise CorruptFileError(
                    f"{name}: the array {quote(piece.name)} needs bytes {at} to {at + piece.size} of its group, whose "
                    f"files have {total}. {DAMAGED}"
                )
            if isinstance(entry, dict) and entry.get("group") == "optimizer":
                others.append(piece.name)
            else:
                found[piece.name] = _array(piece, parts, at, check_open)
            at += piece.size
        if at != total:
            raise CorruptFileError(
                f"{name}: the files of a group have {counted(total, 'byte')}, its arrays {at}. {DAMAGED}"
            )
    return list(found.items()), others


def _array(piece: _Piece, parts: Sequence[Bytes], at: int, check_open: Callable[[], None]) -> Array:
    def read() -> np.ndarray:
        check_open()
        return piece.values(_bytes(parts, at, at + piece.size))

    return Array(piece.name, piece.shape, piece.dtype, read)


def _bytes(parts: Sequence[Bytes], begin: int, end: int) -> bytes | memoryview:
    """What stands from one place to another of files that follow one another."""
    found, start = [], 0
    for part in parts:
        first, last = max(begin - start, 0), min(end - start, part.size)
        if first < last:
            found.append(part.read(first, last))
        start += part.size
    return found[0] if len(found) == 1 else b"".join(found)


def _listed(group: dict[str, Any], key: str, name: str) -> list[Any]:
    value = group.get(key)
    if not isinstance(value, list):
        raise _strange(name, f"a group of weightsManifest has no list {key!r}")
    return value


def _opened(path: Any, name: str, limits: Limits, open_file: Callable[[str], Bytes]) -> Bytes:
    plain = isinstance(path, str) and _FILE.fullmatch(path) and path not in (".", "..")
    if not plain or len(path.encode("utf-8", "replace")) > limits.name_length:
        raise _strange(name, f"it names {quote(path)}, expected the name of a file beside it")
    try:
        return open_file(path)
    except LoadError as error:
        raise placed(error, f"{name}: the file of weights {quote(path)} cannot be used") from error


def _piece(entry: Any, name: str, limits: Limits) -> _Piece:
    said = entry if isinstance(entry, dict) else {}
    label, shape, dtype = said.get("name"), said.get("shape"), said.get("dtype")
    where = f"{name}: {quote(label)}"
    if not isinstance(label, str) or len(label) > limits.name_length:
        raise _strange(name, f"an array is called {quote(label)}")
    if not isinstance(shape, list) or not all(type(size) is int and 0 <= size < 1 << 48 for size in shape):
        raise _strange(where, f"its shape is {quote(shape)}")
    if len(shape) > 64:
        raise _strange(where, f"it has {counted(len(shape), 'axis', 'axes')}")
    if dtype not in _DTYPES:
        if dtype in _NOT_READ:
            raise UnsupportedFileError(f"{where}: it holds {dtype}, expected float32, int32 or bool.")
        raise _strange(where, f"its dtype is {quote(dtype)}")
    quantized = said.get("quantization")
    if quantized is None:
        return _Piece(label, tuple(shape), dtype, _DTYPES[dtype], None, 0.0)
    kind = quantized.get("dtype") if isinstance(quantized, dict) else None
    if kind == "float16" and dtype == "float32":
        return _Piece(label, tuple(shape), dtype, "<f2", None, 0.0)
    scale, least = (quantized.get(key) for key in ("scale", "min")) if isinstance(quantized, dict) else (None, None)
    if kind not in _WHOLE or dtype == "bool" or not (_is_number(scale) and _is_number(least)):
        raise _strange(where, f"its quantization is {quote(quantized)}")
    return _Piece(label, tuple(shape), dtype, _WHOLE[str(kind)], float(scale), float(least))  # type: ignore[arg-type]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _strange(where: str, problem: str) -> UnsafeFileError:
    return UnsafeFileError(f"{where}: {problem}. {FOREIGN}")
