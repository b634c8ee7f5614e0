"""Output shapes that nobody states, found by running the layer: windows, operations without a meta version, several
tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError


class Of(layers.Layer):
    """A layer of a function, whose shape is not stated."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def call(self, x: Tensor) -> Any:
        return self.function(x)


def ctc(x: Tensor) -> Tensor:
    steps, labels = torch.full((len(x),), x.shape[1]), torch.full((len(x),), 2)
    return F.ctc_loss(
        x.log_softmax(-1).transpose(0, 1), torch.ones(len(x), 2, dtype=torch.long), steps, labels, reduction="none"
    )


# The shape without the batch -> the function, and the shape behind it.
WINDOWS: dict[str, tuple[tuple[int | None, ...], Any, tuple[int | None, ...]]] = {
    "of 16": ((None, 3), lambda x: x.unfold(1, 16, 8), (None, None, 3, 16)),
    "of 16, of a signal": ((None,), lambda x: x.unfold(-1, 16, 8), (None, None, 16)),
    "of 400, of a spectrum": (
        (None,),
        lambda x: torch.stft(x, 400, window=torch.ones(400), return_complex=True).abs(),
        (None, 201, None),
    ),
    "of 2000": ((None,), lambda x: x.unfold(-1, 2000, 1000), (None, None, 2000)),
    "far from each other": ((None, 3), lambda x: x[:, ::20], (None, None, 3)),
    "one in all": ((None, 3), lambda x: x[:, -1:], (None, 1, 3)),
    "without an unknown length": ((40,), lambda x: x.unfold(-1, 16, 8), (None, 4, 16)),
    "of an inner layer": ((None, 3), layers.Conv1D(4, 20), (None, None, 4)),
}
# Operations without a meta version.
NUMBERS: dict[str, tuple[tuple[int | None, ...], Any, tuple[int | None, ...]]] = {
    "a loss of known steps": ((9, 5), ctc, (None,)),
    "a loss of unknown steps": ((None, 5), ctc, (None,)),
    "as many as are not zero": ((4,), lambda x: x[x > 0], (None,)),
    "where they are not zero": ((4,), lambda x: (x > 0).nonzero(), (None, 2)),
}


@pytest.mark.parametrize(
    ("shape", "function", "expected"), [*WINDOWS.values(), *NUMBERS.values()], ids=[*WINDOWS, *NUMBERS]
)
def test_a_shape_is_found_by_running(shape: Any, function: Any, expected: Any) -> None:
    assert Of(function)(Input(shape)).shape == expected
    assert layers.Lambda(lambda x: function(x))(Input(shape)).shape == expected
    assert Sequential([Input(shape), Of(function)]).output_shape == expected


def test_what_is_run_leaves_nothing_behind() -> None:
    class Counting(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))
            self.weight = torch.nn.Parameter(torch.ones(5))

        def call(self, x: Tensor) -> Tensor:
            self.calls += 1
            return ctc(x * self.weight) + torch.rand(())

    layer, state = Counting(), torch.get_rng_state()
    assert layer(Input((None, 5))).shape == (None,)
    assert float(layer.calls) == 0
    assert torch.equal(torch.get_rng_state(), state)
    x = np.random.default_rng(0).normal(size=(3, 9, 5)).astype("float32")
    assert layer(torch.tensor(x)).shape == (3,)
    assert float(layer.calls) == 1


def test_layers_inside_are_built_on_a_window_that_is_long_enough() -> None:
    class Windows(Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner = layers.Dense(3)

        def call(self, x: Tensor) -> Tensor:
            return self.inner(x.unfold(-1, 50, 25))

    model = Windows()
    model.build((None, None))
    assert model.inner.kernel.shape == (50, 3) if hasattr(model.inner, "kernel") else model.count_params() == 153
    assert model.compute_output_shape((None, None)) == (None, None, 3)


def test_a_code_that_does_not_run_says_why() -> None:
    with pytest.raises(
        ArgumentError, match=r"its output shape for input \(None, None, 3\) is not known, .* Define compute"
    ):
        Of(lambda x: x @ torch.ones(4, 2))(Input((None, 3)))


def test_a_shape_of_no_argument_is_refused() -> None:
    class Two(layers.Layer):
        def call(self, a: Tensor, b: Tensor) -> Tensor:
            return a + b

        def compute_output_shape(self, a_shape: Any, c_shape: Any) -> Any:
            return a_shape

    message = r"'two': compute_output_shape takes c_shape, but a call has no argument 'c'; it takes a, b"
    with pytest.raises(ArgumentError, match=message):
        Two(name="two")(Input((3,)), Input((3,)))


def test_an_output_shape_follows_from_all_tensors_of_the_latest_call() -> None:
    class Two(layers.Layer):
        def call(self, a: Tensor, b: Tensor) -> Tensor:
            return torch.cat([a, b], -1)

        def compute_output_shape(self, a_shape: Any, b_shape: Any) -> Any:
            return (*a_shape[:-1], a_shape[-1] + b_shape[-1])

    layer = Two()
    assert layer(Input((3,)), b=Input((4,))).shape == (None, 7)
    assert layer.output_shape == (None, 7)
