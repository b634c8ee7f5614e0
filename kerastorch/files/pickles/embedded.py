"""The file of Keras inside a pickle: found and read as bytes. A pickle is never loaded.

Keras from 2.13 on pickles a model as the bytes of its `.keras` file, TensorFlow 2.6 to 2.12 as a tar of its SavedModel.
The parts of a pickle are told apart by `pickletools`, which runs none of them.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator

from .._limits import Limits
from .._zip import SIGNATURE
from ..tensorflow import is_plain_tar

AROUND = "the pickle around the model", "a pickle runs code when it is loaded: nothing of it was, its bytes were read"


def embedded(content: memoryview, limits: Limits) -> list[memoryview]:
    """The zip archives and tars that stand in a pickle as bytes, once each.

    Where the pickle is no whole one, as where joblib writes arrays between its parts, those before that.
    """
    found: dict[bytes, memoryview] = {}
    for part in _parts(bytes(content), limits):
        if _is_model(part):
            found.setdefault(part, memoryview(part))
    return list(found.values())


def _is_model(part: bytes) -> bool:
    return part[: len(SIGNATURE)] == SIGNATURE or is_plain_tar(part)


def _parts(content: bytes, limits: Limits) -> Iterator[bytes]:
    """The bytes in a pickle, also those that protocols before 3 write as text."""
    try:
        for count, (_, value, _) in enumerate(pickletools.genops(content)):
            if count > limits.steps:
                return
            if isinstance(value, (bytes, bytearray)):
                yield bytes(value)
            elif isinstance(value, str) and _is_model(value[:512].encode("latin-1", "replace")):
                yield value.encode("latin-1", "replace")
    except (ValueError, OverflowError, IndexError, AttributeError):  # what `genops` raises for what is no pickle
        return
