"""What every kind of cell makes of one step, in full."""

from __future__ import annotations

import pytest
from _outcomes import differences
from _outcomes_cells import in_cells

PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_no_step_does_anything_else(part: int) -> None:
    assert differences(in_cells(), "in_cells", slice(part, None, PARTS)) == {}
