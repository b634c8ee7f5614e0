"""ConvLSTM as a device runs it: derivatives by hand, and a kernel that is brought into its order once for all steps.

Nothing here needs a device: `conv_lstm.on_device` says yes for the CPU. What is compared with is autograd through every
step, which runs on the CPU in float64, and which other tests compare with Keras.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import assert_close
from _conv_lstms import CLASSES, MASK, images, make
from torch import Tensor

from kerastorch.kernels import conv_lstm


@pytest.fixture(autouse=True)
def as_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conv_lstm, "on_device", lambda x: True)


def everything(layer: Any, x: Tensor, mask: Tensor | None, order: int, training: bool = True) -> list[Tensor]:
    """Outputs, final states, and the gradients of input, initial states and weights, up to an order."""
    shape = layer.compute_output_shape(tuple(x.shape))[1]
    count = torch.Size(shape).numel()
    states = [torch.linspace(-1, 1 + i, count).reshape(shape).to(x).requires_grad_() for i in (0, 1)]
    x = x.clone().requires_grad_()
    outputs = layer(x, mask=mask, initial_state=states, training=training)
    weigh = [torch.linspace(-1, 2, y.numel()).reshape(y.shape).cos().to(x) for y in outputs]
    loss = sum(((y * w).sum() for y, w in zip(outputs, weigh, strict=True)), torch.zeros(()))
    sources = [x, *states, *layer.parameters()]
    grads = list(torch.autograd.grad(loss, sources, create_graph=order == 2))
    if order == 2:
        grads += torch.autograd.grad(sum((grad.square().sum() for grad in grads), torch.zeros(())), sources)
    return [*outputs, *grads]


def dropout_masks(like: Tensor, rate: float) -> Tensor:
    noise = torch.rand(4, *like.shape, generator=torch.Generator().manual_seed(int(100 * rate)))
    return 2 * (noise > 0.5).to(like.dtype)


def check(
    monkeypatch: pytest.MonkeyPatch, x: Tensor, mask: Tensor | None = None, order: int = 1, **config: Any
) -> None:
    layer = make(x.ndim - 3, **{"return_sequences": True, "return_state": True, "padding": "same", **config})
    layer._dropout_masks = dropout_masks
    x = x.movedim(-1, 2) if layer.data_format == "channels_first" else x
    ours = everything(layer, x, mask, order)
    with torch.no_grad():
        without = layer(x, mask=mask, training=True)
    monkeypatch.undo()
    theirs = everything(layer, x, mask, order)
    for our, their in zip(ours, theirs, strict=True):
        assert our.shape == their.shape
        assert_close(our, their)  # float64, another order of sums
    with torch.no_grad():
        for our, their in zip(without, layer(x, mask=mask, training=True), strict=True):
            assert_close(our, their)


@pytest.mark.parametrize("rank", CLASSES)
@pytest.mark.parametrize("rates", [{}, {"recurrent_dropout": 0.3, "dropout": 0.2}], ids=str)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
def test_equals_autograd_through_every_step(
    rank: int, rates: Any, data_format: str, mask: Tensor | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kernel in (2, 3):
        with monkeypatch.context() as patch:
            patch.setattr(conv_lstm, "on_device", lambda x: True)
            check(patch, images(rank), mask, kernel_size=kernel, data_format=data_format, **rates)


CONFIGS: list[dict[str, Any]] = [
    {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
    {"return_sequences": False},
    {"padding": "valid", "strides": 2, "use_bias": False},
    {"zero_output_for_mask": True, "go_backwards": True},
    {"activation": "silu", "kernel_size": (1, 4)},
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_other_configurations(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    check(monkeypatch, images(), MASK, **config)


@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
def test_second_derivatives(mask: Tensor | None, monkeypatch: pytest.MonkeyPatch) -> None:
    check(monkeypatch, images(1), mask, order=2)


def test_a_mask_of_places(monkeypatch: pytest.MonkeyPatch) -> None:
    x = images()
    for data_format in ("channels_last", "channels_first"):
        mask = torch.rand(3, 4, *((5, 6) if data_format == "channels_last" else (2, 5))) < 0.6
        with monkeypatch.context() as patch:
            patch.setattr(conv_lstm, "on_device", lambda x: True)
            check(patch, x, mask, data_format=data_format)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_autograd_has_no_node_for_each_step(data_format: str) -> None:
    counts = []
    for steps in (2, 7):
        layer = make(padding="same", data_format=data_format)
        x = torch.randn(2, steps, *((5, 6, 3) if data_format == "channels_last" else (3, 5, 6)), dtype=torch.float64)
        counts.append(nodes_behind(layer(x)))
    assert counts[0] == counts[1]


def nodes_behind(out: Tensor) -> int:
    seen, stack = set(), [out.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            stack += [before for before, _ in node.next_functions]
    return len(seen)


@pytest.mark.parametrize("grad", [False, True])
def test_the_kernel_is_brought_into_order_once(grad: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels: list[Tensor] = []
    real = conv_lstm.convolve

    def seen(x: Tensor, w: Tensor, *rest: Any, **options: Any) -> Tensor:
        kernels.append(w)
        return real(x, w, *rest, **options)

    monkeypatch.setattr(conv_lstm, "convolve", seen)
    layer = make(padding="same")
    with torch.set_grad_enabled(grad):
        layer(images())
    inputs, *steps = kernels
    assert inputs is layer.weight_ih
    assert len(steps) == 4
    assert len({w.data_ptr() for w in steps}) == 1
    assert steps[0].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(steps[0], layer.weight_hh)
