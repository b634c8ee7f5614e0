"""What an argument of a layer means in a file of each Keras, in every spelling and misspelt."""

from __future__ import annotations

import pytest
from _outcomes import differences
from _outcomes_arguments import arguments

PARTS = 8


@pytest.mark.parametrize("part", range(PARTS))
def test_no_argument_means_anything_else(part: int) -> None:
    assert differences(arguments(), "arguments", slice(part, None, PARTS)) == {}
