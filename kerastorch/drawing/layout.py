"""Where boxes stand and edges run, where there is no Graphviz: ranks, their order, and places without overlap.

After Sugiyama, Tagawa and Toda (1981): edges that close a circle are turned round, each box gets the rank of its
longest path, barycentres order the ranks, and edges over several ranks go through places of their own. Places in a rank
are the ones nearest to the wished ones that keep their distances (pool adjacent violators). A group is laid out first
and stands in the ranks of the one around it as one box; edges into it come through ports in its frame. Edges run
straight beside boxes, and bend between ranks alone, so none touches a box that it does not belong to.

Here everything flows downwards; `svg.py` turns it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ._order import Span, ordered, ranks_of
from ._places import placed
from .diagram import Box, Diagram, Edge, Group

RANK_GAP, PORT_GAP, BESIDE, PAD = 36.0, 16.0, 22.0, 14.0
TITLE = 20.0  # height of the line with a group's title
_THROUGH = 10.0  # width that an edge has to itself where it passes a rank
LOOP = 30.0  # beside a box that feeds itself

Size = tuple[float, float]


@dataclass
class Rect:
    """A place: its corner, and how wide and high it is."""

    x: float
    y: float
    width: float
    height: float


@dataclass
class Path:
    """A piece of an edge: points from above to below; between each second pair it bends.

    `head` says at which end an arrow stands: 1 the lower one, -1 the upper one, 0 none.
    """

    edge: Edge
    points: list[tuple[float, float]]
    head: int


@dataclass
class Placed:
    """A drawing: where everything is, by key, and how large it is."""

    width: float
    height: float
    boxes: dict[str, Rect] = field(default_factory=dict)
    groups: dict[str, Rect] = field(default_factory=dict)
    paths: list[Path] = field(default_factory=list)
    loops: list[tuple[Edge, Rect]] = field(default_factory=list)

    def moved(self, x: float, y: float) -> None:
        """Move all of it."""
        for rect in (*self.boxes.values(), *self.groups.values(), *(rect for _, rect in self.loops)):
            rect.x, rect.y = rect.x + x, rect.y + y
        for path in self.paths:
            path.points = [(a + x, b + y) for a, b in path.points]


@dataclass(frozen=True)
class _Port:
    """Where an edge crosses the frame of a group: which box inside it belongs to, and at which side it leaves."""

    key: str
    inner: str
    edge: Edge
    top: bool
    head: bool  # whether its arrow stands at the box inside


@dataclass
class _Link:
    """An edge between two of the things in a group, the upper one first."""

    upper: str
    lower: str
    edge: Edge
    head: int
    upper_port: str = ""  # where the end is in a group: the port in its frame
    lower_port: str = ""


def lay_out(
    diagram: Diagram, size: Callable[[Box], Size], title: Callable[[Group], float], beside: bool = False
) -> Placed:
    """The places of everything in a diagram.

    Args:
        diagram: What is drawn.
        size: Width and height of a box, as it stands when the drawing flows downwards.
        title: The width of a group's title.
        beside: Whether titles stand on the left, from above to below, and not above: for a drawing that is turned.
    """
    return _Layout(size, title, beside).group(diagram.root, diagram.edges, (), framed=False)[0]


class _Layout:
    def __init__(self, size: Callable[[Box], Size], title: Callable[[Group], float], beside: bool) -> None:
        self._size, self._title, self._beside = size, title, beside

    def group(
        self, group: Group, edges: Sequence[Edge], ports: Sequence[_Port], framed: bool = True
    ) -> tuple[Placed, dict[str, float]]:
        """A group laid out on its own, and where its ports are along the frame.

        Args:
            group: The group.
            edges: Those with both ends in it.
            ports: Those with one end in it.
            framed: Whether it has a frame and a title.
        """
        within = {box.key: item.key for item in group.items for box in _boxes(item)}
        loops = [edge for edge in edges if edge.source == edge.target]
        inside = [edge for edge in edges if within[edge.source] == within[edge.target] and edge not in loops]
        between = [edge for edge in edges if within[edge.source] != within[edge.target]]
        names = [item.key for item in group.items]
        tops, bottoms = [port.key for port in ports if port.top], [port.key for port in ports if not port.top]
        pairs = [(within[edge.source], within[edge.target]) for edge in between]
        pairs += [(port.key, within[port.inner]) if port.top else (within[port.inner], port.key) for port in ports]
        ranks = ranks_of([*names, *tops, *bottoms], pairs, first=tops, last=bottoms)
        links, wanted = self._links(between, within, ranks)
        for port in ports:
            item = within[port.inner]
            inner = self._inner(wanted, port.inner, port.edge, item, port.top, port.head)
            if port.top:
                links.append(_Link(port.key, item, port.edge, 1 if port.head and not inner else 0, lower_port=inner))
            else:
                links.append(_Link(item, port.key, port.edge, -1 if port.head and not inner else 0, upper_port=inner))
        parts: dict[str, Placed] = {}
        along: dict[str, float] = {}
        for item in group.items:
            own = [edge for edge in (*inside, *loops) if within[edge.source] == item.key]
            if isinstance(item, Group):
                parts[item.key], found = self.group(item, own, wanted.get(item.key, []))
                along.update(found)
            else:
                parts[item.key] = _box(item, self._size(item), own)
        return self._assemble(group, parts, along, links, ranks, (tops, bottoms), framed)

    def _links(
        self, edges: Sequence[Edge], within: dict[str, str], ranks: dict[str, int]
    ) -> tuple[list[_Link], dict[str, list[_Port]]]:
        """Edges between the things in a group, and the ports that they need in the groups among these."""
        links: list[_Link] = []
        wanted: dict[str, list[_Port]] = {}
        for edge in edges:
            source, target = within[edge.source], within[edge.target]
            down = ranks[source] < ranks[target]
            start = self._inner(wanted, edge.source, edge, source, not down, False)
            end = self._inner(wanted, edge.target, edge, target, down, True)
            arrow = 0 if end else 1 if down else -1
            if down:
                links.append(_Link(source, target, edge, arrow, start, end))
            else:
                links.append(_Link(target, source, edge, arrow, end, start))
        return links, wanted

    def _inner(self, wanted: dict[str, list[_Port]], box: str, edge: Edge, item: str, top: bool, head: bool) -> str:
        """The port for an end of an edge in a group; "" where the end is a box."""
        if item == box:
            return ""
        ports = wanted.setdefault(item, [])
        key = f"{item}:{box}:{edge.kind}:{edge.state}:{'top' if top else 'bottom'}:{'in' if head else 'out'}"
        if all(port.key != key for port in ports):
            ports.append(_Port(key, box, edge, top, head))
        return key

    def _assemble(
        self,
        group: Group,
        parts: dict[str, Placed],
        along: dict[str, float],
        links: list[_Link],
        ranks: dict[str, int],
        ports: tuple[list[str], list[str]],
        framed: bool,
    ) -> tuple[Placed, dict[str, float]]:
        tops, bottoms = ports
        title = "title" if framed and not self._beside else ""
        widths = {name: part.width for name, part in parts.items()} | dict.fromkeys([*tops, *bottoms], _THROUGH)
        heights = {name: part.height for name, part in parts.items()} | dict.fromkeys([*tops, *bottoms], 0.0)
        rows: list[list[str]] = [[] for _ in range(max(ranks.values(), default=0) + 1)]
        for name, rank in ranks.items():
            rows[rank].append(name)
        chains = _chains(links, ranks, rows, widths, heights)
        spans = _spans(links, chains, along, widths)
        rows = ordered(rows, spans)
        if title:  # a place of its own, so that no edge crosses it
            widths[title], heights[title] = self._title(group) + PAD, TITLE
            rows[0].insert(0, title) if tops else rows.insert(0, [title])
        middles = placed(rows, widths, spans, BESIDE, leftmost=title)
        left = min((middles[name] - widths[name] / 2 for row in rows for name in row), default=0.0)
        margin = PAD if framed else 0.0
        result = Placed(0.0, 0.0)
        begins: dict[str, tuple[float, float]] = {}  # of each name: where its rank begins and ends
        y = 0.0 if tops else margin / 2
        outer = {*tops, *bottoms}
        for row, after in zip(rows, [*rows[1:], []], strict=True):
            height = max((heights[name] for name in row), default=0.0)
            for name in row:
                begins[name] = (y, y + height)
            y += height
            if after:
                y += 4.0 if row == [title] else PORT_GAP if outer & {*row, *after} else RANK_GAP
        result.height = y + (0.0 if bottoms else margin)
        if framed and self._beside:
            result.height = max(result.height, self._title(group) + PAD)
        right = max((middles[name] + widths[name] / 2 for row in rows for name in row), default=0.0)
        before = margin + (TITLE - PAD / 2 if framed and self._beside else 0.0)
        result.width = right - left + before + margin
        shift = before - left
        x = {name: middle + shift for name, middle in middles.items()}
        for name, part in parts.items():
            above = begins[name][0]
            part.moved(x[name] - part.width / 2, above + (begins[name][1] - above - part.height) / 2)
            result.boxes.update(part.boxes)
            result.groups.update(part.groups)
            result.paths.extend(part.paths)
            result.loops.extend(part.loops)
        tips = _tips(links, chains, x, along, widths, parts)
        for place, (link, chain) in enumerate(zip(links, chains, strict=True)):
            if link.edge.kind == "order":
                continue
            ends = dict.fromkeys(tops, (0.0, 0.0)) | dict.fromkeys(bottoms, (result.height, result.height))
            for name, part in parts.items():
                if name in (chain[0], chain[-1]):
                    middle = (begins[name][0] + begins[name][1]) / 2
                    ends[name] = (middle - part.height / 2, middle + part.height / 2)
            start, end = tips[place]
            points = [(start, ends.get(chain[0], begins[chain[0]])[1]), (start, begins[chain[0]][1])]
            for name in chain[1:-1]:
                points += [(x[name], begins[name][0]), (x[name], begins[name][1])]
            points += [(end, begins[chain[-1]][0]), (end, ends.get(chain[-1], begins[chain[-1]])[0])]
            result.paths.append(Path(link.edge, points, link.head))
        if framed:
            result.groups[group.key] = Rect(0.0, 0.0, result.width, result.height)
        return result, {name: x[name] for name in (*tops, *bottoms)}


def _boxes(item: Box | Group) -> list[Box]:
    return list(item.boxes()) if isinstance(item, Group) else [item]


def _box(box: Box, size: Size, loops: Sequence[Edge]) -> Placed:
    """A box alone, with room for an edge that leads back to it."""
    width, height = size
    room = LOOP if loops else 0.0
    made = Placed(width + 2 * room, height, {box.key: Rect(room, 0.0, width, height)})
    made.loops = [(edge, Rect(room + width, height / 4, LOOP - 8, height / 2)) for edge in loops]
    return made


def _chains(
    links: Sequence[_Link],
    ranks: dict[str, int],
    rows: list[list[str]],
    widths: dict[str, float],
    heights: dict[str, float],
) -> list[list[str]]:
    """For each link the names that it runs through, with new ones in the ranks between its ends."""
    chains: list[list[str]] = []
    for number, link in enumerate(links):
        between = [f"through {number}.{rank}" for rank in range(ranks[link.upper] + 1, ranks[link.lower])]
        for rank, name in enumerate(between, ranks[link.upper] + 1):
            rows[rank].append(name)
            widths[name], heights[name] = _THROUGH, 0.0
        chains.append([link.upper, *between, link.lower])
    return chains


def _spans(
    links: Sequence[_Link], chains: Sequence[list[str]], along: dict[str, float], widths: dict[str, float]
) -> list[Span]:
    """The pieces of all links from rank to rank; an end in a group is where its port is."""
    found: list[Span] = []
    for link, chain in zip(links, chains, strict=True):
        first = along[link.upper_port] - widths[link.upper] / 2 if link.upper_port else 0.0
        last = along[link.lower_port] - widths[link.lower] / 2 if link.lower_port else 0.0
        offs = [(first, 0.0), *((0.0, 0.0) for _ in chain[2:-1]), (0.0, last)] if len(chain) > 2 else [(first, last)]
        pairs = itertools.pairwise(chain)
        found += [(upper, lower, *off) for (upper, lower), off in zip(pairs, offs, strict=True)]
    return found


def _beside(
    link: _Link, chain: list[str], side: int, x: dict[str, float], along: dict[str, float], widths: dict[str, float]
) -> float:
    """Where a link is on its way to the lower end (`side` 1) or from the upper one (0), one rank away from it."""
    name = chain[-2] if side else chain[1]
    port = "" if len(chain) > 2 else link.upper_port if side else link.lower_port
    return x[name] - widths[name] / 2 + along[port] if port else x[name]


def _tips(
    links: Sequence[_Link],
    chains: Sequence[list[str]],
    x: dict[str, float],
    along: dict[str, float],
    widths: dict[str, float],
    parts: dict[str, Placed],
) -> list[tuple[float, float]]:
    """Where each link leaves the thing above and comes to the one below: side by side, in the order of the rest."""
    tips = [[0.0, 0.0] for _ in links]
    for side in (0, 1):
        at: dict[str, list[int]] = {}
        for number, link in enumerate(links):
            name, port = (link.lower, link.lower_port) if side else (link.upper, link.upper_port)
            if port:
                tips[number][side] = x[name] - widths[name] / 2 + along[port]
            else:
                at.setdefault(name, []).append(number)
        for name, numbers in at.items():
            inner = next(iter(parts[name].boxes.values())).width if name in parts else 0.0
            step = min(26.0, inner / (len(numbers) + 1))
            numbers.sort(key=lambda number: _beside(links[number], chains[number], side, x, along, widths))
            for place, number in enumerate(numbers):
                tips[number][side] = x[name] + (place - (len(numbers) - 1) / 2) * step
    return [(start, end) for start, end in tips]
