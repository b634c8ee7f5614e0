"""What recurrent layers do in training: outputs under dropout, gradients and the derivatives of these."""

from __future__ import annotations

import pytest
from _outcomes import differences
from _outcomes_trained import in_training

PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_no_gradient_is_another(part: int) -> None:
    assert differences(in_training(), "in_training", slice(part, None, PARTS)) == {}
