"""A diagram as SVG, drawn without Graphviz: no scripts, no fonts, no style sheet, nothing from elsewhere."""

from __future__ import annotations

import itertools
import unicodedata
from dataclasses import dataclass

from .diagram import HEADS, MEANING, STROKES, Box, Diagram, EdgeKind, Group, markup, shown
from .layout import Path, Placed, Rect, lay_out

_HEAD, _LINE, _SIZE, _MARGIN = 25.0, 17.0, 12.5, 14.0
_LABEL = 66.0  # width of the labels of rows
_ARROW = 8.0
_FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Ink:
    """The colours that depend on the page.

    Attributes:
        text: Of text and frames.
        paper: What is behind everything; "" for nothing.
        body: What fills boxes, and how much of it: a faint one shows on white and on black.
    """

    text: str
    paper: str
    body: tuple[str, float]
    frames: bool  # whether frames of boxes have the text's colour, and not that of their heads


PAPER = Ink("#1b1f24", "#ffffff", ("#f4f6f8", 1.0), False)
# On a page of any colour, whose text can be read on it.
PAGE = Ink("currentColor", "", ("#808b98", 0.13), True)


def to_svg(diagram: Diagram, rankdir: str = "TB", ink: Ink = PAPER, scale: float = 1.0) -> str:
    """The picture as text of an SVG file.

    Args:
        diagram: What is drawn.
        rankdir: Where edges lead: "TB" down, "BT" up, "LR" to the right, "RL" to the left.
        ink: Colours of the page.
        scale: Pixels of the picture for each of its units.
    """
    across = rankdir in ("LR", "RL")

    def size(box: Box) -> tuple[float, float]:
        width, height = size_of(box)
        return (height, width) if across else (width, height)

    made = lay_out(diagram, size, lambda group: _width(group.title, True), beside=across)
    turned = _turned(made, rankdir)
    return _Writer(diagram, turned, rankdir, ink, scale).text()


def size_of(box: Box) -> tuple[float, float]:
    """Width and height of a box."""
    bold, plain = box.title
    head = _width(bold, True) + (_width(plain) + 8 if plain else 0.0) + 24
    body = max((_width(row.text) + _LABEL + 20 for row in box.rows), default=0.0)
    return max(head, body, 90.0), _HEAD + (len(box.rows) * _LINE + 8 if box.rows else 0.0)


def _width(text: str, bold: bool = False) -> float:
    """About how wide text is, in any of the fonts that a machine may have: the widest of them is meant."""
    units = 0.0
    for char in text:
        if unicodedata.east_asian_width(char) in "WF":
            units += 1.05
        elif char in "iljtf.,:;|!'()[] ":
            units += 0.37
        elif char in "mwMW@%—…":
            units += 0.97
        else:
            units += 0.7 if char.isupper() else 0.62
    return units * _SIZE * (1.06 if bold else 1.0)


def _turned(made: Placed, rankdir: str) -> Placed:
    """A drawing that flows down, as one that flows elsewhere."""
    if rankdir == "TB":
        return made
    width, height = made.width, made.height

    def point(x: float, y: float) -> tuple[float, float]:
        return {"BT": (x, height - y), "LR": (y, x), "RL": (height - y, x)}[rankdir]

    def rect(old: Rect) -> Rect:
        (a, b), (c, d) = point(old.x, old.y), point(old.x + old.width, old.y + old.height)
        return Rect(min(a, c), min(b, d), abs(a - c), abs(b - d))

    return Placed(
        *((width, height) if rankdir == "BT" else (height, width)),
        boxes={key: rect(value) for key, value in made.boxes.items()},
        groups={key: rect(value) for key, value in made.groups.items()},
        paths=[Path(path.edge, [point(*place) for place in path.points], path.head) for path in made.paths],
        loops=[(edge, rect(value)) for edge, value in made.loops],
    )


