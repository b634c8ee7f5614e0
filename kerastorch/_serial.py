"""What activations, initializers, regularizers and constraints share: closed tables of names, and configs.

A name that stands in a file is a key of one of these tables or it is refused. It is never imported or
looked up elsewhere.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch

from . import registered
from .errors import ArgumentError, UnsupportedError, closest, quote
from .seeds import SeedGenerator

_keeping: ContextVar[bool] = ContextVar("keeping", default=False)


@contextmanager
def keeping_objects() -> Iterator[None]:
    """Configs made meanwhile hold what no file can name as it is: they are for a copy in this process."""
    token = _keeping.set(True)
    try:
        yield
    finally:
        _keeping.reset(token)


def keeps_objects() -> bool:
    """Whether a config may hold objects."""
    return _keeping.get()


T = TypeVar("T")
C = TypeVar("C", bound="Configured")

_CONFIG_KEYS = {"module", "class_name", "config", "registered_name", "shared_object_id"}
_PACKAGES = re.compile(r"(tf_keras|keras|tensorflow\.(python\.)?keras)(\.|$)")
_ARRAY_DTYPES = frozenset(
    ("bool", "int8", "int16", "int32", "int64", "uint8", "float16", "bfloat16", "float32", "float64")
)
_LAMBDA = "it is Python code in the file, which is never run; use a built-in name, or give a function in Python"


@cache
def _names_of_fields(cls: Any) -> tuple[str, ...]:
    return tuple(item.name for item in fields(cls)) if is_dataclass(cls) else ()  # a class of one's own need be none


class Configured:
    """Base of the frozen dataclasses whose fields are the arguments of a Keras class: equal when their configs are."""

    ignored: ClassVar[frozenset[str]] = frozenset()  # keys that some Keras wrote and that say nothing
    elided: ClassVar[frozenset[str]] = frozenset()  # keys that older Keras 3 cannot read: not written when None
    module: ClassVar[str | None] = None  # where Keras 3 has the class, if not with the others of its kind

    @classmethod
    def arguments(cls) -> tuple[str, ...]:
        return _names_of_fields(cls)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain values, as Keras writes them."""
        config = {name: plain(getattr(self, name)) for name in self.arguments()}
        return {name: value for name, value in config.items() if value is not None or name not in self.elided}

    @classmethod
    def from_config(cls: type[C], config: Mapping[str, Any]) -> C:
        """Make the object that `config` describes; an argument that the class does not have is refused."""
        if "__init__" in cls.__dict__ and "__dataclass_fields__" not in cls.__dict__:  # a class of one's own
            return cls(**config)
        unknown = sorted(str(name) for name in config if name not in cls.arguments() and name not in cls.ignored)
        if unknown:
            takes = f"it takes {', '.join(cls.arguments())}" if cls.arguments() else "it takes no arguments"
            raise ArgumentError(f"{cls.__name__} has no argument {', '.join(map(quote, unknown))}: {takes}.")
        return cls(**{name: value for name, value in config.items() if name in cls.arguments()})

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # for __post_init__: the only place where a frozen object changes

    def _plain(self, name: str) -> Any:
        """Return an argument; a numpy number becomes Python's, which JSON can hold."""
        value = getattr(self, name)
        if isinstance(value, np.generic):
            self._set(name, value.item())
        return getattr(self, name)

    def _number(self, name: str, least: float = -math.inf, above: float = -math.inf) -> None:
        value = self._plain(name)
        good = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
        if not good or value < least or value <= above:
            bound = f" >= {least:g}" if math.isfinite(least) else f" > {above:g}" if math.isfinite(above) else ""
            self._refuse(name, f"a finite number{bound}")
        if isinstance(value, int) and abs(value) >= 1 << 63:  # beyond torch's own integers
            self._set(name, float(value))

    def _axes(self, name: str, optional: bool = False) -> None:
        """An axis, a list of them (kept as a tuple), or None where it may be left out."""
        value = self._plain(name)
        if isinstance(value, (list, tuple)):
            self._set(name, tuple(value))
        items = value if isinstance(value, (list, tuple)) else [] if value is None and optional else [value]
        if not all(isinstance(item, int) and not isinstance(item, bool) and abs(item) < 1 << 63 for item in items):
            self._refuse(name, "an integer or a list of integers" + (", or None" if optional else ""))

    def _one_of(self, name: str, allowed: Iterable[str]) -> None:
        if getattr(self, name) not in tuple(allowed):
            self._refuse(name, f"one of {', '.join(map(repr, allowed))}")

    def _refuse(self, name: str, expected: str) -> None:
        raise ArgumentError(f"{type(self).__name__}: {name} is {quote(getattr(self, name))}, expected {expected}.")


