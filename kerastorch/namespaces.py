"""Modules that stand for a namespace of Keras: which names they show, which come from above, which are not there.

Imports point one way, and Keras's namespaces do not: `keras.layers` has `Input`, `keras.models` has `load_model`. So a
module says here what it fetches when it is asked for, and the part of kerastorch that has it says here how. A name of
Keras that kerastorch does not have can be imported, so that old import lines keep working; its use raises
`UnsupportedError` with what to use in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import ModuleType
from typing import Any, NoReturn

from .errors import UnsupportedError, closest

_NOT_NAMES = ("annotations", "TYPE_CHECKING")  # what imports leave in a module
_FILLED: dict[str, dict[str, Callable[[], Any]]] = {}
_OLD: dict[str, dict[str, ModuleType]] = {}
_WHEN_THERE: dict[str, list[Callable[[], None]]] = {}


def fill(namespace: str, **names: Callable[[], Any]) -> None:
    """Say how names of a namespace are had: functions without arguments, called when a name is asked for.

    Args:
        namespace: The part behind `kerastorch.`: "models".
        **names: Name -> what returns the object.
    """
    _FILLED.setdefault(namespace, {}).update(names)


def when_there(namespace: str, function: Callable[[], None]) -> None:
    """Have a function called, without arguments, when the module of a namespace has been read."""
    _WHEN_THERE.setdefault(namespace, []).append(function)


def keep(namespace: str, name: str, module: ModuleType) -> None:
    """Let a namespace have a module of older Kerases, which `dir()` does not show."""
    _OLD.setdefault(namespace, {})[name] = module


class _Absent(type):
    """The class of what stands for a name of Keras that is not here; every use of it raises."""

    text: str

    def refuse(cls) -> NoReturn:
        raise UnsupportedError(cls.text)

    def __call__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        cls.refuse()

    def __getattr__(cls, name: str) -> NoReturn:
        # Python asks for names with underscores by itself: hasattr(x, "__wrapped__") must be False.
        raise AttributeError(cls.text) if name.startswith("_") else UnsupportedError(cls.text)

    def __repr__(cls) -> str:
        return f"<not in kerastorch: {cls.text}>"


@cache
def absent(namespace: str, name: str, instead: str) -> type:
    """What stands for a name of Keras that is not here.

    Args:
        namespace: Keras's: "keras.layers".
        name: The name there.
        instead: A sentence: what to use.
    """
    text = f"{namespace}.{name} is not in kerastorch: {instead}"
    return _Absent(name, (), {"text": text, "__init_subclass__": classmethod(_refuse_subclass), "__doc__": text})


def _refuse_subclass(cls: Any, **kwargs: Any) -> NoReturn:
    raise UnsupportedError(cls.text)


def is_absent(value: Any) -> bool:
    """Whether a value stands for a name that is not here."""
    return isinstance(value, _Absent)


class Namespace:
    """What a module's `__getattr__` and `__dir__` do.

    Args:
        module: `__name__` of the module.
        names: `globals()` of the module.
        own: Further public names that the module makes when they are asked for.
        make: Makes one of them.
        absent: Names of Keras that are not here -> a sentence that says what to use.
        hidden: Names in the module that are no part of the namespace.
        homes: Only what these modules define is part of it; the names of modules below `kerastorch.`.
    """

    def __init__(
        self,
        module: str,
        names: Mapping[str, Any],
        *,
        own: Iterable[str] = (),
        make: Callable[[str], Any] | None = None,
        absent: Mapping[str, str] | None = None,
        hidden: Iterable[str] = (),
        homes: Iterable[str] = (),
    ) -> None:
        self._module, self._names = module, names
        self._own, self._make = frozenset(own), make
        self._place = module.partition(".")[2]
        self.absent = dict(absent or {})
        self._hidden = frozenset(hidden)
        self._homes = frozenset(f"kerastorch.{home}" for home in homes)
        for function in _WHEN_THERE.get(self._place, ()):
            function()

    def get(self, name: str) -> Any:
        """An attribute that the module itself does not hold.

        Raises:
            AttributeError: There is none; names that are nearly the same are suggested.
        """
        if name in self._own and self._make is not None:
            return self._make(name)
        filled = _FILLED.get(self._place, {})
        if name in filled:
            return filled[name]()
        if name in _OLD.get(self._place, ()) and name not in self.absent:
            return _OLD[self._place][name]
        if name in self.absent:
            return absent(f"keras.{self._place}", name, self.absent[name])
        near = None if name.startswith("_") else closest(name, self.names(), 0.75)
        hint = f"; did you mean {near!r}?" if near else ""
        raise AttributeError(f"module {self._module!r} has no attribute {name!r}{hint}")

    def names(self) -> list[str]:
        """The public names, for `dir()`."""
        held = {
            name
            for name, value in self._names.items()
            if not name.startswith("_") and name not in _NOT_NAMES and not isinstance(value, ModuleType)
            if not self._homes or getattr(value, "__module__", None) in self._homes
        }
        return sorted((held | self._own | _FILLED.get(self._place, {}).keys()) - self._hidden)
