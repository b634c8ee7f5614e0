"""Hashes of words, as TensorFlow computes them: FarmHash's fingerprint, and SipHash with a key.

Sources: Pike and Alakuijala, FarmHash (2014), `Fingerprint64`; Aumasson and Bernstein, SipHash: a fast short-input PRF
(2012), two rounds for each word and four at the end. All integers have 64 bits and wrap around.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import ArgumentError, quote

_ALL = 2**64 - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def bucket(word: bytes, buckets: int, key: Sequence[int] | None = None) -> int:
    """The bucket of a word, from 0: of `tf.strings.to_hash_bucket_fast`, with a key `to_hash_bucket_strong`.

    Args:
        word: In UTF-8.
        buckets: How many there are.
        key: Two integers for SipHash; None for FarmHash.
    """
    return (farm_hash(word) if key is None else sip_hash(word, key)) % buckets


def key_of(salt: Any) -> list[int] | None:
    """The key that people give as one or two integers; None: none.

    Raises:
        ArgumentError: It is something else.
    """
    if salt is None:
        return None
    key = [salt, salt] if isinstance(salt, int) else salt
    if not isinstance(key, (list, tuple)) or len(key) != 2 or not all(isinstance(part, int) for part in key):
        raise ArgumentError(f"salt: expected one or two integers, got {quote(salt)}.")
    return list(key)


# ---------------------------------------------------------------- FarmHash


def _word(s: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(s[at : at + size], "little")


def _turn(value: int, bits: int) -> int:
    """Rotate to the right."""
    value &= _ALL
    return (value >> bits | value << (64 - bits)) & _ALL


def _mix(value: int) -> int:
    value &= _ALL
    return value ^ value >> 47


def _join(u: int, v: int, factor: int) -> int:
    a = _mix((u ^ v) * factor)
    return _mix((v ^ a) * factor) * factor & _ALL


def farm_hash(s: bytes) -> int:
    """FarmHash's `Fingerprint64`."""
    size = len(s)
    factor = _K2 + size * 2
    if size > 64:
        return _farm_hash_of_many(s)
    if size > 32:
        return _farm_hash_of_up_to_64(s, factor)
    if size > 16:
        a, b = _word(s, 0) * _K1, _word(s, 8)
        c, d = _word(s, size - 8) * factor, _word(s, size - 16) * _K2
        return _join((_turn(a + b, 43) + _turn(c, 30) + d) & _ALL, (a + _turn(b + _K2, 18) + c) & _ALL, factor)
    if size >= 8:
        a, b = (_word(s, 0) + _K2) & _ALL, _word(s, size - 8)
        c, d = _turn(b, 37) * factor + a, (_turn(a, 25) + b) * factor
        return _join(c & _ALL, d & _ALL, factor)
    if size >= 4:
        return _join(size + (_word(s, 0, 4) << 3), _word(s, size - 4, 4), factor)
    if size:
        y, z = s[0] + (s[size >> 1] << 8), size + (s[-1] << 2)
        return _mix(y * _K2 & _ALL ^ z * _K0 & _ALL) * _K2 & _ALL
    return _K2


def _farm_hash_of_up_to_64(s: bytes, factor: int) -> int:
    size = len(s)
    a, b = _word(s, 0) * _K2, _word(s, 8)
    c, d = _word(s, size - 8) * factor, _word(s, size - 16) * _K2
    y = (_turn(a + b, 43) + _turn(c, 30) + d) & _ALL
    z = _join(y, (a + _turn(b + _K2, 18) + c) & _ALL, factor)
    e, f = _word(s, 16) * factor, _word(s, 24)
    g, h = (y + _word(s, size - 32)) * factor, (z + _word(s, size - 24)) * factor
    return _join((_turn(e + f, 43) + _turn(g, 30) + h) & _ALL, (e + _turn(f + a, 18) + g) & _ALL, factor)


def _pair(s: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_word(s, at + 8 * i) for i in range(4))
    a += w
    b = _turn(b + a + z, 21)
    c = a
    a += x + y
    b += _turn(a, 44)
    return (a + z) & _ALL, (b + c) & _ALL


def _farm_hash_of_many(s: bytes) -> int:
    x, y = 81, (81 * _K1 + 113) & _ALL
    z = _mix(y * _K2 + 113) * _K2 & _ALL
    v, w = (0, 0), (0, 0)
    x = (x * _K2 + _word(s, 0)) & _ALL
    end, rest = (len(s) - 1) // 64 * 64, (len(s) - 1) % 64

    def step(at: int, factor: int, one: int) -> None:
        nonlocal x, y, z, v, w
        x = _turn(x + y + v[0] + _word(s, at + 8), 37) * factor & _ALL
        y = _turn(y + v[1] + _word(s, at + 48), 42) * factor & _ALL
        x ^= w[1] * one & _ALL
        y = (y + v[0] * one + _word(s, at + 40)) & _ALL
        z = _turn(z + w[0], 33) * factor & _ALL
        v = _pair(s, at, v[1] * factor, x + w[0])
        w = _pair(s, at + 32, z + w[1], y + _word(s, at + 16))
        x, z = z, x

    for at in range(0, end, 64):
        step(at, _K1, 1)
    factor = _K1 + ((z & 0xFF) << 1)
    w = (w[0] + rest) & _ALL, w[1]
    v = (v[0] + w[0]) & _ALL, v[1]
    w = (w[0] + v[0]) & _ALL, w[1]
    step(end + rest - 63, factor, 9)
    first = (_join(v[0], w[0], factor) + _mix(y) * _K0 + z) & _ALL
    return _join(first, (_join(v[1], w[1], factor) + x) & _ALL, factor)


# ---------------------------------------------------------------- SipHash


def sip_hash(s: bytes, key: Sequence[int]) -> int:
    """SipHash-2-4 with a key of two integers."""
    k0, k1 = (part & _ALL for part in key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    whole = len(s) // 8 * 8
    last = int.from_bytes(s[whole:], "little") | (len(s) & 0xFF) << 56
    for message in [*(_word(s, at) for at in range(0, whole, 8)), last]:
        v[3] ^= message
        _rounds(v, 2)
        v[0] ^= message
    v[2] ^= 0xFF
    _rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _rounds(v: list[int], count: int) -> None:
    for _ in range(count):
        v[0] = (v[0] + v[1]) & _ALL
        v[1] = _turn(v[1], 51) ^ v[0]
        v[0] = _turn(v[0], 32)
        v[2] = (v[2] + v[3]) & _ALL
        v[3] = _turn(v[3], 48) ^ v[2]
        v[0] = (v[0] + v[3]) & _ALL
        v[3] = _turn(v[3], 43) ^ v[0]
        v[2] = (v[2] + v[1]) & _ALL
        v[1] = _turn(v[1], 47) ^ v[2]
        v[2] = _turn(v[2], 32)
