"""Every example of every layer where somebody takes a graph of it."""

from __future__ import annotations

import json
import warnings

import make_leave_table
import pytest
import torch

from export._examples import Case, cases
from export.everything import gaps, sweep

GROUP = 23
WHOLE = {"golden models": 21, "real files": 68}


@pytest.fixture(scope="module")
def everything() -> list[Case]:
    return cases()


def test_traces_hold_for_any_batch(everything: list[Case]) -> None:
    """`torch.jit.trace` with gradients; without them those that run over steps, whose kernels ask for it."""
    assert len(everything) > 270
    found: dict[str, str] = {}
    for start in range(0, len(everything), GROUP):
        found |= sweep("trace", everything[start : start + GROUP])
    with torch.no_grad():
        found |= sweep("trace", [case for case in everything if case.shapes[0][1:2] == (None,)])
    assert found == {}


def test_a_wrong_trace_is_seen(everything: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    member = next(case for case in everything if case.key == "LSTM: default, masked")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert gaps([member], lambda args: [2 * part.numpy() for part in [member.model(*args).detach()]], [(3, 0)])


def test_the_page_lists_step_loops_and_refusals(everything: list[Case]) -> None:
    """docs/leave.md is what tests/make_leave_table.py writes, of what `export.everything` and `export.whole` keep."""
    page = make_leave_table.PAGE.read_text(encoding="utf-8")
    assert all(make_leave_table.begin(part) in page for part in make_leave_table.PARTS)
    assert make_leave_table.written(page) == page
    kept = json.loads(make_leave_table.KEPT.read_text(encoding="utf-8"))
    assert list(kept["examples of layers"]) == sorted(case.key for case in everything), "run export.everything onnx"
    assert {kind: len(found) for kind, found in kept.items() if kind != "examples of layers"} == WHOLE
