"""What the command says of files of every kind, and what is written where something stood for a layer of a file."""

from __future__ import annotations

import pytest
from _outcomes import differences
from _outcomes_info import said_of_files

PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_else_is_said(part: int) -> None:
    assert differences(said_of_files(), "said_of_files", slice(part, None, PARTS)) == {}
