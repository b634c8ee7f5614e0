"""What stands where in an HDF5 file: the fields of its structures, and what its checksums are of.

This knows no more of the format than it takes to hit every field of it; of what it does not know, the bytes behind a
signature are fields, too.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

SIGNATURES = (
    *(b"OHDR", b"OCHK", b"TREE", b"SNOD", b"HEAP", b"GCOL", b"FRHP", b"FHDB", b"FHIB", b"BTHD", b"BTLF", b"BTIN"),
    *(b"FAHD", b"FADB", b"EAHD", b"EAIB", b"EASB", b"EADB", b"FSHD", b"FSSE"),
)
_UNKNOWN = 48  # bytes behind a signature whose fields are not known
_LONGEST = 3_000  # bytes that a checksum may be of
# The sizes of the fields behind the signature, and of what repeats after them.
_SUPERBLOCK = (1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 4, 8, 8, 8, 8, 8, 8, 4, 4, 8, 8)
_NEW_SUPERBLOCK = (1, 1, 1, 1, 8, 8, 8, 8, 4)
_FORMS: dict[bytes, tuple[tuple[int, ...], tuple[int, ...], int]] = {
    b"TREE": ((1, 1, 2, 8, 8), (8,), 12),
    b"SNOD": ((1, 1, 2), (8, 8, 4, 4, 8, 8), 8),
    b"HEAP": ((1, 1, 1, 1, 8, 8, 8), (), 0),
    b"GCOL": ((1, 1, 1, 1, 8), (2, 2, 4, 8), 1),
}
# The fields of the body of a message, by its type; what is left is one byte each.
_BODIES: dict[int, tuple[int, ...]] = {
    1: (1, 1, 1, 1, 4, 8, 8, 8, 8),
    3: (1, 1, 1, 1, 4, 2, 2, 1, 1, 1, 1, 4),
    5: (1, 1, 1, 1, 4),
    8: (1, 1, 8, 8, 4, 4, 4),
    11: (1, 1, 6, 2, 2, 2, 2, 8, 4),
    12: (1, 1, 2, 2, 2),
    16: (8, 8),
    17: (8, 8),
}


class Field(NamedTuple):
    """Some bytes that mean one thing: their place, how many, and what structure they are of."""

    at: int
    size: int
    kind: str


@functools.lru_cache(maxsize=64)
def fields(content: bytes) -> tuple[Field, ...]:
    """All fields that are found."""
    found: list[Field] = []
    new = content[8] >= 2
    found += _laid_out(9, _NEW_SUPERBLOCK if new else _SUPERBLOCK, "superblock", len(content))
    found.append(Field(8, 1, "superblock"))
    for signature in SIGNATURES:
        at = content.find(signature)
        while at >= 0:
            found += _structure(content, signature, at)
            at = content.find(signature, at + 4)
    if not new:
        for address in _addresses(content, found):
            found += _old_header(content, address)
    return tuple(dict.fromkeys(field for field in found if field.at + field.size <= len(content)))


def _laid_out(at: int, sizes: tuple[int, ...], kind: str, end: int) -> Iterator[Field]:
    for size in sizes:
        if at + size > end:
            return
        yield Field(at, size, kind)
        at += size


def _structure(content: bytes, signature: bytes, at: int) -> Iterator[Field]:
    name, end = signature.decode(), len(content)
    yield Field(at, 4, name)
    if signature in (b"OHDR", b"OCHK") or signature not in _FORMS:
        yield from (Field(place, 1, name) for place in range(at + 4, min(at + _UNKNOWN * 4, end)))
        yield from (Field(place, 8, name) for place in range(at + 4, min(at + _UNKNOWN, end - 8)))
        return
    head, item, count = _FORMS[signature]
    yield from _laid_out(at + 4, head, name, end)
    at += 4 + sum(head)
    for _ in range(count):
        yield from _laid_out(at, item, name, end)
        at += sum(item)


def _addresses(content: bytes, found: list[Field]) -> set[int]:
    """Where old object headers may stand: an 8-byte field leads to a version 1."""
    words = {int.from_bytes(content[field.at : field.at + 8], "little") for field in found if field.size == 8}
    return {word for word in words if 0 < word < len(content) - 16 and content[word : word + 2] == b"\1\0"}


def _old_header(content: bytes, address: int) -> Iterator[Field]:
    yield from _laid_out(address, (1, 1, 2, 4, 4, 4), "header", len(content))
    blocks = [(address + 16, int.from_bytes(content[address + 8 : address + 12], "little"))]
    for at, size in blocks:
        end = min(at + size, len(content))
        while at + 8 <= end and len(blocks) < 20:
            kind = int.from_bytes(content[at : at + 2], "little")
            length = int.from_bytes(content[at + 2 : at + 4], "little")
            yield from _laid_out(at, (2, 2, 1, 1, 1, 1), "message", end)
            body = at + 8
            if body + length > end:
                break
            known = _BODIES.get(kind, ())
            yield from _laid_out(body, known, f"message {kind}", body + length)
            yield from (Field(at, 1, f"message {kind}") for at in range(body, min(body + length, body + 64)))
            if kind == 16 and length >= 16:
                blocks.append(
                    tuple(int.from_bytes(content[body + k : body + k + 8], "little") for k in (0, 8))  # type: ignore[arg-type]
                )
            at = body + length


# ---------------------------------------------------------------------- checksums


@functools.lru_cache(maxsize=64)
def checksums(content: bytes) -> tuple[tuple[int, int], ...]:
    """Which bytes have a checksum right behind them: found by trying, so that no layout needs to be known."""
    if content[8] < 2:  # structures of old have none
        return ()
    starts = [0]
    for signature in SIGNATURES:
        at = content.find(signature)
        while at >= 0:
            starts.append(at)
            at = content.find(signature, at + 4)
    found = []
    for start in sorted(starts):
        part = content[start : start + _LONGEST]
        hashes = _lookup3(part, np.arange(1, len(part) - 3))
        behind = np.lib.stride_tricks.sliding_window_view(np.frombuffer(part, np.uint8), 4)[1:]
        stored = np.ascontiguousarray(behind).view("<u4")[: len(hashes), 0]
        same = np.flatnonzero(hashes == stored)
        if len(same):
            found.append((start, start + 1 + int(same[0])))
    return tuple(found)


def repaired(content: bytearray, original: bytes) -> None:
    """Make the checksums of what was changed those of the bytes."""
    for start, end in checksums(original):
        if content[start:end] != original[start:end]:
            content[end : end + 4] = lookup3(bytes(content[start:end])).to_bytes(4, "little")


def lookup3(data: bytes) -> int:
    """Bob Jenkins's hash of that name (`hashlittle`, from 0), which HDF5 takes for metadata."""
    return int(_lookup3(data, np.array([len(data)]))[0])


