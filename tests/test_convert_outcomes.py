"""What functions that convert and check make of whole numbers, options, shapes and arrays that do not fit."""

from __future__ import annotations

import pytest
from _outcomes import differences
from _outcomes_checks import checks
from _outcomes_convert import converted

PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_no_number_stands_elsewhere(part: int) -> None:
    assert differences(converted(), "converted", slice(part, None, PARTS)) == {}


@pytest.mark.parametrize("part", range(2 * PARTS))
def test_no_check_says_anything_else(part: int) -> None:
    assert differences(checks(), "checks", slice(part, None, 2 * PARTS)) == {}
