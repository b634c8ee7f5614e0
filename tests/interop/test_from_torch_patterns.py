"""Models in further public patterns, and the functions that some of them need, against torch and live Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from _close import assert_close
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

import kerastorch as kt
from kerastorch.errors import UnsupportedError

from ._helpers import DTYPES, arrays, in_dtype, inputs_of, of_model, of_module, randomize
from ._patterns import WORDS_IN, words
from ._patterns_pooled import POOLED_IN
from ._patterns_signals import SIGNALS_IN

PATTERNS = {**WORDS_IN, **SIGNALS_IN, **POOLED_IN}


def made(name: str, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, Any, Any]:
    make, example = PATTERNS[name]
    torch.manual_seed(3)
    module = randomize(make()).to(dtype)
    given = in_dtype(example(), dtype)
    return module, given, kt.from_torch(module, given)


@contextmanager
def default(dtype: torch.dtype) -> Iterator[None]:
    """What `torch.zeros` makes inside."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PATTERNS)
def test_outputs(name: str, dtype: torch.dtype) -> None:
    with torch.no_grad(), default(dtype):
        module, _, model = made(name, dtype)
        other = in_dtype(PATTERNS[name][1](), dtype)  # other numbers than those that it was made with
        assert_close(of_model(model, other), of_module(module, other))


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("name", PATTERNS)
def test_keras_predicts_the_same(name: str, ending: str, keras_worker: Any, tmp_path: Path) -> None:
    module, example, model = made(name)
    path = str(tmp_path / f"model.{ending}")
    kt.save_model(model, path)
    predicted = keras_worker.call("keras3", "predictions:predictions", path, arrays(inputs_of(example)))
    with torch.no_grad():
        assert_close(predicted, of_module(module, example))


