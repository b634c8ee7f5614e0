"""What `from_torch` refuses, by name, with the line of the module's code; and what it is called with."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from _close import assert_close
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import remove_parametrizations

import kerastorch as kt
from kerastorch.errors import ArgumentError, UnsupportedError
from kerastorch.interop._comparing import compare_on, evaluating
from kerastorch.interop._example import Example, Given

from ._helpers import of_model, randomize, translated
from ._zoo import FEATURES, LastOutput, Tagger, TimeFirst, series, words


class Function(nn.Module):
    """One function of a series."""

    def __init__(self, function: Callable[[Any, Tensor], Any], **parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def assign(x: Tensor, key: Any, value: Any = 0.0) -> Tensor:
    x = x.clone()
    x[key] = value
    return x


def set_data(x: Tensor) -> Tensor:
    x = x.clone()
    x.data = x * 2
    return x


REFUSED: dict[str, tuple[Callable[[Any, Tensor], Any], str]] = {
    "unknown function": (lambda m, x: torch.fft.rfft(x).abs(), "fft_rfft: it is not among the functions"),
    "batch mean": (lambda m, x: x - x.mean(0), "reduced along the batch axis, and a Keras model sees every row"),
    "all axes": (lambda m, x: x.mean(), "mean over all axes: the batch axis stays"),
    "one row": (lambda m, x: x[0], "the output: rows of the batch are picked"),
    "numbers decide": (lambda m, x: x if bool((x > 0).any(1).all(1)[0]) else -x, "rows of the batch are picked"),
    "a number is read": (lambda m, x: x * float(x[:, 0, 0].max(0)[0]), "along the batch axis"),
    "list": (lambda m, x: x * torch.tensor(x.tolist()), "tolist: the numbers of a tensor decide"),
    "numpy": (lambda m, x: x + torch.from_numpy(x.numpy()).to(x), "numpy: the numbers of a tensor decide"),
    "random": (lambda m, x: x + torch.randn_like(x), "randn_like: it draws random numbers"),
    "assignment of rows": (lambda m, x: assign(x, 0), "it is assigned along the batch axis"),
    "assignment to a constant": (
        lambda m, x: assign(torch.ones(3, 7, 4), (slice(None), 0), x[:, 0]),
        "to a constant: make",
    ),
    "assignment by numbers that are computed": (
        lambda m, x: assign(x, (slice(None), x[:, 0, 0].long())),
        "for places by number, and for a mask",
    ),
    "assignment by a mask": (lambda m, x: assign(x, x > 0, m.gru.bias_hh_l0[0]), "of a tensor where a mask is true"),
    "assignment to data": (lambda m, x: set_data(x), "assignment to an attribute of a tensor"),
    "dropout for ever": (lambda m, x: F.dropout(x, 0.5), "pass training=self.training"),
    "rows counted": (lambda m, x: x.reshape(3, -1), "the batch has no axis of its own: write its size as x.size(0)"),
    "constant and index": (
        lambda m, x: torch.ones(3, 7, 4).gather(1, x.argmax(1, keepdim=True)),
        "gather of a constant, with tensors that depend on the input",
    ),
    "mask index": (lambda m, x: x[x > 0], "x[index] with a tensor"),
    "alpha": (lambda m, x: torch.add(x, x, alpha=2), "alpha=2: multiply by it before"),
    "axes meet": (lambda m, x: x[:, :3] + x[:, 0].unsqueeze(0)[..., :4], "the batch axis of one tensor meets another"),
    "joined rows": (lambda m, x: x.reshape(-1, 4), "the output: it has more rows than the batch"),
    "constant": (lambda m, x: torch.ones(3, 2), "the output: a tensor (3, 2) that does not depend on the input"),
    "size": (lambda m, x: x.size(1), "the output: 7, and a model returns tensors"),
    "baked branch": (lambda m, x: x * 2 if x.size(0) == 3 else x * 5, "output 0 differs by"),
    "baked branch of small numbers": (lambda m, x: x * 1e-9 if x.size(0) == 3 else x * 1.001e-9, "output 0 differs by"),
    "baked rows": (lambda m, x: x + torch.arange(3.0)[:, None, None], "must not depend on the batch size"),
    "literal states": (lambda m, x: m.gru(x, torch.zeros(1, 3, 5))[0], "its initial states do not depend on the batch"),
    "in-place by index": (lambda m, x: x.index_fill(1, torch.tensor([0]), 0.0), "index_fill: it is not among"),
}


def test_what_rounding_alone_leaves_is_not_refused() -> None:
    """Two large numbers of which one is taken from the other: nothing but their rounding is left, in another order."""

    def cancelled(m: Any, x: Tensor) -> Tensor:
        return m.one(x) - m.two(x)

    one, two = nn.Linear(FEATURES, 5), nn.Sequential(nn.Linear(FEATURES, 3), nn.Linear(3, 5))
    with torch.no_grad():
        one.weight.copy_(two[1].weight @ two[0].weight)
        one.bias.copy_(two[1].weight @ two[0].bias + two[1].bias)
    module = Function(cancelled, one=one, two=two)
    before = [weight.detach().clone() for weight in module.parameters()]
    model = kt.from_torch(module, series())
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), before, strict=True))
    other = kt.clone_model(model)
    layer = next(layer for layer in other.layers if layer.variables)
    layer.set_weights([array * np.float32(1.01) for array in layer.get_weights()])
    given = Example((series(),), {}, (Given(series(), "x", 0),), False)
    with evaluating(module), pytest.raises(UnsupportedError, match="output 0 differs by"):
        compare_on(module, other, given, [0], [series()], "the example")


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_its_line(name: str) -> None:
    function, message = REFUSED[name]
    module = Function(function, gru=nn.GRU(FEATURES, 5, batch_first=True))
    with pytest.raises(UnsupportedError, match=re.escape(message)) as caught:
        kt.from_torch(module, series())
    if "output" not in message:
        assert re.search(r"\(line \d+ of test_from_torch_refusals\.py: ", str(caught.value))


@pytest.mark.parametrize(
    ("part", "shape", "message"),
    [
        (nn.LSTM(4, 5, proj_size=2, batch_first=True), (3, 7, 4), "proj_size=2: Keras's LSTM has no projection"),
        (
            weight_norm(nn.Linear(4, 5)),
            (3, 4),
            "its weight is computed by a parametrization (weight_norm, spectral_norm,",
        ),
        (nn.Bilinear(4, 4, 2), (3, 4), "there is no layer for this class"),
        (nn.Embedding(5, 2, max_norm=1.0), None, "max_norm=1.0"),
        (nn.Conv1d(4, 5, 3, padding=1, padding_mode="circular"), (3, 4, 7), "padding_mode='circular'"),
        (nn.MaxPool2d(3, 2, 1), (3, 2, 8, 8), "torch's padding only for strides of 1"),
        (nn.BatchNorm1d(4, track_running_stats=False), (3, 4), "track_running_stats=False"),
        (nn.Softplus(2.0), (3, 4), "Keras has no activation with these settings"),
        (nn.LSTM(4, 5), (3, 7, 4), "batch_first=False takes the batch at axis 1, here it is at axis 0"),
        (nn.GRU(4, 5, batch_first=True), (7, 4), "an input of 2 axes"),
        (nn.LocalResponseNorm(2), (3, 7, 4), "there is no layer for this class"),
        (nn.MultiheadAttention(4, 2), (3, 7, 4), "batch_first=False takes the batch at axis 1"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_a_module_is_refused_with_its_name(part: nn.Module, shape: Any, message: str) -> None:
    many = isinstance(part, (nn.Bilinear, nn.MultiheadAttention))
    count = 3 if isinstance(part, nn.MultiheadAttention) else 2 if many else 1

    def function(module: Any, x: Tensor) -> Any:
        result = module.part(*[x] * count)
        return result[0] if isinstance(result, tuple) else result

    x = words(5) if shape is None else torch.randn(shape)
    with pytest.raises(UnsupportedError, match=rf"part \({type(part).__name__}\): .*" + re.escape(message)):
        kt.from_torch(Function(function, part=part), x)


def test_without_parametrizations_it_is_a_layer() -> None:
    module = randomize(Function(lambda m, x: m.part(x), part=weight_norm(nn.Conv1d(4, 5, 3), dim=1)))
    x = torch.randn(3, 4, 7)
    with torch.no_grad():
        expected = module(x)
    remove_parametrizations(module.get_submodule("part"), "weight")
    assert_close(of_model(kt.from_torch(module, x), x), [expected])


def test_everything_is_listed() -> None:
    module = Function(
        lambda m, x: m.lstm(torch.fft.rfft(x).abs())[0] + x.mean(0) + m.other(x),
        lstm=nn.LSTM(3, 4, batch_first=True),
        other=nn.CELU(0.3),
    )
    with pytest.raises(UnsupportedError) as caught:
        kt.from_torch(module, series())
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "fft_rfft",
        "it is reduced along the batch axis, and a Keras model sees every row by itself (line "
        + lines[2].partition("(line ")[2].split(":")[0],
        "other (CELU)",
    ]


def test_hooks() -> None:
    module = LastOutput()
    module.fc.register_forward_hook(lambda module, args, output: -output)
    with pytest.raises(UnsupportedError, match=r"fc \(Linear\): it has hooks, which would be lost"):
        kt.from_torch(module, series())


def test_biases_may_be_kept_apart() -> None:
    module = randomize(LastOutput())
    with pytest.raises(UnsupportedError, match=r"lstm \(LSTM\): it has two non-zero biases that are added"):
        kt.from_torch(module, series(), sum_biases=False)
    module = randomize(Function(lambda m, x: m.gru(x)[0], gru=nn.GRU(FEATURES, 5, batch_first=True)))
    model: Any = translated(module, series(), sum_biases=False)
    assert model.get_layer("gru").reset_after


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("example", "options", "message"),
    [
        (lambda: {"x": series()}, {}, "the example does not fit Tagger.forward: missing a required argument: 'words'"),
        (lambda: (words(), words(4), words()), {}, "the example does not fit Tagger.forward: too many"),
        (lambda: (words(), words(4)), {"batch_axis": 2}, "batch_axis: expected an axis of words"),
        (lambda: (words(), words(4)), {"batch_axis": {"words": "0"}}, "batch_axis: expected an axis of words"),
        (lambda: (words(), words(4)), {"dynamic_axes": [0]}, "dynamic_axes: expected axes of words without the batch"),
        (lambda: (words(), words(4)), {"dynamic_axes": {"shapes": [5]}}, "dynamic_axes: expected axes of shapes"),
        (lambda: (3, 7), {"batch_axis": 1}, "batch_axis and dynamic_axes need an example with tensors"),
    ],
)
def test_wrong_arguments(example: Any, options: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        kt.from_torch(Tagger(), example(), **options)


def test_what_the_module_says_of_a_wrong_example_is_what_is_said() -> None:
    with pytest.raises(RuntimeError, match=r"expected input\[.*|input\.size\(-1\) must be equal to input_size"):
        kt.from_torch(LastOutput(), torch.randn(3, 7, FEATURES + 1))


def test_dynamic_axes_are_what_was_stated() -> None:
    module = randomize(Tagger())
    both = (words(), words(4))
    for axes, shape in [((), (None, 7)), ([1], (None, None)), ({"words": [1], "shapes": [1]}, (None, None))]:
        model: Any = kt.from_torch(module, both, dynamic_axes=axes)
        assert [tensor.shape for tensor in model.inputs] == [shape, shape]


def test_a_batch_axis_by_name() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(FEATURES, 5)

        def forward(self, x: Tensor, factor: Tensor) -> Tensor:
            return self.gru(x)[0].transpose(0, 1) * factor[:, None]

    module, x, factor = randomize(Both()), series().transpose(0, 1), torch.randn(3, 5)
    model = kt.from_torch(module, (x, factor), batch_axis={"x": 1})
    assert_close([model([x.transpose(0, 1), factor]).detach()], [module(x, factor).detach()])


def test_one_batch_size_alone_is_seen() -> None:
    class Counted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[0] == 3, "three rows"
            return x * 2

    with pytest.raises(
        UnsupportedError, match="Counted fails on the example with one row more in the batch: three rows"
    ):
        kt.from_torch(Counted(), torch.randn(3, 4))


def test_squeeze_without_an_axis() -> None:
    module = Function(lambda m, x: x[:, :1].squeeze())
    assert translated(module, series()).output_shape == (None, FEATURES)
    with pytest.raises(UnsupportedError, match=r"squeeze\(\) without dim takes the batch axis of one row away"):
        kt.from_torch(module, series()[:1])


def test_what_has_changed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="kerastorch"):
        kt.from_torch(TimeFirst(), torch.randn(7, 3, FEATURES), batch_axis=1)
        kt.from_torch(Function(lambda m, x: m.words(x), words=nn.Embedding(5, 3, padding_idx=0)), words(5))
    assert "from_torch: lstm: the two biases of torch are one in Keras, their sum" in caplog.text
    assert "from_torch: words: Keras trains the row padding_idx=0 too" in caplog.text


@pytest.mark.parametrize("first", [nn.Flatten(), nn.ReLU(), nn.Dropout(0.1)])
def test_a_row_has_the_dtype_of_its_weights_where_the_first_has_none(first: nn.Module) -> None:
    module = randomize(nn.Sequential(first, nn.Linear(4, 5))).double().eval()
    model: Any = kt.from_torch(module)
    x = torch.randn(3, 4, dtype=torch.float64)
    with torch.no_grad():
        made = model.eval()(x)
        assert made.dtype == torch.float64
        assert_close(made, module(x))


def test_a_row_of_layers_is_a_sequential() -> None:
    module = randomize(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)))
    assert type(kt.from_torch(module, torch.randn(3, 4))) is kt.Sequential
    own = nn.Sequential(Function(lambda m, x: x * 2), *module.children())
    assert type(translated(randomize(own), torch.randn(3, 4))) is kt.Model
