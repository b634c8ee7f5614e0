"""Text into models: model_from_json, model_from_yaml, model_from_config."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from . import deadline, making
from .compat.training import stated_training
from .errors import ArgumentError, UnsafeFileError, counted, quote
from .files import Archive, Limits, checked_sha256, limits_of
from .files.architectures import parse_architecture, parse_json_text, parse_yaml_text
from .models import Model
from .models.provided import provided
from .resuming import resume
from .spec import Rule

_STATED = ("keras_version", "backend")
_PARSERS = {"model_from_json": parse_json_text, "model_from_yaml": parse_yaml_text}


def model_from_json(
    text: str,
    custom_objects: Mapping[str, Any] | None = None,
    *,
    replace: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    expected_sha256: str | None = None,
    isolate: bool = False,
) -> Model:
    """Make a model from the text of Keras's `model.to_json()` (any version; the version inside decides the meaning).

    Args:
        text: JSON; `keras_version` and `backend` in it say which Keras wrote it.
        custom_objects: See `load_model`.
        replace: See `load_model`.
        limits: See `load_model`; of `parameters` a text may state any number.
        expected_sha256: The SHA-256 that the text must have, in UTF-8.
        isolate: Must be False: a text is not read from a file, and the model is made in this process in any case.

    Returns:
        The model, with fresh weights, in evaluation mode; compiled, if the text says how, as Keras 3 writes it.

    Raises:
        LoadError: The text is no model config, has another SHA-256, asks for more than `limits` allow, or needs what
            kerastorch does not have.
    """
    model, rules = model_from_json_reported(
        text, custom_objects, replace=replace, limits=limits, expected_sha256=expected_sha256, isolate=isolate
    )
    making.warn([rule.text for rule in rules if rule.warns], "model_from_json")
    return model


def model_from_yaml(
    text: str,
    custom_objects: Mapping[str, Any] | None = None,
    *,
    replace: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    expected_sha256: str | None = None,
) -> Model:
    """Make a model from the text of `model.to_yaml()` of Keras 1 and 2, and of tf.keras up to 2.5.

    The text is read by a closed table of tags: texts, numbers, lists, tuples and dicts, also as `!!python/tuple` and
    `!!python/unicode`. Nothing is made or called that it names. PyYAML is needed: `pip install "kerastorch-rnn[yaml]"`.

    Args:
        text: YAML; `keras_version` and `backend` in it say which Keras wrote it.
        custom_objects: See `load_model`.
        replace: See `load_model`.
        limits: See `model_from_json`; a text may have an eighth of `json_bytes`.
        expected_sha256: The SHA-256 that the text must have, in UTF-8.

    Returns:
        See `model_from_json`.

    Raises:
        LoadError: See `model_from_json`. `UnsupportedFileError`: PyYAML is not installed, or a tag makes Python call
            what it names.
    """
    given = {"replace": replace, "limits": limits, "expected_sha256": expected_sha256}
    model, rules = model_from_json_reported(text, custom_objects, **given, what="model_from_yaml")
    making.warn([rule.text for rule in rules if rule.warns], "model_from_yaml")
    return model


def model_from_config(
    config: Mapping[str, Any],
    custom_objects: Mapping[str, Any] | None = None,
    *,
    replace: Mapping[str, Any] | None = None,
) -> Model:
    """Make a model from a config of Keras, as `model_from_json` from its text.

    Args:
        config: `{"class_name": ..., "config": model.get_config()}`, or the whole dict that `to_json` writes.
        custom_objects: See `load_model`.
        replace: See `load_model`.

    Returns:
        The model, with fresh weights, in evaluation mode.

    Raises:
        LoadError: The config is none of a model, or needs what kerastorch does not have.
        ArgumentError: It is no dict, or holds what JSON cannot.
    """
    if not isinstance(config, Mapping) or "class_name" not in config:
        raise ArgumentError(
            f"model_from_config: expected a dict with 'class_name' and 'config', got {quote(config)}; a model's own "
            "get_config() goes to from_config of its class."
        )
    try:
        text = json.dumps(config)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"model_from_config: the config holds what JSON cannot: {error}.") from error
    return model_from_json(text, custom_objects, replace=replace)


def model_from_json_reported(
    text: str,
    custom_objects: Mapping[str, Any] | None = None,
    *,
    replace: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    expected_sha256: str | None = None,
    isolate: bool = False,
    beside: Archive | None = None,
    what: str = "model_from_json",
) -> tuple[Model, tuple[Rule, ...]]:
    """`model_from_json`, and what was translated.

    Args:
        beside: Weights that the model shall have: enough of them.
        what: The function that was called: `model_from_json`, `model_from_yaml`, or another one that takes both.
    """
    parse = _PARSERS.get(what, parse_architecture)
    if not isinstance(text, str):
        kind = "YAML" if parse is parse_yaml_text else "JSON"
        raise ArgumentError(f"{what}: expected {kind} text, got {quote(type(text).__name__)}.")
    if isolate is not False:
        raise ArgumentError(
            f"{what}: isolate=True reads a file in another process; here is a text, which is read already. "
            "limits= bounds what it may ask for."
        )
    limits, expected = limits_of(limits), checked_sha256(expected_sha256)
    content = text.encode("utf-8", "surrogatepass")
    if len(content) > limits.bytes:
        raise UnsafeFileError(limits.beyond(f"{what}: there are {counted(len(content), 'byte')} of it", "bytes"))
    digest = hashlib.sha256(content).hexdigest() if expected is not None else None
    if digest != expected:
        raise UnsafeFileError(f"{what}: the SHA-256 of the text is {digest}, expected {expected}.")
    given = provided(custom_objects, replace)
    with deadline.within(limits.seconds, what):
        config, problem = parse(text, what, limits)
        version, backend = (value if isinstance(value, str) else None for value in map(config.get, _STATED))
        reading = making.with_file(
            what,
            lambda: making.read(config, (version, backend), given, limits, f"kt.{what}(text", beside),
            ArgumentError,
        )
        with making.room(limits):
            model = making.with_file(what, lambda: making.build(reading.spec, given, None))
        model.training_config = stated_training(config, None, reading.writer)
        with making.room_of_metrics(limits):
            resumed = resume(model, model.training_config, None, custom_objects)
        deadline.check("the model was finished")
    unread = () if problem is None else (Rule(model.name, f"how it is compiled is left out: {problem}", True),)
    return model.eval(), (*reading.rules, *unread, *resumed.rules)
