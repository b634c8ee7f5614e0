"""What is printed of models, found in classes of one's own, and sketched where layers are missing, in full."""

from __future__ import annotations

from pathlib import Path

import pytest
from _outcomes import differences, printed
from _outcomes_convert import summaries
from _outcomes_own import own

PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_another(tmp_path: Path, part: int) -> None:
    assert differences(printed(tmp_path), "printed", slice(part, None, PARTS)) == {}


@pytest.mark.parametrize("part", range(PARTS))
def test_no_table_says_anything_else(part: int) -> None:
    assert differences(summaries(), "summaries", slice(part, None, PARTS)) == {}


@pytest.mark.parametrize("part", range(PARTS))
def test_no_layer_is_found_elsewhere(part: int) -> None:
    assert differences(own(), "own", slice(part, None, PARTS)) == {}
