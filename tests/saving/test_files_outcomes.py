"""What `save_model` and `save_weights` write of many models, and say of paths and options, in full."""

from __future__ import annotations

import pytest
from _outcomes import differences
from _outcomes_files import files

PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_no_file_is_another(part: int) -> None:
    assert differences(files(), "files", slice(part, None, PARTS)) == {}
