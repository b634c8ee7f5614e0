"""Weight maps: bijections, their inverses, and the gate orders they stand for."""

from __future__ import annotations

import pytest
import torch

from kerastorch.errors import ShapeError
from kerastorch.weights import (
    Step,
    check_shapes,
    halves,
    identity,
    per_gate,
    reinterpret,
    reorder_gates,
    transpose,
    unstack,
)

STEPS = [
    (identity, (3, 8)),
    (transpose, (3, 8)),
    (reorder_gates("zrh -> rzh"), (5, 9)),
    (reorder_gates("icfo -> ifco"), (4, 8)),
    (reorder_gates("zrh -> rzh") >> transpose, (5, 9)),
    (unstack(2), (2, 9)),
    (reorder_gates("zrh -> rzh") >> unstack(2), (2, 9)),
    (halves(), (16,)),
    (halves() >> reorder_gates("zrh -> rzh"), (12,)),
    (per_gate("ifco", reinterpret), (3, 20)),
    (reorder_gates("zrh -> rzh") >> per_gate("rzh", reinterpret), (5, 9)),
]


@pytest.mark.parametrize(("step", "shape"), STEPS, ids=lambda value: str(value))
def test_inverse_is_bitwise(step: Step, shape: tuple[int, ...]) -> None:
    array = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    parts = step.forward((array,))
    (back,) = step.inverse(parts)
    assert back.shape == array.shape
    assert torch.equal(back, array)


@pytest.mark.parametrize(("step", "shape"), STEPS, ids=lambda value: str(value))
def test_maps_work_without_values(step: Step, shape: tuple[int, ...]) -> None:
    real = [part.shape for part in step.forward((torch.zeros(shape),))]
    assert [part.shape for part in step.forward((torch.zeros(shape, device="meta"),))] == real


def test_gates_moves_blocks() -> None:
    z, r, h = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([[5.0, 6.0]])
    (out,) = reorder_gates("zrh -> rzh").forward((torch.cat([z, r, h], dim=-1),))
    assert torch.equal(out, torch.cat([r, z, h], dim=-1))


def test_gates_must_name_the_same_gates() -> None:
    with pytest.raises(ValueError, match="both sides must name the same gates once"):
        reorder_gates("zrh -> rzn")


def test_reinterpret_keeps_the_memory() -> None:
    block = torch.arange(6.0).reshape(2, 3)
    (out,) = reinterpret.forward((block,))
    assert torch.equal(out.flatten(), block.flatten())
    assert not torch.equal(out, block.T)


def test_check_shapes_lists_everything() -> None:
    wanted = [("kernel", (3, 20)), ("recurrent_kernel", (5, 20)), ("bias", (20,))]
    with pytest.raises(ShapeError) as caught:
        check_shapes("LSTM 'lstm'", wanted, [(20, 3), (5, 20), (40,)])
    assert str(caught.value) == (
        "LSTM 'lstm': arrays of the wrong shape: kernel: expected (3, 20), got (20, 3); bias: expected (20,), got (40,)"
    )
    with pytest.raises(ShapeError, match=r"expected 3 arrays \(kernel \(3, 20\), .*\), got 2"):
        check_shapes("LSTM 'lstm'", wanted, [(3, 20), (5, 20)])
