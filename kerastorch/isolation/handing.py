"""How an archive goes from one process to another: JSON text and raw bytes, in one file.

The file begins with `MAGIC`, and where the JSON text stands and how many bytes it has; this is written last, so that a
file that is not whole has none. Then follow the values of the arrays, each at a place that the text says.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from struct import Struct
from typing import Any

import numpy as np

from .. import errors
from ..errors import ArgumentError, KerasTorchError, LoadError, UnsupportedFileError, counted
from ..files import Archive, Array, LegacyLayer, LegacyWeights, OptimizerState, Skipped, TreeObject, TreeWeights

MAGIC = b"kerastorch reads"
HEAD = Struct("<16sQQ")
ALIGNED = 64
# What a child says while it ends, beside 0.
NO_MEMORY, NO_ROOM = 3, 4

_DTYPE = re.compile(r"[<=|][fiub][1248]")
_RAISED = {
    name: cls
    for name, cls in vars(errors).items()
    if isinstance(cls, type) and (issubclass(cls, LoadError) or cls is ArgumentError)
}
Said = dict[str, Any]


def say_error(error: KerasTorchError) -> Said:
    """An error as JSON."""
    more = {key: getattr(error, key, "") for key in ("reason", "kind")}
    return {"class": type(error).__name__, "message": str(error), **more}


def error_of(said: Said) -> KerasTorchError:
    """The error of the same class, with the same message, reason and kind."""
    error = _RAISED[said["class"]](_text(said["message"]))
    if isinstance(error, UnsupportedFileError) and said["reason"] in ("own code", "runs code"):
        error.because(said["reason"])
    kind = _text(said["kind"])
    return error.of(kind) if kind and isinstance(error, LoadError) else error


# ---------------------------------------------------------------------------- one way


def say_archive(archive: Archive, values: Callable[[Array], Said], state: bool) -> Said:
    """An archive as JSON, but for the values of its arrays.

    Args:
        archive: The archive.
        values: Hands on the values of an array, and says where they are.
        state: Whether the state of the optimizer goes with it.
    """

    def arrays(items: Iterable[Array]) -> list[Said]:
        return [
            {"where": item.where, "shape": item.shape, "dtype": item.dtype, "rows": item.in_rows, **values(item)}
            for item in items
        ]

    def named(items: Iterable[tuple[str, Array]]) -> Said:
        pairs = list(items)
        return {"names": [name for name, _ in pairs], "arrays": arrays(array for _, array in pairs)}

    weights, held = archive.weights, archive.optimizer
    said: Said = {key: getattr(archive, key) for key in ("path", "format", "keras_version", "backend")}
    said |= {"config": archive.config, "training_config": archive.training_config, "weights": None, "optimizer": None}
    said["skipped"] = [[item.what, item.reason, item.warns] for item in archive.skipped]
    if isinstance(weights, LegacyWeights):
        layers = [{"name": layer.name, **named(layer.weights)} for layer in weights.layers]
        said["weights"] = {"layers": layers, "top_level": named(weights.top_level), "as_made": weights.as_made}
        said["weights"]["flat"] = weights.flat
    elif weights is not None:
        said["weights"] = {
            "objects": [
                {
                    "path": path,
                    "name": item.name,
                    "keys": item.keys,
                    "words": item.words,
                    "strange": None if item.strange is None else say_error(item.strange),
                    "arrays": arrays(item.arrays),
                }
                for path, item in weights.objects.items()
            ]
        }
    if held is not None:
        said["optimizer"] = {"what": held.what, "name": held.name, **(named(held.arrays) if state else named(()))}
    return said


# ---------------------------------------------------------------------------- and the other

Read = Callable[[int, int], np.ndarray]  # first byte, number of bytes -> so many bytes


def archive_of(said: Mapping[str, Any], size: int, read: Read, close: Callable[[], None]) -> Archive:
    """The archive that was said. What raised an error there, raises it here, when it is asked for.

    Args:
        said: What `say_archive` has made; "changed" is an error if the file was changed meanwhile.
        size: Of the file that holds the values.
        read: Reads from it.
        close: Lets go of it.

    Raises:
        KeyError, TypeError, ValueError, IndexError, AttributeError: It is none, or does not fit the file.
    """

    def arrays(items: Any) -> tuple[Array, ...]:
        return tuple(_array(item, size, read) for item in items)

    def named(item: Any) -> tuple[tuple[str, Array], ...]:
        return tuple(zip(map(_text, item["names"]), arrays(item["arrays"]), strict=True))

    def strange(item: Said | None) -> LoadError | None:
        if item is None:
            return None
        error = error_of(item)
        if not isinstance(error, LoadError):
            raise TypeError(item["class"])
        return error

    def objects(items: Any) -> TreeWeights:
        found: dict[str, TreeObject] = {}
        for item in items:
            keys = None if item["keys"] is None else tuple(map(_text, item["keys"]))
            words = None if item["words"] is None else tuple(map(_text, item["words"]))
            made = TreeObject(arrays(item["arrays"]), _or_none(item["name"]), keys, strange(item["strange"]), words)
            found[_text(item["path"])] = made
        return TreeWeights(found)

    stated, held, changed = said["weights"], said["optimizer"], said["changed"]
    weights = None
    if stated is not None and "layers" in stated:
        layers = tuple(LegacyLayer(_text(layer["name"]), named(layer)) for layer in stated["layers"])
        weights = LegacyWeights(layers, named(stated["top_level"]), stated["as_made"] is True, stated["flat"] is True)
    elif stated is not None:
        weights = objects(stated["objects"])
    problem = None if changed is None else error_of(changed)

    def check_unchanged() -> None:
        if problem is not None:
            raise problem

    return Archive(
        path=_text(said["path"]),
        format=said["format"],
        keras_version=_or_none(said["keras_version"]),
        backend=_or_none(said["backend"]),
        config=said["config"],
        weights=weights,
        training_config=said["training_config"],
        skipped=tuple(Skipped(_text(what), _text(why), warns is True) for what, why, warns in said["skipped"]),
        _close=close,
        optimizer=None if held is None else OptimizerState(named(held), _text(held["what"]), _or_none(held["name"])),
        check_unchanged=check_unchanged,
    )


def _array(said: Any, size: int, read: Read) -> Array:
    where, dtype = _text(said["where"]), _text(said["dtype"])
    shape = tuple(map(_count, said["shape"]))
    if "class" in said:
        problem = error_of(said)

        def refuse() -> np.ndarray:
            raise problem

        return Array(where, shape, dtype, refuse)
    kind, at = said["kind"], _count(said["at"])
    if not isinstance(kind, str) or not _DTYPE.fullmatch(kind):
        raise ValueError(kind)
    held = np.dtype(kind)
    row = held.itemsize * math.prod(shape[1:])
    nbytes = held.itemsize * math.prod(shape)
    if dtype not in ("bfloat16", "opaque2", held.name):
        raise ValueError(dtype)
    if nbytes != _count(said["bytes"]) or at + nbytes > size:
        raise ValueError(f"{counted(nbytes, 'byte')} at {at}")

    def values(begin: int, count: int, wanted: tuple[int, ...]) -> np.ndarray:
        array = np.empty(wanted, held) if not count else read(begin, count).view(held).reshape(wanted)
        array.flags.writeable = False
        return array

    def rows(begin: int, end: int) -> np.ndarray:
        return values(at + begin * row, (end - begin) * row, (end - begin, *shape[1:]))

    unwritten = _count(said["unwritten"])
    by_rows = rows if said["rows"] is True else None
    return Array(where, shape, dtype, lambda: values(at, nbytes, shape), by_rows, lambda: unwritten)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(value)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _or_none(value: Any) -> str | None:
    return None if value is None else _text(value)


def parse(raw: bytes) -> Said:
    """The text of what was handed on.

    Raises:
        ValueError: It is none.
    """
    said = json.loads(raw)
    if not isinstance(said, dict):
        raise TypeError(said)
    return said
