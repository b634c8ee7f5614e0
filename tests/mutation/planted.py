"""A fault in a program that runs already: the code of a function's living objects becomes the changed one."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType

# What makes a code object, without the lines where it stands and without what is nested in it.
_OWN = "co_code co_names co_varnames co_freevars co_cellvars co_argcount co_kwonlyargcount co_posonlyargcount co_flags"


def plant(file: str, before: str, after: str) -> bool:
    """Change a module that is imported already.

    Args:
        file: Where it came from.
        before: Its text.
        after: The text that it gets.

    Returns:
        Whether the program is now what importing `after` would have made, as far as code goes that is still to run.
        False, and nothing is changed, for what ran at import: tables, class bodies, defaults of arguments. What a
        function that was called at import has left behind is not made again.
    """
    pairs = changed(*(compile(text, file, "exec", dont_inherit=True) for text in (before, after)))
    if not pairs:
        return False
    living = [each for each in gc.get_objects() if type(each) is FunctionType and each.__code__.co_filename == file]
    found = [(function, new) for old, new, _ in pairs for function in living if function.__code__ == old]
    outer = [old for old, _, is_outer in pairs if is_outer]
    if any(all(function.__code__ != old for function in living) for old in outer):
        return False
    if any(len(function.__code__.co_freevars) != len(new.co_freevars) for function, new in found):
        return False
    for function, new in found:
        function.__code__ = new
    return True


def changed(old: CodeType, new: CodeType) -> list[tuple[CodeType, CodeType, bool]]:
    """Functions that differ, before and after, and whether each stands directly in a module or class.

    Returns:
        Empty where something differs that has run at import.
    """
    if not inspect.CO_NEWLOCALS & old.co_flags:  # a module or the body of a class
        if own(old) != own(new):
            return []
        found = []
        for before, after in zip(_nested(old), _nested(new), strict=True):
            if differ(before, after):
                inner = changed(before, after)
                if not inner:
                    return []
                found += inner
        return found
    return [(old, new, True), *((before, after, False) for before, after in _inner_pairs(old, new))]


def differ(old: CodeType, new: CodeType) -> bool:
    inner = (list(_nested(old)), list(_nested(new)))
    return own(old) != own(new) or len(inner[0]) != len(inner[1]) or any(map(differ, *inner))


def own(code: CodeType) -> tuple[object, ...]:
    constants = [(type(each), repr(each)) for each in code.co_consts if not isinstance(each, CodeType)]
    return (*(getattr(code, name) for name in _OWN.split()), constants, len(list(_nested(code))))


def _nested(code: CodeType) -> Iterator[CodeType]:
    return (each for each in code.co_consts if isinstance(each, CodeType))


def _inner_pairs(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Closures that were made before the change: they are changed as well, where it is clear which is which."""
    inner = (list(_nested(old)), list(_nested(new)))
    if [each.co_name for each in inner[0]] == [each.co_name for each in inner[1]]:
        for before, after in zip(*inner, strict=True):
            if differ(before, after):
                yield before, after
            yield from _inner_pairs(before, after)