def _lookup3(data: bytes, lengths: np.ndarray) -> np.ndarray:
    """The hash of the first bytes of `data`, for each of many lengths."""
    padded = np.frombuffer(data + bytes(24), np.uint8)
    words = padded[: len(padded) // 12 * 12].view("<u4").reshape(-1, 3)
    state = np.repeat((lengths.astype(np.uint32) + np.uint32(0xDEADBEEF))[None], 3, 0)
    whole = np.maximum(lengths - 1, 0) // 12
    for index in range(int(whole.max(initial=0))):
        more = whole > index
        mixed = state + words[index][:, None]
        for first, second, third, by in _MIX:
            mixed[first] -= mixed[third]
            mixed[first] ^= _turned(mixed[third], by)
            mixed[third] += mixed[second]
        state = np.where(more, mixed, state)
    rest = np.stack([padded[np.minimum(12 * whole + k, len(padded) - 1)] for k in range(12)], 1)
    rest = np.where(np.arange(12) < (lengths - 12 * whole)[:, None], rest, 0).astype(np.uint8)
    ended = state + np.ascontiguousarray(rest).view("<u4").T
    for target, source, by in _FINISH:
        ended[target] = (ended[target] ^ ended[source]) - _turned(ended[source], by)
    return np.where(lengths > 0, ended[2], state[2])


_MIX = ((0, 1, 2, 4), (1, 2, 0, 6), (2, 0, 1, 8), (0, 1, 2, 16), (1, 2, 0, 19), (2, 0, 1, 4))
_FINISH = ((2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24))


def _turned(value: np.ndarray, by: int) -> np.ndarray:
    return value << np.uint32(by) | value >> np.uint32(32 - by)
