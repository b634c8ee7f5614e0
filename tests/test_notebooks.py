"""Each notebook runs from its first cell to its last, and prints what is stored in it; its asserts are the test."""

from __future__ import annotations

import re
import resource
import time
from itertools import groupby
from pathlib import Path

import nbformat
import pytest
from make_notebooks import FOLDER, NOTEBOOKS, clean, execute

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

LARGEST = 200_000  # bytes: with its pictures a notebook still opens at once on a code host
SECONDS = 60  # of computing
ASSERTS = 10  # what the text claims is checked in the cell behind it


def cells(path: Path) -> list[nbformat.NotebookNode]:
    return nbformat.read(path, as_version=4).cells


def shown(cell: nbformat.NotebookNode) -> list[str]:
    """What stands below a cell, pictures by their kind.

    A cell with the tag "varies" prints numbers of a training or a measurement, one with "machine" what a machine has.
    """
    found = []
    for kind, outputs in groupby(cell.outputs, lambda output: output.get("name", output.output_type)):
        parts = [output.text if "text" in output else seen(output.data) for output in outputs]
        text = "".join(parts)
        if "machine" in cell.metadata.get("tags", []):
            text = "..."
        if "varies" in cell.metadata.get("tags", []):
            text = " ".join(re.sub(r"[-+]?\d[\d.,]*(e[-+]?\d+)?", "#", text).split())
        found.append(f"{kind}: {text}")
    return found


def seen(data: dict[str, str]) -> str:
    pictures = sorted(kind for kind in data if kind.startswith("image/"))
    return f"{pictures}" if pictures else data["text/plain"]


@each
def test_notebook(path: Path, tmp_path: Path) -> None:
    before, started, computed = sorted(FOLDER.rglob("*")), time.monotonic(), children_seconds()
    run = execute(path, path.parent, tmp_path / path.name)
    computed = children_seconds() - computed
    print(f"{path.stem}: {time.monotonic() - started:.1f} s, {computed:.1f} s of computing")
    assert run.returncode == 0, run.stderr[-3000:]
    assert computed < SECONDS
    assert sorted(FOLDER.rglob("*")) == before, "it leaves files behind"
    for stored, executed in zip(cells(path), cells(tmp_path / path.name), strict=True):
        if stored.cell_type == "code":
            assert shown(executed) == shown(stored), stored.source
            assert not [line for line in shown(stored) if line.startswith("stderr")], stored.source


def children_seconds() -> float:
    """What the processes have computed that were started here and are gone."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_wrong_cell_is_seen(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("assert 140 == 141, 'planted'")])
    nbformat.write(notebook, tmp_path / "wrong.ipynb")
    run = execute(tmp_path / "wrong.ipynb", tmp_path, tmp_path / "result.ipynb")
    assert run.returncode != 0
    assert "planted" in run.stderr


def test_other_text_is_seen() -> None:
    def printing(text: str, *tags: str) -> nbformat.NotebookNode:
        output = nbformat.v4.new_output("stream", text=text)
        return nbformat.v4.new_code_cell(outputs=[output], metadata={"tags": list(tags)})

    assert shown(printing("loss 0.5")) != shown(printing("loss 0.4"))
    assert shown(printing("loss 0.5", "varies")) == shown(printing("loss  4e-3", "varies")) == ["stdout: loss #"]
    assert shown(printing("loss 0.5", "varies")) != shown(printing("error 0.5", "varies"))


@each
def test_notebook_is_stored_for_readers(path: Path) -> None:
    assert path.stat().st_size < LARGEST
    stored = cells(path)
    code = [cell for cell in stored if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run it from its first cell"
    assert sum(len(re.findall(r"^ *assert\b", cell.source, re.M)) for cell in code) >= ASSERTS
    assert any("image/" in line for cell in code for line in shown(cell)), "it shows no picture"
    assert stored[0].source.startswith(f"# {path.stem[:2]}. ")
    assert "You will learn" in stored[0].source.replace("\n", " ")


@each
def test_nothing_of_a_run_is_stored_but_what_it_says(path: Path) -> None:
    stored = nbformat.read(path, as_version=4)
    cleaned = nbformat.read(path, as_version=4)
    clean(cleaned)
    assert stored == cleaned, "python tests/make_notebooks.py writes it"


@each
def test_links_lead_somewhere(path: Path) -> None:
    last = cells(path)[-1].source
    following = [other.name for other in NOTEBOOKS if other > path][:1]
    assert "../docs/" in last
    assert all(f"]({name})" in last for name in following)
    for cell in cells(path):
        if cell.cell_type == "markdown":
            for link in re.findall(r"\]\((?!https?:)([^)#]+)", cell.source):
                assert (FOLDER / link).exists(), link


def test_the_list_is_whole() -> None:
    text = (FOLDER / "README.md").read_text("utf-8")
    assert re.findall(r"\]\((\d\d_\w+\.ipynb)\)", text) == [path.name for path in NOTEBOOKS]
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{at:02}_" for at in range(1, len(NOTEBOOKS) + 1)]
