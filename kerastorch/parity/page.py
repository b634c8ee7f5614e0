"""A report as one HTML page that needs nothing but a browser: no script, nothing from elsewhere.

It is built as a tree of elements, whose writer escapes every text: a layer may be called whatever its file says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from ..errors import counted
from . import pictures, tables
from .report import GRADIENTS, times
from .tables import Table, printable

if TYPE_CHECKING:
    from .report import ParityReport, Row

MOST_ARRAYS = 3000  # in the table at the end of the page; JSON has all of them
LONGEST = 400  # letters of one text
SHORT = 9  # letters of a cell that is not broken into lines
# Whatever the page held, the browser would fetch and run nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --text: #1c2024; --back: #fff; --soft: #59636e; --rule: #dde1e6; --box: #f3f5f7;
  --far: #b42318; --pass: #e9f7ec; --fail: #fdecea; --unknown: #fff6dc; --grid: #e3e7eb; --axis: #7d8790;
  --chain: #3b76c4; --alone: #8bb8e8; --over: #d9463b; --over-alone: #ee9a92; --theirs: #e0a23b; --ours: #2a5fa5 }
@media (prefers-color-scheme: dark) { :root { --text: #e3e6ea; --back: #16191d; --soft: #a0a8b2; --rule: #343a42;
  --box: #22262c; --far: #ff8f85; --pass: #16301d; --fail: #3d1a18; --unknown: #3a2f10; --grid: #2c3239;
  --axis: #7d8790; --chain: #5b93dc; --alone: #36608f; --over: #e5645a; --over-alone: #8f3d37; --ours: #7fb2f5 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 900px;
  margin: 24px auto; padding: 0 20px }
h1 { font-size: 22px; margin: 0 0 4px } h2 { font-size: 17px; margin: 32px 0 8px }
h3 { font-size: 15px; margin: 18px 0 4px } h2, h3, p, summary { overflow-wrap: anywhere }
.verdict { border-left: 8px solid; border-radius: 6px; padding: 14px 18px; overflow-wrap: anywhere }
.verdict p { margin: 4px 0 } .pass { border-color: #1a7f37; background: var(--pass) }
.fail { border-color: #b42318; background: var(--fail) } .unknown { border-color: #9a6700; background: var(--unknown) }
.wide { overflow-x: auto; background: linear-gradient(to right, var(--back) 30%, transparent) local,
  linear-gradient(to left, var(--back) 30%, transparent) right local,
  linear-gradient(to right, var(--rule), transparent), linear-gradient(to left, var(--rule), transparent) right;
  background-repeat: no-repeat; background-size: 40px 100%, 40px 100%, 12px 100%, 12px 100% }
table { border-collapse: collapse; width: 100%; font-size: 13px; margin: 6px 0 }
th, td { text-align: left; padding: 3px 10px 3px 0; border-bottom: 1px solid var(--rule); vertical-align: top }
td { overflow-wrap: anywhere } th { color: var(--soft); font-weight: 600 } .short { white-space: nowrap }
th:first-child, td:first-child { min-width: 90px } tbody th { width: 225px }
.far { color: var(--far); font-weight: 600 } .note { color: var(--soft); font-size: 13px }
pre { font: 13px ui-monospace, monospace; background: var(--box); padding: 10px 12px; white-space: pre-wrap;
  overflow-wrap: anywhere }
svg { width: 100%; min-width: 620px; height: auto; display: block }
svg .label { font-size: 12px; fill: var(--text) }
svg .allowed { font-size: 11px; fill: var(--far); stroke: var(--back); stroke-width: 3px; paint-order: stroke }
svg .grid { stroke: var(--grid) } svg .axis { stroke: var(--axis) }
svg .limit { stroke: var(--far); stroke-dasharray: 4 3 } svg rect.layer { fill: var(--chain) }
svg rect.alone { fill: var(--alone) } svg rect.far { fill: var(--over) } svg rect.alone.far { fill: var(--over-alone) }
svg .curve { fill: none; stroke-width: 2 } svg .curve.reference { stroke: var(--theirs); stroke-width: 5 }
svg .curve.ours { stroke: var(--ours); stroke-dasharray: 6 3 } svg .dot.reference { fill: var(--theirs) }
svg .dot.ours { fill: var(--ours) }
.keys span { margin-right: 14px; white-space: nowrap }
.key { display: inline-block; width: 12px; height: 12px; margin-right: 5px; vertical-align: -1px }
@media (max-width: 480px) { body { padding: 0 12px; margin: 12px auto } th, td { padding-right: 7px }
  tbody th { width: 110px } }
"""


