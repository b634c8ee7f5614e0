"""From a graph of torch's modules and functions to a class that a person can read."""

from __future__ import annotations

import ast
import functools
import inspect
import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from . import helpers

WIDTH = 120
_INFIX = {
    operator.add: ("+", 4),
    operator.sub: ("-", 4),
    operator.mul: ("*", 5),
    operator.truediv: ("/", 5),
    operator.floordiv: ("//", 5),
    operator.mod: ("%", 5),
    operator.matmul: ("@", 5),
    operator.pow: ("**", 7),
    operator.and_: ("&", 3),
    operator.xor: ("^", 2),
    operator.or_: ("|", 1),
    operator.eq: ("==", 0),
    operator.ne: ("!=", 0),
    operator.lt: ("<", 0),
    operator.le: ("<=", 0),
    operator.gt: (">", 0),
    operator.ge: (">=", 0),
}
_PREFIX = {operator.neg: ("-", 6), operator.invert: ("~", 6)}
_ATOM = 9


class Names:
    """The functions and classes that the text names: how each is written, and what must stand above for it."""

    def __init__(self) -> None:
        self.helpers: set[str] = set()
        self.partial = False
        self.functional = False

    def of(self, function: Any) -> str:
        """How a function or class is written."""
        if isinstance(function, functools.partial):
            self.partial = True
            options = [f"{key}={self.literal(value)}" for key, value in function.keywords.items()]
            return f"partial({', '.join([self.of(function.func), *options])})"
        name = function.__name__
        if getattr(helpers, name, None) is function:
            self.helpers.add(name)
            return name
        if getattr(F, name, None) is function:
            self.functional = True
            return f"F.{name}"
        if getattr(nn, name, None) is function:
            return f"nn.{name}"
        if getattr(torch, name, None) is function:
            return f"torch.{name}"
        if getattr(__builtins__, name, None) is function or function in (getattr, len):
            return name
        raise AssertionError(f"{function!r} has no place in generated code")

    def literal(self, value: Any) -> str:
        """A plain value, or a function, as Python text."""
        if isinstance(value, (torch.dtype, torch.device)):
            return str(value) if isinstance(value, torch.dtype) else repr(value)
        if value is Ellipsis:
            return "..."
        if isinstance(value, (tuple, list)):
            items = [self.literal(item) for item in value]
            if isinstance(value, list):
                return f"[{', '.join(items)}]"
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        if callable(value):
            return self.of(value)
        if isinstance(value, float) and not math.isfinite(value):
            return "torch.nan" if math.isnan(value) else "torch.inf" if value > 0 else "-torch.inf"
        return repr(value).replace("'", '"') if isinstance(value, str) and '"' not in value else repr(value)


def constructor(module: nn.Module, names: Names) -> str:
    """The call that makes a module like this one: positional arguments first, none that is the default."""
    kind = type(module)
    if isinstance(module, nn.RNNBase):
        return _recurrent(module, names)
    parts: list[str] = []
    for argument in inspect.signature(kind.__init__).parameters.values():
        name = argument.name
        if (
            name in ("self", "device", "dtype")
            or name.startswith("_")
            or argument.kind is inspect.Parameter.VAR_KEYWORD
        ):
            continue
        value = _setting(module, name)
        if argument.default is inspect.Parameter.empty or name == "p":
            parts.append(names.literal(_short(value)))
        elif not _same(value, argument.default):
            parts.append(f"{name}={names.literal(_short(value))}")
    return f"{names.of(kind)}({', '.join(parts)})"


def _setting(module: nn.Module, name: str) -> Any:
    if name == "bias" and not isinstance(getattr(module, "bias", None), (bool, int)):
        held = [key for key in (*module._parameters, *module._buffers) if key.startswith("bias")]
        return any(getattr(module, key) is not None for key in held)
    return getattr(module, name)


def _same(value: Any, default: Any) -> bool:
    return bool(_short(value) == _short(default))


def _short(value: Any) -> Any:
    """A size that is the same along all axes as one number."""
    if (
        isinstance(value, tuple)
        and len(value) > 1
        and len(set(map(str, value))) == 1
        and not isinstance(value[0], slice)
    ):
        return value[0]
    return value


def _recurrent(module: nn.RNNBase, names: Names) -> str:
    parts = [str(module.input_size), str(module.hidden_size)]
    for name, default in (("num_layers", 1), ("nonlinearity", "tanh"), ("bias", True), ("batch_first", False),
                          ("dropout", 0.0), ("bidirectional", False)):  # fmt: skip
        value = getattr(module, name, default)
        if value != default:
            parts.append(f"{name}={names.literal(value)}")
    return f"{names.of(type(module))}({', '.join(parts)})"


# ---------------------------------------------------------------------------- the forward method


