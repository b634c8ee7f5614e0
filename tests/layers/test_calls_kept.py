"""What layers over time, wrappers and attention do with every kind of call, in full; refusals among it."""

from __future__ import annotations

import pytest
from _outcomes import differences
from _outcomes_layers import called

PARTS = 12


@pytest.mark.parametrize("part", range(PARTS))
def test_no_call_does_anything_else(part: int) -> None:
    assert differences(called(), "called", slice(part, None, PARTS)) == {}