class Function(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        self.rnn = nn.GRU(4, 5, batch_first=True)

    def forward(self, x: Tensor, n: Tensor) -> Any:
        return self.function(self, x, n)


def example() -> tuple[Tensor, Tensor]:
    return torch.randn(4, 7, 4), torch.tensor([3, 7, 5, 1])


def ids(x: Tensor) -> Tensor:
    return (x.abs() * 3).long().clamp(max=5)[..., 0]


def places(x: Tensor) -> Tensor:
    return ids(x).unsqueeze(2) % 5


OTHERS: dict[str, Callable[[Any, Tensor, Tensor], Any]] = {
    **{f"norm {p}": lambda m, x, n, p=p: m.rnn(x)[0].norm(p, dim=-1) for p in (0, 1, 1.5, 2, 3, float("inf"))},
    "least": lambda m, x, n: torch.linalg.vector_norm(m.rnn(x)[0], ord=-float("inf"), dim=2, keepdim=True),
    "matrix": lambda m, x, n: torch.linalg.norm(m.rnn(x)[0][:, :3], ord="fro", dim=(1, 2)),
    "normalized": lambda m, x, n: nn.functional.normalize(m.rnn(x)[0], p=1.0, dim=-1),
    "distance": lambda m, x, n: nn.functional.pairwise_distance(m.rnn(x)[0][:, -1], m.rnn(x)[0][:, 0], p=1),
    "windows": lambda m, x, n: m.rnn(x)[0].unfold(1, 4, 1),
    "windows with steps": lambda m, x, n: m.rnn(x)[0].unfold(1, 2, 3).mean(-1),
    "windows of features": lambda m, x, n: m.rnn(x)[0].unfold(-1, 2, 2),
    "scatter_add": lambda m, x, n: x.new_zeros(x.size(0), 6).scatter_add(1, ids(x), m.rnn(x)[0][..., 0]),
    "of several axes": lambda m, x, n: m.rnn(x)[0].scatter_add(
        2, ids(x).unsqueeze(2).expand(-1, -1, 2) % 5, x[..., :2]
    ),
    "along the middle": lambda m, x, n: m.rnn(x)[0][:, :3].scatter_add_(
        1, (ids(x)[:, :2] % 3).unsqueeze(2).expand(-1, -1, 5), m.rnn(x)[0][:, :2]
    ),
    "scatter of a number": lambda m, x, n: torch.zeros(x.size(0), 8).scatter_(1, n.unsqueeze(1), 1.0),
    "scatter by value": lambda m, x, n: m.rnn(x)[0].scatter(2, places(x), value=-3.0),
    "scatter of one": lambda m, x, n: m.rnn(x)[0].scatter(2, places(x), x[..., :1]),
    "scatter_reduce": lambda m, x, n: x.new_ones(x.size(0), 6).scatter_reduce(1, ids(x), x[..., 0], "sum"),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OTHERS)
def test_functions(name: str, dtype: torch.dtype) -> None:
    module = randomize(Function(OTHERS[name])).to(dtype)
    with torch.no_grad(), default(dtype):
        model: Any = kt.from_torch(module, in_dtype(example(), dtype))
        other = in_dtype(example(), dtype)
        assert_close(of_model(model, other), of_module(module, other))


def test_keras_computes_the_same(keras_worker: Any, tmp_path: Path) -> None:
    def everything(m: Any, x: Tensor, n: Tensor) -> list[Tensor]:
        return [function(m, x, n) for function in OTHERS.values()]

    module, given = randomize(Function(everything)), example()
    path = str(tmp_path / "model.keras")
    kt.save_model(kt.from_torch(module, given), path)  # type: ignore[arg-type]
    predicted = keras_worker.call("keras3", "predictions:predictions", path, arrays(inputs_of(given)))
    with torch.no_grad():
        for name, found, wanted in zip(OTHERS, predicted, of_module(module, given), strict=True):
            assert_close({name: found}, {name: wanted})


# ---------------------------------------------------------------- rows in an order


def packed(m: Any, x: Tensor, n: Tensor) -> Tensor:
    order = n.argsort(descending=True)
    return m.rnn(pack_padded_sequence(x[order], n[order].cpu(), batch_first=True))[1][-1], order


def test_rows_that_are_not_put_back_are_seen() -> None:
    """Also where the rows of the example are in that order already."""

    def put_back(m: Any, x: Tensor, n: Tensor) -> Tensor:
        h, order = packed(m, x, n)
        return h[order.argsort()]

    def left(m: Any, x: Tensor, n: Tensor) -> Tensor:
        return packed(m, x, n)[0]

    for lengths in ([3, 7, 5, 1], [7, 5, 3, 1], [7, 7, 3, 3]):
        x, n = torch.randn(4, 7, 4), torch.tensor(lengths)
        for check in (True, False):
            kt.from_torch(randomize(Function(put_back)), (x, n), check=check)
            with pytest.raises(UnsupportedError, match=r"Rows that forward sorts must be put back"):
                kt.from_torch(randomize(Function(left)), (x, n), check=check)
    with pytest.raises(UnsupportedError, match=r"is not seen on an example in which all are equal; give it different"):
        kt.from_torch(randomize(Function(put_back)), (torch.randn(3, 7, 4), torch.tensor([7, 7, 7])))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda m, x, n: m.rnn(x)[0] + n.argsort()[:, None, None], "the order of the rows is for x"),
        (lambda m, x, n: m.rnn(x)[0][:, n.argsort()], "rows in another order, in another way than x"),
        (lambda m, x, n: m.rnn(x)[0].scatter(2, places(x).expand(-1, -1, 2), x[..., :2]), "use scatter_add"),
        (lambda m, x, n: m.rnn(x)[0].scatter_reduce(2, places(x), x[..., :1], "amax"), "reduce='amax'"),
        (lambda m, x, n: x.new_zeros(x.size(0), 6).scatter_add(1, ids(x), torch.ones(4, 7)), "scatter_add of a tensor"),
        (lambda m, x, n: torch.linalg.norm(m.rnn(x)[0], ord=2, dim=(1, 2)), "linalg.norm of matrices with ord=2"),
        (lambda m, x, n: nn.functional.unfold(m.rnn(x)[0][:, None], (2, 2)), "in another way than x.unfold|unfold"),
    ],
)
def test_what_is_refused(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        kt.from_torch(Function(function), (torch.randn(4, 7, 4), torch.tensor([3, 7, 5, 1])))


# ---------------------------------------------------------------- states as arguments


class CharRNN(nn.Module):
    """Hidden states go in and out, with the layers in front, as torch has them."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 5)
        self.rnn = kind(5, 6, 2, batch_first=True, dropout=0.5)
        self.out = nn.Linear(6, 11)

    def forward(self, text: Tensor, hidden: Any) -> tuple[Tensor, Any]:
        made, hidden = self.rnn(self.words(text), hidden)
        return self.out(made), hidden


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_states_have_their_batch_behind_the_layers(kind: Any, keras_worker: Any, tmp_path: Path) -> None:
    states: Any = torch.randn(2, 3, 6) if kind is not nn.LSTM else (torch.randn(2, 3, 6), torch.randn(2, 3, 6))
    module, text = randomize(CharRNN(kind)), words()
    model: Any = kt.from_torch(module, (text, states))
    assert [tuple(tensor.shape) for tensor in model.inputs[1:]] == [(None, 2, 6)] * (1 + (kind is nn.LSTM))
    with torch.no_grad():
        out, last = module(text, states)
    flat = list(states) if isinstance(states, tuple) else [states]
    given = [text, *(state.movedim(1, 0) for state in flat)]
    wanted = [out, *(state.movedim(1, 0) for state in (last if isinstance(last, tuple) else [last]))]
    with torch.no_grad():
        assert_close(of_model(model, tuple(given)), wanted)
    path = str(tmp_path / "model.keras")
    kt.save_model(model, path)
    assert_close(keras_worker.call("keras3", "predictions:predictions", path, arrays(given)), wanted)


def test_states_that_do_not_show_their_batch_are_told() -> None:
    with pytest.raises(UnsupportedError, match=r"here the batch is at axis 0: .* say so with batch_axis=\{'h': 1\}"):
        kt.from_torch(CharRNN(nn.GRU), (words()[:2], torch.randn(2, 2, 6)))
    kt.from_torch(CharRNN(nn.GRU), (words()[:2], torch.randn(2, 2, 6)), batch_axis={"hidden": 1})
