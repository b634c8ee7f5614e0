"""Layers over time against what real Keras answered once: outputs, states, gradients, masks, shapes, without Keras."""

from __future__ import annotations

import pytest

from ._kept import Kept
from ._kept_cases import KINDS, kept_cases

PARTS = 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", range(PARTS))
def test_each_case(kind: str, part: int) -> None:
    judge = KINDS[kind][0]
    found = {}
    for name, framework, case in list(kept_cases(kind))[part::PARTS]:
        try:
            judge(Kept(), framework, case)
        except Exception as error:  # noqa: BLE001 - one outcome of each case, so that all are judged
            found[name] = f"{type(error).__name__}: {error}"
    assert found == {}