class _Writer:
    def __init__(self, diagram: Diagram, placed: Placed, rankdir: str, ink: Ink, scale: float) -> None:
        self._diagram, self._placed, self._rankdir, self._ink, self._scale = diagram, placed, rankdir, ink, scale
        self._across = rankdir in ("LR", "RL")
        self._lines: list[str] = []

    def text(self) -> str:
        foot, foot_width = self._foot()
        width = max(self._placed.width, foot_width) + 2 * _MARGIN
        height = self._placed.height + 2 * _MARGIN + foot
        self._placed.moved(_MARGIN + (width - 2 * _MARGIN - self._placed.width) / 2, _MARGIN)
        name = shown(self._diagram.root.name or self._diagram.root.kind)
        size = f'width="{_number(width * self._scale)}" height="{_number(height * self._scale)}"'
        start = (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {_number(width)} {_number(height)}" '
            f'role="img" font-family="{markup(_FONT)}" font-size="{_SIZE}">'
        )
        self._lines = [start, f"<title>{markup(name)}</title>"]
        if self._ink.paper:
            self._add(f'<rect width="100%" height="100%" fill="{self._ink.paper}"/>')
        for group in self._diagram.root.groups():
            self._frame(self._placed.groups[group.key])
        for path in self._placed.paths:
            self._path(path)
        for edge, rect in self._placed.loops:
            self._loop(edge.kind, rect)
        for group in self._diagram.root.groups():
            self._title(group, self._placed.groups[group.key])
        for box in self._diagram.root.boxes():
            self._box(box, self._placed.boxes[box.key])
        self._draw_foot(height - foot)
        return "\n".join([*self._lines, "</svg>"]) + "\n"

    def _add(self, line: str) -> None:
        self._lines.append(line)

    # ------------------------------------------------------------------ parts

    def _frame(self, rect: Rect) -> None:
        self._add(
            f'<rect {_place(rect)} rx="6" fill="#7b61c4" fill-opacity="0.06" stroke="#7b61c4" stroke-dasharray="4 3"/>'
        )

    def _title(self, group: Group, rect: Rect) -> None:
        y = rect.y + rect.height - 7 if self._rankdir == "BT" else rect.y + 16
        right = self._rankdir == "RL"
        x, anchor = (rect.x + rect.width - 8, "end") if right else (rect.x + 8, "start")
        self._add(
            f'<text x="{_number(x)}" y="{_number(y)}" text-anchor="{anchor}" font-weight="bold" '
            f'fill="{self._ink.text}">{markup(group.title)}</text>'
        )

    def _box(self, box: Box, rect: Rect) -> None:
        bold, plain = box.title
        fill, opacity = self._ink.body
        x, y, colour = rect.x, rect.y, HEADS[box.family]
        frame = f'stroke="{self._ink.text}" stroke-opacity="0.45"' if self._ink.frames else f'stroke="{colour}"'
        self._add("<g>")
        full = box.kind if box.name is None else f"{box.name} ({box.kind})"
        self._add(f"<title>{markup(shown(full, 400))}</title>")
        if box.rows:
            self._add(f'<rect {_place(rect)} rx="5" fill="{fill}" fill-opacity="{opacity}" {frame}/>')
        self._add(
            f'<path d="M{_number(x)} {_number(y + _HEAD)}v{_number(5 - _HEAD)}q0 -5 5 -5h{_number(rect.width - 10)}'
            f'q5 0 5 5v{_number(_HEAD - 5)}z" fill="{colour}" {frame}/>'
        )
        more = f'<tspan font-weight="normal" fill-opacity="0.85" dx="7">{markup(plain)}</tspan>' if plain else ""
        self._add(
            f'<text x="{_number(x + rect.width / 2)}" y="{_number(y + 17)}" text-anchor="middle" font-weight="bold" '
            f'fill="#ffffff">{markup(bold)}{more}</text>'
        )
        for number, row in enumerate(box.rows):
            line = _number(y + _HEAD + 17 + number * _LINE)
            if row.label:
                self._add(
                    f'<text x="{_number(x + 10)}" y="{line}" fill="{self._ink.text}" fill-opacity="0.7">'
                    f"{markup(row.label)}</text>"
                )
            self._add(
                f'<text x="{_number(x + _LABEL + 10)}" y="{line}" fill="{self._ink.text}">{markup(row.text)}</text>'
            )
        self._add("</g>")

    def _path(self, path: Path) -> None:
        points = list(path.points)
        tip, behind = (points[-1], points[-2]) if path.head > 0 else (points[0], points[1])
        if path.head:  # the line ends where the arrow begins
            back = (_direction(tip, behind, self._rankdir, path.head), tip)
            points[-1 if path.head > 0 else 0] = _moved(tip, back[0], -_ARROW + 1)
        text = f"M{_point(points[0])}"
        for number, (start, end) in enumerate(itertools.pairwise(points)):
            if number % 2 and start[0] != end[0] and start[1] != end[1]:
                text += f"C{self._bend(start, end)} {_point(end)}"
            elif start != end:
                text += f"L{_point(end)}"
        self._add(f'<path d="{text}" fill="none" {_stroke(path.edge.kind)}/>')
        if path.head:
            self._arrow(tip, _direction(tip, behind, self._rankdir, path.head), path.edge.kind)

    def _bend(self, start: tuple[float, float], end: tuple[float, float]) -> str:
        if self._across:
            middle = (start[0] + end[0]) / 2
            return f"{_point((middle, start[1]))} {_point((middle, end[1]))}"
        middle = (start[1] + end[1]) / 2
        return f"{_point((start[0], middle))} {_point((end[0], middle))}"

    def _loop(self, kind: EdgeKind, rect: Rect) -> None:
        """An edge from a box to itself, on its side."""
        if self._across:  # below the box
            start, end = (rect.x + rect.width, rect.y), (rect.x, rect.y)
            way, out = (0.0, -1.0), (0.0, rect.height)
        else:
            start, end = (rect.x, rect.y + rect.height), (rect.x, rect.y)
            way, out = (-1.0, 0.0), (rect.width, 0.0)
        stop = _moved(end, way, -_ARROW + 1)
        bends = f"{_point((start[0] + out[0], start[1] + out[1]))} {_point((end[0] + out[0], end[1] + out[1]))}"
        self._add(f'<path d="M{_point(start)}C{bends} {_point(stop)}" fill="none" {_stroke(kind)}/>')
        self._arrow(end, way, kind)

    def _arrow(self, tip: tuple[float, float], way: tuple[float, float], kind: EdgeKind) -> None:
        (x, y), (a, b) = tip, way
        corners = [
            (x - _ARROW * a + 3.5 * b, y - _ARROW * b - 3.5 * a),
            (x - _ARROW * a - 3.5 * b, y - _ARROW * b + 3.5 * a),
        ]
        shape = " ".join(_point(corner) for corner in (tip, *corners))
        self._add(f'<polygon points="{shape}" fill="{STROKES[kind][0]}"/>')

    # ------------------------------------------------------------------ below

    def _foot(self) -> tuple[float, float]:
        """Height and width of what stands below: the meaning of edges, and a note."""
        texts = [MEANING[kind] for kind in self._diagram.legend]
        note = self._note_lines()
        width = max([46 + _width(text) for text in texts] + [_width(line) for line in note], default=0.0)
        return 18.0 * (len(texts) + len(note)) + (10 if texts or note else 0), width

    def _note_lines(self) -> list[str]:
        words = self._diagram.note.split()
        lines = [""] if words else []
        for word in words:
            if lines[-1] and len(lines[-1]) + len(word) > 46:
                lines.append("")
            lines[-1] = f"{lines[-1]} {word}".strip()
        return lines

    def _draw_foot(self, top: float) -> None:
        y = top + 10
        for kind in self._diagram.legend:
            self._add(f'<path d="M{_number(_MARGIN)} {_number(y)}h32" fill="none" {_stroke(kind)}/>')
            self._arrow((_MARGIN + 38, y), (1.0, 0.0), kind)
            self._add(
                f'<text x="{_number(_MARGIN + 46)}" y="{_number(y + 4.5)}" fill="{self._ink.text}">'
                f"{markup(MEANING[kind])}</text>"
            )
            y += 18
        for line in self._note_lines():
            self._add(
                f'<text x="{_number(_MARGIN)}" y="{_number(y + 4.5)}" fill="{self._ink.text}">{markup(line)}</text>'
            )
            y += 18


