"""YAML text of a model, as `to_yaml()` of Keras 1 and 2 wrote it, by a closed table of tags.

PyYAML tells the parts of the text apart; nothing is made by its loaders, which call what a text names. Tags of Python's
own plain values become what JSON has for them, every other tag is refused. What an alias stands for counts each time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kerastorch import deadline
from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError, UnsupportedFileError, counted, quote
from kerastorch.packaged import install

from .._limits import Limits
from .._source import FOREIGN
from ..strict_json import parse_model

_YAML = "tag:yaml.org,2002:"
_PYTHON = f"{_YAML}python/"
_ORDERED = f"{_PYTHON}object/apply:collections.OrderedDict"
_TEXTS = ("str", "timestamp", "value", "python/str", "python/unicode")
_SCALARS: Mapping[str, str] = {
    **{f"{_YAML}{kind}": "str" for kind in _TEXTS},
    **{f"{_YAML}{kind}": kind for kind in ("int", "float", "bool", "null")},
    **{f"{_PYTHON}{kind}": kind for kind in ("int", "float", "bool")},
    f"{_PYTHON}long": "int",
    f"{_PYTHON}none": "null",
}
_LISTS = {f"{_YAML}seq", f"{_PYTHON}list", f"{_PYTHON}tuple", _ORDERED}
_DICTS = {f"{_YAML}map", f"{_PYTHON}dict"}
# Tags of Python that call nothing, as they stand in a text.
HARMLESS = frozenset(
    f"!!python/{kind}" for kind in ("str", "unicode", "int", "long", "float", "bool", "none", "list", "tuple", "dict")
)
_LONGEST = 64  # characters of a number
_EVERY = 1 << 10  # parts of the text between two looks at the clock
_TRUSTED = "If you trust who made it, load it with what wrote it and save it with Keras: model.save('model.keras')."
_SHARE = 8  # YAML takes longer to read than JSON: a text has so much less than `json_bytes`


def parse_yaml_text(
    raw: bytes | memoryview | str, where: str, limits: Limits
) -> tuple[dict[str, Any], LoadError | None]:
    """Parse the YAML text of a model.

    Args:
        raw: The text, or its UTF-8 bytes.
        where: What it is, for messages.
        limits: The bounds, of which those of JSON hold; of `json_bytes` an eighth.

    Returns:
        What `parse_model` returns of the same values as JSON.

    Raises:
        UnsupportedFileError: PyYAML is not installed, or a tag makes Python call something.
        UnsafeFileError: The text is too large, too deep, has too many values or two values for one key.
        CorruptFileError: It is no YAML, or no mapping.
    """
    text = raw if isinstance(raw, str) else _decoded(raw, where)
    if len(text) > limits.json_bytes // _SHARE:
        problem = f"{where}: the YAML text has {counted(len(text), 'character')}"
        raise UnsafeFileError(limits.beyond(problem, "json_bytes", limits.json_bytes // _SHARE))
    yaml = _library(where)
    found = _Reading(where, limits, yaml).value_of(_events(yaml, text.removeprefix("\ufeff"), where))
    if not isinstance(found, dict):
        raise CorruptFileError(f"{where}: the YAML text is a {type(found).__name__}, expected a mapping.")
    return parse_model(json.dumps(found), where, limits)


def _decoded(raw: bytes | memoryview, where: str) -> str:
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError:
        raise CorruptFileError(f"{where}: the YAML text is not UTF-8. Download or copy the file again.") from None


def _library(where: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise UnsupportedFileError(
            f"{where}: this is YAML text, which is read with PyYAML: {install('yaml')}. Or load it with the Keras that "
            "wrote it and write it with to_json()."
        ) from None
    return yaml


def _events(yaml: Any, text: str, where: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())[:200]
        raise CorruptFileError(f"{where}: it is not YAML ({said}). Download or copy the file again.") from None


@dataclass
class _Open:
    """A list or a mapping whose end has not come."""

    value: list[Any] | dict[str, Any]
    tag: str
    anchor: str | None
    before: int  # values until it began
    key: Any = None
    has_key: bool = False
    depth: int = 1


@dataclass
class _Anchored:
    value: Any
    count: int
    depth: int


@dataclass
class _Reading:
    where: str
    limits: Limits
    yaml: Any
    count: int = 0
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, _Anchored] = field(default_factory=dict)
    result: Any = None
    done: bool = False

    def value_of(self, events: Iterator[Any]) -> Any:
        """The one value of a text."""
        yaml = self.yaml
        resolve: Callable[..., str] = yaml.resolver.Resolver().resolve
        for number, event in enumerate(events):
            if not number % _EVERY:
                deadline.check("the YAML text was read")
            if isinstance(event, yaml.AliasEvent):
                self._alias(event.anchor)
            elif isinstance(event, yaml.ScalarEvent):
                tag = event.tag
                if tag is None or tag == "!":
                    tag = resolve(yaml.ScalarNode, event.value, event.implicit)
                value = self._scalar(tag, event.value)
                self._keep(event.anchor, value, 1, 0)
                self._put(value, 1, 0)
            elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                self._begin(event, isinstance(event, yaml.MappingStartEvent))
            elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                self._end()
            elif isinstance(event, yaml.DocumentStartEvent) and self.done:
                raise self._refuse("holds several documents")
        return self.result

    def _begin(self, event: Any, is_mapping: bool) -> None:
        tag = event.tag
        if tag is None or tag == "!":
            tag = f"{_YAML}{'map' if is_mapping else 'seq'}"
        if tag not in (_DICTS if is_mapping else _LISTS):
            raise self._unknown(tag)
        self.stack.append(_Open({} if is_mapping else [], tag, event.anchor, self.count))
        self._check(len(self.stack))

    def _end(self) -> None:
        ended = self.stack.pop()
        value: Any = ended.value
        if ended.has_key:
            raise self._refuse("has a key without a value")
        if ended.tag == _ORDERED:
            value = self._ordered(value)
        count = self.count - ended.before + 1
        self._keep(ended.anchor, value, count, ended.depth)
        self._put(value, 1, ended.depth)

    def _alias(self, name: str) -> None:
        found = self.anchors.get(name)
        if found is None:
            raise self._refuse(f"refers to {quote(name)}, which is not there, or not whole yet")
        self._put(found.value, found.count, found.depth)

    def _keep(self, anchor: str | None, value: Any, count: int, depth: int) -> None:
        if anchor is not None:
            self.anchors[anchor] = _Anchored(value, count, depth)

    def _put(self, value: Any, count: int, depth: int) -> None:
        """Put a value, which has so many in it, where it belongs."""
        self.count += count
        self._check(len(self.stack) + depth)
        if not self.stack:
            self.result, self.done = value, True
            return
        around = self.stack[-1]
        around.depth = max(around.depth, depth + 1)
        if isinstance(around.value, list):
            around.value.append(value)
        elif not around.has_key:
            if not isinstance(value, str):
                raise self._refuse(f"has the key {quote(value)}, expected text")
            if value in around.value:
                raise self._refuse(f"has the key {quote(value)} twice in one mapping")
            around.key, around.has_key = value, True
        else:
            around.value[around.key], around.has_key = value, False

    def _check(self, depth: int) -> None:
        if self.count > self.limits.json_values:
            problem = f"{self.where}: the YAML text has more than {counted(self.limits.json_values, 'value')}"
            raise UnsafeFileError(self.limits.beyond(problem, "json_values"))
        if depth > self.limits.json_depth:
            problem = f"{self.where}: the YAML text is nested more than {self.limits.json_depth} deep"
            raise UnsafeFileError(self.limits.beyond(problem, "json_depth"))

    def _scalar(self, tag: str, text: str) -> Any:
        yaml, kind = self.yaml, _SCALARS.get(tag)
        if kind is None:
            raise self._unknown(tag)
        if kind == "str":
            return text
        if kind == "null":
            return None
        if len(text) > _LONGEST:
            raise self._refuse(f"has a number of {counted(len(text), 'character')}, the limit is {_LONGEST}")
        node, makes = yaml.ScalarNode(f"{_YAML}{kind}", text), yaml.constructor.SafeConstructor()
        try:
            return getattr(makes, f"construct_yaml_{kind}")(node)
        except (ValueError, KeyError, OverflowError, IndexError):
            raise CorruptFileError(f"{self.where}: {quote(text)} is no {kind} of YAML.") from None

    def _ordered(self, value: list[Any]) -> dict[str, Any]:
        """What `OrderedDict(pairs)` would be."""
        pairs = value[0] if len(value) == 1 and isinstance(value[0], list) else [] if not value else None
        good = pairs is not None and all(
            isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs
        )
        if pairs is None or not good or len({pair[0] for pair in pairs}) != len(pairs):
            raise self._refuse("has an OrderedDict that is none of pairs of a text and a value")
        return {pair[0]: pair[1] for pair in pairs}

    def _refuse(self, problem: str) -> UnsafeFileError:
        return UnsafeFileError(f"{self.where}: the YAML text {problem}. {FOREIGN}")

    def _unknown(self, tag: str) -> LoadError:
        shown = quote(tag.replace(_YAML, "!!"))
        if not tag.startswith(_PYTHON):
            return self._refuse(f"has the tag {shown}")
        return (
            UnsupportedFileError(
                f"{self.where}: this YAML text has the tag {shown}, which makes Python call what it names when it is "
                f"loaded: it is never called here. {_TRUSTED}"
            )
            .of("YAML")
            .because("runs code")
        )
