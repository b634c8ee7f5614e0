"""Write a checkpoint of TensorFlow 2: a graph of objects, and the arrays of its variables.

The index names the file of raw bytes that belongs to it, so a new one takes the place of the old one in one step: the
bytes of the new one stand in a file of another name until then.
"""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from kerastorch.errors import LoadError, SaveError, quote
from kerastorch.paths import AnyPath

from .._bytes import Bytes, OnDisk
from .._limits import Limits
from .._values import Array
from ..opening import open_file
from ..replacing import replacing
from . import _wire
from ._crc32c import crc32c, masked
from ._table import made_table
from .bundle import GRAPH, NUMBERS, STRING, Bundle
from .opening import STATE

_PRODUCER = 1  # of the version of the format that TensorFlow writes
_VALUE = ".ATTRIBUTES/VARIABLE_VALUE"


@dataclass(eq=False)
class Object:
    """What becomes a node of the graph.

    Attributes:
        children: By the names of the attributes under which TensorFlow looks for them.
        name: Of a variable: the layers around it and its own.
        array: Its values; None for what is no variable.
        slots: What an optimizer keeps: (weight, name of the slot, variable).
    """

    children: dict[str, Object] = field(default_factory=dict)
    name: str = ""
    array: Array | None = None
    slots: list[tuple[Object, str, Object]] = field(default_factory=list)


def write_checkpoint(root: Object, prefix: AnyPath) -> None:
    """Write `prefix.index`, the file of values beside it, and `checkpoint`, which says that it is the newest here.

    Args:
        root: What `load_weights` of tf.keras, or `tf.train.Checkpoint(root=...)`, restores.
        prefix: The path without its end.

    Raises:
        SaveError: The files cannot be written; what stood there is whole then.
    """
    path = os.path.realpath(os.fsdecode(prefix))
    keys = _keys(root)
    shards = 2 if _shards_of(path) == 1 else 1
    fresh = [_shard(path, number, shards) for number in range(shards)]
    with contextlib.ExitStack() as stack:
        stack.callback(_delete_other, path, shards)
        for file in fresh[1:]:
            with replacing(file):
                pass  # TensorFlow looks whether it is there
        entries = {"": _head(shards)}
        with replacing(fresh[0]) as temporary, open(temporary, "wb") as data:
            entries[GRAPH] = _put_text(data, _graph(root, keys))
            for item, key in keys.items():
                assert item.array is not None
                entries[key] = _put_array(data, item.name, item.array)
        listed = sorted((key.encode(), value) for key, value in entries.items())
        with replacing(f"{path}.index") as temporary, open(temporary, "wb") as file:
            file.write(made_table(listed))
    with replacing(os.path.join(os.path.dirname(path), STATE)) as temporary, open(temporary, "w") as file:
        named = os.path.basename(path).replace("\\", "\\\\").replace('"', '\\"')
        file.write(f'model_checkpoint_path: "{named}"\nall_model_checkpoint_paths: "{named}"\n')


def _shard(path: str, number: int, count: int) -> str:
    return f"{path}.data-{number:05d}-of-{count:05d}"


def _shards_of(path: str) -> int:
    """In how many files the values of a checkpoint stand that is there; 0 where there is none that can be read."""
    opened = []

    def opens(name: str) -> Bytes:
        file = open_file(os.path.join(os.path.dirname(path), name))
        opened.append(file)
        return OnDisk(file, 0, file.size)

    try:
        return Bundle(os.path.basename(path), opens, path, Limits(), lambda: None).shards
    except LoadError:
        return 0
    finally:
        for file in opened:
            file.close()


def _delete_other(path: str, shards: int) -> None:
    """Take away the values that the index does not name: those of before, or, after a failure, the new ones."""
    there = _shards_of(path) or shards
    for file in glob.glob(f"{glob.escape(path)}.data-?????-of-?????"):
        if not file.endswith(f"-of-{there:05d}"):
            with contextlib.suppress(OSError):
                os.unlink(file)


