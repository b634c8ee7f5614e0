"""CRC-32C, the checksum of TensorFlow's files, with numpy.

Long data is cut into lanes of one length, which are worked on side by side; what the lanes have is joined in pairs. The
polynomial is Castagnoli's, 0x82F63B78 with the bits reversed (RFC 3720, appendix B.4).
"""

from __future__ import annotations

from functools import cache

import numpy as np

_POLYNOMIAL = 0x82F63B78
_ALL = 0xFFFFFFFF
_LANES = 1 << 13
_LENGTH = 1 << 11  # bytes of a lane
_LEAST = 64 * _LENGTH  # bytes from which on lanes pay
_DELTA = 0xA282EAD8  # LevelDB masks a checksum that is written beside what it is of


def unmasked(stored: int) -> int:
    """The checksum that stands in a file masked."""
    turned = (stored - _DELTA) & _ALL
    return (turned >> 17 | turned << 15) & _ALL


def masked(checksum: int) -> int:
    """A checksum as it stands in a file: the inverse of `unmasked`."""
    return ((checksum >> 15 | checksum << 17) + _DELTA) & _ALL


def crc32c(*parts: memoryview | bytes | bytearray) -> int:
    """The checksum of parts that stand one after the other."""
    state = _ALL
    for part in parts:
        state = _extended(state, np.frombuffer(part, np.uint8))
    return state ^ _ALL


def _extended(state: int, data: np.ndarray) -> int:
    if data.size < _LEAST:
        table = _list_of_table()
        for byte in data.tolist():
            state = table[(state ^ byte) & 255] ^ (state >> 8)
        return state
    while data.size >= _LEAST:
        lanes = min(_LANES, 1 << (data.size // _LENGTH).bit_length() - 1)
        piece, data = data[: lanes * _LENGTH], data[lanes * _LENGTH :]
        state = _in_lanes(state, piece.reshape(lanes, _LENGTH))
    return _extended(state, data)


def _in_lanes(state: int, data: np.ndarray) -> int:
    """The state after all lanes, of which the first begins with `state`."""
    words = np.ascontiguousarray(data.view("<u4").T)
    low, high = _tables_of_halves()
    states = np.zeros(data.shape[0], "<u4")
    states[0] = state
    halves, found = states.view("<u2"), np.empty_like(states)
    for word in words:
        np.bitwise_xor(states, word, out=states)
        np.take(low, halves[::2], out=found, mode="clip")
        np.bitwise_xor(found, high[halves[1::2]], out=states)
    shift = _shift(data.shape[1])
    while states.size > 1:
        states = _moved(states[::2], shift) ^ states[1::2]
        shift = np.array([_moved(row, shift) for row in shift])
    return int(states[0])


def _moved(states: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The states after as many zero bytes as `shift` stands for: by one table for each byte of a state."""
    return (
        shift[0][states & 255] ^ shift[1][(states >> 8) & 255] ^ shift[2][(states >> 16) & 255] ^ shift[3][states >> 24]
    )


@cache
def _shift(count: int) -> np.ndarray:
    """Tables (4, 256) for `_moved`, of `count` zero bytes."""
    made = np.array([np.arange(256, dtype=np.uint32) << np.uint32(8 * byte) for byte in range(4)])
    table = _table()
    power = (table[made & 255] ^ (made >> 8)).astype(np.uint32)  # one zero byte
    while count:
        if count & 1:
            made = np.array([_moved(row, power) for row in made])
        power = np.array([_moved(row, power) for row in power])
        count >>= 1
    return made


@cache
def _table() -> np.ndarray:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, values >> 1 ^ np.uint32(_POLYNOMIAL), values >> 1).astype(np.uint32)
    return values


@cache
def _list_of_table() -> list[int]:
    return _table().tolist()


@cache
def _tables_of_halves() -> tuple[np.ndarray, np.ndarray]:
    """What the low and the high half of a state become while four bytes pass."""
    of_byte = [_table()]
    for _ in range(3):
        of_byte.append(of_byte[0][of_byte[-1] & 255] ^ (of_byte[-1] >> 8))
    half = np.arange(1 << 16)
    return of_byte[3][half & 255] ^ of_byte[2][half >> 8], of_byte[1][half & 255] ^ of_byte[0][half >> 8]
