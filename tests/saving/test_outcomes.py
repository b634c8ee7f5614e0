"""What is written of many models and of how they were compiled, and where their weights stand, in full."""

from __future__ import annotations

import pytest
from _outcomes import differences, stored, written
from _outcomes_convert import compiled_with
from _outcomes_examples import examples
from _outcomes_saved import saved

PARTS = 6


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_another(part: int) -> None:
    assert differences(written(), "written", slice(part, None, PARTS)) == {}


@pytest.mark.parametrize("part", range(PARTS))
def test_no_array_stands_elsewhere(part: int) -> None:
    assert differences(stored(), "stored", slice(part, None, PARTS)) == {}


@pytest.mark.parametrize("part", range(PARTS))
def test_every_layer_is_written_as_it_was(part: int) -> None:
    assert differences(examples(), "examples", slice(part, None, PARTS), complete=False) == {}


@pytest.mark.parametrize("part", range(PARTS))
def test_every_name_of_compile_is_written_as_it_was(part: int) -> None:
    assert differences(compiled_with(), "compiled", slice(part, None, PARTS)) == {}


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_said_otherwise_where_a_keras_computes_otherwise(part: int) -> None:
    assert differences(saved(), "saved", slice(part, None, PARTS), complete=False) == {}