def plain(value: Any) -> Any:
    """Return an argument as it stands in a config."""
    if isinstance(value, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": value.dtype.name}}
    if isinstance(value, SeedGenerator):
        named = {"module": "keras.random", "class_name": "SeedGenerator", "config": value.get_config()}
        return {**named, "registered_name": None}
    return list(value) if isinstance(value, tuple) else value


def read_value(value: Any) -> Any:
    """Return a number as it is, and an array in any form (a config's too) as a numpy array of its own."""
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**63):  # a bool is an int
        return value
    dtype, given = None, value
    if isinstance(value, Mapping):  # how Keras 3 writes an array
        inner = value.get("config")
        if value.get("class_name") not in ("__numpy__", "__tensor__") or not isinstance(inner, Mapping):
            raise ArgumentError(f"{quote(dict(value))} is no value: expected a number or an array.")
        value, dtype = inner.get("value"), inner.get("dtype", "float32")
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if not isinstance(value, (np.ndarray, np.generic)):
        value = np.asarray(_number_lists(value))
    dtype = str(dtype or value.dtype)
    if dtype not in _ARRAY_DTYPES:
        raise ArgumentError(f"{quote(given)} is no value: expected a number or an array of real numbers.")
    array = np.array(value, dtype="float32" if dtype == "bfloat16" else dtype)
    return array if array.ndim else array.item()


def _number_lists(value: Any) -> Any:
    """Lists of numbers, all of one shape: checked before numpy guesses what a string or a ragged list may mean."""
    leaves = [value]
    while all(isinstance(item, (list, tuple)) for item in leaves) and len({len(item) for item in leaves}) == 1:
        leaves = [inner for item in leaves for inner in item]
    if not all(isinstance(item, (bool, int, float)) for item in leaves):
        raise ArgumentError(f"{quote(value)} is no value: expected a number, or lists of numbers of one shape.")
    return value


