"""What a pickle would make, without loading it: its opcodes are followed, and only plain values are made.

Those are None, numbers, texts, bytes, lists, tuples, dicts, and numpy arrays and numbers by the few functions that
numpy pickles them with. Everything else that a pickle names becomes an `Object` that holds the name, and what the
pickle would have passed; nothing is imported, looked up or called. https://github.com/python/cpython/blob/main/Lib/pickletools.py
"""

from __future__ import annotations

import io
import math
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerastorch import deadline
from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError, counted, quote

from .._limits import Limits
from .._source import DAMAGED

_EVERY = 1 << 12  # opcodes between two looks at the clock
_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
_KEYS = (str, bytes, int, float, bool, type(None))
_REBUILT = ("_reconstruct", "_frombuffer", "scalar", "dtype")
_WRAPPER = "NumpyArrayWrapper"  # of joblib, behind which the values stand


@dataclass(eq=False)
class Named:
    """A class or a function that a pickle names."""

    module: str
    name: str


@dataclass(eq=False)
class Object:
    """What a pickle would have made by calling something.

    Attributes:
        of: What it would have called.
        arguments: With what.
        state: What the object would have got afterwards.
        items: What would have been appended to it, or set in it.
    """

    of: Any
    arguments: Any = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)


@dataclass(eq=False)
class Dtype:
    """A dtype of numpy, by its name with the order of bytes."""

    name: str


@dataclass(eq=False)
class PickledArray:
    """An array: its bytes are a part of the pickle."""

    shape: tuple[int, ...] = ()
    dtype: str = ""
    content: bytes = b""
    by_columns: bool = False

    def values(self) -> np.ndarray:
        found = np.frombuffer(self.content, self.dtype).reshape(self.shape, order="F" if self.by_columns else "C")
        native = np.ascontiguousarray(found, found.dtype.newbyteorder("="))
        native.flags.writeable = False
        return native


class _Mark:
    pass


def read_pickle(content: bytes, name: str, limits: Limits) -> Any:
    """The value of a pickle, of the plain kinds that are listed above.

    Args:
        content: The pickle; of joblib with the arrays between its parts.
        name: What to call it in messages.
        limits: The bounds; `steps` bounds the opcodes.

    Raises:
        CorruptFileError: It is no whole pickle.
        UnsafeFileError: It has more parts than it may.
    """
    return _Machine(content, name, limits).run()


