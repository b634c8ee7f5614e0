"""Wrong bytes: anywhere in a file, or in the fields of HDF5's structures."""

from __future__ import annotations

import random

from .fields import fields, repaired

REPAIRED = 0.9  # of the mutants, so that most come past the checksums


def wrong_bytes(content: bytes, rng: random.Random) -> bytes:
    """One to three changes: bits, bytes, runs, parts that are gone, twice there, moved, or the end cut off."""
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        size = len(made)
        at = rng.randrange(max(1, size))
        length = min(rng.choice((1, 2, 4, 8, 16, 64, 512)), max(0, size - at))
        kind = rng.randrange(9)
        if kind == 0 and size:
            made[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and size:
            made[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            made[at : at + length] = rng.randbytes(length)
        elif kind == 3:
            made[at : at + length] = bytes([rng.choice((0, 0xFF, 0x20))]) * length
        elif kind == 4:
            del made[at : at + length]
        elif kind == 5:
            made[at:at] = made[at : at + length]
        elif kind == 6:
            other = rng.randrange(max(1, size))
            made[at : at + length] = made[other : other + length][:length].ljust(length, b"\0")
        elif kind == 7:
            number = rng.choice((0, 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1, size, abs(size - 1), size + 1))
            made[at : at + 8] = number.to_bytes(8, "little")[: max(0, size - at)]
        else:
            del made[at:]
    return bytes(made)


def wrong_structure(content: bytes, rng: random.Random) -> bytes:
    """One to three fields of an HDF5 file changed, with the checksums repaired in most."""
    made, known = bytearray(content), fields(content)
    kinds = sorted({field.kind for field in known})
    for _ in range(rng.choice((1, 1, 1, 1, 2, 3))):
        kind = rng.choice(kinds)
        field = rng.choice([field for field in known if field.kind == kind])
        at, end = field.at, field.at + field.size
        old = int.from_bytes(made[at:end], "little")
        others = [other for other in known if other.size == field.size]
        most = (1 << 8 * field.size) - 1
        other = rng.choice(others)
        new = rng.choice(
            (
                *(0, 1, 2, 3, most, most - 1, most >> 1, (most >> 1) + 1, len(content), len(content) - 1),
                *(old + 1, old - 1, old * 2, old // 2, old + 8, old - 8, old ^ 1 << rng.randrange(8 * field.size)),
                *(rng.randrange(most + 1), rng.randrange(min(most, len(content)) + 1), rng.choice(known).at),
                *[int.from_bytes(content[other.at : other.at + other.size], "little")] * 4,
            )
        )
        made[at:end] = (new & most).to_bytes(field.size, "little")
    if rng.random() < REPAIRED:
        repaired(made, content)
    return bytes(made)
