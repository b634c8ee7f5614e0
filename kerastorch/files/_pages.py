"""Memory of mapped files: what was read once and is not needed again need not stay in memory."""

from __future__ import annotations

import mmap

import numpy as np

_PAGE = mmap.PAGESIZE
_FORGET = getattr(mmap, "MADV_DONTNEED", None)  # not on Windows, where the system alone decides


def let_go(data: np.ndarray | memoryview) -> None:
    """Drop the whole pages under an array or a view, if a file is mapped there; the next use reads the file again.

    Without this a load would hold every value twice: in the file's pages and in the parameters.
    """
    held: object = data
    while isinstance(held, np.ndarray):
        held = held.base
    mapping = held.obj if isinstance(held, memoryview) else held
    if _FORGET is None or not isinstance(mapping, mmap.mmap) or data.nbytes < _PAGE:
        return
    start = _address(data) - _address(memoryview(mapping))
    first, last = -(-start // _PAGE) * _PAGE, (start + data.nbytes) // _PAGE * _PAGE
    if first < last:
        mapping.madvise(_FORGET, first, last - first)


def _address(data: np.ndarray | memoryview) -> int:
    array = data if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
    return array.__array_interface__["data"][0]