def snake_case(name: str) -> str:
    """Return the spelling that Keras derives from a class name: GlorotUniform -> glorot_uniform, L1L2 -> l1l2."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


@dataclass(frozen=True)
class Table(Generic[T]):
    """The closed table of one kind of object.

    Args:
        kind: As messages call it.
        entries: Every spelling -> a class with `from_config`, or a plain function.
        base: The classes whose objects are of this kind.
        strings: Spellings that as a bare string mean something else than the class with its defaults.
        refused: Names that exist in some Keras and not here -> why, and what to do.
        module: Where Keras has them; the plural of `kind` if empty.
    """

    kind: str
    entries: Mapping[str, Any]
    base: tuple[type, ...] = ()
    strings: Mapping[str, T] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    module: str = ""

    def __post_init__(self) -> None:
        if not self.module:
            object.__setattr__(self, "module", f"keras.{self.kind}s")

    def get(self, identifier: Any) -> T:
        """Return the object that a string, a config dict, a class of the table, or a callable stands for."""
        if isinstance(identifier, str):
            own = registered.find(identifier)
            if own is not None:
                return registered.made(own, {}, f"The {self.kind} {quote(identifier)}")
            if identifier in self.strings:
                return self.strings[identifier]
            return self._make(identifier, {}, ArgumentError)
        if isinstance(identifier, Mapping):
            return self._from_dict(identifier)
        if isinstance(identifier, type):
            if identifier in self.entries.values() or issubclass(identifier, self.base):
                return identifier()
            raise ArgumentError(
                f"{quote(identifier.__name__)} is a class, expected an object: write {identifier.__name__[:100]}(...)."
            )
        wrong_kind = isinstance(identifier, Configured) and not isinstance(identifier, self.base)
        if callable(identifier) and not wrong_kind:
            return identifier  # type: ignore[return-value]
        raise ArgumentError(
            f"{quote(identifier)} is no {self.kind}: "
            f"expected a name such as {quote(next(iter(self.entries)))}, a config dict, an object or a function."
        )

    def serialize(self, obj: Any) -> Any:
        """Return the shortest config from which Keras 3 and `get` make `obj` again: for a function its name."""
        if obj is None:
            return None
        for name, entry in self.entries.items():
            if entry is obj and not isinstance(obj, type):
                return name
            if type(obj) is entry:
                return {
                    "module": getattr(entry, "module", None) or self.module,
                    "class_name": entry.__name__,
                    "config": obj.get_config(),
                    "registered_name": None,
                }
        if keeps_objects():
            return obj
        named = registered.form_of(obj)
        if named is not None:
            return named
        raise UnsupportedError(
            f"{quote(obj)} is not one of the built-in {self.module.rpartition('.')[2]}, so no Keras file can name it: "
            f"use a built-in one ({self.module.replace('keras', 'kerastorch', 1)} lists them), register it "
            "(register_keras_serializable), "
            "or save the weights alone (state_dict)."
        )

    def has(self, obj: Any) -> bool:
        """Whether an object is a function of the table or of one of its classes."""
        return any(
            (entry is obj and not isinstance(obj, type)) or type(obj) is entry for entry in self.entries.values()
        )

    def deserialize(self, config: Any, custom_objects: Mapping[str, Any] | None = None) -> T | None:
        """`get`, with names of one's own.

        Args:
            config: A name, a config dict, or None.
            custom_objects: Names -> classes and functions.
        """
        if config is None:
            return None
        with registered.custom_object_scope(custom_objects):
            return self.get(config)

    def _from_dict(self, config: Mapping[str, Any]) -> T:
        name, inner = config.get("class_name"), config.get("config", {})
        unknown = sorted(str(key) for key in config if key not in _CONFIG_KEYS)
        if not isinstance(name, str) or unknown:
            found = f"unknown keys {', '.join(map(quote, unknown))}" if unknown else f"class_name {quote(name)}"
            raise ArgumentError(
                f"This is no config of a Keras {self.kind}: {quote(dict(config))} "
                f'has {found}; expected {{"class_name": "...", "config": {{...}}}}.'
            )
        is_function = name == "function"
        own = registered.find(config.get("registered_name"), inner if is_function else name)
        if own is not None:
            return registered.made(own, {} if is_function else inner, f"The {self.kind} of a config")
        if is_function:
            name, inner = inner, {}
        self._check_origin(config, name, is_function)
        if not isinstance(name, str) or not (inner is None or isinstance(inner, Mapping)):
            expected = "the name of the function" if is_function else "a dict of arguments"
            raise ArgumentError(
                f"The config of a Keras {self.kind} is {quote(config.get('config'))}, expected {expected}."
            )
        return self._make(name, inner or {}, UnsupportedError)

    def _check_origin(self, config: Mapping[str, Any], name: Any, is_function: bool) -> None:
        """Refuse somebody's own class that only bears the name of a built-in one."""
        module, registered = config.get("module", self.module), config.get("registered_name")
        ours = (
            isinstance(module, str)
            and (_PACKAGES.match(module) is not None or (is_function and module == "builtins"))
            and registered in (None, name, "function")
        )
        if not ours:
            raise UnsupportedError(
                f"{self.kind.capitalize()} {quote(name)} is not one of Keras's own: "
                f"the config says module {quote(module)}, registered name {quote(registered)}. "
                f"Nothing is imported from a name in a file: replace it by a built-in {self.kind} before saving."
            )

    def _make(self, name: str, config: Mapping[str, Any], error: type[Exception]) -> T:
        reason = _LAMBDA if name in ("__lambda__", "<lambda>") else self.refused.get(name)
        if reason:
            raise UnsupportedError(f"{self.kind.capitalize()} {quote(name)} is not supported: {reason}.")
        if name not in self.entries:
            close = closest(name, self.entries)
            hint = f"did you mean {close!r}?" if close else f"known: {', '.join(sorted(self.entries))}."
            raise error(f"Unknown {self.kind} {quote(name)}; {hint}")
        entry = self.entries[name]
        if isinstance(entry, type):
            return entry.from_config(config)  # type: ignore[attr-defined]
        if config:
            raise ArgumentError(f"{self.kind.capitalize()} {name!r} takes no config, got {quote(dict(config))}.")
        return entry  # type: ignore[return-value]


def classes(*members: type[Configured], **aliases: type[Configured]) -> dict[str, type[Configured]]:
    """Return the table entries of `members` under both of Keras's spellings, and `aliases`."""
    both = {spelling(cls.__name__): cls for spelling in (str, snake_case) for cls in members}
    return {**both, **aliases}
