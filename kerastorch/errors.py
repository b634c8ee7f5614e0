"""Every error that kerastorch raises on purpose.

Each is of the built-in class that Keras raises as well, so that `except ValueError` around Keras code works here.
Each message says what is wrong, what was expected, what was found, where, and what to do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from numbers import Number
from typing import Any, Literal, TypeVar

_L = TypeVar("_L", bound="LoadError")


class KerasTorchError(Exception):
    """The base of every error that kerastorch raises on purpose."""

    keeps_lines = False  # on the command line, where a message is one line otherwise


class ArgumentError(KerasTorchError, ValueError, TypeError):
    """An argument of a layer, a model or a function has a value that it cannot take.

    Which of the two built-in classes Keras raises differs between its versions and from place to place, so it is both.
    """


class ShapeError(KerasTorchError, ValueError):
    """A tensor, a mask, a state or an array has another shape than the one that is needed."""


class NotBuiltError(KerasTorchError, RuntimeError, AttributeError, ValueError):
    """A layer was asked for its weights or shapes before it knows its input shape.

    An AttributeError too: `hasattr(layer, "input")` is False until there is one.
    """


class NotDefinedError(KerasTorchError, NotImplementedError):
    """A class of one's own lacks a method that it has to define."""


class UnsupportedError(KerasTorchError, ValueError):
    """Something that exists in Keras and is refused here, with the reason."""


class RemovedError(UnsupportedError, NotImplementedError):
    """Something that older Keras had and Keras 3 itself has no more."""


class NoConfigError(UnsupportedError, NotImplementedError):
    """A layer of a person's own has arguments that no config can hold, and no `get_config` that writes them."""


class LoadError(KerasTorchError, ValueError):
    """A file cannot be loaded; nothing was changed.

    Attributes:
        kind: What the file, or the part of it that the error is about, is: "YAML", "pickle", "link"; "" where nothing
            is to be said of that.
    """

    kind: str = ""

    def of(self: _L, kind: str) -> _L:
        """The same error, with its kind."""
        self.kind = kind
        return self


class UnreadableFileError(OSError, LoadError):
    """The file cannot be opened or read: no permission, a pipe, a broken disk."""


class MissingFileError(FileNotFoundError, UnreadableFileError):
    """There is no such file."""


class UnsafeFileError(LoadError):
    """The file holds something that no Keras writes and that could do harm."""


class CorruptFileError(OSError, LoadError):
    """The file is damaged, cut short, or not a Keras file."""


class TimeLimitError(TimeoutError, LoadError):
    """Reading took longer than `kt.Limits(seconds=)` allows."""


class ReaderProcessError(LoadError):
    """The process that read a file for this one (`isolate=True`) ended before it was done; the message says how."""


class UnsupportedFileError(LoadError, UnsupportedError):
    """The file is whole, but it needs something that kerastorch does not have.

    Attributes:
        reason: "own code" where it names code of one's own that nobody has passed, "runs code" where it is of a kind
            that runs code in the program that reads it, such as a pickle; "" otherwise.
    """

    reason: Literal["", "own code", "runs code"] = ""

    def because(self, reason: Literal["own code", "runs code"]) -> UnsupportedFileError:
        """The same error, with its reason."""
        self.reason = reason
        return self


