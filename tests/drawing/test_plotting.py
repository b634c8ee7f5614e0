"""plot_model: files, what lacks, names that could do harm, what notebooks show, and the command."""

from __future__ import annotations

import html
import re
import shutil
import sys
import warnings
import xml.etree.ElementTree as xml
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from _needs import needs
from _terminal import Terminal
from make_goldens import ROOT

import kerastorch as kt
from drawing._pictured import MODELS
from kerastorch import Input, Model, Sequential, layers
from kerastorch.drawing import plotting
from kerastorch.drawing.diagram import shown, wrapped
from kerastorch.drawing.reading import Shown, read
from kerastorch.errors import ArgumentError, NotBuiltError, SaveError, UnsupportedError

PACKAGE = needs(find_spec("graphviz"), "the Python package graphviz is not installed")
DOT = shutil.which("dot")
DEMO = ROOT / "demo" / "tagger.keras"
EVIL = '</text><script>alert("1")</script>&lt;"]; n0 -> n1 [URL="javascript:1"] \\N <b>\n\x00\u202e'


def texts(svg: str) -> list[str]:
    """The lines of text of a picture."""
    root = xml.fromstring(svg)
    return ["".join(item.itertext()) for item in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture
def without_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def drawn(model: Model, tmp_path: Path, **options: Any) -> str:
    path = tmp_path / "m.svg"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture = kt.plot_model(model, path, **options)
    assert (picture.path, picture.drawn_by) == (str(path), "kerastorch")
    assert picture._repr_svg_() == path.read_text("utf-8")
    return path.read_text("utf-8")


# ---------------------------------------------------------------------------- files


@pytest.mark.usefixtures("without_dot")
def test_what_can_be_left_out_or_shown(tmp_path: Path) -> None:
    model = MODELS["masked"]()
    model.get_layer("both").trainable = False
    found = texts(drawn(model, tmp_path))
    assert "bothBidirectional(LSTM)" in found
    assert {"(None, None, 12)", "made here", "used here", "data with its mask"} <= set(found)
    bare = texts(drawn(model, tmp_path, show_shapes=False, show_layer_names=False, show_masks=False))
    kinds = ["InputLayer", "Embedding", "Bidirectional(LSTM)", "Dropout", "LSTM", "Conv1D", "GlobalMaxPooling1D"]
    assert bare == kinds
    options = dict(show_dtype=True, show_layer_activations=True, show_trainable=True, show_shapes=False)
    more = texts(drawn(model, tmp_path, **options))
    assert {"tanh, recurrent sigmoid", "relu", "frozen", "trained", "float32"} <= set(more)
    assert more.count("frozen") == 1


@pytest.mark.usefixtures("without_dot")
def test_edges_have_kinds() -> None:
    def kinds(name: str) -> set[tuple[str, str, str]]:
        diagram = read(MODELS[name](), Shown())
        names = {box.key: str(box.name) for box in diagram.root.boxes()}
        return {(names[edge.source], names[edge.target], edge.kind) for edge in diagram.edges}

    assert kinds("seq2seq") == {
        ("source", "encoder", "data"),
        ("target", "decoder", "data"),
        ("encoder", "decoder", "state"),
        ("decoder", "head", "data"),
    }
    assert kinds("given_mask") == {("x", "rnn", "data"), ("valid", "rnn", "mask")}
    assert kinds("nested") == {
        *(("x", "lowest", "data"), ("lowest", "middle", "data"), ("middle", "all", "data")),
        *(("x", "side", "data"), ("side", "all", "data")),
        *(("x", "a", "data"), ("a", "p", "data"), ("a", "r", "data"), ("r", "q", "data")),
        *(("p", "all", "data"), ("q", "all", "data")),
    }
    assert kinds("shared") == {
        *(("a", "same", "data"), ("b", "same", "data"), ("same", "same", "data")),
        *(("same", "between", "data"), ("between", "same", "data")),
        *(("same", "up", "data"), ("up", "down", "data"), ("down", "up", "data"), ("down", "sum", "data")),
    }


def test_masks_go_into_models_and_out() -> None:
    inner = Model(a := Input((5, 3), name="a"), layers.Dropout(0.5, name="drop")(a), name="inner")
    x = Input((5,), name="x")
    y = inner(layers.Embedding(9, 3, mask_zero=True, name="embed")(x))
    lost = layers.Flatten(name="flat")(layers.Conv1D(2, 2, name="conv")(y))
    diagram = read(Model(x, [layers.GRU(2, name="rnn")(y), lost]), Shown())
    names = {box.key: str(box.name) for box in diagram.root.boxes()}
    masked = {(names[edge.source], names[edge.target]) for edge in diagram.edges if edge.kind == "masked"}
    assert masked == {("embed", "a"), ("a", "drop"), ("drop", "rnn"), ("drop", "conv")}
    said = {box.name: row.text for box in diagram.root.boxes() for row in box.rows if row.label == "mask"}
    assert said == {"embed": "made here", "rnn": "used here", "conv": "ends here"}


@PACKAGE
def test_text_for_graphviz_needs_no_program(tmp_path: Path, without_dot: None) -> None:
    picture = kt.plot_model(MODELS["chain"](), tmp_path / "m.dot")
    assert (picture.drawn_by, picture._repr_svg_(), picture._repr_png_()) == ("graphviz", None, None)
    assert "rnn" in (tmp_path / "m.dot").read_text("utf-8")
    cluster = kt.utils.model_to_dot(MODELS["chain"](), subgraph=True)
    assert cluster.source.startswith("digraph cluster_g0 {")


@PACKAGE
@pytest.mark.skipif(DOT is None, reason="the program dot is not installed, and need not be")
def test_graphviz_draws(tmp_path: Path) -> None:
    for ending, start in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        for name in ("masked", "nested", "own"):
            picture = kt.utils.plot_model(MODELS[name](), tmp_path / f"m.{ending}", dpi=40)
            assert picture.drawn_by == "graphviz"
            assert (tmp_path / f"m.{ending}").read_bytes().startswith(start)
    model = Sequential([Input((2,)), layers.Dense(2, name=EVIL.replace("/", ""))])
    kt.plot_model(model, tmp_path / "m.svg")
    root = xml.fromstring((tmp_path / "m.svg").read_text("utf-8"))
    assert not [item for item in root.iter() if item.tag.rsplit("}")[-1] in ("script", "a", "b")]


# ---------------------------------------------------------------------------- what lacks


@pytest.mark.usefixtures("without_dot")
def test_without_graphviz_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = MODELS["chain"]()
    if find_spec("graphviz"):
        with pytest.warns(UserWarning, match=r"without Graphviz: The program dot is not installed \(apt-get inst"):
            kt.plot_model(model, tmp_path / "m.svg")
        with pytest.raises(UnsupportedError, match=r"Graphviz makes .pdf, and the program dot is not installed"):
            kt.plot_model(model, tmp_path / "m.pdf")
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.warns(UserWarning, match=r"package graphviz is not installed \(pip install \"kerastorch-rnn\["):
        kt.plot_model(model, tmp_path / "m.svg")
    for ending in (".png", ".pdf", ".jpg", ""):
        with pytest.raises(UnsupportedError, match=r"makes .(png|pdf|jpg), and the Python package .* ends in .svg"):
            kt.plot_model(model, tmp_path / f"other{ending}")
        assert not (tmp_path / f"other{ending}").exists()
    for call in (lambda: kt.plot_model(model, tmp_path / "m.dot"), lambda: kt.utils.model_to_dot(model)):
        with pytest.raises(UnsupportedError, match=r"needs the Python package graphviz, which is not installed: pip"):
            call()


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, path = MODELS["chain"](), tmp_path / "m.svg"
    with pytest.raises(ArgumentError, match=r"plot_model: expected a kerastorch model, got 'Linear'\. kt\."):
        kt.plot_model(torch.nn.Linear(2, 2), path)  # type: ignore[arg-type]
    with pytest.raises(NotBuiltError, match="is not built, so it has no shapes yet"):
        kt.plot_model(Sequential([layers.Dense(2)]), path)
    with pytest.raises(ArgumentError, match="plot_model: rankdir: expected one of"):
        kt.plot_model(model, path, rankdir="UP")
    with pytest.raises(ArgumentError, match="plot_model: dpi"):
        kt.plot_model(model, path, dpi=0)
    with pytest.raises(UnsupportedError, match="plot_model: layer_range is not in Keras 3; draw Model"):
        kt.plot_model(model, path, layer_range=["a", "b"])  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="plot_model: to_file: expected a path, got 'int'"):
        kt.plot_model(model, 3)  # type: ignore[arg-type]
    monkeypatch.setattr(plotting, "_lack", lambda: "It is not here.")
    with pytest.warns(UserWarning, match="It is not here"), pytest.raises(SaveError, match="cannot be written"):
        kt.plot_model(model, tmp_path / "missing" / "m.svg")