def as_html(report: ParityReport) -> str:
    """The page."""
    html = Element("html", {"lang": "en"})
    head = SubElement(html, "head")
    SubElement(head, "meta", {"charset": "utf-8"})
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": POLICY})
    SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    SubElement(head, "title").text = "Parity with Keras: " + _state(report)[1]
    SubElement(head, "style").text = STYLE
    body = SubElement(html, "body")
    _verdict(body, report)
    _worst(body, report)
    _compared(body, report)
    _pictures(body, report)
    for heading, made in (("Layers", tables.layers(report)), ("Gradients", tables.gradients(report))):
        _section(body, heading, made)
    _training(body, report)
    _faults(body, report)
    if report.again:
        _add(body, "h2", "Do it again")
        _add(body, "pre", report.again)
    _arrays(body, report)
    return "<!DOCTYPE html>\n" + tostring(html, encoding="unicode", method="html") + "\n"


def _state(report: ParityReport) -> tuple[str, str]:
    """The class of the verdict, and a word for it."""
    if report.passed:
        return "pass", "passed"
    return ("fail", "failed") if any(row.differs for row in report.judged) else ("unknown", "not compared")


def _verdict(body: Element, report: ParityReport) -> None:
    state, word = _state(report)
    box = SubElement(body, "div", {"class": f"verdict {state}"})
    _add(box, "h1", f"Parity with Keras: {word}")
    _add(box, "p", report.verdict)
    if report.explained_by:
        _add(box, "p", f"Explained by: {report.explained_by}.")
    elif state == "fail":
        _add(box, "p", "Nothing that is known explains it.")
    if report.smallest:
        _add(box, "p", f"Smallest piece: {report.smallest}.")
    _add(
        body, "p",
        "How to read the numbers: computers round, and two programs that do the same arithmetic in another order round "
        "otherwise. How far rounding moves each array of this model was measured. Distances are multiples of that: "
        f"about 1 is what rounding does, up to {report.limit:g} is allowed, a fault is mostly thousands.", "note",
    )  # fmt: skip


def _worst(body: Element, report: ParityReport) -> None:
    rows = {"The largest difference": report.worst, "Where it begins": report.first}
    if report.first is not None and report.first is report.worst:
        rows = {"Where it begins, and differs most": report.worst}
    for heading, row in rows.items():
        if row is None:
            continue
        found = row.measured
        _add(body, "h2", heading)
        if found.wrong:
            _add(body, "p", f"{row.name}: {found.wrong}.")
            continue
        cells = [
            ("array", row.name),
            ("place", str(list(found.at))),
            ("value here", repr(found.ours)),
            ("value of the reference", repr(found.reference)),
            ("difference", f"{found.difference:.3g}, {times(found.multiple)} times what rounding does"),
            ("rounding moves it by", f"{found.rounding:.3g}; its largest value is {found.largest:.3g}"),
            ("median distance of its values", f"{found.median_ulps:.2g} units in the last place"),
        ]
        _table(body, Table("", (), tuple(cells)))


def _compared(body: Element, report: ParityReport) -> None:
    _add(body, "h2", "What was compared")
    sides = (("reference", tables.line(report.reference)), ("here", tables.line(report.here)))
    _table(body, Table("", (), sides))
    _add(body, "h3", "Inputs that both sides got")
    _table(body, tables.probes(report))
    if report.weights:
        _add(body, "h3", "Other weights than the reference's")
        _table(
            body, Table("", ("layer", "arrays"), tuple((k, ", ".join(names)) for k, names in report.weights.items()))
        )
    _add(body, "h2", "What was not compared")
    usual = {
        "training": (report.training, "nothing was trained"),
        "gradients": (report.gradients, "none were compared"),
    }
    missing = [(what, why) for what, (found, why) in usual.items() if not found and what not in report.gaps]
    _table(body, Table("", ("what", "why"), (*report.gaps.items(), *missing)))
    unjudged = tables.unjudged(report)
    if unjudged:
        _add(body, "h3", "Compared, and not judged")
        _table(body, Table("", (), tuple((why,) for why in unjudged)))
    if not report.gaps and not missing and not unjudged:
        _add(body, "p", "Nothing was left out.")


