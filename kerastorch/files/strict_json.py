"""JSON from files that are not trusted: one meaning, bounded size, bounded depth."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np

from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError, counted, quote

from ._limits import MIB, Limits
from ._source import FOREIGN

_NOT_STRUCTURE = bytes(sorted(set(range(256)) - set(b"[]{},")))
_STEPS = np.zeros(256, np.int8)  # how much deeper each byte of the structure leads
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_MAX_DIGITS = 20  # 2**64 has 20; much longer ones take quadratic time

COMPILED = "compile_config"  # of a model, beside its class_name


class _Flaw:
    """What stands where a value is refused."""

    def __init__(self, error: LoadError) -> None:
        self.error = error


class _NotFinite(float):
    """A number that most places refuse."""

    error: LoadError

    def __new__(cls, value: float, error: LoadError) -> _NotFinite:
        made = super().__new__(cls, value)
        made.error = error
        return made


def parse_json(raw: bytes | memoryview | str, where: str, limits: Limits, *, finite: bool = True) -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        raw: The text, or its UTF-8 bytes.
        where: What it is, for messages ("model.keras: config.json").
        limits: The bounds.
        finite: Whether every number must be finite.

    Returns:
        The object.

    Raises:
        UnsafeFileError: It is too large, too deep, or has two values for one key.
        CorruptFileError: It is not JSON, or not an object.
    """
    return _parse(raw, where, limits, not finite)[0]


def parse_model(raw: bytes | memoryview | str, where: str, limits: Limits) -> tuple[dict[str, Any], LoadError | None]:
    """Parse the config of a model, which does not fail for how it was compiled: no output hangs on that.

    As in Keras, numbers there need not be finite. What is wrong with one otherwise takes that one away.

    Returns:
        The object, and what is wrong with its own `compile_config`, which is None then, as those of the models inside
        are, which are not used.

    Raises:
        UnsafeFileError, CorruptFileError: See `parse_json`.
    """
    found, problem = _parse(raw, where, limits, False)
    compiled = found.get(COMPILED)
    if compiled is not None and not isinstance(compiled, dict):
        found[COMPILED] = None
        problem = CorruptFileError(f"{where}: {COMPILED} is a {type(compiled).__name__}, expected an object ({{...}}).")
    return found, problem


def _settled(value: Any, where: str, compiled: bool, lost: list[LoadError] | None = None) -> Any:
    """The value without flaws: None in the place of a `compile_config` of a model that cannot do without.

    Args:
        value: What was parsed.
        where: What it is, for messages.
        compiled: Whether it says how a model was compiled.
        lost: Takes what is wrong with the `compile_config` of the value itself.

    Raises:
        LoadError: There is a flaw elsewhere.
    """
    if isinstance(value, _Flaw):
        raise value.error
    if isinstance(value, _NotFinite):
        if not compiled:
            raise value.error
        return float(value)
    if isinstance(value, str):
        if not _is_text(value):
            raise _no_text(where)
        return value
    if isinstance(value, list):
        return [_settled(item, where, compiled) for item in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for key, item in value.items():
        _settled(key, where, compiled)
        if key == COMPILED and "class_name" in value:
            try:
                made[key] = _settled(item, where, True)
            except LoadError as error:
                made[key] = None
                if lost is not None:
                    lost.append(error)
        else:
            made[key] = _settled(item, where, compiled)
    return made


def _is_text(value: str) -> bool:
    """Whether there is no half of a character in it, which no text can be made of."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _no_text(where: str) -> CorruptFileError:
    return CorruptFileError(f"{where}: the JSON text is not UTF-8. Download or copy the file again.")


def _parse(
    raw: bytes | memoryview | str, where: str, limits: Limits, compiled: bool
) -> tuple[dict[str, Any], LoadError | None]:
    """The object, and what is wrong with its `compile_config`; `compiled` as in `_settled`."""
    flawed = False

    def flaw(error: LoadError) -> _Flaw:
        nonlocal flawed
        flawed = True
        return _Flaw(error)

    def not_finite(value: float, error: LoadError) -> float:
        nonlocal flawed
        flawed = True
        return _NotFinite(value, error)

    def refuse(problem: str) -> UnsafeFileError:
        return UnsafeFileError(f"{where}: the JSON text {problem}. {FOREIGN}")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Flaw:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))
            return flaw(refuse(f"has the key {quote(twice)} twice in one object"))
        return found

    def whole(text: str) -> int | _Flaw:
        if len(text) > _MAX_DIGITS:
            return flaw(refuse(f"has a whole number of {len(text)} digits, the limit is {_MAX_DIGITS}"))
        return int(text)

    def real(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            return not_finite(value, refuse(f"has the number {quote(text, 40)}, which is too large for a float"))
        return value

    def constant(text: str) -> float:
        error = UnsafeFileError(
            f"{where}: the JSON text holds {text}, expected finite numbers. "
            "Find the layer argument that is not finite, change it and save the model again."
        )
        return not_finite(float(text), error)

    try:
        data = raw.encode("utf-8") if isinstance(raw, str) else bytes(raw)
        found = _beyond(data, limits)
        if found is not None:
            problem, bound = found
            raise UnsafeFileError(limits.beyond(f"{where}: the JSON text {problem}", bound))
        found = json.loads(
            str(data, "utf-8"), object_pairs_hook=unique, parse_int=whole, parse_float=real, parse_constant=constant
        )
    except UnicodeError:
        raise _no_text(where) from None
    except json.JSONDecodeError as error:
        raise CorruptFileError(
            f"{where}: it is not JSON ({error.msg}, line {error.lineno}, column {error.colno}). "
            "Download or copy the file again."
        ) from None
    except RecursionError:
        raise refuse("is nested too deeply") from None
    if isinstance(found, _Flaw):
        raise found.error
    if not isinstance(found, dict):
        raise CorruptFileError(f"{where}: the JSON text is a {type(found).__name__}, expected an object ({{...}}).")
    lost: list[LoadError] = []
    if flawed or _SURROGATE.search(data):
        found = _settled(found, where, compiled, lost)
    return found, lost[0] if lost else None


def _beyond(data: bytes, limits: Limits) -> tuple[str, str] | None:
    """What is too large, too deep or has too many parts, and which bound says so, before anything is built from it."""
    if len(data) > limits.json_bytes:
        return f"has {counted(len(data), 'byte')}", "json_bytes"
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"")  # the quotes that are left begin and end strings
    if plain.count(b'"') > 2 * limits.json_values:
        return f"has more than {limits.json_values} strings", "json_values"
    structure = b"".join(plain.split(b'"')[::2]).translate(None, _NOT_STRUCTURE)
    if len(structure) > limits.json_values:
        return f"has more than {counted(limits.json_values, 'value')}", "json_values"
    depth = 0
    for at in range(0, len(structure), MIB):
        part = np.frombuffer(structure[at : at + MIB], np.uint8)
        depths = depth + np.cumsum(_STEPS[part], dtype=np.int32)
        if depths.max() > limits.json_depth:
            return f"is nested more than {limits.json_depth} deep", "json_depth"
        depth = int(depths[-1])
    return None
