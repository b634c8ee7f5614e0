"""Methods of Keras's objects that are not here: `hasattr` is False, and the error says what to use."""

from __future__ import annotations

from typing import Any

import pytest

import kerastorch as kt
from kerastorch import absent_methods


@pytest.mark.parametrize(
    ("thing", "name", "message"),
    [
        (kt.layers.Dense(2), "stateless_call", r"'Dense' object .*'stateless_call', which Keras has: torch\.func"),
        (kt.Sequential([kt.layers.Dense(2)]), "quantize", r"'Sequential' object .*: torch\.ao\.quantization"),
        (kt.layers.Embedding(3, 2), "enable_lora", "peft adds such matrices"),
        (kt.metrics.Mean(), "stateless_update_state", r"'Mean' object .*: update_state\(\) gathers in the metric"),
    ],
)
def test_what_is_said(thing: Any, name: str, message: str) -> None:
    assert not hasattr(thing, name)
    with pytest.raises(AttributeError, match=message):
        getattr(thing, name)


def test_nothing_that_is_here_is_called_absent() -> None:
    model = kt.Sequential([kt.Input((2,)), kt.layers.Dense(2)])
    for name in absent_methods._INSTEAD:
        assert not hasattr(model, name)
        assert not hasattr(kt.metrics.Mean(), name)
    with pytest.raises(AttributeError, match=r"^'Sequential' object has no attribute 'predikt'$"):
        model.predikt  # noqa: B018
