"""JSON from files that are not trusted: one meaning, bounded size, bounded depth."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np

from kerastorch.errors import CorruptFileError, UnsafeFileError, quote

from ._limits import MIB, Limits
from ._source import FOREIGN

_NOT_STRUCTURE = bytes(sorted(set(range(256)) - set(b"[]{},")))
_STEPS = np.zeros(256, np.int8)  # how much deeper each byte of the structure leads
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_MAX_DIGITS = 20  # 2**64 has 20; much longer ones take quadratic time


def parse_json(raw: bytes | memoryview | str, where: str, limits: Limits) -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        raw: The text, or its UTF-8 bytes.
        where: What it is, for messages ("model.keras: config.json").
        limits: The bounds.

    Returns:
        The object.

    Raises:
        UnsafeFileError: It is too large, too deep, or has two values for one key.
        CorruptFileError: It is not JSON, or not an object.
    """

    def refuse(problem: str) -> UnsafeFileError:
        return UnsafeFileError(f"{where}: the JSON text {problem}. {FOREIGN}")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))
            raise refuse(f"has the key {quote(twice)} twice in one object")
        return found

    def whole(text: str) -> int:
        if len(text) > _MAX_DIGITS:
            raise refuse(f"has a whole number of {len(text)} digits, the limit is {_MAX_DIGITS}")
        return int(text)

    def real(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise refuse(f"has the number {quote(text, 40)}, which is too large for a float")
        return value

    def constant(text: str) -> float:
        raise UnsafeFileError(
            f"{where}: the JSON text holds {text}, expected finite numbers. "
            "Find the layer argument that is not finite, change it and save the model again."
        )

    try:
        data = raw.encode("utf-8") if isinstance(raw, str) else bytes(raw)
        if len(data) > limits.json_bytes:
            raise refuse(f"has {len(data)} bytes, the limit is {limits.json_bytes}")
        problem = _structure_problem(data, limits)
        if problem:
            raise refuse(problem)
        found = json.loads(
            str(data, "utf-8"), object_pairs_hook=unique, parse_int=whole, parse_float=real, parse_constant=constant
        )
        if _SURROGATE.search(data):  # half a character, which no text can be made of
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError):
        raise CorruptFileError(f"{where}: the JSON text is not UTF-8. Download or copy the file again.") from None
    except json.JSONDecodeError as error:
        raise CorruptFileError(
            f"{where}: it is not JSON ({error.msg}, line {error.lineno}, column {error.colno}). "
            "Download or copy the file again."
        ) from None
    except RecursionError:
        raise refuse("is nested too deeply") from None
    if not isinstance(found, dict):
        raise CorruptFileError(f"{where}: the JSON text is a {type(found).__name__}, expected an object ({{...}}).")
    return found


def _structure_problem(data: bytes, limits: Limits) -> str | None:
    """Say what is too deep or has too many parts, before anything is built from it."""
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"")  # the quotes that are left begin and end strings
    if plain.count(b'"') > 2 * limits.json_values:
        return f"has more than {limits.json_values} strings"
    structure = b"".join(plain.split(b'"')[::2]).translate(None, _NOT_STRUCTURE)
    if len(structure) > limits.json_values:
        return f"has more than {limits.json_values} values"
    depth = 0
    for at in range(0, len(structure), MIB):
        part = np.frombuffer(structure[at : at + MIB], np.uint8)
        depths = depth + np.cumsum(_STEPS[part], dtype=np.int32)
        if depths.max() > limits.json_depth:
            return f"is nested more than {limits.json_depth} deep"
        depth = int(depths[-1])
    return None
