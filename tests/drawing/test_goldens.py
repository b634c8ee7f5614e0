"""The text of pictures, as it was when somebody had looked at them. After a wanted change:
`PYTHONPATH=.:tests python -m drawing.test_goldens` writes them anew; then look at them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from _needs import needs
from make_goldens import ROOT

from drawing._pictured import MODELS
from kerastorch.drawing.reading import Shown, read
from kerastorch.drawing.svg import to_svg
from kerastorch.utils import model_to_dot

FOLDER = ROOT / "tests" / "goldens" / "pictures"
PACKAGE = needs(find_spec("graphviz"), "the Python package graphviz is not installed")
ALL: dict[str, Any] = dict(show_dtype=True, show_layer_activations=True, show_trainable=True)
DOT = {
    "masked": ("masked", ALL),
    "seq2seq": ("seq2seq", {"rankdir": "LR"}),
    "nested": ("nested", {}),
    "nested-closed": ("nested", {"expand_nested": False, "show_shapes": False, "show_layer_names": False}),
    "own": ("own", {}),
    "given_mask": ("given_mask", {"dpi": None}),
}
SVG = {"masked": "TB", "seq2seq": "LR", "nested": "TB", "shared": "BT", "given_mask": "RL", "own": "TB"}


def dot_of(case: str) -> str:
    name, options = DOT[case]
    return model_to_dot(MODELS[name](), **options).source


def svg_of(name: str) -> str:
    return to_svg(read(MODELS[name](), Shown()), SVG[name])


@PACKAGE
@pytest.mark.parametrize("case", DOT)
def test_text_for_graphviz(case: str) -> None:
    assert dot_of(case) == (FOLDER / f"{case}.dot").read_text("utf-8")


@pytest.mark.parametrize("name", SVG)
def test_picture_without_graphviz(name: str) -> None:
    assert svg_of(name) == (FOLDER / f"{name}.svg").read_text("utf-8")


def test_every_golden_is_compared() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{case}.dot" for case in DOT} | {f"{name}.svg" for name in SVG}


def write(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for case in DOT:
        (folder / f"{case}.dot").write_text(dot_of(case), "utf-8")
    for name in SVG:
        (folder / f"{name}.svg").write_text(svg_of(name), "utf-8")


if __name__ == "__main__":
    write(FOLDER)
