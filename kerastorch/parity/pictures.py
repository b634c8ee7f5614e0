"""The pictures of a report's page, as SVG elements: plain shapes, so that nothing but a browser is needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from .measuring import STEPS
from .report import times
from .tables import printable

if TYPE_CHECKING:
    from .report import ParityReport, Row

WIDTH = 860
LEFT, RIGHT = 230, 70  # for the names of layers, and the numbers behind the bars
MOST_LAYERS = 200
LEAST = 0.1  # multiples below this are drawn as this; 0 has no logarithm


def by_layer(report: ParityReport, chain: str, alone: str) -> Element | None:
    """The largest multiple of each layer, in the chain and alone, on a scale of powers of ten.

    Args:
        report: The report.
        chain: The kind of row, `Row.where`, that counts as in the chain.
        alone: That which counts as alone.
    """
    found: dict[str, dict[str, float]] = {}
    for row in report.judged:
        if row.where in (chain, alone):
            where = "layer" if row.where == chain else "alone"
            most = found.setdefault(row.layer or "the inputs", {})
            most[where] = max(row.measured.multiple, most.get(where, 0.0))
    if not found:
        return None
    scale = _Scale([value for most in found.values() for value in most.values()], report.limit, LEFT, WIDTH - RIGHT)
    rows = list(found.items())[:MOST_LAYERS]
    height = 30 + 26 * len(rows)
    svg = _svg(height + 30, "Distance of each layer in multiples of what rounding does")
    scale.draw(svg, 20, height, report.limit)
    for number, (path, most) in enumerate(rows):
        y = 30 + 26 * number
        _text(svg, LEFT - 10, y + 13, _cut(path, 32), "end")
        for where, offset in (("layer", 0), ("alone", 10)):
            if where not in most:
                continue
            state = "far" if not most[where] <= report.limit else "near"
            end = scale.at(most[where])
            _rect(svg, LEFT, y + offset, max(end - LEFT, 1.5), 8, f"{where} {state}", f"{path}: {times(most[where])}")
        _text(svg, WIDTH - RIGHT + 8, y + 13, times(max(most.values())), "start")
    return svg


def step_row(report: ParityReport) -> Row | None:
    """The array whose steps are shown: the first that differs, if it has steps, else the one farthest apart.

    Where something differs and nothing that has steps does, there is none: one that agrees would tell nothing.
    """
    first = report.first
    if first is not None and first.measured.steps:
        return first
    rows = [row for row in report.judged if row.measured.steps and row.measured.rounding > 0]
    most = max(rows, key=lambda row: row.measured.multiple, default=None)
    wrong = any(row.differs for row in report.judged)
    return None if wrong and most is not None and not most.differs else most


def by_step(report: ParityReport) -> Element | None:
    """The largest multiple at each time step of one array."""
    row = step_row(report)
    if row is None or row.measured.rounding <= 0:
        return None
    values = [gap / row.measured.rounding for gap in row.measured.steps]
    scale = _Scale(values, report.limit, 190, 20)
    svg = _svg(240, "Distance at each time step in multiples of what rounding does")
    left, right = 80, WIDTH - 20
    scale.draw_upright(svg, left, right)
    wide = (right - left) / len(values)
    for step, value in enumerate(values):
        top = scale.at(value)
        state = "far" if not value <= report.limit else "near"
        x = left + wide * step + wide * 0.1
        _rect(svg, x, top, wide * 0.8, 190 - top, f"layer {state}", f"{step}: {times(value)}")
    _line(svg, left, scale.at(report.limit), right, scale.at(report.limit), "limit")
    _text(svg, right, scale.at(report.limit) - 5, f"allowed: {report.limit:g}", "end", "allowed")
    _numbers(svg, len(values), left, wide, 208)
    _text(svg, (left + right) / 2, 232, "time step" if len(values) < STEPS else f"time, in {STEPS} parts", "middle")
    return svg


def histogram(rows: Sequence[Row]) -> Element | None:
    """How many values of some arrays are how many units in the last place apart."""
    counts: dict[str, int] = {}
    for row in rows:
        for bucket, count in row.measured.ulps.items():
            counts[bucket] = counts.get(bucket, 0) + count
    total = sum(counts.values())
    if not total:
        return None
    svg = _svg(230, "Values by their distance in units in the last place")
    left, right, floor = 80, WIDTH - 20, 180
    wide = (right - left) / len(counts)
    _line(svg, left, floor, right, floor, "axis")
    for number, (bucket, count) in enumerate(counts.items()):
        height = 150 * count / total
        x = left + wide * number
        _rect(svg, x + wide * 0.15, floor - height, wide * 0.7, height, "layer near", f"{bucket}: {count:,}")
        _text(svg, x + wide / 2, floor - height - 6, f"{100 * count / total:.3g} %", "middle")
        _text(svg, x + wide / 2, floor + 18, {"up to 0": "equal", "up to 1": "1"}.get(bucket, bucket), "middle")
    _text(svg, (left + right) / 2, floor + 42, "units in the last place apart", "middle")
    return svg


def losses(report: ParityReport) -> Element | None:
    """The loss of each step of a training, on both sides."""
    training = report.training
    if training is None:
        return None
    curves = [("reference", list(training.reference)), ("ours", list(training.ours))]
    values = [value for _, curve in curves for value in curve if math.isfinite(value)]
    if not values:
        return None
    low, high = min(values), max(values)
    room = (high - low) or abs(high) or 1.0
    svg = _svg(250, "The loss of each step of the training")
    left, right, top, floor = 80, WIDTH - 20, 30, 200
    count = len(training.reference)
    wide = (right - left) / max(count, 1)

    def place(step: int, value: float) -> str:
        return f"{left + wide * (step + 0.5):.1f},{floor - (floor - top) * (value - low) / room:.1f}"

    _line(svg, left, floor, right, floor, "axis")
    _line(svg, left, top, left, floor, "axis")
    for value in (low, high):
        _text(svg, left - 8, floor - (floor - top) * (value - low) / room + 4, f"{value:.4g}", "end")
    for name, curve in curves:
        points = [place(step, value) for step, value in enumerate(curve) if math.isfinite(value)]
        SubElement(svg, "polyline", {"points": " ".join(points), "class": f"curve {name}"})
        for point in points:
            x, y = point.split(",")
            SubElement(svg, "circle", {"cx": x, "cy": y, "r": "3" if name == "ours" else "5", "class": f"dot {name}"})
    _numbers(svg, count, left, wide, 218, first=1)
    _text(svg, (left + right) / 2, 240, "step of the training", "middle")
    return svg


class _Scale:
    """Multiples on a logarithmic scale between two places of the picture."""

    def __init__(self, values: Sequence[float], limit: float, low: float, high: float) -> None:
        finite = [value for value in values if math.isfinite(value)]
        self.endless = len(finite) < len(values)
        self.top = math.ceil(math.log10(max(*finite, limit, 10.0, 10.0))) + (1 if self.endless else 0)
        self.low, self.high = low, high

    def at(self, value: float) -> float:
        """Where a multiple stands."""
        if not math.isfinite(value):
            return self.high
        part = (math.log10(max(value, LEAST)) - math.log10(LEAST)) / (self.top - math.log10(LEAST))
        return self.low + (self.high - self.low) * part

    def _marks(self) -> Iterator[tuple[float, str]]:
        apart = max(1, math.ceil((self.top + 1) / 8))
        for power in range(0, self.top + 1, apart):
            yield self.at(10.0**power), f"{10**power:,}" if power < 6 else f"1e{power}"

    def draw(self, svg: Element, top: float, bottom: float, limit: float) -> None:
        """Its lines from top to bottom, for bars that lie."""
        for x, text in self._marks():
            _line(svg, x, top, x, bottom, "grid")
            _text(svg, x, bottom + 18, text, "middle")
        x = self.at(limit)
        _line(svg, x, top, x, bottom, "limit")
        _text(svg, x, top - 6, f"allowed: {limit:g}", "middle", "allowed")

    def draw_upright(self, svg: Element, left: float, right: float) -> None:
        """Its lines from left to right, for bars that stand."""
        for y, text in self._marks():
            _line(svg, left, y, right, y, "grid")
            _text(svg, left - 8, y + 4, text, "end")


def _svg(height: float, about: str) -> Element:
    size = {"viewBox": f"0 0 {WIDTH} {height:g}", "width": str(WIDTH), "height": f"{height:g}"}
    return Element("svg", {**size, "xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria-label": about})


def _rect(svg: Element, x: float, y: float, width: float, height: float, kind: str, hint: str) -> None:
    size = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{width:.1f}", "height": f"{max(height, 0):.1f}"}
    SubElement(SubElement(svg, "rect", {**size, "class": kind}), "title").text = printable(hint)


def _line(svg: Element, x: float, y: float, to_x: float, to_y: float, kind: str) -> None:
    ends = {"x1": f"{x:.1f}", "y1": f"{y:.1f}", "x2": f"{to_x:.1f}", "y2": f"{to_y:.1f}"}
    SubElement(svg, "line", {**ends, "class": kind})


def _text(svg: Element, x: float, y: float, text: str, anchor: str, kind: str = "label") -> None:
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, "class": kind}
    SubElement(svg, "text", place).text = printable(text)


def _numbers(svg: Element, count: int, left: float, wide: float, y: float, first: int = 0) -> None:
    """The numbers of the steps, as many as have room."""
    for step in range(0, count, max(1, math.ceil(count / 20))):
        _text(svg, left + wide * (step + 0.5), y, str(step + first), "middle")


def _cut(text: str, most: int) -> str:
    """The end of a text: paths differ there."""
    text = printable(text)
    return text if len(text) <= most else f"…{text[1 - most :]}"