def _pictures(body: Element, report: ParityReport) -> None:
    for heading, kinds in (("Outputs by layer", ("layer", "alone")), ("Gradients by layer", GRADIENTS)):
        layers = pictures.by_layer(report, *kinds)
        if layers is None:
            continue
        _add(body, "h2", heading)
        _add(body, "p", "Distance in multiples of rounding, the most of all inputs.", "note")
        chain, alone = "in the chain, as the model runs", "alone, on the reference's inputs"
        _keys(body, ("chain", chain), ("alone", alone), ("over", "too far"))
        _drawn(body, layers)
    steps, row = pictures.by_step(report), pictures.step_row(report)
    if steps is not None and row is not None:
        _add(body, "h2", "By time step")
        _add(body, "p", f"{row.name}: the distance at each place of its second axis, in multiples of rounding.", "note")
        _drawn(body, steps)
    for heading, rows in _histograms(report):
        made = pictures.histogram(rows)
        if made is not None:
            _add(body, "h2", heading)
            _add(
                body, "p", "How many units in the last place the values are apart. Values near zero are many of their "
                "own units apart by rounding alone: this shows how it is spread and is no part of the verdict.", "note",
            )  # fmt: skip
            _drawn(body, made)
    curves = pictures.losses(report)
    if curves is not None:
        _add(body, "h2", "Loss by step of the training")
        _keys(body, ("theirs", "reference"), ("ours", "here"))
        _drawn(body, curves)


def _keys(body: Element, *keys: tuple[str, str]) -> None:
    """What the colors stand for."""
    legend = SubElement(body, "p", {"class": "note keys"})
    for color, text in keys:
        item = SubElement(legend, "span")
        SubElement(item, "span", {"class": "key", "style": f"background: var(--{color})"}).tail = text


def _drawn(body: Element, picture: Element) -> None:
    """A picture, which is moved aside where the window is narrow: its letters stay legible."""
    SubElement(body, "div", {"class": "wide"}).append(picture)


def _histograms(report: ParityReport) -> list[tuple[str, Sequence[Row]]]:
    outputs = [row for row in report.judged if row.where == "output"]
    found: list[tuple[str, Sequence[Row]]] = [("Values of the outputs", outputs)]
    first = report.first
    if first is not None and first.where != "output":
        found.append((f"Values where it begins: {first.name}", [first]))
    return found


def _section(body: Element, heading: str, made: Table) -> None:
    if made.rows:
        _add(body, "h2", heading)
        _table(body, made)


def _training(body: Element, report: ParityReport) -> None:
    _section(body, "Training", tables.training(report))
    if report.training is not None and report.training.settings:
        said = ", ".join(f"{key}={value!r}" for key, value in report.training.settings.items())
        _add(body, "p", f"{report.training.optimizer}: {said}", "note")


def _faults(body: Element, report: ParityReport) -> None:
    planted = tables.planted(report)
    if not planted:
        return
    _add(body, "h2", "Would a fault have been noticed?")
    _add(body, "p", planted)
    rows = []
    for path in dict.fromkeys((*report.noticed, *report.missed)):
        found = [", ".join(held.get(path, ())) for held in (report.noticed, report.missed)]
        rows.append((path, *found))
    _table(body, Table("", ("layer", "noticed", "not noticed"), tuple(rows)))


def _arrays(body: Element, report: ParityReport) -> None:
    details = SubElement(body, "details")
    _add(details, "summary", f"All {counted(len(report.rows), 'array')}")
    if len(report.rows) > MOST_ARRAYS:
        _add(details, "p", f"The first {MOST_ARRAYS:,}; --json writes all of them.", "note")
    cells = []
    for row in report.rows[:MOST_ARRAYS]:
        found = row.measured
        said = found.note or found.wrong or times(found.multiple) + (" DIFFERS" if row.differs else "")
        cells.append((row.name, str(list(found.shape)), f"{found.difference:.3g}", f"{found.rounding:.3g}", said))
    titles = ("array", "shape", "difference", "rounding", "times rounding")
    _table(details, Table("", titles, tuple(cells)))


def _table(body: Element, made: Table) -> None:
    if not made.rows:
        return
    if made.heading:
        _add(body, "p", made.heading, "note")
    table = SubElement(SubElement(body, "div", {"class": "wide"}), "table")
    if made.titles:
        row = SubElement(SubElement(table, "thead"), "tr")
        for title in made.titles:
            _add(row, "th", title)
    lines = SubElement(table, "tbody")
    for cells in made.rows:
        row = SubElement(lines, "tr")
        for place, cell in enumerate(cells):
            first = place == 0 and not made.titles
            kinds = ["far"] if place > 1 and "DIFFER" in cell else []
            kinds += ["short"] if len(cell) <= SHORT else []  # a number is not broken
            _add(row, "th" if first else "td", cell, " ".join(kinds))


def _add(body: Element, tag: str, text: str, kind: str = "") -> Element:
    made = SubElement(body, tag, {"class": kind} if kind else {})
    text = printable(text)
    made.text = text if len(text) <= LONGEST or tag == "pre" else f"{text[:LONGEST]}… ({len(text):,} letters)"
    return made
