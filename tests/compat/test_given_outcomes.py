"""What a file means where the caller gives layers and functions, and every old form of a whole model, damaged."""

from __future__ import annotations

import pytest
from _outcomes import differences
from _outcomes_given import given

PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_means_anything_else(part: int) -> None:
    assert differences(given(), "given", slice(part, None, PARTS)) == {}
