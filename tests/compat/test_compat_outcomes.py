"""What the configs of two Kerases, graphs and tables of operations mean, in full, as several versions wrote them."""

from __future__ import annotations

import pytest
from _outcomes import differences, readings
from _outcomes_calls import in_calls
from _outcomes_examples import changed
from _outcomes_graphs import graphs
from _outcomes_tables import operations

PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_another(part: int) -> None:
    assert differences(readings(), "readings", slice(part, None, PARTS)) == {}


@pytest.mark.parametrize("part", range(PARTS))
def test_no_row_is_another(part: int) -> None:
    assert differences(operations(), "operations", slice(part, None, PARTS)) == {}


@pytest.mark.parametrize("part", range(PARTS))
def test_another_value_in_one_place_means_what_it_meant(part: int) -> None:
    assert differences(changed(), "changed", slice(part, None, PARTS)) == {}


@pytest.mark.parametrize("part", range(PARTS))
def test_no_graph_means_anything_else(part: int) -> None:
    assert differences(graphs(), "graphs", slice(part, None, PARTS)) == {}


@pytest.mark.parametrize("part", range(2))
def test_nothing_in_a_call_means_anything_else(part: int) -> None:
    assert differences(in_calls(), "in_calls", slice(part, None, 2)) == {}
