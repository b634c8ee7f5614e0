"""What a picture shows: boxes in groups, and edges between boxes. Data only, and how text is made harmless.

`reading.py` makes one of a model; `dot.py` writes it for Graphviz, `layout.py` and `svg.py` draw it without.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ..errors import quote

# Of what an edge carries. Only those that are in a picture stand in its legend.
EdgeKind = Literal["data", "masked", "mask", "state", "order"]
MEANING: dict[EdgeKind, str] = {
    "data": "data",
    "masked": "data with its mask",
    "mask": "a mask alone",
    "state": "a state of a recurrent layer",
}
# Of a kind of edge: its colour, which shows on white and on black, and its dashes.
STROKES: dict[EdgeKind, tuple[str, str]] = {
    "data": ("#6b7280", ""),
    "masked": ("#0f9a6c", "6 3"),
    "mask": ("#0f9a6c", "2 3"),
    "state": ("#d9730d", "9 3 2 3"),
}
# Of a family of boxes: the colour of its head, on which white text can be read.
Family = Literal["input", "recurrent", "model", "operation", "other"]
HEADS: dict[Family, str] = {
    "input": "#4d5b6b",
    "recurrent": "#1f5fae",
    "model": "#6b4399",
    "operation": "#6a5f4b",
    "other": "#27303b",
}
_LONGEST = 42  # characters of a name


@dataclass(frozen=True)
class Row:
    """A line of a box: what it says, and the text; without a label it goes on with the line before."""

    label: str
    text: str


@dataclass(frozen=True)
class Box:
    """A layer, or a model that is not opened.

    Attributes:
        key: Its name in this picture: "n3".
        name: The layer's name, None where names are not shown.
        kind: Its class.
        family: What colour its head has.
        rows: What stands below.
    """

    key: str
    name: str | None
    kind: str
    family: Family
    rows: tuple[Row, ...]

    @property
    def title(self) -> tuple[str, str]:
        """The two parts of its head: the one that stands out, and what follows."""
        return (shown(self.kind), "") if self.name is None else (shown(self.name), shown(self.kind))


@dataclass
class Group:
    """A model that is opened: what stands in a frame.

    Attributes:
        key: Its name in this picture: "g1".
        name: The model's name, None where names are not shown.
        kind: Its class.
        items: Boxes and groups, in the order of the model's layers.
    """

    key: str
    name: str | None
    kind: str
    items: list[Box | Group] = field(default_factory=list)

    @property
    def title(self) -> str:
        return shown(self.kind) if self.name is None else f"{shown(self.name)} ({shown(self.kind)})"

    def boxes(self) -> Iterator[Box]:
        """All boxes in it, also those in groups in it."""
        for item in self.items:
            if isinstance(item, Group):
                yield from item.boxes()
            else:
                yield item

    def groups(self) -> Iterator[Group]:
        """All groups in it."""
        for item in self.items:
            if isinstance(item, Group):
                yield item
                yield from item.groups()


@dataclass(frozen=True)
class Edge:
    """From a box to a box, by their keys. One of the kind "order" is not drawn: it says what stands below what.

    Each state that goes from one layer to another is an edge of its own: `state` is its place among the outputs.
    """

    source: str
    target: str
    kind: EdgeKind
    state: int = 0


@dataclass(frozen=True)
class Diagram:
    """A picture.

    Attributes:
        root: All boxes; the frame around it is not drawn.
        edges: Each pair of boxes and kind once, and of states each.
        note: A sentence that stands below, or "".
    """

    root: Group
    edges: tuple[Edge, ...]
    note: str = ""

    @property
    def legend(self) -> list[EdgeKind]:
        """The kinds of edges that have to be explained: none where there is data alone."""
        found = {edge.kind for edge in self.edges}
        return [kind for kind in MEANING if kind in found] if found - {"data", "order"} else []


def shown(text: str, longest: int = _LONGEST) -> str:
    """Text of a model as it may stand in a picture: one line, nothing that does not print, cut in the middle."""
    if not text.isprintable():
        text = quote(text, 10 * len(text) + 10)[1:-1]
    if len(text) > longest:
        end = longest // 3
        text = f"{text[: longest - end - 1]}…{text[-end:]}"
    return text


def markup(text: str) -> str:
    """Text for HTML, SVG and the labels of Graphviz."""
    return html.escape(text, quote=True)


def wrapped(parts: list[str], longest: int = _LONGEST, most: int = 6) -> list[str]:
    """Parts with commas between them, in lines; beyond `most` lines it is said how many are left out."""
    lines: list[str] = []
    for number, part in enumerate(parts):
        comma = "," if number < len(parts) - 1 else ""
        if lines and len(lines[-1]) + len(part) + 2 <= longest:
            lines[-1] += f" {part}{comma}"
        elif len(lines) == most:
            lines[-1] = lines[-1].removesuffix(",") + f", and {len(parts) - number} more"
            break
        else:
            lines.append(f"{part}{comma}")
    return lines
