"""What `kerastorch info` and `summary` print of the golden files, in full but for the kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
from _outcomes import differences, printed

PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_another(tmp_path: Path, part: int) -> None:
    assert differences(printed(tmp_path), "printed", slice(part, None, PARTS)) == {}
