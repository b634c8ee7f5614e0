"""Arrays of text: what people give, as bytes in UTF-8, which is how TensorFlow sees it, and back."""

from __future__ import annotations

import encodings
from collections.abc import Callable
from encodings.aliases import aliases
from typing import Any

import numpy as np

from ...arrays import is_text_array
from ...errors import ArgumentError, quote

# Encodings of text that have one name only; and what Python calls an encoding that is none of text, or not everywhere.
_ONE_NAME = frozenset({"utf_8_sig", "koi8_t", "koi8_u", "cp720", "cp737", "cp856", "cp874", "cp875"})
_NO_TEXT = frozenset({"mbcs", "rot_13"})


class Texts(np.ndarray):
    """An array of `str`. `numpy()` gives bytes, as that of a tensor of text does in TensorFlow."""

    def numpy(self) -> Any:
        """The same texts as bytes in UTF-8: an array of them, or of a single one itself."""
        return mapped(lambda text: text.encode(), self)[()]


def is_text(value: Any) -> bool:
    """Whether something is text: a `str`, bytes, an array of them, or nested lists of them."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return is_text_array(value) or isinstance(value, (str, bytes))


def as_bytes(value: Any, where: str) -> np.ndarray:
    """Text as an array of bytes objects.

    Args:
        value: A `str`, bytes, an array of them, or nested lists of them.
        where: For messages.

    Raises:
        ArgumentError: It is something else, or rows have different lengths.
    """
    try:
        array = np.array(value, dtype=object)
    except ValueError:
        array = np.empty(0, object)
    if array.dtype.kind == "O" and array.size and all(isinstance(item, (str, bytes)) for item in array.flat):
        return mapped(lambda text: text.encode() if isinstance(text, str) else bytes(text), array)
    if not array.size and isinstance(value, np.ndarray):
        return array
    raise ArgumentError(f"{where}: expected text, as an array or as lists of one length, got {quote(value)}.")


def mapped(function: Callable[[Any], Any], array: np.ndarray) -> np.ndarray:
    """What a function makes of each item."""
    made: np.ndarray = np.empty(array.size, dtype=object)
    made[:] = [function(item) for item in array.reshape(-1)]
    return made.reshape(array.shape)


def text_encoding(name: Any) -> str:
    """The name of an encoding of text, as it is given.

    Only those that Python itself lists: what it does not know it looks for among modules, and imports.

    Raises:
        ArgumentError: It is none.
    """
    known = encodings.normalize_encoding(name.lower()) if isinstance(name, str) and name.isascii() else ""
    known = aliases.get(known, known)
    if known not in {*aliases.values(), *_ONE_NAME} or known.endswith("_codec") or known in _NO_TEXT:
        raise ArgumentError(f"encoding: expected the name of an encoding of text, such as 'utf-8', got {quote(name)}.")
    return name
