"""Which of the two step loops runs: one step after another, or torch's scan while a model is exported."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import assert_close

from kerastorch import layers, torch_private
from kerastorch.kernels import step_loop


@pytest.mark.parametrize("exporting", [False, True])
def test_scan_runs_while_a_model_is_exported_only(monkeypatch: pytest.MonkeyPatch, exporting: bool) -> None:
    called: list[str] = []

    def stand_in(name: str) -> Any:
        def run(cell: Any, gates: Any, states: Any, mask: Any) -> Any:
            called.append(name)
            return gates.transpose(0, 1), states

        return run

    monkeypatch.setattr(torch_private, "is_exporting", lambda: exporting)
    for name in ("scan_steps", "one_by_one"):
        monkeypatch.setattr(step_loop, name, stand_in(name))
    gates, mask = torch.ones(3, 2, 4), torch.tensor([[True, False, True], [False, False, True]])
    out, states = step_loop.loop(lambda gates, states: states, gates, (gates[0],), mask)
    assert called == ["scan_steps" if exporting else "one_by_one"]
    # Before the first valid step there are zeros.
    assert out[..., 0].tolist() == [[1, 1, 1], [0, 0, 1]]
    assert len(states) == 1


@pytest.mark.parametrize("masked", [False, True])
def test_both_loops_compute_the_same(masked: bool) -> None:
    """As many steps as rows, and no symmetric mask: another axis is no error, but other numbers."""
    gates, states = torch.randn(3, 3, 4), (torch.randn(3, 4), torch.randn(3, 4))
    mask = torch.tensor([[1, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=torch.bool) if masked else None

    def cell(gates: Any, states: Any) -> Any:
        return (0.5 * states[0] + gates, states[1] * gates)

    wanted, last = step_loop.one_by_one(cell, gates, states, mask)
    found, its_last = step_loop.scan_steps(cell, gates, states, mask)
    assert_close(found, wanted)  # the same operations: equal but for rounding
    assert_close(its_last, last)
    # Written out: a masked step repeats the output and keeps both states.
    h, c = states
    for step in range(3):
        new = (0.5 * h + gates[step], c * gates[step])
        use = torch.ones(3, 1, dtype=torch.bool) if mask is None else mask[:, step, None]
        h, c = torch.where(use, new[0], h), torch.where(use, new[1], c)
        assert_close(wanted[:, step], h)
    assert_close(last, [h, c])


def test_the_sizes_that_are_free_go_into_the_scan() -> None:
    """AOTInductor allocates the outputs by the sizes that the loop is given; it said `KeyError: s85` without them."""
    layer = layers.LSTM(4, activation="gelu", return_sequences=True).eval()
    layer.build((None, 7, 3))
    free = torch.export.Dim.DYNAMIC
    with torch.no_grad():
        program = torch.export.export(layer, (torch.ones(2, 7, 3),), dynamic_shapes=({0: free, 1: free},))
    (node,) = (node for node in program.graph.nodes if node.target is torch.ops.higher_order.scan)
    given = {str(part.meta["val"]) for part in node.args[3] if not isinstance(part.meta["val"], torch.Tensor)}
    x = [node for node in program.graph.nodes if node.op == "placeholder"][-1]
    assert str(x.meta["val"].shape[0]) in given
