"""Which arrays hold NaN or infinity, or what nobody has written: looked at on their way into the model, while they are
in the processor's cache.
"""

from __future__ import annotations

import numpy as np

from ..errors import counted, quote
from ..files import Array
from ..spec import Rule

_SHOWN = 3  # names in a message
_EXPONENT = np.uint16(0x7F80)  # of a bfloat16, where it is NaN or infinite
_PIECE = 1 << 20  # values


class Remarkable:
    """The arrays that hold NaN or infinity, and those that nobody has written whole, of those that were read."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._unwritten: dict[str, None] = {}

    def watch(self, name: str, array: Array) -> Array:
        """The same array; what is read of it is looked at.

        Args:
            name: What to call it.
            array: The array.
        """
        floats = array.dtype.startswith(("float", "bfloat", "opaque"))

        def seen(values: np.ndarray) -> np.ndarray:
            if floats and name not in self._names and not is_finite(values):
                self._names[name] = None
            if array.unwritten:
                self._unwritten[name] = None
            return values

        def read_rows(at: int, end: int) -> np.ndarray:
            return seen(array.read_rows(at, end))

        rows = read_rows if array.in_rows else None
        return Array(array.where, array.shape, array.dtype, lambda: seen(array.read()), rows)

    def rules(self, model: str) -> tuple[Rule, ...]:
        """What to say of them, once for all; nothing where there are none.

        Args:
            model: The name of the model.
        """
        said = []
        for found, one, many, what in (
            (self._names, "holds", "hold", "NaN or infinity"),
            (self._unwritten, "has", "have", "values that were never written, so the file's fill value"),
        ):
            names = list(found)
            count = counted(len(names), f"array of weights {one}", f"arrays of weights {many}")
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            if names:
                said.append(f"{count} {what}: {', '.join(map(quote, names[:_SHOWN]))}{more}")
        return tuple(Rule(model, text, warns=True) for text in said)


def is_finite(values: np.ndarray) -> bool:
    """Whether no value is NaN or infinite; 16-bit integers are the bits of bfloat16."""
    flat = values.reshape(-1)
    return all(_is_finite(flat[at : at + _PIECE]) for at in range(0, flat.size, _PIECE))


def _is_finite(part: np.ndarray) -> bool:
    if part.dtype == np.uint16:
        return not ((part & _EXPONENT) == _EXPONENT).any()
    # The product with itself is NaN or infinite if a value is, and reads each value once, at the pace of the memory.
    # That of large values overflows, so that they are looked at one by one.
    if part.dtype in (np.float32, np.float64):
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(np.dot(part, part)):
                return True
    return bool(np.isfinite(part).all())