# ---------------------------------------------------------------------------- text that could do harm


def evil() -> Model:
    inner = Sequential([Input((2,)), layers.Dense(2, name=EVIL.replace("/", ""))], name=EVIL.replace("/", "|"))
    return Model(x := Input((2,), name="x"), inner(x), name="<script>alert(1)</script>")


def test_names_stay_text(tmp_path: Path, without_dot: None) -> None:
    model = evil()
    svg, page = drawn(model, tmp_path), model._repr_html_()
    for text in (svg, page):
        assert not {"script", "a", "image", "foreignObject"} & set(re.findall(r"</?([a-zA-Z]+)", text))
        assert "\x00" not in text
        assert "\u202e" not in text
    assert any("<script>" in text for text in texts(svg))  # as text it is there
    shape = page[page.index("<svg") : page.index("</svg>") + 6]
    assert html.escape("<script>") in page
    assert not [item for item in xml.fromstring(shape).iter() if item.tag.rsplit("}")[-1] == "script"]


@PACKAGE
def test_names_stay_text_for_graphviz() -> None:
    source = kt.utils.model_to_dot(evil()).source
    assert "<script" not in source
    assert "\x00" not in source
    # One node for the input and one for the layer, and the edge between them: nothing that a name has made.
    assert len(re.findall(r"^\s*n\d+ \[", source, re.MULTILINE)) == 2
    assert re.findall(r"^\s*(n\d+ -> n\d+) ", source, re.MULTILINE) == ["n0 -> n1"]


