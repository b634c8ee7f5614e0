"""What the Makefile, pyproject.toml and the pages say of files, and of the versions that were run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Files that say what is there now; `docs/mutants.md` and the changelog tell of a past day.
NOW = ["Makefile", "README.md", "CONTRIBUTING.md", "SECURITY.md", "pyproject.toml"]
NOW += sorted(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md") if page.name != "mutants.md")
# What a command writes on a machine with a GPU.
WRITTEN_LATER = {"benchmarks/results/gpu-check.md", "benchmarks/results/speed-cuda.json"}
PATH = re.compile(r"(?<![\w/.-])(?:tests|kerastorch|benchmarks|docs|demo|notebooks)/[\w./*-]*[\w*]")
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def lacking(name: str, text: str) -> Iterator[str]:
    """The paths that a file of the project names and that are not there."""
    for found in PATH.findall(text):
        if found not in WRITTEN_LATER and not any(ROOT.glob(found)):
            yield f"{name}: {found}"
    for found in LINK.findall(text) if name.endswith(".md") else ():
        if not ((ROOT / name).parent / found).exists():
            yield f"{name}: ({found})"


def test_every_file_that_is_named_is_there() -> None:
    assert [found for name in NOW for found in lacking(name, text_of(name))] == []


def test_a_file_that_was_moved_is_seen() -> None:
    assert list(lacking("Makefile", "CORE = tests/layers/test_rnn.py tests/layers/rnn/test_rnn.py")) == [
        "Makefile: tests/layers/test_rnn.py"
    ]
    assert list(lacking("docs/a.md", "`tests/goldens/*.md`, [there](compile.md#a), [gone](../compile.md)")) == [
        "docs/a.md: tests/goldens/*.md",
        "docs/a.md: (../compile.md)",
    ]


def runs() -> tuple[list[str], list[str]]:
    """The versions of torch and of Python in the table of CONTRIBUTING.md."""
    rows = re.findall(r"^\| (\d+\.\d+\.\d+)[^|]*\| (\d+\.\d+\.\d+) \|", text_of("CONTRIBUTING.md"), re.M)
    assert len(rows) > 3
    torches, pythons = (set(column) for column in zip(*rows, strict=True))
    return sorted(torches, key=_order), sorted(pythons, key=_order)


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_what_is_promised_was_run() -> None:
    torches, pythons = runs()
    project, minors = text_of("pyproject.toml"), [version.rpartition(".")[0] for version in pythons]
    (lowest,) = re.findall(r'"torch>=([\d.]+)"', project)
    assert torches[0] == f"{lowest}.0"
    assert re.findall(r"requires-python = \">=([\d.]+)\"", project) == minors[:1]
    assert re.findall(r"Python :: (3\.\d+)\"", project) == minors
    (pinned,) = re.findall(r"^torch==(\S+)$", text_of("constraints.txt"), re.M)
    assert pinned in torches


def test_the_page_about_compilation_names_the_versions_that_were_run() -> None:
    torches, pythons = runs()
    head = text_of("docs/compile.md").split("##")[0]
    named = set(re.findall(r"\d+\.\d+\.\d+", head))
    assert named == {*torches, *pythons}
