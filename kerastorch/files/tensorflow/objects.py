"""The graph of objects in a bundle: what each attribute of an object is, and where the value of a variable stands.

A message `TrackableObjectGraph` (tensorflow/core/protobuf/trackable_object_graph.proto): a list of nodes, of which the
first is what was saved. A layer of a SavedModel has its weights listed as `variables`, in the order of `layer.weights`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .._source import Source
from ._wire import Wire

_VALUE = "VARIABLE_VALUE"


@dataclass(frozen=True)
class Stored:
    """A variable: what it was called, and its name in the bundle."""

    name: str
    key: str


@dataclass(frozen=True)
class Node:
    """An object: its attributes by their names, its value if it is a variable, and slots (of, name, variable)."""

    children: Mapping[str, int]
    stored: Stored | None = None
    slots: tuple[tuple[int, str, int], ...] = field(default=())


class Objects:
    """The nodes of a graph; each is parsed when it is asked for.

    Args:
        data: The message.
        source: What counts what is parsed.
        where: What the graph is, for errors.
    """

    def __init__(self, data: memoryview, source: Source, where: str = "the graph of objects") -> None:
        self._wire = Wire(data, source, where)
        self._raw = [self._wire.inner(value) for number, value in self._wire if number == 1]
        self._nodes: dict[int, Node] = {}
        if not self._raw:
            raise self._wire.corrupt("it has no object")

    def __len__(self) -> int:
        return len(self._raw)

    def node(self, number: int) -> Node:
        """A node by its number; 0 is what was saved."""
        if number not in self._nodes:
            if not 0 <= number < len(self._raw):
                raise self._wire.corrupt(f"it names the object {number}, and has {len(self._raw)}")
            self._nodes[number] = self._parsed(self._raw[number])
        return self._nodes[number]

    def child(self, number: int, *names: str) -> int | None:
        """The number of an attribute of an attribute; None where there is none."""
        for name in names:
            found = self.node(number).children.get(name)
            if found is None:
                return None
            number = found
        return number

    def items(self, number: int) -> list[int]:
        """The numbers of what a list holds, in order."""
        children = self.node(number).children
        found = []
        while str(len(found)) in children:
            found.append(children[str(len(found))])
        return found

    def below(self, number: int, without: frozenset[str] = frozenset()) -> Iterator[tuple[int, Stored]]:
        """Each variable below an object once: depth first, in the order of the attributes.

        Args:
            number: Of the object.
            without: Names of attributes that are not followed.
        """
        stack, seen = [number], set[int]()
        while stack:
            at = stack.pop()
            if at in seen:
                continue
            seen.add(at)
            node = self.node(at)
            if node.stored is not None:
                yield at, node.stored
            inner = [child for name, child in node.children.items() if name not in without and child not in seen]
            stack.extend(reversed(inner))

    def _parsed(self, raw: Wire) -> Node:
        children: dict[str, int] = {}
        stored, slots = None, []
        for number, value in raw:
            if number == 1:
                child = raw.inner(value).last()
                children[raw.text(child.get(2, memoryview(b"")))] = raw.whole(child.get(1, 0))
            elif number == 2:
                said = raw.inner(value).last()
                kind, name, key = (raw.text(said.get(at, memoryview(b""))) for at in (1, 2, 3))
                if kind == _VALUE:
                    stored = Stored(name, key)
            elif number == 3:
                slot = raw.inner(value).last()
                of, variable = raw.whole(slot.get(1, 0)), raw.whole(slot.get(3, 0))
                slots.append((of, raw.text(slot.get(2, memoryview(b""))), variable))
        return Node(children, stored, tuple(slots))
