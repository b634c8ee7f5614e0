"""What layers make of the arguments of their constructors, and layers over time and wrappers of every kind of call."""

from __future__ import annotations

import pytest
from _outcomes import differences
from _outcomes_attention import attention
from _outcomes_examples import constructed
from _outcomes_layers import called
from _outcomes_wrappers import wrapped

PARTS = 12


@pytest.mark.parametrize("part", range(PARTS))
def test_no_call_does_anything_else(part: int) -> None:
    assert differences(called(), "called", slice(part, None, PARTS)) == {}


@pytest.mark.parametrize("part", range(PARTS))
def test_no_argument_means_anything_else(part: int) -> None:
    assert differences(constructed(), "constructed", slice(part, None, PARTS), complete=False) == {}


@pytest.mark.parametrize("part", range(4))
def test_attention_and_dtypes(part: int) -> None:
    assert differences(attention(), "attention", slice(part, None, 4)) == {}


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_that_holds_others_does_anything_else(part: int) -> None:
    assert differences(wrapped(), "wrapped", slice(part, None, PARTS), complete=False) == {}