class MissingLayersError(UnsupportedFileError, TypeError):
    """Layers of a file are of classes of one's own, or Python code, and nobody has passed them.

    Attributes:
        missing: What the file holds for each: `spec.Missing`.
    """

    reason = "own code"

    def __init__(self, message: str, missing: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.missing = missing


class MismatchError(LoadError):
    """Arrays of the file and variables of the model do not fit one to one."""


class RecordingError(KerasTorchError, RuntimeError):
    """Keras, in a process of its own, has not computed what it was asked for; the message holds its last lines."""

    keeps_lines = True


class MissingKerasError(RecordingError):
    """There is no Keras where one was to run, or none with the backend that was asked for."""


class SaveError(OSError, KerasTorchError, ValueError):
    """A file cannot be written; what stood there before is unchanged."""


_E = TypeVar("_E", bound=KerasTorchError)


def placed(error: _E, place: str) -> _E:
    """The same error, of its class and with its attributes, whose message begins with the place that it is about."""
    message = f"{place}: {error}"
    made = type(error).__new__(type(error), message)
    made.args = (message,)
    made.__dict__.update(error.__dict__)
    return made


def attribute(getter: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap the getter of a property: for `hasattr`, what cannot be had is not there.

    An error of ours becomes one that is an AttributeError as well, of the same class and with the same text.
    """

    @functools.wraps(getter)
    def get(self: Any) -> Any:
        try:
            return getter(self)
        except KerasTorchError as error:
            if isinstance(error, AttributeError):
                raise
            raise as_attribute_error(type(error), error.args) from error

    return get


def as_attribute_error(cls: type[KerasTorchError], args: tuple[Any, ...]) -> KerasTorchError:
    """An error of a class of ours that is an AttributeError as well."""
    return _with_attribute_error(cls)(*args)


@functools.lru_cache(maxsize=64)
def _with_attribute_error(cls: type[KerasTorchError]) -> type[KerasTorchError]:
    """A class of errors that is an AttributeError too."""
    reduce = {"__reduce__": lambda error: (as_attribute_error, (cls, error.args))}
    return type(cls.__name__, (cls, AttributeError), {"__module__": cls.__module__, "__doc__": cls.__doc__, **reduce})


def beyond(problem: str, most: object, bound: str, *, foreign: bool = False) -> str:
    """What a message says of something that is more than a bound of `kt.Limits` allows.

    Args:
        problem: What there is, with its number.
        most: The bound.
        bound: The name of the argument of `kt.Limits` that moves it.
        foreign: Whether no Keras writes what is beyond the bound that there is without `limits=`.
    """
    advice = "No Keras writes this, so it is refused; if you trust the file" if foreign else None
    advice = advice or "If it is meant to be that large"
    most = f"{most:,}" if isinstance(most, int) else most
    return f"{problem}, the limit is {most}. {advice}, pass limits=kt.Limits({bound}=...)."


def quote(value: object, limit: int = 200) -> str:
    """Return what stands in a file or an argument as it may stand in a message: escaped, and cut at `limit` characters.

    Text is in quotation marks, and so is what other objects say of themselves. Numbers, `True`, `None`, and lists and
    dicts are as Python writes them: 1 is not '1'.
    """
    if value is None or isinstance(value, Number):  # bool is one
        shown = str(value)
    else:
        shown = repr(value if isinstance(value, (str, list, tuple, dict)) else str(value))
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number with what is counted: `"1 array"`, `"3,000 arrays"`.

    Args:
        count: How many there are.
        one: What one of them is called.
        many: What several are called; `one` with an s if None.
    """
    return f"{count:,} {plural(count, one, many)}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """What `counted` calls things, without their number: before a list of their names."""
    return one if count == 1 else many or f"{one}s"


def closest(name: object, known: Iterable[str], cutoff: float = 0.7) -> str | None:
    """The known name that a misspelt one is most like, whatever its case and underscores; None if none is near."""
    import difflib  # only where something is misspelt

    def plain(text: str) -> str:
        return text[:100].lower().replace("_", "")

    by_plain: dict[str, list[str]] = {}
    for item in known:
        by_plain.setdefault(plain(item), []).append(item)
    near = difflib.get_close_matches(plain(str(name)), by_plain, n=1, cutoff=cutoff)
    # `GlorotUniform` and `glorot_uniform` are one here: the one that is spelt more like it.
    return difflib.get_close_matches(str(name)[:100], by_plain[near[0]], n=1, cutoff=0)[0] if near else None


def did_you_mean(name: object, known: Iterable[str], cutoff: float = 0.7) -> str:
    """`" Did you mean 'x'?"` behind a message about a misspelt name; nothing if no other known name is near."""
    found = closest(name, (each for each in known if each != name), cutoff)  # a class above may take it
    return "" if found is None else f" Did you mean {found!r}?"


def __dir__() -> list[str]:
    return sorted(name for name, value in globals().items() if isinstance(value, type) and value.__module__ == __name__)
