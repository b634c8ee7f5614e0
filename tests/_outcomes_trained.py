"""What recurrent layers do in training, with their gradients and the derivatives of these: a set of outcomes.

As in `_outcomes_layers.py`, weights and inputs are whole numbers and activations linear, relu or relu6, so that every
result is exact, whatever the order of the sums; dropout drops by a pattern of its own. See `_outcomes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any
from unittest import mock
from zlib import crc32

import numpy as np
import torch
from _outcomes import plain
from _outcomes_layers import told
from torch import Tensor

from kerastorch import layers
from kerastorch.structure import leaves

U = 2  # of features and units: what is turned or exchanged keeps its shape
KEPT = 11  # of so many calls about one is kept
MASKS: dict[str, list[list[int]] | None] = {
    "none": None,
    "holes": [[1, 0, 1, 1], [0, 1, 0, 1]],
    "right": [[1, 1, 1, 0], [1, 1, 0, 0]],
}


def pattern(x: Tensor, rate: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Dropout that drops every third value and doubles the others, beginning at another one for each shape."""
    if not training or not rate:
        return x
    places = torch.arange(x.numel()).reshape(x.shape) + x.ndim + x.shape[0]
    return x * (places % 3 != 0).to(x.dtype) * 2


def whole(*shape: int, at: int, dtype: torch.dtype) -> Tensor:
    """Whole numbers from -1 to 1."""
    return torch.tensor(np.random.default_rng(11 + at).integers(-1, 2, shape)).to(dtype)


def told_of(value: Any) -> Any:
    """A tensor's shape, sum and a number that no other one has."""
    if value is None:
        return None
    array = value.detach().double().numpy() + 0.0  # no -0.0
    most = 2**20 if value.dtype == torch.float32 else 2**49  # with room for what is summed on the way
    assert np.array_equal(array, np.round(array))
    assert np.abs(array).max(initial=0) < most
    return [str(value.dtype)[6:], list(array.shape), float(array.sum()), crc32(array.tobytes())]


Made = Callable[[dict[str, Any]], Any]


def makers() -> dict[str, tuple[Made, tuple[int, ...], tuple[dict[str, Any], ...]]]:
    """Name -> what makes a layer of options, the shape of a step, and activations."""
    gated = (
        {"activation": "linear", "recurrent_activation": "relu6"},
        {"activation": "relu", "recurrent_activation": "relu"},
        {"activation": "relu6", "recurrent_activation": "linear"},
    )
    plain_one = tuple({"activation": each["activation"]} for each in gated)
    sequences: dict[str, Any] = {"return_sequences": True, "return_state": True, "name": "l"}
    image: dict[str, Any] = {"kernel_size": 2, "padding": "same", **sequences}

    def rnn(cell: Any) -> Made:
        return lambda given: layers.RNN(cell(U, name="c", **given), dtype=given.get("dtype"), **sequences)

    def both(cls: Any) -> Made:
        return lambda given: layers.Bidirectional(
            cls(U, **{**sequences, "name": "i"}, **given), dtype=given.get("dtype"), name="l"
        )

    return {
        "LSTM": (lambda given: layers.LSTM(U, **sequences, **given), (U,), gated),
        "GRU": (lambda given: layers.GRU(U, **sequences, **given), (U,), gated),
        "GRU reset before": (lambda given: layers.GRU(U, reset_after=False, **sequences, **given), (U,), gated),
        "SimpleRNN": (lambda given: layers.SimpleRNN(U, **sequences, **given), (U,), plain_one),
        "LSTMCell": (rnn(layers.LSTMCell), (U,), gated),
        "GRUCell": (rnn(layers.GRUCell), (U,), gated),
        "SimpleRNNCell": (rnn(layers.SimpleRNNCell), (U,), plain_one),
        "both LSTM": (both(layers.LSTM), (U,), gated),
        "both SimpleRNN": (both(layers.SimpleRNN), (U,), plain_one),
        "ConvLSTM1D": (lambda given: layers.ConvLSTM1D(U, **image, **given), (2, U), gated),
        "ConvLSTM2D": (lambda given: layers.ConvLSTM2D(U, **image, **given), (2, 2, U), gated),
        "ConvLSTM2D channels first": (
            lambda given: layers.ConvLSTM2D(U, data_format="channels_first", **image, **given),
            (U, 2, 2),
            gated,
        ),
    }


def trained(
    make: Made, step: tuple[int, ...], given: dict[str, Any], rows: int, steps: int, mask: str, follow: str
) -> Any:
    """Outputs and states; the gradients of all weights and of the input; the derivatives of these."""
    layer = make(given)
    dtype = getattr(torch, given["dtype"])
    shape = (rows, steps, *step)
    layer.build(shape)
    layer.set_weights([whole(*w.shape, at=at, dtype=dtype).numpy() for at, w in enumerate(layer.get_weights())])
    x = whole(*shape, at=50, dtype=dtype).requires_grad_(follow != "nothing")
    held = MASKS[mask]
    options = {} if held is None else {"mask": torch.tensor(held, dtype=torch.bool)[:rows, :steps]}
    with mock.patch("torch.nn.functional.dropout", pattern), torch.set_grad_enabled(follow != "nothing"):
        out = leaves(layer(x, training=True, **options))
        found: list[Any] = [[told_of(each) for each in out]]
        if follow == "nothing":
            return found
        sources = [x, *layer.parameters()]
        total = sum((each * whole(*each.shape, at=70 + at, dtype=dtype)).sum() for at, each in enumerate(out))
        grads = torch.autograd.grad(total, sources, create_graph=follow == "twice", allow_unused=True)
        found.append([told_of(each) for each in grads])
        if follow == "twice":
            kept = [(at, each) for at, each in enumerate(grads) if each is not None and each.requires_grad]
            total = sum((each * whole(*each.shape, at=90 + at, dtype=dtype)).sum() for at, each in kept)
            if isinstance(total, Tensor):
                twice = torch.autograd.grad(total, sources, allow_unused=True)
                found.append([told_of(each) for each in twice])
    return found


def all_trained() -> Iterator[tuple[str, Callable[[], Any]]]:
    drops = ({}, {"dropout": 0.5}, {"recurrent_dropout": 0.5}, {"dropout": 0.5, "recurrent_dropout": 0.5})
    others = ({}, {"use_bias": False}, {"implementation": 1}, {"implementation": 2}, {"go_backwards": True})
    for name, (make, step, activations) in makers().items():
        for activation, drop, other in product(activations, drops, others):
            cell = name.endswith("Cell")
            if (cell and "go_backwards" in other) or ("Conv" in name and "implementation" in other):
                continue
            # Gates without a bound soon leave what float32 holds exactly.
            bounded = activation.get("recurrent_activation") == "relu6"
            of_dtypes = (("float64", 2), ("float64", 4), ("float32", 4 if bounded else 2))
            for (dtype, steps), rows, mask, follow in product(of_dtypes, (2, 1), MASKS, ("twice", "once", "nothing")):
                key = f"{name} {activation} {drop} {other} {dtype} {rows} x {steps}, mask {mask}, {follow}"
                if crc32(key.encode()) % (KEPT * 4):
                    continue
                given = {**activation, **drop, **other, "dtype": dtype}
                yield (
                    key,
                    lambda a=(make, step, given, rows, steps, mask, follow): trained(*a),
                )


@cache
def in_training() -> dict[str, Callable[[], Any]]:
    return {key: told(lambda case=case: plain(case())) for key, case in all_trained()}
