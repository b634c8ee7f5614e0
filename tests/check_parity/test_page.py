"""The HTML page of a report: what stands on it, and that nothing in a file can become a part of it."""

from __future__ import annotations

import math
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from _recordings import dense_model, dense_recording, own_recording
from _terminal import Terminal

import kerastorch as kt
from kerastorch.errors import SaveError
from kerastorch.parity import ParityReport, compare
from kerastorch.parity.measuring import STEPS, Measured, measure
from kerastorch.parity.page import MOST_ARRAYS, as_html
from kerastorch.parity.report import Piece, Row, Training

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "div", "h1", "h2", "h3", "p", "span", "pre"),
    *("table", "thead", "tbody", "tr", "th", "td", "details", "summary"),
    *("svg", "rect", "line", "text", "polyline", "circle"),
}
HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x1b[31m\n\u202e" + chr(0xD800)


class Page(HTMLParser):
    """The elements of a page, with their attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.append((self.open[-1], data))

    def of(self, *tags: str) -> list[str]:
        return [text for tag, text in self.texts if tag in tags]


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> tuple[ParityReport, ParityReport]:
    """Reports of a model beside itself, and beside one whose GRU has other weights."""
    kt.set_seed(0)
    x = kt.Input((None,), dtype="int64")
    embedded = kt.layers.Embedding(20, 3, mask_zero=True, name="words")(x)
    both = kt.layers.GRU(4, return_sequences=True, name="gru")(embedded)
    model = kt.Model(x, kt.layers.Dense(2, name="tags")(both))
    recording = own_recording(model, tmp_path_factory.mktemp("page") / "r.npz")
    other = kt.clone_model(model)
    other.set_weights(model.get_weights())
    good = compare(recording, other)
    gru = other.get_layer("gru")
    gru.set_weights([array * np.float32(1.01) for array in gru.get_weights()])
    return good, compare(recording, other)


def test_a_page_that_passes(tagger: tuple[ParityReport, ParityReport]) -> None:
    report = replace(tagger[0], again="kerastorch verify tagger.keras --seed 0")
    page = Page(as_html(report))
    assert page.of("title")[0] == "Parity with Keras: passed"
    assert report.verdict in page.of("p")
    assert page.of("h2") == [
        "The largest difference", "What was compared", "What was not compared", "Outputs by layer", "By time step",
        "Values of the outputs", "Layers", "Would a fault have been noticed?", "Do it again",
    ]  # fmt: skip
    assert report.again in page.of("pre")
    cells = page.of("td", "th")
    assert {"words", "gru", "tags", "GRU"} <= set(cells)
    assert cells.count("training") == cells.count("gradients") == 1, "each gap is told once"
    assert report.worst is not None
    assert repr(report.worst.measured.ours) in cells
    assert [text for text in page.of("p") if text.startswith("Faults planted, one at a time")]
    assert "no bias, the bias twice" in " ".join(cells)


def test_a_page_that_fails(tagger: tuple[ParityReport, ParityReport]) -> None:
    report = tagger[1]
    assert not report.passed
    page = Page(as_html(report))
    assert page.of("title")[0] == "Parity with Keras: failed"
    assert {"The largest difference", "Where it begins", "Values of the outputs"} <= set(page.of("h2"))
    page = Page(as_html(replace(report, rows=tuple(row for row in report.rows if row is report.first))))
    assert "Where it begins, and differs most" in page.of("h2")
    assert not {"The largest difference", "Where it begins"} & set(page.of("h2"))
    page = Page(as_html(report))
    assert f"Explained by: {report.explained_by}." in page.of("p")
    assert f"Smallest piece: {report.smallest}." in page.of("p")
    far = [attributes for tag, attributes in page.elements if tag == "rect" and "far" in str(attributes["class"])]
    assert len(far) > 3
    assert any("DIFFERS" in text for text in page.of("td"))
    assert report.first is not None
    assert repr(report.first.measured.reference) in page.of("td")


def test_nothing_comes_from_elsewhere(tagger: tuple[ParityReport, ParityReport]) -> None:
    for report in tagger:
        text = as_html(report)
        page = Page(text)
        assert page.open == []
        assert {tag for tag, _ in page.elements} <= TAGS
        names = {name for _, attributes in page.elements for name in attributes}
        assert not names & {"src", "href", "action", "data", "srcset"}
        assert not [n for n in names if n.startswith("on")]
        assert "default-src 'none'" in text
        assert "url(" not in text
        assert "@import" not in text
        left = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "://" not in left
        assert "<script" not in left


def hostile_report() -> ParityReport:
    far = Measured(
        (2, 3, 1), 1.0, 1.0, 1e-7, (0, 1, 0), 0.5, 0.4, 3.0, {"up to 0": 1, "more": 5}, steps=(0.1, 1.0, 0.0)
    )
    rows = [Row(where, HOSTILE, HOSTILE, 0, HOSTILE, far) for where in ("output", "layer", "alone", "state", "mask")]
    rows.append(Row("layer", HOSTILE, HOSTILE, 1, HOSTILE, replace(far, wrong=HOSTILE)))
    rows.append(Row("layer", HOSTILE, HOSTILE, 1, HOSTILE, replace(far, note=HOSTILE)))
    rows.append(Row("gradient", HOSTILE, HOSTILE, 1, HOSTILE, far, HOSTILE))
    rows.append(Row("weight", HOSTILE, HOSTILE, 1, HOSTILE, far, HOSTILE, 1))
    return ParityReport(
        rows=tuple(rows),
        probes=(
            {"name": HOSTILE, "what": HOSTILE, "seed": 0},
            {"name": "other", "what": "", "seed": 0, "not_compared": HOSTILE},
        ),
        gaps={HOSTILE: HOSTILE},
        weights={HOSTILE: [HOSTILE]},
        reference={"by": HOSTILE, HOSTILE: HOSTILE},
        here={"torch": HOSTILE},
        again=HOSTILE,
        explained_by=HOSTILE,
        smallest=Piece(HOSTILE, HOSTILE, HOSTILE, 0, 0, 1, (0, 1, 0), 0.5, 0.4, 1e6),
        noticed={HOSTILE: [HOSTILE]},
        missed={HOSTILE: [HOSTILE]},
        training=Training(HOSTILE, {HOSTILE: HOSTILE}, HOSTILE, HOSTILE, HOSTILE, (1.0,), (math.nan,)),
    )  # fmt: skip


def test_what_a_file_says_stays_text(tmp_path: Path) -> None:
    report = hostile_report()
    report.to_html(tmp_path / "page.html")  # a lone surrogate could not be written
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert {tag for tag, _ in page.elements} <= TAGS
    assert "<script" not in text
    assert "<img" not in text
    for part in page.texts:
        assert part[0] in ("style", "html") or part[1].isprintable(), part
    for _, attributes in page.elements:
        assert not any("alert" in str(value) for value in attributes.values())
    seen = " ".join(page.of("td", "th", "p", "pre", "title", "text"))
    assert "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&\\x1b[31m\\n\\u202e\\ud800" in seen
    assert as_html(report).count("\n") == text.count("\n")


def test_the_terminal_gets_no_escapes_of_a_file() -> None:
    assert all(line.isprintable() for line in str(hostile_report()).split("\n"))


def test_what_is_too_large_is_cut() -> None:
    one = Row("output", "", "", 0, "p" * 5000, Measured((1,), 0.0, 1.0, 1e-7, (0,), 1.0, 1.0))
    report = ParityReport((one,) * (MOST_ARRAYS + 5), ({"name": "p", "what": "", "seed": 0},), {}, {}, {}, {})
    page = Page(as_html(report))
    assert "All 3,005 arrays" in page.of("summary")
    assert any(text.endswith("letters)") for text in page.of("td"))
    assert len(page.of("tr", "td")) < 5 * MOST_ARRAYS + 100


def test_values_without_end_are_drawn() -> None:
    endless = Measured((2, 3, 1), math.inf, 1.0, 1e-7, (0, 1, 0), math.inf, 0.4, steps=(math.inf, 0.0, 1e-7))
    nothing = replace(endless, difference=0.0, rounding=0.0, steps=(0.0, 0.0, 0.0))
    rows = (
        Row("output", "", "", 0, "p", nothing),
        Row("layer", "a", "A", 0, "p", nothing),
        Row("layer", "b", "B", 0, "p", endless),
    )
    page = Page(as_html(ParityReport(rows, ({"name": "p", "what": "", "seed": 0},), {}, {}, {}, {})))  # fmt: skip
    assert "endlessly many" in page.of("text")
    numbers = [
        value for tag, held in page.elements if tag in ("rect", "line") for key, value in held.items() if key != "class"
    ]
    assert all(math.isfinite(float(str(value))) for value in numbers)
    nothing_judged = ParityReport((), ({"name": "p", "what": "", "seed": 0, "not_compared": "x"},), {}, {}, {}, {})
    assert "Parity with Keras: not compared" in Page(as_html(nothing_judged)).of("title")


def test_steps_of_an_array(rng: np.random.Generator) -> None:
    ours = rng.normal(size=(3, 5, 2)).astype("float32")
    theirs = ours.copy()
    theirs[1, 3, 0] += 1
    theirs[2, 3, 1] += 2
    found = measure(ours, theirs, ours, []).steps
    assert [round(value) for value in found] == [0, 0, 0, 2, 0]
    assert measure(ours[:, 0], theirs[:, 0], ours[:, 0], []).steps == ()
    long = np.zeros((1, 3 * STEPS + 1, 1), "float32")
    other = long.copy()
    other[0, -1, 0] = 1.0
    assert measure(long, other, long, []).steps == (*(0.0,) * (STEPS - 1), 1.0)


def test_the_command_writes_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = Terminal(capsys)
    kt.save_model(dense_model(), tmp_path / "small.keras")
    recording = dense_recording(tmp_path / "small.npz")
    command = ("verify", tmp_path / "small.keras", "--recording", recording, "--html")
    assert run(*command, tmp_path / "report.html").startswith("PARITY")
    assert Page((tmp_path / "report.html").read_text()).of("title")[0] == "Parity with Keras: passed"
    assert "this is a folder" in run(*command, tmp_path, status=2)
    golden = ("verify", tmp_path / "small.keras", "--golden", recording)
    assert "--html do not go with it" in run(*golden, "--html", tmp_path / "x.html", status=2)
    report = kt.check_parity(recording, kt.load_model(tmp_path / "small.keras"))
    with pytest.raises(SaveError, match=r"this is a folder"):
        report.to_html(tmp_path)
