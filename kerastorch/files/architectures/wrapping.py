"""The config of a model in JSON text, whatever stands around it.

`to_json()` writes an object with `class_name` and `config`. Programs put it into others: TensorFlow.js under
`modelTopology`, an `.h5` under `model_config`; what `json.dump(model.to_json(), file)` has written is a text of a text;
`json.dump(model.get_config(), file)` leaves out the class, which the keys of the config say.
"""

from __future__ import annotations

import json
from typing import Any

from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError, counted

from .._limits import Limits
from .._source import FOREIGN
from ..strict_json import parse_model
from .yaml_text import parse_yaml_text

Parsed = tuple[dict[str, Any], LoadError | None]

_AROUND = ("modelTopology", "model_config")
_STATED = ("keras_version", "backend")
_MOST = 8  # texts and objects in one another
_GRAPH = {"layers", "input_layers", "output_layers"}


def is_json(raw: bytes | memoryview | str) -> bool:
    """Whether a text begins as JSON that may hold a model; else it may be YAML."""
    head = _plain(raw[:4096] if isinstance(raw, str) else bytes(raw[:4096]))
    return head[:1] in ("{", "[", '"')


def parse_architecture(raw: bytes | memoryview | str, where: str, limits: Limits) -> Parsed:
    """Parse the text of a model, JSON or YAML; see `parse_json_text` and `parse_yaml_text`."""
    return parse_json_text(raw, where, limits) if is_json(raw) else parse_yaml_text(raw, where, limits)


def parse_json_text(raw: bytes | memoryview | str, where: str, limits: Limits) -> Parsed:
    """Parse the JSON text of a model, and take off what stands around it.

    Args:
        raw: The text, or its UTF-8 bytes.
        where: What it is, for messages.
        limits: The bounds.

    Returns:
        The config with `class_name`, and with the version and the backend that are stated around it; and what is wrong
        with how it is compiled, see `parse_model`. What is none of a model is returned as it is.

    Raises:
        UnsafeFileError, CorruptFileError: See `parse_model`.
    """
    inner: Any = raw if isinstance(raw, str) else _decoded(raw, where)
    stated: dict[str, Any] = {}
    problem: LoadError | None = None
    for _ in range(_MOST):
        if isinstance(inner, str):
            inner, problem = _object(inner, where, limits)
        if isinstance(inner, dict):
            around = None if "class_name" in inner else next((inner[key] for key in _AROUND if inner.get(key)), None)
            if not isinstance(around, (dict, str)):
                return _completed(inner, stated), problem
            stated |= {key: inner[key] for key in _STATED if isinstance(inner.get(key), str)}
            inner = around
        elif not isinstance(inner, str):
            raise CorruptFileError(f"{where}: the JSON text is a {type(inner).__name__}, expected an object ({{...}}).")
    raise UnsafeFileError(f"{where}: a model stands in texts and objects around it, more than {_MOST} deep. {FOREIGN}")


def _object(text: str, where: str, limits: Limits) -> tuple[Any, LoadError | None]:
    """A JSON object; of a JSON text that holds a text, that one; a list of layers as an object."""
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] == "[":
        config, problem = parse_model(f'{{"layers": {text}}}', where, limits)
        return {"class_name": "Sequential", "config": config["layers"]}, problem
    if text.lstrip()[:1] != '"':
        return parse_model(text, where, limits)
    if len(text) > limits.json_bytes:
        raise UnsafeFileError(
            limits.beyond(f"{where}: the JSON text has {counted(len(text), 'character')}", "json_bytes")
        )
    try:
        return json.loads(text), None
    except json.JSONDecodeError as error:
        raise CorruptFileError(f"{where}: it is not JSON ({error.msg}). Download or copy the file again.") from None


def _completed(config: dict[str, Any], stated: dict[str, Any]) -> dict[str, Any]:
    """The config with what was stated around it, and with its class, where its keys say that."""
    layers = config.get("layers")
    if "class_name" not in config and isinstance(layers, list) and layers and all(map(_is_layer, layers)):
        kind = "Model" if config.keys() >= _GRAPH else "Sequential"
        config = {"class_name": kind, "config": config}
    return {**stated, **config}


def _is_layer(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("class_name"), str) and "config" in item


def _plain(raw: bytes | str) -> str:
    text = raw if isinstance(raw, str) else str(raw, "utf-8", "replace")
    return text.removeprefix("\ufeff").lstrip()


def _decoded(raw: bytes | memoryview, where: str) -> str:
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError:
        raise CorruptFileError(f"{where}: the text is not UTF-8. Download or copy the file again.") from None