def _walk(root: Object) -> Iterator[tuple[Object, str]]:
    """Every object once, with the shortest path that leads there, as TensorFlow numbers and names them."""
    seen = {id(root)}
    queue = [(root, "")]
    for item, path in queue:
        yield item, path
        for name, child in item.children.items():
            if id(child) not in seen:
                seen.add(id(child))
                escaped = name.replace(".", "..").replace("/", ".S")
                queue.append((child, f"{path}/{escaped}" if path else escaped))


def _keys(root: Object) -> Mapping[Object, str]:
    """The name of each variable in the index; those of slots hang on their weight's."""
    paths = dict(_walk(root))
    keys = {item: f"{path}/{_VALUE}" for item, path in paths.items() if item.array is not None}
    for item, path in paths.items():
        for weight, name, variable in item.slots:
            keys[variable] = f"{paths[weight]}/.OPTIMIZER_SLOT/{path}/{name}/{_VALUE}"
    return keys


def _graph(root: Object, keys: Mapping[Object, str]) -> bytes:
    """`TrackableObjectGraph`; see objects.py."""
    nodes = [item for item, _ in _walk(root)]
    nodes += [variable for item in nodes for _, _, variable in item.slots]
    numbers = {id(item): number for number, item in enumerate(nodes)}
    made = []
    for item in nodes:
        parts = [
            _wire.field(1, _wire.field(1, numbers[id(child)]) + _wire.field(2, _text(name)))
            for name, child in item.children.items()
        ]
        if item.array is not None:
            said = (b"VARIABLE_VALUE", _text(item.name), _text(keys[item]))
            parts.append(_wire.field(2, b"".join(_wire.field(at + 1, text) for at, text in enumerate(said))))
        for weight, name, variable in item.slots:
            slot = _wire.field(1, numbers[id(weight)]) + _wire.field(2, _text(name))
            parts.append(_wire.field(3, slot + _wire.field(3, numbers[id(variable)])))
        parts.append(_wire.field(5, _wire.field(1, int(_holds(item)))))
        made.append(_wire.field(1, b"".join(parts)))
    return b"".join(made)


def _holds(item: Object) -> bool:
    """Whether there is a value in the object or below it."""
    return any(found.array is not None or found.slots for found, _ in _walk(item))


def _text(name: str) -> bytes:
    try:
        return name.encode()
    except UnicodeEncodeError:
        raise SaveError(f"{quote(name)}: a name without half characters is needed. Rename the layer.") from None


def _head(shards: int) -> bytes:
    return _wire.field(1, shards) + _wire.field(3, _wire.field(1, _PRODUCER))


def _put_text(data: BinaryIO, text: bytes) -> bytes:
    """Append a text; return its entry. Its length has a checksum of its own, see `Bundle.graph`."""
    size = len(text).to_bytes(4, "little")
    between = masked(crc32c(size)).to_bytes(4, "little")
    at = data.tell()
    data.write(_wire.of_number(len(text)) + between + text)
    return _entry(STRING, (), at, data.tell() - at, crc32c(size, between, text))


def _put_array(data: BinaryIO, name: str, array: Array) -> bytes:
    """Append the values of an array; return its entry."""
    dtype = NUMBERS.get(array.dtype)
    if dtype is None:
        raise SaveError(f"{name}: a checkpoint of TensorFlow holds no {array.dtype} that it could read.")
    values = array.read()
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    content, at = values.reshape(-1).view(np.uint8).data, data.tell()
    data.write(content)
    return _entry(dtype, array.shape, at, content.nbytes, crc32c(content))


def _entry(dtype: int, shape: tuple[int, ...], at: int, size: int, checksum: int) -> bytes:
    """`BundleEntryProto` of what stands in the first file; see `Bundle`."""
    sizes = b"".join(_wire.field(2, _wire.field(1, axis)) for axis in shape)
    place = _wire.field(4, at) + _wire.field(5, size)
    return _wire.field(1, dtype) + _wire.field(2, sizes) + place + _wire.fixed32(6, masked(checksum))