class _Machine:
    def __init__(self, content: bytes, name: str, limits: Limits) -> None:
        self.stream, self.name, self.limits = io.BytesIO(content), name, limits
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        try:
            for count, (opcode, argument, _) in enumerate(pickletools.genops(self.stream)):
                if count > self.limits.steps:
                    raise UnsafeFileError(self.limits.beyond(f"{self.name}: the pickle has more parts", "steps"))
                if not count % _EVERY:
                    deadline.check("the pickle was followed")
                if opcode.name == "STOP":
                    return self.pop()
                step = _STEPS.get(opcode.name)
                if step is None:
                    raise self.corrupt(f"it has the opcode {opcode.name}, which is not followed here")
                step(self, argument)
        except LoadError:
            raise
        except (ValueError, OverflowError, IndexError, AttributeError, TypeError, KeyError, EOFError) as error:
            raise self.corrupt(f"its parts do not fit ({type(error).__name__}: {str(error)[:80]})") from None
        raise self.corrupt("it does not end")

    def corrupt(self, problem: str) -> CorruptFileError:
        return CorruptFileError(f"{self.name}: the pickle cannot be followed: {problem}. {DAMAGED}")

    # ------------------------------------------------------------------ the stack

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        found = self.stack.pop()
        if isinstance(found, _Mark):
            raise ValueError("a mark in the place of a value")
        return found

    def marked(self) -> list[Any]:
        """What stands above the last mark, which is taken away, too."""
        at = next((at for at in range(len(self.stack) - 1, -1, -1) if isinstance(self.stack[at], _Mark)), None)
        if at is None:
            raise ValueError("a mark is missing")
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    # ------------------------------------------------------------------ what is made

    def appended(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(values)
        elif isinstance(target, Object):
            target.items.extend(values)
        else:
            raise TypeError("something is appended to what is no list")

    def set_items(self, values: list[Any]) -> None:
        target, pairs = self.stack[-1], list(zip(values[::2], values[1::2], strict=True))
        if isinstance(target, Object):
            target.items.extend(pairs)
        elif isinstance(target, dict):
            # A key of another kind belongs to nothing that is looked for here.
            target.update((key, value) for key, value in pairs if type(key) in _KEYS)
        else:
            raise TypeError("something is set in what is no dict")

    def called(self, of: Any, arguments: Any) -> Any:
        """What calling would make: by the table, or an object that says what would have been called."""
        module, name = (of.module, of.name) if isinstance(of, Named) else ("", "")
        if module.split(".")[0] == "numpy" and name in _REBUILT and isinstance(arguments, tuple):
            return self.of_numpy(name, arguments)
        if module == "_codecs" and name == "encode" and len(arguments) == 2 and arguments[1] == "latin1":
            return arguments[0].encode("latin1")
        if (module, name) == ("collections", "OrderedDict"):
            pairs = arguments[0] if arguments else []
            return {key: value for key, value in pairs if type(key) in _KEYS}
        if module in ("builtins", "__builtin__") and name in ("bytes", "bytearray", "list", "tuple", "set", "dict"):
            if not arguments:
                return {"bytes": b"", "bytearray": b"", "dict": {}}.get(name, [])
            if isinstance(arguments[0], (bytes, list, tuple)):
                return arguments[0]
        if module in ("copyreg", "copy_reg") and name in ("_reconstructor", "__newobj__") and arguments:
            return Object(arguments[0])
        return Object(of, arguments)

    def of_numpy(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == "dtype":
            named = arguments[0]
            return Dtype(str(named, "latin1") if isinstance(named, bytes) else named if isinstance(named, str) else "")
        if name == "_reconstruct":
            return PickledArray()
        if name == "_frombuffer":
            content, dtype, shape, order = arguments
            return self.array(shape, dtype, _bytes(content), order == "F")
        dtype, content = arguments
        return self.array((), dtype, _bytes(content), False).values().item()

    def array(self, shape: Any, dtype: Any, content: bytes, by_columns: bool) -> PickledArray:
        sizes = isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)
        if not isinstance(dtype, Dtype) or not sizes or len(shape) > 64:
            raise ValueError("an array has no shape or no dtype")
        if not _DTYPE.fullmatch(dtype.name):
            raise ValueError(f"an array holds {quote(dtype.name, 20)}, expected numbers")
        if math.prod(shape) * np.dtype(dtype.name).itemsize != len(content):
            raise ValueError(f"an array {shape} of {dtype.name} has {counted(len(content), 'byte')}")
        return PickledArray(shape, dtype.name, content, by_columns)

    def built(self, state: Any) -> None:
        target = self.stack[-1]
        if isinstance(target, PickledArray):
            _, shape, dtype, by_columns, content = state
            made = self.array(shape, dtype, _bytes(content), bool(by_columns))
            target.__dict__.update(made.__dict__)
        elif isinstance(target, Dtype):
            order = state[1]
            if order in ("<", ">", "|", "=") and target.name[:1] not in "<>|=":
                target.name = order + target.name
        elif isinstance(target, Object):
            target.state = state
            if isinstance(target.of, Named) and target.of.name == _WRAPPER:
                self.stack[-1] = self.behind(state)
        elif not isinstance(target, dict):
            raise TypeError("a state is given to what has none")

    def behind(self, state: Any) -> Any:
        """The array that joblib has written behind the place in the pickle, where the stream stands now."""
        dtype, shape = state["dtype"], state["shape"]
        if not isinstance(dtype, Dtype) or not _DTYPE.fullmatch(dtype.name):
            raise ValueError("an array of joblib holds objects, expected numbers")
        if state.get("numpy_array_alignment_bytes") is not None:
            self.stream.read(self.stream.read(1)[0])
        empty = self.array(shape, dtype, bytes(0), False) if 0 in shape else None
        size = math.prod(shape) * np.dtype(dtype.name).itemsize
        if size > self.stream.getbuffer().nbytes:
            raise ValueError(f"an array of joblib has {counted(size, 'byte')}, more than the file")
        return empty or self.array(shape, dtype, self.stream.read(size), state.get("order") == "F")


def _bytes(content: Any) -> bytes:
    """Bytes, also as Python 2 pickled them: as text, a character for each."""
    if not isinstance(content, (str, bytes, bytearray)):
        raise TypeError("an array is made of what is neither bytes nor text")
    return content.encode("latin1") if isinstance(content, str) else bytes(content)


def _tuple(count: int) -> Callable[[_Machine, Any], None]:
    def step(machine: _Machine, _: Any) -> None:
        values = [machine.pop() for _ in range(count)]
        machine.push(tuple(reversed(values)))

    return step


def _named(machine: _Machine, argument: Any) -> None:
    module, _, name = str(argument).partition(" ")
    machine.push(Named(module, name))


def _stack_named(machine: _Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise TypeError("something is named by what is no text")
    machine.push(Named(module, name))


def _reduce(machine: _Machine, _: Any) -> None:
    arguments, of = machine.pop(), machine.pop()
    machine.push(machine.called(of, arguments))


def _new(machine: _Machine, _: Any) -> None:
    arguments, of = machine.pop(), machine.pop()
    machine.push(Object(of, arguments))


def _new_with_names(machine: _Machine, _: Any) -> None:
    names, arguments, of = machine.pop(), machine.pop(), machine.pop()
    machine.push(Object(of, (arguments, names)))


def _instance(machine: _Machine, argument: Any) -> None:
    module, _, name = str(argument).partition(" ")
    machine.push(Object(Named(module, name), tuple(machine.marked())))


def _object(machine: _Machine, _: Any) -> None:
    of, *arguments = machine.marked()
    machine.push(Object(of, tuple(arguments)))


def _put(machine: _Machine, argument: Any) -> None:
    machine.memo[int(argument)] = machine.stack[-1]


def _memoize(machine: _Machine, _: Any) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _get(machine: _Machine, argument: Any) -> None:
    machine.push(machine.memo[int(argument)])


def _dict(machine: _Machine, _: Any) -> None:
    values = machine.marked()
    machine.push({})
    machine.set_items(values)


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items([key, value])


def _append(machine: _Machine, _: Any) -> None:
    value = machine.pop()
    machine.appended([value])


def _set(machine: _Machine, _: Any) -> None:
    machine.push(machine.marked())


def _nothing(machine: _Machine, _: Any) -> None:
    pass


def _value(machine: _Machine, argument: Any) -> None:
    machine.push(argument)


_Step = Callable[[_Machine, Any], object]
_STEPS: dict[str, _Step] = {
    **dict.fromkeys(("PROTO", "FRAME"), _nothing),
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"), _value),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), _value),
    **dict.fromkeys(("BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), _value),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "MARK": lambda machine, _: machine.push(_Mark()),
    "POP": lambda machine, _: machine.stack.pop() and None,
    "POP_MARK": lambda machine, _: machine.marked() and None,
    "DUP": lambda machine, _: machine.push(machine.stack[-1]),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_SET": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "LIST": _set,
    "FROZENSET": _set,
    "TUPLE": lambda machine, _: machine.push(tuple(machine.marked())),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "DICT": _dict,
    "APPEND": _append,
    "APPENDS": lambda machine, _: machine.appended(machine.marked()),
    "ADDITEMS": lambda machine, _: machine.appended(machine.marked()),
    "SETITEM": _set_item,
    "SETITEMS": lambda machine, _: machine.set_items(machine.marked()),
    "GLOBAL": _named,
    "STACK_GLOBAL": _stack_named,
    "REDUCE": _reduce,
    "NEWOBJ": _new,
    "NEWOBJ_EX": _new_with_names,
    "BUILD": lambda machine, _: machine.built(machine.pop()),
    "INST": _instance,
    "OBJ": _object,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _put),
    "MEMOIZE": _memoize,
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
}
