"""Families of models beside real Keras, and faults of each kind by turns; `families.py` plants all of them."""

from __future__ import annotations

import pytest
from _families import FAMILIES, UNEXPLAINED, Fault
from _planting import FORWARD, GRADIENTS, TRAINING
from _recordings import Recordings
from families import Planted, everything, judged

FAULTS = list(everything())
# Each family has another part of them.
SAMPLE = [item for place, item in enumerate(FAULTS) if place % 5 == list(FAMILIES).index(item[0])]


@pytest.fixture(scope="module")
def planted(recordings: Recordings) -> Planted:
    return Planted(recordings)


def test_the_table_is_whole() -> None:
    for family, (_, faults) in FAMILIES.items():
        assert len(faults) >= 15
        assert len({fault.name for fault in faults.values()}) >= 15
        assert len(UNEXPLAINED[family]) == 5
    kinds = (FORWARD, GRADIENTS, TRAINING)
    assert all(any(fault.options is kind for _, _, fault in SAMPLE) for kind in kinds)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_passes_without_a_fault(planted: Planted, family: str) -> None:
    report = planted.report(family)
    assert report.passed, str(report)


@pytest.mark.parametrize(("family", "text", "fault"), SAMPLE, ids=[f"{family}: {text}" for family, text, _ in SAMPLE])
def test_a_fault_is_found_and_named(planted: Planted, family: str, text: str, fault: Fault) -> None:
    assert judged(planted.report(family, fault), fault) == ""
