"""Wrong zip archives: heads, sizes, names, order, what stands twice, how it is packed, what contradicts itself."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace

_LOCAL, _CENTRAL, _END = struct.Struct("<4s5H3I2H"), struct.Struct("<4s6H3I5H2I"), struct.Struct("<4s4H2IH")
_METHODS = (0, 8, 1, 6, 9, 12, 14, 93, 99, 0xFFFF)
_FLAGS = (0, 1, 8, 0x800, 0x808, 0x40, 0x2000, 0xFFFF)
_SIZES = (0, 1, 2**31, 2**32 - 2, 2**32 - 1)
_NAMES = (
    *(b"", b"/", b"..", b"../x", b"/etc/passwd", b"a//b", b"C:\\x", b"a\\b", b"a\0b", b"\xff\xfe", b"x" * 2000),
    *(b"CONFIG.JSON", b"Config.json", b"config.json/", b"./config.json", b"config.json ", b"assets/vocabulary.txt"),
    *(b"config.json", b"metadata.json", b"model.weights.h5", b"model.weights.npz", "größe".encode("cp437", "replace")),
)


@dataclass(frozen=True)
class Part:
    """One member, and what its two heads say of it."""

    name: bytes
    packed: bytes
    method: int
    crc: int
    size: int
    stored: int
    flags: int = 0
    mode: int = 0o100644
    extra: bytes = b""
    comment: bytes = b""
    begin: int | None = None


def members(content: bytes) -> dict[str, bytes]:
    """The members of a whole archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(name: bytes, content: bytes, method: int = 0) -> Part:
    """A member as it should be."""
    data = content
    if method == 8:
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        data = packer.compress(content) + packer.flush()
    return Part(name, data, method, zlib.crc32(content), len(content), len(data))


def _fit(*numbers: int) -> tuple[int, ...]:
    """Numbers as fields of four bytes; a fault upon another can be more."""
    return tuple(number & 0xFFFFFFFF for number in numbers)


def archive_of(parts: list[tuple[Part, Part]], rng: random.Random | None = None) -> bytes:
    """An archive; of each member the own head and the one in the directory."""
    made, entries = bytearray(), []
    for own, listed in parts:
        begin = len(made)
        made += _LOCAL.pack(
            *(b"PK\3\4", 20, own.flags, own.method, 0, 33, *_fit(own.crc, own.stored, own.size)),
            *(len(own.name), len(own.extra)),
        )
        made += own.name + own.extra + own.packed
        if own.flags & 8:
            made += struct.pack("<4s3I", b"PK\7\10", *_fit(own.crc, own.stored, own.size))
        entries.append((listed, begin if listed.begin is None else listed.begin))
    start = len(made)
    if rng is not None and rng.random() < 0.1:
        rng.shuffle(entries)
    for item, begin in entries:
        made += _CENTRAL.pack(
            *(b"PK\1\2", 0x314, 20, item.flags, item.method, 0, 33, *_fit(item.crc, item.stored, item.size)),
            *(len(item.name), len(item.extra), len(item.comment), 0, 0, item.mode << 16, begin),
        )
        made += item.name + item.extra + item.comment
    return bytes(made + _END.pack(b"PK\5\6", 0, 0, len(entries), len(entries), len(made) - start, start, 0))


def wrong_zip(content: bytes, rng: random.Random) -> bytes:
    """An archive with one to three faults."""
    if rng.random() < 0.4:
        return _wrong_fields(content, rng)
    plain = [packed(name.encode(), data, rng.choice((0, 8))) for name, data in members(content).items()]
    parts = [(part, part) for part in plain]
    for _ in range(rng.choice((1, 1, 2, 3))):
        index = rng.randrange(len(parts))
        own, listed = parts[index]
        kind = rng.randrange(11)
        if kind == 0:
            rng.shuffle(parts)
        elif kind == 1:
            parts.insert(rng.randrange(len(parts) + 1), rng.choice(parts))
        elif kind == 2 and len(parts) > 1:
            del parts[index]
        elif kind == 3:
            data = rng.randbytes(rng.choice((0, 1, 100)))
            part = packed(rng.choice(_NAMES), data, rng.choice((0, 8)))
            parts.insert(rng.randrange(len(parts) + 1), (part, part))
        elif kind == 4:  # much that packs to little
            part = packed(own.name, bytes(rng.choice((10**6, 20_000_000))), 8)
            parts[index] = (part, part)
        else:
            change = _change(own, rng)
            both = rng.random()
            new = replace(own, **change)
            parts[index] = (new, replace(listed, **change)) if both < 0.4 else (new, listed)
            if both > 0.7:
                parts[index] = (own, replace(listed, **change))
    made = archive_of(parts, rng)
    return rng.choice((made, made, made, made, rng.randbytes(4) + made, made + rng.randbytes(4), made + made))


def _change(part: Part, rng: random.Random) -> dict[str, object]:
    """What is otherwise in one head."""
    size = rng.choice((*_SIZES, part.size + 1, max(0, part.size - 1), part.size * 2 & 0xFFFFFFFF, part.stored))
    return rng.choice(
        (
            {"name": rng.choice(_NAMES)},
            {"method": rng.choice(_METHODS)},
            {"flags": rng.choice(_FLAGS)},
            {"crc": rng.randrange(2**32)},
            {"size": size},
            {"stored": size},
            {"size": size, "stored": size},
            {"mode": rng.choice((0o120777, 0o040755, 0o020666, 0o010644, 0))},
            {
                "extra": struct.pack("<2H", 1, rng.choice((0, 8, 16, 24, 28, 999)))
                + rng.randbytes(rng.choice((0, 8, 16, 28)))
            },
            {"comment": rng.randbytes(5)},
            {"begin": rng.choice((0, 1, 30, 2**31, 2**32 - 1))},
            {"packed": part.packed[: rng.randrange(len(part.packed) + 1)]},
            {"packed": part.packed + rng.randbytes(8)},
            {"packed": rng.randbytes(min(64, len(part.packed)))},
        )
    )


def _wrong_fields(content: bytes, rng: random.Random) -> bytes:
    """Numbers changed in the heads as they stand."""
    made = bytearray(content)
    places = [(made.find(b"PK\5\6", len(made) - 64), (2, 2, 2, 2, 4, 4, 2))]
    for signature, sizes in (
        (b"PK\3\4", (2, 2, 2, 2, 2, 4, 4, 4, 2, 2)),
        (b"PK\1\2", (2, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2, 2, 2, 2, 4, 4)),
    ):
        at = content.find(signature)
        while at >= 0:
            places.append((at, sizes))
            at = content.find(signature, at + 4)
    for _ in range(rng.choice((1, 1, 2))):
        at, sizes = rng.choice(places)
        number = rng.randrange(len(sizes))
        at += 4 + sum(sizes[:number])
        size = sizes[number]
        old = int.from_bytes(made[at : at + size], "little")
        new = rng.choice((0, 1, old + 1, old - 1, old * 2, 0xFFFF, 0xFFFFFFFF, len(made), old ^ 1 << rng.randrange(16)))
        made[at : at + size] = (new & (1 << 8 * size) - 1).to_bytes(size, "little")
    return bytes(made)


def with_member(content: bytes, name: str, new: bytes) -> bytes:
    """A whole archive, with other content in one member and a checksum that agrees."""
    parts = [packed(key.encode(), new if key == name else data) for key, data in members(content).items()]
    return archive_of([(part, part) for part in parts])
