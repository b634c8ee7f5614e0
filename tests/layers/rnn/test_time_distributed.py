"""TimeDistributed around layers that use a mask: each step, and each row of it, gets its own part of the mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from _close import BFLOAT16, OUTPUT, assert_close
from torch import Tensor

from kerastorch import Input, Model, Sequential, layers
from kerastorch.models.mask_flow import mask_events

B, T, STEPS, F = 2, 3, 4, 5
# No two (row, step) have the same one, and none of them is full.
MASK = torch.tensor(
    [
        [[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 1, 1]],
        [[0, 0, 1, 1], [1, 1, 1, 0], [0, 1, 0, 1]],
    ],
    dtype=torch.bool,
)
INNER: dict[str, Callable[[], Any]] = {
    "LSTM, all steps": lambda: layers.LSTM(3, return_sequences=True),
    "GRU, last step": lambda: layers.GRU(3),
    "SimpleRNN, backwards": lambda: layers.SimpleRNN(3, go_backwards=True),
    "LSTM, step loop": lambda: layers.LSTM(3, activation="softsign", return_sequences=True),
    "RNN": lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)]),
    "Bidirectional": lambda: layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
    "pooling": lambda: layers.GlobalAveragePooling1D(),
    "a model": lambda: Sequential([Input((STEPS, F)), layers.LSTM(3, return_sequences=True), layers.GRU(2)]),
    "the states too": lambda: layers.LSTM(3, return_state=True),
}


def made(name: str, **config: Any) -> tuple[Any, Tensor]:
    """TimeDistributed around a layer with random distinct weights, in float64, and its input."""
    layer = layers.TimeDistributed(INNER[name](), **config)
    layer.build((None, T, STEPS, F))
    layer.double()
    rng = np.random.default_rng(3)
    layer.set_weights([rng.normal(0, 0.6, array.shape) for array in layer.get_weights()])
    x = torch.randn(B, T, STEPS, F, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    return layer.eval(), x


def outputs(result: Any) -> list[Tensor]:
    return list(result) if isinstance(result, tuple) else [result]


def alone(inner: Any, x: Tensor, mask: Tensor | None) -> list[Tensor]:
    """What the layer gives for every row and step by itself, put together again."""
    found = [
        [outputs(inner(x[row : row + 1, step], mask=None if mask is None else mask[row : row + 1, step]))
         for step in range(T)]
        for row in range(B)
    ]  # fmt: skip
    count = len(found[0][0])
    return [torch.stack([torch.cat([step[i] for step in row]) for row in found]) for i in range(count)]


@pytest.mark.parametrize("name", INNER)
def test_each_step_gets_its_own_mask(name: str) -> None:
    layer, x = made(name)
    leaf, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    ours, theirs = outputs(layer(leaf, mask=MASK)), alone(layer.layer, other, MASK)
    weights = [torch.randn(out.shape, generator=torch.Generator().manual_seed(i)) for i, out in enumerate(theirs)]
    grads = [
        torch.autograd.grad(sum((y * w).sum() for y, w in zip(found, weights, strict=True)), at)[0]  # type: ignore
        for found, at in ((ours, leaf), (theirs, other))
    ]
    for mine, reference in zip([*ours, grads[0]], [*theirs, grads[1]], strict=True):
        # float64: another order of sums.
        assert_close(mine, reference)


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize(
    "fault",
    [lambda mask: None, lambda mask: mask.flip(0), lambda mask: mask.transpose(0, 1).reshape(B, T, STEPS), torch.neg],
    ids=["none", "other rows", "steps before rows", "inverted"],
)
def test_another_mask_gives_other_numbers(name: str, fault: Callable[[Any], Any]) -> None:
    layer, x = made(name)
    wrong = ~MASK if fault is torch.neg else fault(MASK)
    ours, theirs = outputs(layer(x, mask=MASK))[0], alone(layer.layer, x, wrong)[0]
    assert float((ours - theirs).detach().abs().max()) > 1e-2


@pytest.mark.parametrize("name", INNER)
def test_a_mask_of_the_outer_axis_reaches_a_layer_of_steps_in_its_order(name: str) -> None:
    """TimeDistributed in TimeDistributed: `(B, T, steps)` behind one more axis."""
    layer, x = made(name)
    outer = layers.TimeDistributed(layer)
    both, masks = torch.stack([x, x.flip(2)], 1), torch.stack([MASK, ~MASK], 1)
    outer.build((None, *both.shape[1:]))
    for index, (one, mask) in enumerate(((x, MASK), (x.flip(2), ~MASK))):
        for ours, theirs in zip(outputs(outer(both, mask=masks)), alone(layer.layer, one, mask), strict=True):
            assert_close(ours[:, index], theirs)


def test_the_mask_that_is_handed_on() -> None:
    x = made("GRU, last step")[1]
    kept = made("LSTM, all steps")[0]
    assert kept.compute_mask(x, MASK) is MASK  # Keras 3
    assert kept.compute_mask(x) is None
    old, _ = made("LSTM, all steps", keras2_masks=True)
    assert torch.equal(old.compute_mask(x, MASK), MASK)
    assert old.compute_mask(x) is None
    last, _ = made("GRU, last step", keras2_masks=True)  # makes none: a step with anything in it counts
    holes = MASK & torch.tensor([[True, False, True], [True, True, False]])[..., None]
    assert last.compute_mask(x, holes).tolist() == [[True, False, True], [True, True, False]]
    steps = torch.tensor([[True, False, True], [False, True, True]])
    assert last.compute_mask(x, steps) is steps
    own = layers.TimeDistributed(layers.Masking(), keras2_masks=True)
    zeros = x.clone()
    zeros[0, 1, 2] = zeros[1, 2, 3] = 0
    wanted = torch.ones(B, T, STEPS, dtype=torch.bool)
    wanted[0, 1, 2] = wanted[1, 2, 3] = False
    assert torch.equal(own.compute_mask(zeros), wanted)
    assert torch.equal(own.compute_mask(zeros, MASK), wanted)


@pytest.mark.parametrize(
    ("dtype", "computed"),
    [("mixed_bfloat16", torch.bfloat16), ("float16", torch.float32), ("float64", torch.float64), (None, torch.float32)],
)
def test_the_inner_layer_computes_in_the_dtype_of_the_outer_one(dtype: str | None, computed: torch.dtype) -> None:
    """As Keras 3, which runs the inner layer's `call` alone: mixed policies of the outer one cast the inner weights."""
    layer = layers.TimeDistributed(layers.Dense(2), **({} if dtype is None else {"dtype": dtype}))
    x = torch.randn(2, 3, 4)
    found = layer(x)
    kernel, bias = (parameter.detach() for parameter in layer.layer.parameters())
    kernel = kernel if kernel.shape == (4, 2) else kernel.T
    assert kernel.dtype == torch.float32
    given = x.to(torch.float16 if dtype == "float16" else computed)  # what the outer layer makes of its inputs
    wanted = given.to(computed) @ kernel.to(computed) + bias.to(computed)
    assert found.dtype == computed
    # bfloat16 rounds each result once more where the bias is added apart: one unit in its last place.
    assert_close(found.float(), wanted.float(), BFLOAT16 if computed == torch.bfloat16 else OUTPUT)


