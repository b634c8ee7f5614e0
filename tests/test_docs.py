"""The examples in the pages of `docs/`."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import kerastorch as kt
from kerastorch import namespaces

ROOT = Path(__file__).parents[1]
PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if ">>> " in page.read_text()]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_examples(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text().replace("```", "")
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    assert len(test.examples) > 5
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=report.append)
    assert not report, "".join(report)


@pytest.mark.parametrize("page", ["porting.md", "migration.md", "arrays.md"])
def test_the_names_of_a_page_are_there(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    names = set(re.findall(r"\b(?:kt|torch)(?:\.\w+)+", text))
    assert len(names) > 30
    for name in names:
        found: Any = {"kt": kt, "torch": torch}[name.split(".")[0]]
        for part in name.split(".")[1:]:
            found = getattr(found, part)
        assert not namespaces.is_absent(found), name