def _direction(tip: tuple[float, float], behind: tuple[float, float], rankdir: str, head: int) -> tuple[float, float]:
    """Where an arrow points: along its line, or where this has no length, as the picture flows."""
    a, b = tip[0] - behind[0], tip[1] - behind[1]
    if not a and not b:
        flow = {"TB": (0.0, 1.0), "BT": (0.0, -1.0), "LR": (1.0, 0.0), "RL": (-1.0, 0.0)}[rankdir]
        return flow if head > 0 else (-flow[0], -flow[1])
    length = max(abs(a), abs(b))
    return a / length, b / length


def _moved(point: tuple[float, float], way: tuple[float, float], by: float) -> tuple[float, float]:
    return point[0] + way[0] * by, point[1] + way[1] * by


def _stroke(kind: EdgeKind) -> str:
    colour, dashes = STROKES[kind]
    return f'stroke="{colour}" stroke-width="1.6"' + (f' stroke-dasharray="{dashes}"' if dashes else "")


def _place(rect: Rect) -> str:
    x, y, width, height = map(_number, (rect.x, rect.y, rect.width, rect.height))
    return f'x="{x}" y="{y}" width="{width}" height="{height}"'


def _point(point: tuple[float, float]) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    """A number with one decimal at most."""
    return f"{value:.1f}".removesuffix(".0")