def test_the_mask_of_a_model_inside_is_followed_without_data() -> None:
    """Its layers run on shapes alone, where a file is written or a summary printed."""
    inside = Sequential([Input((5, 2)), layers.Masking(), layers.LSTM(3, return_sequences=True)])
    outer = layers.TimeDistributed(inside, keras2_masks=True, name="outer")
    model = Sequential([Input((4, 5, 2)), outer, layers.TimeDistributed(layers.LSTM(2), name="last")])
    assert [(event.layer, event.what) for event in mask_events(model)] == [("outer", "made"), ("last", "used")]
    x = torch.ones(3, 4, 5, 2)
    x[1, 2, 3:] = 0
    assert torch.equal(outer.compute_mask(x), (x != 0).any(-1))


def test_of_a_model_with_two_outputs_the_mask_of_the_first_is_handed_on() -> None:
    x = Input((3, 2))
    inner = Model(x, [layers.Masking(1.0)(x), layers.Masking(2.0)(x)])
    outer = layers.TimeDistributed(inner, keras2_masks=True)
    data = torch.tensor([[[[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], [[2.0, 2.0], [1.0, 1.0], [1.0, 1.0]]]])
    wanted = [[[False, True, True], [True, False, False]]]
    assert outer.compute_mask(data, None).tolist() == wanted
