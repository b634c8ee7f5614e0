"""Small checks and conversions of JSON values, each with a message that says where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import CorruptFileError, UnsupportedFileError, quote

MAX_NESTING = 100
_KERAS = re.compile(
    r"(keras|tf_keras|tensorflow(\.python|_core\.python)?\.keras|tensorflow_core\.keras)(\..*)?", re.DOTALL
)


def is_int(value: Any) -> bool:
    """A whole number; bool is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def text(value: Any, what: str) -> str:
    """A name: text that is not empty."""
    if not isinstance(value, str) or not value:
        raise CorruptFileError(f"{what}: expected a name, got {quote(value)}.")
    return value


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise CorruptFileError(f"{what}: expected an object, got {quote(value)}.")
    return value


def sequence(value: Any, what: str) -> list[Any]:
    """A JSON list; TensorFlow writes some tuples and shapes as objects."""
    if isinstance(value, dict) and value.get("class_name") in ("__tuple__", "TensorShape"):
        value = value.get("items")
    if not isinstance(value, (list, tuple)):
        raise CorruptFileError(f"{what}: expected a list, got {quote(value)}.")
    return list(value)


def shape(value: Any, what: str) -> tuple[int | None, ...]:
    """A shape: whole numbers, None where a size is not known."""
    sizes = sequence(value, what)
    for size in sizes:
        if size is not None and (not is_int(size) or size < 0):
            raise CorruptFileError(f"{what}: expected sizes or null, got {quote(value)}.")
    return tuple(sizes)


def boolean(value: Any, what: str) -> bool:
    """A switch; every Keras takes 0, 1 and None for false and true there, and writes them as they were given."""
    found = False if value is None else switch(value)
    if not isinstance(found, bool):
        raise CorruptFileError(f"{what}: expected true or false, got {quote(value)}.")
    return found


def switch(value: Any) -> Any:
    """True for 1, False for 0, anything else as it is."""
    return bool(value) if isinstance(value, (int, float)) and value in (0, 1) else value


def trainable(config: Mapping[str, Any], what: str) -> bool:
    """Whether a layer is trained. No Keras takes a number there."""
    value = config.get("trainable", True)
    if not isinstance(value, bool):
        raise CorruptFileError(f"{what}, trainable: expected true or false, got {quote(value)}.")
    return value


def numbers(value: Any, what: str) -> Any:
    """A number, None, or an array of numbers in any spelling, as nested lists."""
    if isinstance(value, dict):
        inner = value.get("config")
        if value.get("class_name") in ("__numpy__", "__tensor__") and isinstance(inner, dict):
            value = inner.get("value")
        elif value.get("type") == "ndarray":  # Keras 2
            value = value.get("value")
    if isinstance(value, (list, tuple)):
        return [numbers(item, what) for item in value]
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise CorruptFileError(f"{what}: expected a number, or lists of numbers, got {quote(value)}.")
    return value


def same(value: Any, allowed: Iterable[Any]) -> bool:
    """Whether `value` is one of `allowed`, where true is not 1."""
    return any(value == item and isinstance(value, bool) == isinstance(item, bool) for item in allowed)


def is_own(item: Mapping[str, Any]) -> bool:
    """Whether Keras's own class is meant, by module and registered name; a custom class may have any name."""
    module = item.get("module", "keras")
    registered = item.get("registered_name")
    ours = isinstance(module, str) and (_KERAS.fullmatch(module) is not None or module == "builtins")
    return ours and registered in (None, item.get("class_name"))


def refuse_custom(item: Mapping[str, Any], where: str) -> None:
    """Refuse an object of a class or function that is not Keras's own."""
    if not is_own(item):
        told = [f"{key} {quote(item[key])}" for key in ("module", "registered_name") if item.get(key) is not None]
        raise UnsupportedFileError(
            f"{where}: {quote(item.get('class_name'))} is not Keras's own ({', '.join(told) or 'no module'}). "
            f"{how_to_give(item.get('config') if item.get('class_name') == 'function' else item.get('class_name'))}"
        ).because("own code")


def how_to_give(name: Any) -> str:
    """What a message says about something that may be of one's own."""
    bare = name.rpartition(">")[2] if isinstance(name, str) else "Name"
    return f"Code named in a file is never looked up: if it is yours, pass custom_objects={{{quote(bare)}: ...}}."
