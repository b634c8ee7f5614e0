"""torch.jit.trace: what a trace computes for other values, batches, masks, and where it can for other lengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from _close import assert_close
from torch import Tensor

from kerastorch import Input, Model, Sequential, layers
from kerastorch.structure import leaves

pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.trace"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),  # of the checks of shapes, which a trace leaves out
]

IMAGES: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "1D": (lambda **options: layers.ConvLSTM1D(2, 3, **options), (6, 3)),
    "2D": (lambda **options: layers.ConvLSTM2D(2, 3, **options), (5, 6, 3)),
    "3D": (lambda **options: layers.ConvLSTM3D(2, 2, **options), (3, 4, 3, 2)),
    "channels first": (lambda **options: layers.ConvLSTM2D(2, 3, data_format="channels_first", **options), (3, 5, 6)),
    "same": (lambda **options: layers.ConvLSTM2D(2, 3, padding="same", **options), (5, 6, 3)),
    "strides": (lambda **options: layers.ConvLSTM2D(2, 3, strides=2, padding="same", **options), (5, 6, 3)),
    "dilation": (lambda **options: layers.ConvLSTM1D(2, 3, dilation_rate=2, **options), (7, 3)),
    "bidirectional": (lambda **options: layers.Bidirectional(layers.ConvLSTM1D(2, 3, **options)), (6, 3)),
}
# On torch's kernels, which take any number of steps.
SERIES: dict[str, Callable[[], Any]] = {
    "LSTM": lambda: layers.LSTM(3, return_sequences=True, return_state=True),
    "last output": lambda: layers.LSTM(3, return_state=True),
    "GRU": lambda: layers.GRU(3, return_sequences=True, return_state=True),
    "SimpleRNN": lambda: layers.SimpleRNN(3, return_sequences=True, return_state=True),
    "backwards": lambda: layers.GRU(3, return_sequences=True, return_state=True, go_backwards=True),
    "zeros": lambda: layers.LSTM(3, return_sequences=True, return_state=True, zero_output_for_mask=True),
    "Bidirectional": lambda: layers.Bidirectional(layers.LSTM(3, return_sequences=True, return_state=True)),
    "RNN": lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_sequences=True, return_state=True),
}


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def check(traced: Any, layer: Any, *args: Tensor) -> None:
    for our, their in zip(leaves(traced(*args)), leaves(layer(*args)), strict=True):
        # float32, other kernels: rounding of sums over steps and weights
        assert_close(our, their)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", IMAGES)
def test_a_convolutional_lstm(name: str, masked: bool, grad: bool) -> None:
    make, image = IMAGES[name]
    layer = make(return_sequences=True, return_state=True)
    x = draw(2, 3, *image)
    layer(x)
    mask = [torch.tensor([[1, 0, 1], [1, 1, 0]], dtype=torch.bool)] if masked else []
    with torch.set_grad_enabled(grad):
        traced: Any = torch.jit.trace(layer, (x, *mask))
        check(traced, layer, x + 1, *mask)
        check(traced, layer, draw(4, 3, *image), *([~mask[0].repeat(2, 1)] if masked else []))
        with pytest.raises(RuntimeError, match="Expected 3 elements in a list but found 4"):  # no wrong number
            traced(draw(2, 4, *image), *([mask[0][:, [0, 1, 2, 0]]] if masked else []))
        bigger = tuple(size if size == 3 else size + 2 for size in image) if name != "3D" else (5, 4, 3, 2)
        check(traced, layer, draw(2, 3, *bigger), *mask)


def test_a_traced_convolutional_lstm_trains() -> None:
    layer, x = layers.ConvLSTM2D(2, 3), draw(2, 3, 5, 5, 1)
    layer(x)
    traced: Any = torch.jit.trace(layer, (x,))
    found = torch.autograd.grad(traced(x + 1).square().sum(), list(layer.parameters()))
    for our, their in zip(
        found, torch.autograd.grad(layer(x + 1).square().sum(), list(layer.parameters())), strict=True
    ):
        assert_close(our, their)  # sums in another order


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("name", SERIES)
def test_masks_and_other_lengths(name: str, grad: bool) -> None:
    layer, x = SERIES[name](), draw(2, 5, 4)
    layer(x)
    mask = torch.tensor([[1, 0, 1, 1, 1], [1, 1, 1, 1, 0]], dtype=torch.bool)
    with torch.set_grad_enabled(grad):
        for example in (mask, torch.ones_like(mask)):  # of which the second has nothing to leave out
            traced: Any = torch.jit.trace(layer, (x, example))
            check(traced, layer, x, mask)
            check(traced, layer, draw(3, 5, 4), torch.tensor([[0, 0, 0, 0, 0], [0, 1, 0, 1, 1], [1] * 5]) > 0)
            check(traced, layer, draw(2, 9, 4), torch.tensor([[1, 0, 1] * 3, [0, 1, 1] * 3]) > 0)
            check(traced, layer, draw(1, 2, 4), torch.tensor([[False, True]]))


@pytest.mark.parametrize("name", SERIES)
def test_no_mask_and_other_lengths(name: str) -> None:
    layer, x = SERIES[name](), draw(2, 5, 4)
    layer(x)
    traced: Any = torch.jit.trace(layer, (x,))
    for shape in ((2, 5, 4), (1, 5, 4), (3, 8, 4), (3, 1, 4)):
        check(traced, layer, draw(*shape))


def test_the_masks_inside_a_model() -> None:
    inside = [layers.Embedding(9, 3, mask_zero=True), layers.GRU(4, return_sequences=True), layers.LSTM(2)]
    model = Sequential([Input((None,), dtype="int32"), *inside, layers.Dense(2)])
    words = torch.tensor([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0]])
    traced: Any = torch.jit.trace(model, (words,))
    for other in (words, torch.tensor([[0, 0, 8, 1, 0, 2, 3]]), torch.tensor([[7], [0]])):
        check(traced, model, other)


def test_merges() -> None:
    """The sizes of what is traced are tensors, and a list of shapes is no shape."""
    a, b = Input((None, 3)), Input((None, 3))
    kinds = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
    merged = [getattr(layers, kind)()([a, b]) for kind in kinds]
    model = Model([a, b], [*merged, layers.Dot(axes=2)([a, b])])
    traced: Any = torch.jit.trace(model, ([draw(2, 5, 3), draw(2, 5, 3)],))
    for shape in ((2, 5, 3), (1, 8, 3)):
        check(traced, model, [draw(*shape), draw(*shape)])
