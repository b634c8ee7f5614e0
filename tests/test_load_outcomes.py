"""Which array of a file each variable takes, where layers and arrays lack, are more, or stand in another order."""

from __future__ import annotations

import pytest
from _outcomes import differences
from _outcomes_matching import matched

PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_goes_elsewhere(part: int) -> None:
    assert differences(matched(), "matched", slice(part, None, PARTS)) == {}
