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

PAGES = [page for page in sorted((Path(__file__).parents[1] / "docs").glob("*.md")) if ">>> " in page.read_text()]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_examples(page: Path) -> None:
    text = page.read_text().replace("```", "")
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    assert len(test.examples) > 5
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=report.append)
    assert not report, "".join(report)


def test_the_names_of_the_porting_guide_are_there() -> None:
    text = (Path(__file__).parents[1] / "docs" / "porting.md").read_text()
    names = set(re.findall(r"\b(?:kt|torch)(?:\.\w+)+", text))
    assert len(names) > 50
    for name in names:
        found: Any = {"kt": kt, "torch": torch}[name.split(".")[0]]
        for part in name.split(".")[1:]:
            found = getattr(found, part)
        assert not namespaces.is_absent(found), name
