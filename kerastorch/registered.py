"""Classes and functions of one's own that configs and files may name: `keras.saving`'s register and scope.

A name in a file leads to an object that the program itself has put here, or nowhere: nothing is imported by a name.
What is passed as `custom_objects=` comes before what a scope holds, and that before what is registered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, TypeVar

from .errors import ArgumentError, KerasTorchError, quote

_T = TypeVar("_T")
_objects: dict[str, Any] = {}
_names: dict[Any, str] = {}
_own: dict[str, Any] = {}  # kerastorch's, which are in no table of layers; `get_custom_objects` does not show them
# Their names in files, for what knows no layers.
OF_KERASTORCH = (
    *("kerastorch>CategoryEncoding", "kerastorch>Discretization", "kerastorch>Hashing", "kerastorch>IntegerLookup"),
    *("kerastorch>StringLookup", "kerastorch>TextVectorization"),
)


def own_name(class_name: object) -> str | None:
    """The name of one of kerastorch's own classes in files, for that which Keras calls so; None of any other."""
    name = f"kerastorch>{class_name}"
    return name if name in OF_KERASTORCH else None


_scope: ContextVar[Mapping[str, Any]] = ContextVar("custom_objects", default=MappingProxyType({}))

# How many scopes are open, in all threads. A compiler traces calls in which an activation is looked up by its name; it
# cannot trace a context variable, and need not where none is set.
_open_scopes = 0


def _scoped() -> Mapping[str, Any]:
    return _scope.get() if _open_scopes else {}


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[_T], _T]:
    """Let configs and files name a class or a function: `@register_keras_serializable("package")`.

    Args:
        package: The first part of the name, `package>name`.
        name: The second part; the name of the class or function if None.

    Raises:
        ArgumentError: A class has no `get_config`.
    """

    def register(thing: Any) -> Any:
        if isinstance(thing, type) and not hasattr(thing, "get_config"):
            raise ArgumentError(
                f"register_keras_serializable: {thing.__name__} has no get_config; give it one that returns its "
                "constructor's arguments."
            )
        registered = f"{package}>{name or thing.__name__}"
        _objects[registered] = thing
        _names[thing] = registered
        return thing

    return register


def register_own(cls: type[_T]) -> type[_T]:
    """Let configs and files name a class of kerastorch, as `kerastorch>...`."""
    name = f"kerastorch>{cls.__name__}"
    _own[name] = cls
    _names[cls] = name
    return cls


@contextmanager
def custom_object_scope(custom_objects: Mapping[str, Any] | None) -> Iterator[None]:
    """Let configs and files name these while it lasts: `with scope({"Mine": Mine}):`.

    Args:
        custom_objects: Names -> classes and functions; those of a scope around it stay.
    """
    global _open_scopes
    token = _scope.set({**_scope.get(), **(custom_objects or {})})
    _open_scopes += 1
    try:
        yield
    finally:
        _open_scopes -= 1
        _scope.reset(token)


CustomObjectScope = custom_object_scope


def get_custom_objects() -> dict[str, Any]:
    """The names that are registered, and their objects, without those of scopes; entries can be added and removed."""
    return _objects


def get_registered_name(obj: Any) -> str:
    """The name under which a class or function is registered, or its own name."""
    found = _names.get(obj)
    return found if found is not None else obj.__name__


def get_registered_object(
    name: str, custom_objects: Mapping[str, Any] | None = None, module_objects: Mapping[str, Any] | None = None
) -> Any:
    """What a name means: in a scope, among what is registered, in the two tables; None if it means nothing."""
    for table in (_scoped(), _objects, _own, custom_objects or {}, module_objects or {}):
        if name in table:
            return table[name]
    return None


def name_of(obj: Any) -> str | None:
    """The name under which a class or function is registered, or stands in a scope; None if it does not."""
    try:
        found = _names.get(obj)
    except TypeError:  # not hashable: nothing that was registered
        return None
    if found is not None and (_objects.get(found) is obj or _own.get(found) is obj):
        return found
    return next((key for key, value in _scoped().items() if value is obj), None)


def form_of(obj: Any) -> dict[str, Any] | None:
    """The config of a registered function, or of an object of a registered class, in Keras 3's form; None of others."""
    name = name_of(obj)
    if name is not None:
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    name = name_of(type(obj))
    if name is None:
        return None
    return {"module": None, "class_name": type(obj).__name__, "config": obj.get_config(), "registered_name": name}


def known(custom_objects: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All names that mean something where `custom_objects` are passed."""
    return {**_own, **_objects, **_scoped(), **(custom_objects or {})}


def find(*names: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """What the first of the names that means anything means, with or without its `package>`; None if none does."""
    table = known(custom_objects)
    for name in names:
        if isinstance(name, str):
            for key in (name, name.rpartition(">")[2]):
                if key in table:
                    return table[key]
    return None


def made(thing: Any, config: Any, what: str) -> Any:
    """What a class of one's own makes of its config; a function is meant itself.

    Raises:
        ArgumentError: Its constructor does not take the config.
    """
    if not isinstance(thing, type):
        return thing
    arguments = dict(config or {})
    make = getattr(thing, "from_config", None)
    try:
        return make(arguments) if make is not None else thing(**arguments)
    except KerasTorchError:
        raise
    except TypeError as error:
        raise ArgumentError(
            f"{what}: {thing.__name__} does not take the config {quote(arguments)}: {error}; its get_config must "
            "return what its constructor or its from_config takes."
        ) from error
