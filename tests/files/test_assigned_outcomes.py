"""What reading the values of a file does, and what a load that fails leaves."""

from __future__ import annotations

import pytest
from _outcomes import differences
from _outcomes_assigned import assigned

PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.filterwarnings("ignore")  # some values are not finite, which is said
def test_nothing_is_read_otherwise(part: int) -> None:
    assert differences(assigned(), "assigned", slice(part, None, PARTS)) == {}
