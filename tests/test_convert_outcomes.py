"""What every function that converts arrays makes of distinct whole numbers, options and arrays that do not fit."""

from __future__ import annotations

import pytest
from _outcomes import differences
from _outcomes_convert import converted

PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_no_number_stands_elsewhere(part: int) -> None:
    assert differences(converted(), "converted", slice(part, None, PARTS)) == {}