class _Forward:
    """The statements of one forward method."""

    def __init__(self, graph: fx.Graph, names: Names, comments: bool) -> None:
        self.names = names
        self.comments = comments
        self.nodes = list(graph.nodes)
        self.written: dict[fx.Node, str] = {}  # node -> its variable
        self.holds: dict[str, fx.Node] = {}  # variable -> the node that it holds now
        self.inlined = {node for node in self.nodes if self._is_inlined(node)}
        self.unpacked: dict[fx.Node, Any] = {}
        self.last_use: dict[fx.Node, int] = {}
        self._find_last_uses()

    def _is_inlined(self, node: fx.Node) -> bool:
        if node.op == "get_attr":
            return True
        if node.op in ("placeholder", "output") or _is_part(node):
            return False
        return len(node.users) == 1 and not node.meta.keys() & {"layer", "returns", "label"}

    def _find_last_uses(self) -> None:
        position = {node: index for index, node in enumerate(self.nodes)}

        def at(node: fx.Node) -> int:
            """Where the text of a node stands."""
            while node in self.inlined and node.users:
                node = next(iter(node.users))
            return position[node]

        for node in self.nodes:
            self.last_use[node] = max((at(user) for user in node.users), default=-1)
        self.position = position

    # ------------------------------------------------------------------ variables

    def _is_free(self, name: str, at: int) -> bool:
        holder = self.holds.get(name)
        return holder is None or self.last_use[holder] <= at

    def name_for(self, node: fx.Node, wanted: Sequence[str]) -> str:
        """A variable for a node: the first wanted name that nothing holds any longer, or one with a number."""
        at = self.position[node]
        for name in wanted:
            if self._is_free(name, at):
                break
        else:
            number = 2
            while not self._is_free(f"{wanted[-1]}_{number}", at):
                number += 1
            name = f"{wanted[-1]}_{number}"
        self.holds[name] = node
        self.written[node] = name
        return name

    # ------------------------------------------------------------------ expressions

    def text(self, value: Any) -> str:
        return self.expression(value)[0]

    def expression(self, value: Any) -> tuple[str, int]:
        """The text of a value and how tightly it binds."""
        if isinstance(value, fx.Node):
            if value in self.written:
                return self.written[value], _ATOM
            return self.compute(value)
        if isinstance(value, (tuple, list)) and not isinstance(value, torch.Size):
            items = [self.text(item) for item in value]
            if isinstance(value, tuple):
                return f"({', '.join(items)}{',' if len(items) == 1 else ''})", _ATOM
            return f"[{', '.join(items)}]", _ATOM
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.names.literal(k)}: {self.text(v)}" for k, v in value.items()) + "}", _ATOM
        return self.names.literal(value), _ATOM if not isinstance(value, (int, float)) or value >= 0 else 6

    def compute(self, node: fx.Node) -> tuple[str, int]:
        """The text that computes a node."""
        target: Any = node.target
        if node.op == "get_attr":
            return f"self.{target}", _ATOM
        if node.op == "call_module":
            return f"self.{target}({self._arguments(node.args, node.kwargs)})", _ATOM
        if node.op == "call_method":
            owner, tight = self.expression(node.args[0])
            owner = owner if tight >= _ATOM else f"({owner})"
            return f"{owner}.{target}({self._arguments(node.args[1:], node.kwargs)})", _ATOM
        if target in _INFIX:
            sign, level = _INFIX[target]
            left, right = (self.expression(arg) for arg in node.args)
            first = left[0] if left[1] >= max(level, 1) else f"({left[0]})"
            second = right[0] if right[1] > level else f"({right[0]})"
            return f"{first} {sign} {second}", level
        if target in _PREFIX:
            sign, level = _PREFIX[target]
            inner, tight = self.expression(node.args[0])
            return f"{sign}{inner if tight >= level else f'({inner})'}", level
        if target is operator.getitem:
            owner, tight = self.expression(node.args[0])
            return f"{owner if tight >= _ATOM else f'({owner})'}[{self._index(node.args[1])}]", _ATOM
        if target is getattr:
            owner, tight = self.expression(node.args[0])
            return f"{owner if tight >= _ATOM else f'({owner})'}.{node.args[1]}", _ATOM
        return f"{self.names.of(target)}({self._arguments(node.args, node.kwargs)})", _ATOM

    def _arguments(self, args: Iterable[Any], kwargs: Any) -> str:
        return ", ".join([*map(self.text, args), *(f"{key}={self.text(value)}" for key, value in kwargs.items())])

    def _index(self, key: Any) -> str:
        if isinstance(key, tuple):
            return ", ".join(map(self._index, key))
        if isinstance(key, slice):
            ends = ["" if end is None else self.text(end) for end in (key.start, key.stop)]
            return ":".join(ends) + ("" if key.step is None else f":{self.text(key.step)}")
        return self.text(key)

    # ------------------------------------------------------------------ statements

    def statements(self) -> list[str]:
        lines: list[str] = []
        for node in self.nodes:
            if node.op == "placeholder":
                self.name_for(node, [str(node.target)])
            elif node.op == "output":
                lines.append(f"return {self._returned(node.args[0])}")
                if isinstance(node.args[0], fx.Node) and node.args[0] not in self.written:
                    lines[-1] += self._comment(node.args[0])
            elif self.nodes[-1].args[0] is node and len(node.users) == 1 and "returns" not in node.meta:
                lines += self._in_pieces(node)  # it is computed where it is returned
            elif node in self.inlined or _is_part(node):
                continue
            elif "returns" in node.meta:
                lines.append(self._unpack(node))
            else:
                lines += self._in_pieces(node)
                text = self.text(node)
                name = self.name_for(node, self._wanted(node))
                lines.append(f"{name} = {text}{self._comment(node)}")
        return lines

    def _in_pieces(self, node: fx.Node) -> list[str]:
        """Statements for what a method of a long line is called on."""
        owner = node.args[0] if node.op == "call_method" else None
        if not isinstance(owner, fx.Node) or owner not in self.inlined or owner.op == "get_attr":
            return []
        if len(self.text(node)) < WIDTH - 20:
            return []
        lines = self._in_pieces(owner)
        text = self.text(owner)
        self.inlined.discard(owner)
        self.position[owner] = self.last_use[owner] = self.position[node]
        alone = len(node.all_input_nodes) == 1
        name = self.name_for(owner, ["x", "y"] if alone else ["y"])
        return [*lines, f"{name} = {text}"]

    def _returned(self, value: Any) -> str:
        text = self.text(value)
        return text[1:-1] if isinstance(value, tuple) and len(value) > 1 else text

    def _wanted(self, node: fx.Node) -> list[str]:
        if "label" in node.meta:
            return [node.meta["label"]]
        return ["x", _plain(node.meta.get("layer", "y"))]

    def _comment(self, node: fx.Node) -> str:
        shape = node.meta.get("shape")
        return f"  # {shape_text(shape)}" if self.comments and shape is not None else ""

    def _unpack(self, node: fx.Node) -> str:
        """`x, (h, c) = self.lstm(x)`: the parts that are used get variables."""
        text = self.compute(node)[0]
        last: list[fx.Node] = []

        def pattern(owner: fx.Node, structure: Any, used: dict[Any, fx.Node]) -> str:
            parts = []
            for index, name in enumerate(structure):
                part = used.get(index)
                if part is None:
                    parts.append("_")
                    continue
                inner: dict[Any, fx.Node] = {user.args[1]: user for user in part.users if _is_item(user)}
                if isinstance(name, tuple) and len(inner) == len(part.users):
                    parts.append(f"({pattern(part, name, inner)})")
                    continue
                own = part.meta.get("label") or ("state" if isinstance(name, tuple) else name)
                wanted = ["x", _plain(node.meta.get("layer") or "out")] if own == "out" else [own]
                self.position[part] = self.position[node]
                parts.append(self.name_for(part, wanted))
                last.append(part)
            return ", ".join(parts)

        used: dict[Any, fx.Node] = {user.args[1]: user for user in node.users if _is_item(user)}
        made = pattern(node, node.meta["returns"], used)
        whole = used.get(0)
        return f"{made} = {text}{self._comment(whole) if whole is not None else ''}"


