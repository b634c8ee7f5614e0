"""SavedModels with faults in them, as zip archives: in the config, in what the index says, in the graph of objects.

The checksums are made anew, so that most faults come past them.
"""

from __future__ import annotations

import functools
import io
import random
import tarfile
import zipfile
from pathlib import Path

from kerastorch.files import Limits
from kerastorch.files._source import Source
from kerastorch.files.tensorflow import _crc32c, _table
from kerastorch.files.tensorflow._wire import Wire

from .bytes_of import wrong_bytes
from .zips import archive_of, packed

GOLDEN = Path(__file__).parents[1] / "goldens" / "tensorflow.zip"
_INDEX, _DATA, _METADATA = "variables/variables.index", "variables/variables.data-00000-of-00001", "keras_metadata.pb"
_GRAPH = b"_CHECKPOINTABLE_OBJECT_GRAPH"
_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


@functools.cache
def folders() -> tuple[dict[str, bytes], ...]:
    """The files of each golden SavedModel, but for its functions."""
    found: dict[str, dict[str, bytes]] = {}
    with zipfile.ZipFile(GOLDEN) as archive, tarfile.open(fileobj=io.BytesIO(archive.read("files.tar"))) as tar:
        for member in tar:
            folder, _, name = member.name.partition("/")
            content = tar.extractfile(member)
            if name and content is not None:
                found.setdefault(folder, {})[name] = content.read()
    return tuple({**files, "saved_model.pb": b"\x08\x01"} for files in found.values())


def wrong_container(rng: random.Random) -> bytes:
    """A SavedModel with faults in one of its files."""
    files = dict(rng.choice(folders()))
    kind = rng.randrange(5)
    if kind == 0:
        files[_METADATA] = wrong_bytes(files[_METADATA], rng)
    elif kind == 1:
        name = rng.choice((_INDEX, _DATA))
        files[name] = wrong_bytes(files[name], rng)
    elif kind == 2:
        files["saved_model.pb"] = wrong_bytes(rng.choice((files[_METADATA], files[_INDEX], b"\x08\x01")), rng)
        files.pop(_METADATA)
    else:
        entries = entries_of(files[_INDEX])
        name = _GRAPH if kind == 3 else rng.choice([*entries])
        if name == _GRAPH:
            files[_DATA], entries[name] = _with_graph(files[_DATA], entries[name], rng)
        elif rng.random() < 0.2:
            entries[wrong_bytes(name or b"head", rng)] = entries.pop(name)
        else:
            entries[name] = wrong_bytes(entries[name], rng)
        files[_INDEX] = table_of(entries)
    parts = [packed(name.encode(), content) for name, content in files.items()]
    return archive_of([(part, part) for part in parts])


def entries_of(index: bytes) -> dict[bytes, bytes]:
    """What stands in a table."""
    return {name: bytes(value) for name, value in _table.read_table(Source(index, "index", Limits()))}


def table_of(entries: dict[bytes, bytes]) -> bytes:
    """A table of one block, whose checksums are right."""
    content = b""
    for name in sorted(entries):
        content += varint(0) + varint(len(name)) + varint(len(entries[name])) + name + entries[name]
    data = _block(content)
    place = varint(0) + varint(len(data) - 5)
    index = _block(varint(0) + varint(1) + varint(len(place)) + b"\xff" + place)
    footer = varint(0) + varint(0) + varint(len(data)) + varint(len(index) - 5)
    return data + index + footer.ljust(40, b"\0") + _MAGIC


def varint(value: int) -> bytes:
    """A number in groups of seven bits."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def masked(crc: int) -> bytes:
    """A checksum as it stands in a file."""
    return (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def _block(content: bytes) -> bytes:
    content += bytes(4) + (1).to_bytes(4, "little")  # one start
    return content + b"\0" + masked(_crc32c.crc32c(content, b"\0"))


def _with_graph(data: bytes, entry: bytes, rng: random.Random) -> tuple[bytes, bytes]:
    """A wrong graph behind the other arrays, and the entry for it."""
    wire = Wire(memoryview(entry), Source(b"", "entry", Limits()), "entry")
    at, size = (wire.whole(wire.last().get(number, 0)) for number in (4, 5))
    text = data[at : at + size]
    begin = next(place for place in range(10) if text[place] < 128) + 5
    graph = wrong_bytes(text[begin:], rng)
    length = masked(_crc32c.crc32c(len(graph).to_bytes(4, "little")))
    made = varint(len(graph)) + length + graph
    crc = masked(_crc32c.crc32c(len(graph).to_bytes(4, "little"), length, graph))
    place = varint(4 << 3) + varint(len(data)) + varint(5 << 3) + varint(len(made)) + varint(6 << 3 | 5) + crc
    return data + made, varint(1 << 3) + varint(7) + place
