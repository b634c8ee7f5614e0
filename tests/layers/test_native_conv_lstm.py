"""The compiled ConvLSTM against autograd through every step in float64, for each level of the processor."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
import torch
from _close import GRADIENT, assert_close
from _conv_lstms import CLASSES, IMAGES, MASK, images, make
from _needs import COMPILED, needs
from torch import Tensor

from kerastorch import layers, native, size_rules

pytestmark = needs(native.available, COMPILED)
BOTH = ["lstm_forward", "lstm_backward"]


def everything(layer: Any, x: Tensor, mask: Tensor | None = None, order: int = 1) -> list[Tensor]:
    """Outputs, final states, and the gradients of the input, the initial states and all weights, up to an order."""
    leaf = x.clone().requires_grad_()
    shape = layer.compute_output_shape(tuple(x.shape))[1]
    count = torch.Size(shape).numel()
    states = [torch.linspace(-1, 1 + i, count).reshape(shape).to(x).requires_grad_() for i in (0, 1)]
    out = layer(leaf, mask=mask, initial_state=states, training=True)
    weigh = [torch.linspace(-1, 2, y.numel(), dtype=torch.float64).reshape(y.shape).cos().to(x) for y in out]
    loss = sum(((y * w).sum() for y, w in zip(out, weigh, strict=True)), torch.zeros(()))
    leaves = [leaf, *states, *layer.parameters()]
    grads = list(torch.autograd.grad(loss, leaves, create_graph=order == 2))
    if order == 2:
        grads += torch.autograd.grad(sum((grad.square().sum() for grad in grads), torch.zeros(())), leaves)
    return [y.detach() for y in (*out, *grads)]


def pair(rank: int = 2, **config: Any) -> tuple[Any, Any]:
    """A layer in float32, and the same in float64, both with the same dropout masks."""
    config = {"return_sequences": True, "return_state": True, **config}
    exact = make(rank, **config)
    for weight in (exact.weight_ih, exact.weight_hh):  # sums of about the same size, whatever the window
        weight.data /= max(1.0, weight[0].numel() / 18) ** 0.5
    ours = copy.deepcopy(exact).float()
    exact._dropout_masks = ours._dropout_masks = dropout_masks
    return ours, exact


def dropout_masks(like: Tensor, rate: float) -> Tensor:
    noise = torch.rand(4, *like.shape, generator=torch.Generator().manual_seed(int(100 * rate)))
    return 2 * (noise > 0.5).to(like.dtype)


def check(x: Tensor, mask: Tensor | None = None, order: int = 1, **config: Any) -> None:
    ours, exact = pair(x.ndim - 3, **config)
    x = x.movedim(-1, 2) if ours.data_format == "channels_first" else x
    assert_close(everything(ours, x.float(), mask, order), everything(exact, x, mask, order), GRADIENT)


# ---------------------------------------------------------------- right numbers


@pytest.mark.parametrize("rank", CLASSES)
@pytest.mark.parametrize("rates", [{}, {"recurrent_dropout": 0.3, "dropout": 0.2}], ids=str)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_equals_autograd_through_every_step(
    rank: int, rates: dict[str, float], data_format: str, level: str, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size_rules, "THREADED_WORK", 0)  # two threads, where there are two
    cases = list(itertools.product((1, 2, 3, 4), (None, MASK)))
    for number, (kernel, mask) in enumerate(cases):
        filters = (1, 2, 5, 16, 21)[number % 5]
        check(images(rank), mask, kernel_size=kernel, filters=filters, padding="same", data_format=data_format, **rates)
    assert calls == BOTH * len(cases)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (13, 2), (6, 7)])
def test_images_of_any_size_and_windows_that_are_not_square(size: tuple[int, int], level: str) -> None:
    for kernel in ((1, 3), (4, 1), (2, 5)):
        check(images(size=size), MASK, kernel_size=kernel, filters=3, padding="same", activation="relu")


def test_strides_and_dilation_are_of_the_input_alone(calls: list[str]) -> None:
    check(images(size=(7, 8)), kernel_size=3, strides=2, use_bias=False)
    check(images(size=(7, 8)), kernel_size=(3, 2), strides=(3, 2), padding="same", dropout=0.2)
    check(images(size=(7, 8)), kernel_size=(2, 3), dilation_rate=2, recurrent_activation="hard_sigmoid")
    assert calls == BOTH * 3


def test_a_mask_of_places(level: str, calls: list[str]) -> None:
    mask = torch.rand(images().shape[:-1], generator=torch.Generator().manual_seed(3)) < 0.6
    check(images(), mask, padding="same", filters=7)
    assert calls == BOTH


def test_second_derivatives(calls: list[str]) -> None:
    check(images(1), MASK, order=2, kernel_size=2, padding="same", recurrent_dropout=0.3, dropout=0.2)
    check(images(2), order=2, data_format="channels_first")
    assert calls == ["lstm_forward"] * 2  # autograd then follows every step


@pytest.mark.parametrize("rates", [{}, {"recurrent_dropout": 0.3}], ids=str)
def test_threads_change_no_bit(rates: dict[str, float], level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size_rules, "THREADED_WORK", 0)
    ours, _ = pair(filters=9, **rates)
    found = []
    for threads in (1, 2, 3, 8):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        found.append(everything(ours, images().float(), MASK))
    for others in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], others, strict=True))


def test_any_memory_order_and_expanded_gradients() -> None:
    ours, exact = pair()
    x = images().permute(4, 0, 2, 1, 3).contiguous().permute(1, 3, 2, 4, 0)  # the same values
    grads = []
    for layer, leaf in ((ours, x.float().requires_grad_()), (exact, images().requires_grad_())):
        out, *_ = layer(leaf)
        grads.append(torch.autograd.grad(out.sum(), [leaf, *layer.parameters()]))
    assert_close(*grads, GRADIENT)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_only_the_last_output_and_kept_states(data_format: str) -> None:
    config = {"data_format": data_format, "return_sequences": False, "stateful": True, "zero_output_for_mask": True}
    ours, exact = pair(**config)
    x = images().movedim(-1, 2) if data_format == "channels_first" else images()
    for _ in range(2):
        assert_close(ours(x.float(), mask=MASK), exact(x, mask=MASK))
    assert_close(ours.states, exact.states)


def test_a_batch_of_no_images() -> None:
    ours, _ = pair()
    x = images().float()[:0].requires_grad_()
    out, h, c = ours(x)
    assert out.shape == (0, 4, 3, 4, 2)
    assert h.shape == c.shape == (0, 3, 4, 2)
    grads = torch.autograd.grad(out.sum(), [x, *ours.parameters()])
    assert all(grad.abs().sum() == 0 for grad in grads)


# ---------------------------------------------------------------- what it costs


def test_what_is_kept_for_the_backward_pass(calls: list[str]) -> None:
    """Gates and states once, the inputs, the initial states, and the masks."""
    F, U, batch = 3, 2, 3
    places = torch.Size(IMAGES[2]).numel()
    for steps, rates in ((4, {}), (40, {}), (4, {"recurrent_dropout": 0.3})):
        ours, _ = pair(padding="same", **rates)
        storages: dict[int, int] = {}

        def pack(tensor: Tensor, storages: dict[int, int] = storages) -> Tensor:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        x = torch.randn(batch, steps, *IMAGES[2], F).requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            ours(x, training=True)
        for weight in ours.parameters():
            storages.pop(weight.untyped_storage().data_ptr(), None)
        rows = batch * places
        gates_and_states = steps * rows * 4 * U + 2 * (steps + 1) * rows * U
        masks = 4 * rows * U if rates else 0
        assert sum(storages.values()) == 4 * (gates_and_states + steps * rows * F + 2 * rows * U + masks)
    assert calls == ["lstm_forward"] * 3


# ---------------------------------------------------------------- where it runs, and planted faults


def test_where_it_does_not_run(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ours, exact = pair(data_format="channels_first", padding="same")
    x = images().movedim(-1, 2)
    exact(x)
    mask = torch.ones(3, 4, 2, 5, dtype=torch.bool)  # all axes of the output but the last, as in Keras
    assert_close(ours(x.float(), mask=mask)[0], exact(x)[0])
    layers.ConvLSTM2D(2, 3, activation="softmax")(images().float())
    torch.compile(ours, backend="eager")(x.float())
    monkeypatch.setattr(size_rules, "PACKED_WEIGHTS", ours.weight_hh.numel() - 1)
    ours(x.float())
    assert not calls
    monkeypatch.setattr(size_rules, "PACKED_WEIGHTS", ours.weight_hh.numel())
    ours(x.float())
    assert calls == ["lstm_forward"]


def test_few_large_images_are_left_to_torch(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An image has one thread in the compiled code."""
    ours, _ = pair(padding="same")
    x = images().float()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    for most, expected in ((30 * ours.weight_hh.numel() - 1, 0), (30 * ours.weight_hh.numel(), 1)):
        monkeypatch.setattr(size_rules, "IMAGE_WORK", most)
        ours(x)
        assert len(calls) == expected
    calls.clear()
    monkeypatch.setattr(size_rules, "IMAGE_WORK", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    ours(x)
    assert calls == ["lstm_forward"]


@pytest.mark.parametrize("field", ["w", "use", "drop", "c", "grad_row", "kernel"])
def test_a_wrong_array_is_seen(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = native.run

    def wrong(name: str, sizes: dict[str, Any], **arrays: Any) -> None:
        if field == "kernel":
            sizes = {**sizes, "kernel": (1, *sizes["kernel"][:0:-1])}  # 2 x 3 for 3 x 2
        elif field in sizes:
            sizes = {**sizes, field: 0}
        elif arrays.get(field) is not None:
            array = arrays[field]
            arrays[field] = ~array if array.dtype == torch.bool else array.flip(1).contiguous()
        run(name, sizes, **arrays)

    monkeypatch.setattr(native, "run", wrong)
    with pytest.raises(AssertionError, match="not close"):
        check(images(), MASK, kernel_size=(3, 2), padding="same", recurrent_dropout=0.3)
