"""Layers in the attributes of a layer: alone, and in the lists, tuples and dicts of a person's own class.

`self.blocks = []` and `self.blocks.append(Dense(3))` is how Keras models are written; plain lists are invisible to
torch. A list that holds layers, or that is empty and may come to hold some, becomes one that is a torch module too:
torch finds the parameters, under the names that `nn.ModuleList` would give them.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from ..activations import linear
from ..errors import ArgumentError, quote
from .free_names import is_free, release, take
from .torch_module import TorchModule
from .variable import Variable
from .weight_tensors import WeightBuffer

_clock = itertools.count()
# Attributes of built-in layers that are called: None stands for no function there, as in Keras.
_FUNCTIONS = ("activation", "recurrent_activation")


class Container(nn.Module):
    """What the tracked list, tuple and dict share; abstract."""

    _items: Any  # the content once more: what torch.compile can look into
    _stamps: dict[str, int]  # when each module came, by its name in `_modules`

    def _plain(self) -> Any:
        """The content as a plain list, tuple or dict."""
        raise NotImplementedError

    def _tracked(self) -> Iterator[tuple[str, Any, int]]:
        """The content, tracked in order: the name of each as a module, the value, and when it came if it is new."""
        raise NotImplementedError

    def _start(self) -> None:
        nn.Module.__init__(self)
        self._stamps = {}
        self._refresh()

    def _refresh(self) -> None:
        before = {id(module): self._stamps[name] for name, module in self._modules.items()}
        # What holds this one stays in it, and torch, which would walk it without end, does not see it there.
        found = [item for item in self._tracked() if isinstance(item[1], nn.Module) and not _holds(item[1], self)]
        self._items = self._plain()
        self._modules.clear()
        self._modules.update({name: module for name, module, _ in found})
        self._stamps = {name: before.get(id(module), stamp) for name, module, stamp in found}

    def __setattr__(self, name: str, value: Any) -> None:
        held = self.__dict__.get("_modules", {})
        if isinstance(value, nn.Module) and self.__dict__.get("_is_replica") and name in held:  # of nn.DataParallel
            self._items = _exchanged(self._items, held[name], value)
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, key: Any) -> Any:
        return self._items[key]

    def __hash__(self) -> int:  # torch keeps modules in sets
        return id(self)


def _exchanged(items: Any, old: Any, new: Any) -> Any:
    """A list, tuple or dict with `new` in the place of `old`."""
    if isinstance(items, dict):
        return {key: new if item is old else item for key, item in items.items()}
    return type(items)(new if item is old else item for item in items)


def _holds(module: nn.Module, container: Container) -> bool:
    """Whether a module is a container, or a container that holds it at any depth."""
    if module is container:
        return True
    return isinstance(module, Container) and any(
        _holds(inner, container) for inner in module._modules.values() if inner
    )


def _reduce(self: Any, protocol: Any) -> Any:
    """For copy and pickle: the content first, at once, then the state of the module."""
    return _restored, (type(self), self._plain()), self.__dict__.copy()


def _restored(cls: type[Any], content: Any) -> Any:
    made: Any = cls.__new__(cls, content)
    fill: Any = list.extend if issubclass(cls, list) else dict.update
    fill(made, content)
    return made


def _as_container(cls: type[Any]) -> type[Any]:
    """Take the methods that the builtin base would hide from `Container`."""
    shared = {name: Container.__dict__[name] for name in ("__iter__", "__len__", "__getitem__", "__hash__")}
    for name, method in {**shared, "__reduce_ex__": _reduce}.items():
        setattr(cls, name, method)
    for name in _CHANGES.get(cls.__bases__[0], ()):
        setattr(cls, name, _changing(getattr(cls.__bases__[0], name)))
    return cls


# The methods after which the modules must be found anew.
_CHANGES: dict[type, tuple[str, ...]] = {
    list: (
        *("append", "extend", "insert", "pop", "remove", "clear", "reverse", "sort"),
        *("__setitem__", "__delitem__", "__iadd__", "__imul__"),
    ),
    dict: ("pop", "popitem", "clear", "update", "setdefault", "__setitem__", "__delitem__", "__ior__"),
}


def _changing(method: Callable[..., Any]) -> Callable[..., Any]:
    def change(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        self._refresh()
        return result

    return change


@_as_container
class TrackedList(list, Container):  # type: ignore[misc]
    """A list whose layers torch finds."""

    def __init__(self, values: Iterable[Any]) -> None:
        list.__init__(self, values)
        self._start()

    def _plain(self) -> list[Any]:
        return list(list.__iter__(self))

    def _tracked(self) -> Iterator[tuple[str, Any, int]]:
        for index, item in enumerate(self._plain()):
            value = tracked(item)
            list.__setitem__(self, index, value)
            yield str(index), value, next(_clock)


class TrackedTuple(Container):
    """What a tuple with layers becomes: it reads as one. (Python cannot make it a tuple that torch can watch.)"""

    def __init__(self, values: Iterable[Any]) -> None:
        came = [(tracked(value), next(_clock)) for value in values]
        self.__dict__["_came"] = came
        self._start()

    def _plain(self) -> tuple[Any, ...]:
        return tuple(value for value, _ in self.__dict__["_came"])

    def _tracked(self) -> Iterator[tuple[str, Any, int]]:
        for index, (value, stamp) in enumerate(self.__dict__["_came"]):
            yield str(index), value, stamp

    def __add__(self, other: Any) -> tuple[Any, ...]:
        return self._items + tuple(other)

    def __radd__(self, other: Any) -> tuple[Any, ...]:
        return tuple(other) + self._items

    def __eq__(self, other: object) -> bool:
        return self._items == (other._items if isinstance(other, TrackedTuple) else other)

    __hash__ = Container.__hash__


@_as_container
class TrackedDict(dict, Container):  # type: ignore[misc]
    """A dict whose layers torch finds."""

    def __init__(self, values: Any) -> None:
        dict.__init__(self, values)
        self._start()

    def _plain(self) -> dict[Any, Any]:
        return {key: dict.__getitem__(self, key) for key in dict.__iter__(self)}

    # Written here, so that torch.compile can look inside.
    def keys(self) -> Any:
        return self._items.keys()

    def values(self) -> Any:
        return self._items.values()

    def items(self) -> Any:
        return self._items.items()

    def _tracked(self) -> Iterator[tuple[str, Any, int]]:
        for index, (key, item) in enumerate(self._plain().items()):
            value = tracked(item)
            dict.__setitem__(self, key, value)
            named = isinstance(key, str) and key.isidentifier() and not hasattr(type(self), key)
            yield key if named else f"item_{index}", value, next(_clock)


_KINDS: dict[type, type[Any]] = {
    list: TrackedList,
    tuple: TrackedTuple,
    dict: TrackedDict,
    OrderedDict: TrackedDict,
}


def tracked(value: Any) -> Any:
    """A list, tuple or dict that holds layers or may come to, as one that torch sees; anything else as it is.

    Raises:
        ArgumentError: The value holds layers and is of a kind that nobody looks into.
    """
    kind = _KINDS.get(type(value))
    if kind is not None:
        refuse_itself(value)
        return kind(value) if _may_hold(value) else value
    if isinstance(value, (set, frozenset, tuple)) and any(isinstance(item, nn.Module) for item in value):
        raise ArgumentError(
            f"layers in a {quote(type(value).__name__)} are not found; keep them in a list, a tuple or a dict."
        )
    return value


def refuse_itself(value: Any, around: tuple[int, ...] = ()) -> None:
    """Raise where a list, tuple or dict that nobody tracks yet stands in itself: who walks it comes to no end.

    Raises:
        ArgumentError: It does.
    """
    if not isinstance(value, (list, tuple, dict)) or isinstance(value, Container):
        return
    if id(value) in around:
        raise ArgumentError(f"a {type(value).__name__} that holds itself has no end; keep what is in it beside it.")
    within = (*around, id(value))
    for item in dict.values(value) if isinstance(value, dict) else value:
        refuse_itself(item, within)


def _may_hold(value: Any) -> bool:
    if not value:
        return not isinstance(value, tuple)
    items = value.values() if isinstance(value, dict) else value
    return any(isinstance(item, nn.Module) or (type(item) in _KINDS and _may_hold(item)) for item in items)


def _is_array(value: Any) -> bool:
    """Whether a value gives a weight its numbers, and does not take its place as a parameter does."""
    return isinstance(value, (Tensor, Variable, np.ndarray)) and not isinstance(value, nn.Parameter)


class Tracking(TorchModule):
    """The part of `Layer` that keeps an eye on its attributes; abstract."""

    _tracks: ClassVar[bool] = True  # False: a class of kerastorch, which hides no layers
    # Attributes of the base classes, which hold no layers of their own.
    _UNTRACKED: ClassVar[frozenset[str]] = frozenset(
        {
            "_added_weights",
            "_called_on",
            "_former_parameters",  # of torch
            "_initial_weights",
            "_nodes",
            "_symbols",
            "_variable_objects",
        }
    )

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("_replicated", ()):
            self._set_in_replica(name, value)
            return
        if isinstance(value, WeightBuffer) and "_buffers" in self.__dict__:
            if value._alone is not None and name not in self._buffers:
                self.register_buffer(name, value.shown)
                self.__dict__.setdefault("_shown", {})[name] = value
                return
            if name in self._buffers:
                value = value.shown  # torch holds the plain tensor
        if name in self._weight_names and not self._tracks and _is_array(value) and name not in self.__dict__:
            self._set_weight(name, value)
            return
        if self._tracks and name not in self._UNTRACKED:
            value = self._track(name, value)
        if isinstance(value, nn.Module):
            take(self, name)  # of parameters and buffers torch asks whether the name is free
        held = self.__dict__
        if (
            isinstance(value, (Tensor, nn.Module))
            or name in held.get("_parameters", ())
            or name in held.get("_buffers", ())
            or name in held.get("_modules", ())
        ):
            super().__setattr__(name, value)
        else:  # as torch does in the end, after many questions: a layer has dozens of these
            if value is None and name in _FUNCTIONS and name in getattr(type(self), "CONFIG", ()):
                value = linear
            object.__setattr__(self, name, value)

    def _track(self, name: str, value: Any) -> Any:
        modules = self.__dict__.get("_modules")
        if modules is None:
            empty = isinstance(value, (list, dict)) and not value
            return value if empty else tracked(value)  # before super().__init__(): torch refuses modules
        value = tracked(value)
        if not isinstance(value, (nn.Module, nn.Parameter)):
            if isinstance(modules.get(name), Container):
                del modules[name]
            return value
        taken = getattr(type(self), name, None)
        if isinstance(taken, property) and taken.fset is None and not is_free(type(self), name):
            raise ArgumentError(
                f"{type(self).__name__}: the attribute {name!r} is taken (it has a meaning in every layer or model); "
                "give yours another name."
            )
        if modules.get(name) is not value:
            self.__dict__.setdefault("_stamps", {})[name] = next(_clock)
        return value

    def register_parameter(self, name: str, param: Any) -> None:
        take(self, name)
        super().register_parameter(name, param)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        take(self, name)
        super().register_buffer(name, tensor, persistent)

    def add_module(self, name: str, module: nn.Module | None) -> None:
        take(self, name)
        super().add_module(name, module)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        release(self, name)

    def _sublayers(self) -> list[nn.Module]:
        """The modules inside, in the order in which Keras lists their weights: as they came."""
        return opened(self)


def opened(module: nn.Module, in_place: bool = False) -> list[nn.Module]:
    """The modules in the attributes of `module` and in lists, tuples and dicts there, each once.

    Args:
        module: The layer.
        in_place: In the order of the attributes, dicts by their keys, as Keras 2 lists them; else in the order in which
            they came, as Keras 3 does.
    """
    found: dict[int, tuple[int, nn.Module]] = {}
    for stamp, inner in _open(module, in_place):
        found.setdefault(id(inner), (stamp, inner))
    listed = found.values() if in_place else sorted(found.values(), key=lambda item: item[0])
    return [inner for _, inner in listed]


def _open(module: nn.Module, in_place: bool, since: int = -1) -> Iterator[tuple[int, nn.Module]]:
    stamps = module.__dict__.get("_stamps", {})
    names = sorted(module._modules) if in_place and isinstance(module, TrackedDict) else module._modules
    for name in names:
        inner = module._modules[name]
        stamp = stamps.get(name, since)
        if isinstance(inner, (Container, nn.ModuleList, nn.ModuleDict)):
            yield from _open(inner, in_place, stamp)
        elif inner is not None:
            yield stamp, inner
