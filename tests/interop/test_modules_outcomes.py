"""Which module of torch each layer becomes under each of its arguments, and on which kernel it runs."""

from __future__ import annotations

import pytest
from _outcomes import differences
from _outcomes_modules import as_modules

PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_no_layer_becomes_anything_else(part: int) -> None:
    assert differences(as_modules(), "as_modules", slice(part, None, PARTS), complete=False) == {}
