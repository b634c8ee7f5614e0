"""The node_def of a TensorFlowOpLayer: protobuf's JSON form, or its binary form as text (TensorFlow 2.1)."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import CorruptFileError, KerasTorchError, quote

# TensorFlow's numbers of its dtypes, and their names in protobuf's JSON.
_TYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 9: "int64", 10: "bool", 14: "bfloat16",
    19: "float16",
}  # fmt: skip
_NAMES = {
    "DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_INT32": "int32", "DT_UINT8": "uint8", "DT_INT16": "int16",
    "DT_INT8": "int8", "DT_INT64": "int64", "DT_BOOL": "bool", "DT_BFLOAT16": "bfloat16", "DT_HALF": "float16",
}  # fmt: skip
_MOST_BYTES = 1 << 20
_MOST_FIELDS = 10_000


@dataclass
class NodeDef:
    """One operation of a TensorFlow graph: its kind, how many inputs it has, and its attributes as plain values."""

    operation: str
    inputs: int
    attributes: dict[str, Any] = field(default_factory=dict)


def read_node_def(value: Any, where: str) -> NodeDef:
    """Read a node_def in either form."""
    if isinstance(value, dict):
        return _from_json(value, where)
    if isinstance(value, str) and len(value) <= _MOST_BYTES:
        try:
            return _from_bytes(value.encode("utf-8"))
        except KerasTorchError:
            raise
        except (ValueError, IndexError, struct.error) as error:
            raise CorruptFileError(f"{where}: node_def is no protobuf message ({error}).") from error
    raise CorruptFileError(f"{where}: expected an object or text as node_def, got {quote(value)}.")


# ---------------------------------------------------------------------------------------------- JSON


def _from_json(value: Mapping[str, Any], where: str) -> NodeDef:
    kind, inputs, attributes = value.get("op"), value.get("input", []), value.get("attr", {})
    if not isinstance(kind, str) or not isinstance(inputs, list) or not isinstance(attributes, dict):
        raise CorruptFileError(f"{where}: node_def is none of TensorFlow's: {quote(value)}.")
    count = sum(not str(name).startswith("^") for name in inputs)  # ^ marks what only has to run before
    return NodeDef(kind, count, {str(name): _json_value(item, where) for name, item in attributes.items()})


def _json_value(value: Any, where: str) -> Any:
    """An attribute: `{"i": "1"}`, `{"b": true}`, `{"type": "DT_FLOAT"}`, `{"list": {"i": ["1"]}}`."""
    if not isinstance(value, dict) or len(value) > 1:
        raise CorruptFileError(f"{where}: expected an attribute of a node_def, got {quote(value)}.")
    for kind, item in value.items():
        try:
            if kind == "i":
                return int(item)
            if kind == "s":
                return base64.b64decode(item, validate=True).decode("utf-8")
        except (ValueError, TypeError, binascii.Error) as error:
            raise CorruptFileError(f"{where}: expected an attribute of a node_def, got {quote(value)}.") from error
        if kind == "type":
            return _NAMES.get(item, item) if isinstance(item, str) else item
        if kind == "list" and isinstance(item, dict):
            inner = next(iter(item.items()), None)
            if inner is None or not isinstance(inner[1], list):
                return []
            return [_json_value({inner[0]: part}, where) for part in inner[1]]
        return item
    return None


# ---------------------------------------------------------------------------------------------- binary


def _from_bytes(data: bytes) -> NodeDef:
    """NodeDef: 2 is the operation, 3 an input, 5 an entry of the map of attributes (1 its name, 2 its value)."""
    node = NodeDef("", 0)
    for number, value in _fields(data):
        if number == 2:
            node.operation = _text(value)
        elif number == 3:
            node.inputs += not _text(value).startswith("^")
        elif number == 5:
            entry = dict(_fields(_bytes(value)))
            node.attributes[_text(entry[1])] = _value(_bytes(entry.get(2, b"")))
    if not node.operation:
        raise ValueError("it names no operation")
    return node


def _value(data: bytes) -> Any:
    """AttrValue: 1 list, 2 text, 3 integer, 4 float, 5 boolean, 6 dtype; shapes and tensors are not needed."""
    for number, value in _fields(data):
        if number == 1:
            return [_scalar(kind, item) for kind, part in _fields(_bytes(value)) for item in _packed(kind, part)]
        return _scalar(number, value)
    return None


def _scalar(number: int, value: Any) -> Any:
    if number == 2:
        return _text(value)
    if number == 3:
        return value - (1 << 64) if value >= 1 << 63 else value
    if number == 4:
        return struct.unpack("<f", value)[0]
    if number == 5:
        return bool(value)
    return _TYPES.get(value, value) if number == 6 else None


def _packed(number: int, value: Any) -> Iterator[Any]:
    """The members of a list: numbers stand together in one field."""
    if number == 3 and isinstance(value, bytes):
        at = 0
        while at < len(value):
            item, at = _varint(value, at)
            yield item
    else:
        yield value


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    for _ in range(_MOST_FIELDS):
        if at >= len(data):
            return
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
        else:
            size, at = _varint(data, at) if wire == 2 else ({1: 8, 5: 4}.get(wire, -1), at)
            if size < 0 or at + size > len(data):
                raise ValueError("it is cut short")
            value, at = data[at : at + size], at + size
        yield number, value
    raise ValueError("it has too many fields")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number has too many bytes")


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a field is of another type")
    return value


def _text(value: Any) -> str:
    return _bytes(value).decode("utf-8")
