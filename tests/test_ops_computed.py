"""Operations that only compute, against Keras: the same calls in both, whole arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import GRADIENT, assert_close
from _keras_worker import KerasWorker
from workers.around import plain
from workers.computed_cases import CASES, V, X, control, graphs

import kerastorch as kt
from kerastorch import Input, ops
from kerastorch.errors import ArgumentError, UnsupportedError
from kerastorch.ops import _COMPUTED


def same(ours: Any, theirs: Any, where: str, wrong: list[str]) -> None:
    if isinstance(theirs, list) and isinstance(ours, list) and len(ours) == len(theirs):
        for place, pair in enumerate(zip(ours, theirs, strict=True)):
            same(*pair, f"{where}[{place}]", wrong)
        return
    if isinstance(theirs, str):
        wrong += [] if ours == theirs else [f"{where}: {ours!r} for {theirs!r}"]
        return
    mine, other = np.asarray(ours), np.asarray(theirs)
    try:
        assert mine.dtype == other.dtype, f"{mine.dtype} for {other.dtype}"
        assert mine.shape == other.shape, f"{mine.shape} for {other.shape}"
        holes = ~np.isfinite(other) if other.dtype.kind == "f" else np.zeros(other.shape, bool)
        np.testing.assert_array_equal(mine[holes], other[holes])
        # Of the largest value: solving and inverting lose a few bits to the condition of these matrices, below 30.
        assert_close(np.where(holes, 0, mine), np.where(holes, 0, other), 3e-6)
    except AssertionError as error:
        wrong.append(f"{where}: {str(error)[:300]}\n  ours {str(ours)[:200]}\n  Keras's {str(theirs)[:200]}")


def test_the_same_numbers(keras_worker: KerasWorker) -> None:
    expected = keras_worker.call("keras3", "around:computed")
    ours: dict[str, Any] = {name: lambda case=case, name=name: case(getattr(ops, name)) for name, case in CASES.items()}
    ours |= {**control(kt), **graphs(kt)}
    assert ours.keys() == expected.keys()
    wrong: list[str] = []
    for name, make in ours.items():
        try:
            same(plain(make()), expected[name], name, wrong)
        except (TypeError, ValueError, RuntimeError, AttributeError) as error:
            wrong.append(f"{name}: {type(error).__name__}: {error}\n  Keras's {str(expected[name])[:200]}")
    assert not wrong, "\n".join(wrong)


def test_every_one_has_a_case() -> None:
    assert _COMPUTED.keys() - CASES.keys() - control(kt).keys() == set()


def test_a_planted_fault_is_seen() -> None:
    wrong: list[str] = []
    same([np.float32(1.0)], [np.float32(1.0001)], "x", wrong)
    same([np.int64(1)], [np.int32(1)], "y", wrong)
    assert len(wrong) == 2


def test_gradients_flow() -> None:
    x = torch.tensor(X, requires_grad=True)
    carry, _ = ops.scan(lambda c, row: (c * torch.tanh(row), None), torch.ones(4), x)
    sums = ops.associative_scan(lambda a, b: a + b, x, axis=1)
    (carry.sum() + sums[:, -1].sum() + ops.segment_sum(x, [0, 1, 0]).sum()).backward()
    assert x.grad is not None
    expected = torch.tensor(X, requires_grad=True)
    (torch.tanh(expected).prod(0).sum() + 2 * expected.sum()).backward()
    assert_close(x.grad, expected.grad, GRADIENT)


def test_what_is_left_out_says_what_to_use() -> None:
    with pytest.raises(UnsupportedError, match=r"^keras\.ops\.conv is not in kerastorch: use the convolution layers"):
        ops.conv(X, X)
    with pytest.raises(UnsupportedError, match=r"^keras\.ops\.stft is not in kerastorch: use torch\.stft"):
        ops.stft(X, 2, 2, 2)
    with pytest.raises(ArgumentError, match="a symbolic tensor stands for data and has no values"):
        ops.convert_to_numpy(Input((3,)))
    with pytest.raises(ArgumentError, match=r"strategy: expected 'greedy' or 'beam_search', got 'best'\."):
        ops.ctc_decode(np.zeros((1, 2, 3), "float32"), [2], strategy="best")
    with pytest.raises(ArgumentError, match="the first axes of xs and length must agree"):
        ops.scan(lambda c, x: (c, x), 0.0, V, length=3)