def _is_item(node: fx.Node) -> bool:
    return node.op == "call_function" and node.target is operator.getitem and isinstance(node.args[1], int)


def _is_part(node: fx.Node) -> bool:
    """Whether a node is a part of a result that is unpacked where it is made."""
    if not _is_item(node):
        return False
    owner: Any = node.args[0]
    if "returns" in owner.meta:
        return True
    if not _is_part(owner):
        return False
    structure = owner.args[0].meta.get("returns")
    return structure is not None and isinstance(structure[owner.args[1]], tuple) and all(map(_is_item, owner.users))


def _plain(name: str) -> str:
    from .building import identifier

    return identifier(name)


def shape_text(shape: Sequence[Any]) -> str:
    """`(None, None, 128)` as `(B, T, 128)`."""
    letters = iter("BT" if len(shape) < 4 else "BHWD")
    parts = [next(letters, "?") if axis == 0 or size is None else str(size) for axis, size in enumerate(shape)]
    return f"({', '.join(parts)})" if len(parts) != 1 else f"({parts[0]},)"


def helper_sources(names: set[str]) -> list[str]:
    """The text of helpers, and of those that they use, in the order of their module."""
    wanted: set[str] = set()
    left = sorted(names)
    while left:
        name = left.pop()
        if name not in wanted:
            wanted.add(name)
            left += _helpers()[name][1]
    return [text for name, (text, _) in _helpers().items() if name in wanted]


@functools.cache
def _helpers() -> dict[str, tuple[str, list[str]]]:
    """Each helper's text, and the helpers that it names, in the order of their module."""
    source = inspect.getsource(helpers)
    lines = source.splitlines()
    parts = [node for node in ast.parse(source).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    known = {part.name for part in parts}
    return {
        part.name: (
            "\n".join(lines[part.lineno - 1 : part.end_lineno]),
            sorted({node.id for node in ast.walk(part) if isinstance(node, ast.Name)} & known - {part.name}),
        )
        for part in parts
    }


def forward_lines(graph: fx.Graph, names: Names, comments: bool) -> list[str]:
    """The statements of forward."""
    return _Forward(graph, names, comments).statements()
