"""Packed sequences: the model has padded ones and a mask, and the same numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from _close import assert_close
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import kerastorch as kt
from kerastorch.errors import UnsupportedError

from ._helpers import of_model, of_module, randomize

FEATURES = 4
KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class Packed(nn.Module):
    """Final states and all outputs of packed sequences."""

    def __init__(self, kind: str, batch_first: bool, sorted: bool, value: float = 0.0, **options: Any) -> None:
        super().__init__()
        self.batch_first, self.sorted, self.value = batch_first, sorted, value
        self.rnn = KINDS[kind](FEATURES, 5, batch_first=batch_first, **options)
        self.fc = nn.Linear(10 if options.get("bidirectional") else 5, 3)

    def forward(self, x: Tensor, lengths: Tensor) -> Any:
        packed = pack_padded_sequence(x, lengths.cpu(), self.batch_first, enforce_sorted=self.sorted)
        out, state = self.rnn(packed)
        steps = x.size(1 if self.batch_first else 0)
        out, counts = pad_packed_sequence(out, self.batch_first, self.value, total_length=steps)
        state = state[0] if isinstance(state, tuple) else state
        return self.fc(out), state[-1], counts


def example(rows: int, steps: int, batch_first: bool, sorted: bool = False) -> tuple[Tensor, Tensor]:
    lengths = torch.randint(1, steps + 1, (rows,))
    lengths[1 % rows] = steps
    lengths = lengths.sort(descending=True)[0] if sorted else lengths
    x = torch.randn(rows, steps, FEATURES)
    return (x if batch_first else x.transpose(0, 1).contiguous()), lengths


@pytest.mark.parametrize("sorted", [False, True])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2, "bidirectional": True}], ids=["one", "two of two directions"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_packed_sequences(kind: str, options: dict[str, Any], batch_first: bool, sorted: bool) -> None:
    module = randomize(Packed(kind, batch_first, sorted, 0.5, **options))
    axis: Any = {"x": 1 - batch_first}
    model: Any = kt.from_torch(module, example(4, 6, batch_first, sorted), batch_axis=axis)
    assert model.input_shape == [(None, None, FEATURES), (None,)]
    for rows, steps in ((3, 9), (5, 6), (2, 4)):
        x, lengths = example(rows, steps, batch_first, sorted)
        with torch.no_grad():
            out, state, counts = module(x, lengths)
            made = model([x if batch_first else x.transpose(0, 1), lengths])
        assert_close(made[0], out if batch_first else out.transpose(0, 1))
        assert_close(made[1], state)
        assert torch.equal(made[2], counts)


class Words(nn.Module):
    """Lengths that are counted, and outputs that are averaged over the steps that count."""

    def __init__(self) -> None:
        super().__init__()
        self.emb, self.rnn = nn.Embedding(12, 6, padding_idx=0), nn.LSTM(6, 5, batch_first=True, bidirectional=True)

    def forward(self, ids: Tensor) -> Tensor:
        lengths = (ids != 0).sum(dim=1)
        packed = pack_padded_sequence(self.emb(ids), lengths.cpu(), batch_first=True, enforce_sorted=False)
        packed, (h, _) = self.rnn(packed)
        out, _ = pad_packed_sequence(packed, batch_first=True)
        return torch.cat([out.sum(1) / lengths.unsqueeze(1), h[-2], h[-1]], -1)


def ids(rows: int, steps: int) -> Tensor:
    made = torch.randint(1, 12, (rows, steps))
    for row, count in enumerate(torch.randint(1, steps + 1, (rows - 1,)).tolist()):
        made[row, count:] = 0
    return made


def test_lengths_that_are_counted() -> None:
    module = randomize(Words())
    model: Any = kt.from_torch(module, ids(4, 7))
    assert model.input_shape == (None, None)
    for rows, steps in ((3, 11), (5, 4)):
        other = ids(rows, steps)
        with torch.no_grad():
            assert_close(of_model(model, other), of_module(module, other))
    other = ids(4, 8)
    other[:, -3:] = 0  # no row has all steps
    with torch.no_grad():
        assert_close(of_model(model, other), of_module(module, other))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_packed_sequences(kind: str) -> None:
    module = randomize(Packed(kind, True, False, num_layers=2, bidirectional=True)).double().train()
    x, lengths = example(4, 6, True)
    x = x.double().requires_grad_()
    model: Any = kt.from_torch(module, (x.detach(), lengths))
    found = []
    for outputs in (module(x, lengths), model([x, lengths])):
        weights = [torch.arange(1.0, 1 + part.numel(), dtype=part.dtype).view(part.shape).cos() for part in outputs[:2]]
        total = sum((part * weight).sum() for part, weight in zip(outputs[:2], weights, strict=True))
        found.append(torch.autograd.grad(total, x)[0])  # type: ignore[arg-type]
    assert_close(found[1], found[0])


class Inside(nn.Module):
    """What is done with the numbers of a packed sequence, before the recurrent layer and behind it."""

    def __init__(self, words: bool) -> None:
        super().__init__()
        self.emb, self.first = nn.Embedding(12, FEATURES) if words else None, nn.Linear(FEATURES, FEATURES)
        self.norm, self.dropout = nn.LayerNorm(FEATURES), nn.Dropout(0.3)
        self.rnn, self.fc = nn.LSTM(FEATURES, 5, batch_first=True, bidirectional=True), nn.Linear(10, 3)

    def forward(self, x: Tensor, lengths: Tensor) -> Any:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        data = packed.data if self.emb is None else self.emb(packed.data)
        data = self.dropout(torch.relu(self.first(data))) + self.norm(data)
        packed = PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        out, (h, _) = self.rnn(packed)
        out = out._replace(data=self.fc(out.data).log_softmax(-1))
        return pad_packed_sequence(out, batch_first=True, padding_value=-1.0, total_length=x.size(1))[0], h[-1]


def inside(words: bool, rows: int, steps: int) -> tuple[Tensor, Tensor]:
    x, lengths = example(rows, steps, True)
    return (torch.randint(0, 12, (rows, steps)) if words else x), lengths


@pytest.mark.parametrize("words", [False, True])
def test_the_numbers_of_a_packed_sequence(words: bool) -> None:
    module = randomize(Inside(words))
    model: Any = kt.from_torch(module, inside(words, 4, 6))
    assert model.input_shape == [(None, None) if words else (None, None, FEATURES), (None,)]
    for rows, steps in ((3, 9), (2, 4)):
        other = inside(words, rows, steps)
        with torch.no_grad():
            assert_close(of_model(model, other), of_module(module, other))


@pytest.mark.parametrize("module", ["lstm", "gru", "rnn", "words", "inside"])
def test_keras_has_the_same_of_packed_sequences(module: str, keras_worker: Any, tmp_path: Path) -> None:
    if module == "words":
        made, given, other = Words(), (ids(4, 7),), (ids(3, 11),)
    elif module == "inside":
        made, given, other = Inside(True), inside(True, 4, 6), inside(True, 3, 9)
    else:
        made = Packed(module, True, False, 0.5, num_layers=2, bidirectional=True)
        given, other = example(4, 6, True), example(3, 9, True)
    randomize(made)
    path = str(tmp_path / "model.keras")
    kt.save_model(kt.from_torch(made, given), path)  # type: ignore[arg-type]
    predicted = keras_worker.call("keras3", "predictions:predictions", path, [tensor.numpy() for tensor in other])
    with torch.no_grad():
        expected = made(*other)
    for one, its in zip(predicted, expected if isinstance(expected, tuple) else [expected], strict=True):
        assert_close(one, its)


class Refused(nn.Module):
    def __init__(self, what: str) -> None:
        super().__init__()
        self.rnn, self.fc, self.what = nn.GRU(FEATURES, 5, batch_first=True), nn.Linear(5, 2), what

    def forward(self, x: Tensor, lengths: Any) -> Any:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        if self.what == "inside":
            return self.fc(self.rnn(packed)[0].data)
        if self.what == "as it is":
            return self.rnn(packed)[0]
        if self.what == "view":
            return packed.data.view(-1, 2, 2).sum(-1)
        if self.what == "mean":
            return self.rnn(packed._replace(data=packed.data - packed.data.mean(0)))[1]
        out, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
        return out[:, -1] if self.what == "last" else out


@pytest.mark.parametrize(
    ("what", "lengths", "message"),
    [
        ("inside", torch.tensor([7, 3, 5]), "the output: the numbers of a packed sequence, of which a model has the"),
        ("as it is", torch.tensor([7, 3, 5]), "the output: the numbers of a packed sequence, of which a model has the"),
        ("view", torch.tensor([7, 3, 5]), "not as many rows as steps count: pad_packed_sequence before (line"),
        ("mean", torch.tensor([7, 3, 5]), "before (mean along an axis that joins the batch with another one)"),
        ("last", torch.tensor([7, 3, 5]), "output 0 differs by"),
        ("all", torch.tensor([7, 3, 5]), "output 0 has the shape"),
        ("all", torch.tensor([6, 3, 5]), "pad_packed_sequence gives 6 steps where x has 7"),
        ("all", [7, 3, 5], "its lengths must be numbers (batch,) that depend on the input"),
    ],
)
def test_what_is_refused_of_packed_sequences(what: str, lengths: Any, message: str) -> None:
    with pytest.raises(UnsupportedError, match=re.escape(message)):
        kt.from_torch(randomize(Refused(what)), (torch.randn(3, 7, FEATURES), lengths))
