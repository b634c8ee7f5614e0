"""From a graph of torch's modules and functions to a class that a person can read."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import fx

from .naming import Names

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


# ---------------------------------------------------------------------------- the forward method


class _Forward:
    """The statements of one forward method."""

    def __init__(self, graph: fx.Graph, names: Names, comments: bool, reserved: set[str]) -> None:
        self.names = names
        self.reserved = reserved
        self.comments = comments
        self.nodes = list(graph.nodes)
        self.written: dict[fx.Node, str] = {}  # node -> its variable
        self.holds: dict[str, fx.Node] = {}  # variable -> the node that it holds now
        self.inlined = {node for node in self.nodes if self._is_inlined(node)}
        self.unpacked: dict[fx.Node, Any] = {}
        self.turns: dict[str, str] = {}  # list of modules -> the variable of the loop over it
        self.last_use: dict[fx.Node, int] = {}
        self._find_last_uses()

    def _is_inlined(self, node: fx.Node) -> bool:
        if node.op == "get_attr":
            return True
        if node.op in ("placeholder", "output") or _is_part(node) or _is_end(node):
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
        if name in self.reserved:
            return False
        holder = self.holds.get(name)
        return holder is None or self.last_use[holder] <= at

    def name_for(self, node: fx.Node, wanted: Sequence[str]) -> str:
        """A variable for a node: the first wanted name that nothing holds any longer, or one with a number."""
        at = self.position[node]
        if _is_end(node):  # the next turn takes it under the name that the first one's input has
            wanted = [self.written[node.meta["loop"].enters]]
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
            return self._attribute(node), _ATOM
        if node.op == "call_module":
            return f"{self._attribute(node)}({self._arguments(node.args, node.kwargs)})", _ATOM
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

    def _attribute(self, node: fx.Node) -> str:
        owner, _, place = str(node.target).rpartition(".")
        return self.turns[owner] if owner and place.isdigit() else f"self.{node.target}"

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
            loop = node.meta.get("loop")
            if loop is None:
                lines += self._statement(node)
            elif loop.turn == 0:
                if loop.name not in self.turns:
                    self.turns[loop.name] = self._turn(loop.name)
                    lines.append(f"for {self.turns[loop.name]} in self.{loop.name}:")
                lines += [f"    {line}" for line in self._statement(node)]
            elif node in loop.ends:
                self.written[node] = self.written[loop.ends[0]]
                self.holds[self.written[node]] = node
        return lines

    def _turn(self, name: str) -> str:
        """The variable of a loop, which nothing else has: blocks -> block."""
        wanted = name.removesuffix("s") if name.startswith("blocks") else name
        while wanted in self.reserved or wanted in self.holds:
            wanted += "_"
        self.reserved.add(wanted)
        return wanted

    def _statement(self, node: fx.Node) -> list[str]:
        """The lines of one node; none for one that stands in another's."""
        if node.op == "placeholder":
            self.name_for(node, [str(node.target)])
            return []
        if node.op == "output":
            comment = ""
            if isinstance(node.args[0], fx.Node) and node.args[0] not in self.written:
                comment = self._comment(node.args[0])
            return [f"return {self._returned(node.args[0])}{comment}"]
        if self.nodes[-1].args[0] is node and len(node.users) == 1:
            return self._in_pieces(node)  # it is computed where it is returned
        if node in self.inlined or _is_part(node):
            return []
        if "returns" in node.meta and not _is_item(node) and _is_whole(node):
            return [self._unpack(node)]
        lines = self._in_pieces(node)
        text = self.text(node)
        name = self.name_for(node, self._wanted(node))
        return [*lines, f"{name} = {text}{self._comment(node)}"]

    def _in_pieces(self, node: fx.Node) -> list[str]:
        """Statements for the longest parts of a line that is too long to be broken well."""
        lines: list[str] = []
        breaks = node.op == "call_method" or node.target in _INFIX or node.target is operator.getitem
        while breaks and len(self.text(node)) > WIDTH - 20:
            inner = [part for part in node.all_input_nodes if part in self.inlined and part.op != "get_attr"]
            if not inner:
                break
            part = max(inner, key=lambda each: len(self.text(each)))
            lines += self._in_pieces(part)
            text = self.text(part)
            self.inlined.discard(part)
            self.position[part] = self.last_use[part] = self.position[node]
            alone = len(node.all_input_nodes) == 1
            lines.append(f"{self.name_for(part, ['x', 'y'] if alone else ['y'])} = {text}")
        return lines

    def _returned(self, value: Any) -> str:
        text = self.text(value)
        return text[1:-1] if isinstance(value, tuple) and len(value) > 1 else text

    def _wanted(self, node: fx.Node) -> list[str]:
        if "label" in node.meta:
            return [node.meta["label"]]
        if "loop" in node.meta:
            return ["x", "y"]
        return ["x", _plain(node.meta.get("layer", "y"))]

    def _comment(self, node: fx.Node) -> str:
        shape = node.meta.get("shape")
        if shape is None and node.meta.get("label") == "mask" and self.comments:
            return "  # True = use the step"
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
    owner: Any = node.args[0] if _is_item(node) else None
    return owner is not None and "returns" in owner.meta and _is_whole(owner)


def _is_end(node: fx.Node) -> bool:
    """Whether a node is what the turns of a loop hand on."""
    return "loop" in node.meta and node in node.meta["loop"].ends


def _is_whole(node: fx.Node) -> bool:
    """Whether a result is unpacked: a state that is handed on as it is stays one value."""
    return all(map(_is_item, node.users))


def _plain(name: str) -> str:
    from .builder import identifier

    return identifier(name)


def shape_text(shape: Sequence[Any]) -> str:
    """`(None, None, 128)` as `(B, T, 128)`."""
    letters = iter("BT" if len(shape) < 4 else "BHWD")
    parts = [next(letters, "?") if axis == 0 or size is None else str(size) for axis, size in enumerate(shape)]
    return f"({', '.join(parts)})" if len(parts) != 1 else f"({parts[0]},)"


def forward_lines(graph: fx.Graph, names: Names, comments: bool, reserved: set[str]) -> list[str]:
    """The statements of forward; no variable has a reserved name."""
    return _Forward(graph, names, comments, reserved).statements()
