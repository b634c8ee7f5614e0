"""Masked steps where the lengths of the rows may be read, against the way that knows nothing of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import assert_close
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from kerastorch import layers, torch_private
from kerastorch.kernels import fused
from kerastorch.kernels.fused import fused_gru, fused_lstm, fused_rnn_relu, fused_rnn_tanh, masked

T, F, U = 5, 3, 2
KERNELS = {"lstm": (fused_lstm, 4), "gru": (fused_gru, 3), "tanh": (fused_rnn_tanh, 1), "relu": (fused_rnn_relu, 1)}
MASKS = {
    "all": [[1, 1, 1, 1, 1]] * 2,
    "none": [[0, 0, 0, 0, 0]] * 2,
    "as many": [[1, 0, 1, 1, 0], [0, 1, 1, 0, 1]],
    "right": [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0]],
    "mixed": [[0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 1, 1, 0, 1]],
    "one row": [[0, 1, 0, 1, 1]],
    "one full row": [[1, 1, 1, 1, 1]],
    "one empty row": [[0, 0, 0, 0, 0]],
    "no row": [],
}


def random(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()


def everything(name: str, mask: Tensor, **options: Any) -> list[Tensor]:
    """Outputs, final states, and all gradients."""
    kernel, gates = KERNELS[name]
    rows = len(mask)
    states = tuple(random(rows, U, seed=3 + i) for i in range(2 if name == "lstm" else 1))
    shapes = (gates * U, F), (gates * U, U), (gates * U,), (gates * U,)
    weights = [random(*shape, seed=9 + i) for i, shape in enumerate(shapes)]
    x = random(*mask.shape, F, seed=1)
    out, finals = masked(kernel, x, states, weights, mask, **options)
    out = out[:, -1:] if options["only_last"] else out
    outputs = [out, *finals] if options["want_states"] else [out]
    loss = sum((o * torch.arange(1.0, o.numel() + 1).reshape(o.shape)).sum() for o in outputs)
    return [*outputs, *torch.autograd.grad(loss, [x, *states, *weights], materialize_grads=True)]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("pattern", MASKS)
@pytest.mark.parametrize("want_states", [False, True])
@pytest.mark.parametrize(("only_last", "hide"), [(False, False), (False, True), (True, False)])
def test_reading_the_lengths_changes_no_number(
    name: str, pattern: str, want_states: bool, only_last: bool, hide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = torch.tensor(MASKS[pattern], dtype=torch.bool).reshape(-1, T)
    options = {"want_states": want_states, "only_last": only_last, "hide": hide}
    ours = everything(name, mask, **options)
    monkeypatch.setattr(fused, "may_read", lambda tensor: False)
    for our, their in zip(ours, everything(name, mask, **options), strict=True):
        assert_close(our, their)  # float64, another order of sums


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # one is a node of ONNX, the other a Scan
@pytest.mark.parametrize("name", KERNELS)
def test_what_becomes_onnx_computes_the_same(name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, gates = KERNELS[name]
    x, *states = (random(3, *size, seed=i).detach().to(dtype) for i, size in enumerate([(T, F), (U,), (U,)]))
    states = tuple(states[: 2 if name == "lstm" else 1])
    shapes = (gates * U, F), (gates * U, U), (gates * U,), (gates * U,)
    weights = [random(*shape, seed=9 + i).detach().to(dtype) for i, shape in enumerate(shapes)]
    masks = [torch.tensor(MASKS[pattern], dtype=torch.bool) for pattern in ("mixed",)]
    masks += [torch.ones(3, T, dtype=torch.bool), torch.eye(3, T, dtype=torch.bool)]
    options = [{"only_last": last, "hide": hide} for last in (False, True) for hide in (False, True)]

    def all_calls() -> list[Tensor]:
        found = []
        for used in (weights, weights[:2]):
            out, finals = kernel(x, states, used)
            found += [out, *finals]
            for mask in masks:
                for given in options:
                    out, finals = masked(kernel, x, states, used, mask, **given)
                    found += [out[:, -1:] if given["only_last"] else out, *finals]
        return found

    ours = all_calls()
    monkeypatch.setattr(torch_private, "is_exporting_to_onnx", lambda: True)
    theirs = all_calls()
    assert [each.shape for each in ours] == [each.shape for each in theirs]
    for our, their in zip(ours, theirs, strict=True):
        assert_close(our, their)  # another order of sums


@pytest.mark.parametrize("name", KERNELS)
def test_a_mask_of_one_step_counts_where_it_may_not_be_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = torch.tensor([[True], [False], [True]])
    options = {"want_states": True, "only_last": False, "hide": False}
    ours = everything(name, mask, **options)
    assert not ours[0][1].any()  # nothing was computed before
    assert torch.equal(ours[1][1], random(3, U, seed=3)[1])
    monkeypatch.setattr(fused, "may_read", lambda tensor: False)
    for our, their in zip(ours, everything(name, mask, **options), strict=True):
        assert_close(our, their)  # float64, another order of sums


@pytest.mark.parametrize(("pattern", "steps", "features"), [("all", 5, F), ("as many", 3, F), ("right", 3, F + 1)])
def test_what_the_kernel_gets(pattern: str, steps: int, features: int) -> None:
    """No step behind the longest row; an LSTM's extra input only where the rows differ."""
    shapes: list[Any] = []

    def kernel(x: Tensor, states: Any, weights: Any) -> Any:
        shapes.append(tuple(x.shape[1:]))
        return fused_lstm(x, states, weights)

    mask = torch.tensor(MASKS[pattern], dtype=torch.bool)
    weights = [random(4 * U, F, seed=1), random(4 * U, U, seed=2)]
    masked(kernel, random(2, T, F, seed=3), (random(2, U, seed=4), random(2, U, seed=5)), weights, mask)
    assert shapes == [(steps, features)]


def test_a_wrong_length_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = torch.tensor(MASKS["right"], dtype=torch.bool)
    options = {"want_states": True, "only_last": False, "hide": False}
    right = everything("lstm", mask, **options)
    monkeypatch.setattr(fused, "_lengths", lambda last, steps: (3, 3))  # as if no row were shorter
    wrong = everything("lstm", mask, **options)
    with pytest.raises(AssertionError, match="not close"):
        assert_close(wrong, right)


def test_who_follows_or_fakes_tensors_has_no_values_read() -> None:
    layer = layers.GRU(2, return_sequences=True)
    x, mask = torch.randn(2, T, F), torch.tensor(MASKS["right"], dtype=torch.bool)
    expected = layer(x, mask=mask)
    assert_close(torch.func.vmap(layer)(x[None], mask[None])[0], expected)
    with FlopCounterMode(display=False):
        assert_close(layer(x, mask=mask), expected)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake = layer(mode.from_tensor(x), mask=mode.from_tensor(mask))
    assert fake.shape == expected.shape