def test_text_is_cut_in_the_middle() -> None:
    assert shown("a" * 43) == "a" * 27 + "…" + "a" * 14
    assert shown("a\nb\u202e") == r"a\nb\u202e"
    assert wrapped(["aaa", "bbb", "ccc", "ddd", "eee"], longest=9, most=2) == ["aaa, bbb,", "ccc, ddd, and 1 more"]
    assert wrapped(["aaa", "bbb"], longest=5) == ["aaa,", "bbb"]


# ---------------------------------------------------------------------------- notebooks


def test_what_a_notebook_shows() -> None:
    model = MODELS["nested"]()
    page = model._repr_html_()
    assert page.count("<details open>") == 2
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    assert [cells[place : place + 4] for place in (4, 8, 12)] == [
        ["inner", "Sequential", "(None, 4)", "20"],
        ["\u2003innermost", "Sequential", "(None, 2)", "8"],
        ["\u2003\u2003lowest", "Dense", "(None, 2)", "8"],
    ]
    assert "<b>outer</b> (Functional), 12 layers, 84 parameters" in page
    assert "http" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")  # nothing from elsewhere
    assert "currentColor" in page
    assert "<style" not in page
    picture = model._repr_svg_()
    assert picture is not None
    assert "currentColor" not in picture  # alone it has paper of its own
    assert texts(picture) == texts(page[page.index("<svg") : page.index("</svg>") + 6])


def test_models_that_have_no_picture() -> None:
    unbuilt = Sequential([layers.LSTM(3, name="rnn")], name="later")
    assert unbuilt._repr_svg_() is None
    assert "<svg" not in unbuilt._repr_html_()
    assert "not built" in unbuilt._repr_html_()
    assert Sequential(name="none")._repr_svg_() is None
    long = Sequential([Input((2,)), *(layers.Dense(2, name=f"d{number}") for number in range(301))])
    assert "<svg" not in long._repr_html_()
    assert "and 1 more layer;" in long._repr_html_()
    folded = MODELS["deep"]()._repr_html_()
    assert folded.count("<details open>") == 1
    assert "<details><summary>picture" in folded


# ---------------------------------------------------------------------------- the command


@pytest.mark.usefixtures("without_dot")
def test_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run, out = Terminal(capsys), tmp_path / "m.svg"
    said = run("plot", DEMO, out, "--rankdir", "LR", "--no-shapes", "--activations")
    assert said.startswith(f"{out}\n")
    assert "is drawn without Graphviz: The " in said
    found = texts(out.read_text("utf-8"))
    assert "contextBidirectional(LSTM)" in found
    assert "tanh, recurrent sigmoid" in found
    assert not [text for text in found if "None" in text]
    assert "is there already; --force replaces it" in run("plot", DEMO, out, status=2)
    assert "Graphviz makes .png" in run("plot", DEMO, tmp_path / "m.png", status=2)
    run("plot", DEMO, out, "--force", "--no-names", "--no-masks", "--no-expand", "--dtype", "--trainable")
    assert "Bidirectional(LSTM)" in texts(out.read_text("utf-8"))
