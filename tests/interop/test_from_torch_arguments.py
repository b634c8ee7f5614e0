"""How a module is called, and what it returns: names of arguments, options by name, nested and named outputs."""

# torch's stubs list one spelling of each argument, and these tests are about the others.
# pyright: reportCallIssue=false, reportArgumentType=false, reportIndexIssue=false

from __future__ import annotations

import inspect
import logging
import re
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from _close import assert_close
from torch import Tensor, nn
from torch.overrides import get_testing_overrides

import kerastorch as kt
from kerastorch.errors import ArgumentError, UnsupportedError
from kerastorch.interop._spelling import spelled
from kerastorch.interop._whole import _FUNCTIONS

from ._helpers import of_model, of_module, randomize

FEATURES = 4


class Stateful(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.fc = nn.LSTM(FEATURES, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x: Tensor, hidden: tuple[Tensor, Tensor], *more: Tensor, scale: Tensor) -> Tensor:
        out = self.fc(self.lstm(x, hidden)[0]) * scale.unsqueeze(-1)
        for item in more:
            out = out + item.unsqueeze(-1)
        return out


def states(rows: int) -> tuple[Tensor, Tensor]:
    return torch.randn(1, rows, 5), torch.randn(1, rows, 5)


class OfHidden(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, 5, batch_first=True)

    def forward(self, x: Tensor, hidden: tuple[Tensor, Tensor]) -> Tensor:
        return self.lstm(x, hidden)[0]


@pytest.mark.parametrize(
    "axes", [{"hidden": 1}, {"hidden_0": 1, "hidden_1": 1}, {"hidden": 0, "hidden_0": 1, "hidden_1": 1}]
)
def test_axes_by_the_name_of_an_argument_or_of_an_input(axes: dict[str, int]) -> None:
    module = randomize(OfHidden())
    model: Any = kt.from_torch(module, (torch.randn(3, 7, FEATURES), states(3)), batch_axis=axes)
    x, hidden = torch.randn(2, 9, FEATURES), states(2)
    with torch.no_grad():
        made = model([x, *(state.transpose(0, 1) for state in hidden)])
        assert_close(made, module(x, hidden))


@pytest.mark.parametrize("option", ["batch_axis", "dynamic_axes"])
@pytest.mark.parametrize("key", ["hiddne", "hidden_2", "0"])
def test_unknown_names_are_refused_with_those_that_there_are(option: str, key: str) -> None:
    value = {key: 1 if option == "batch_axis" else [1]}
    message = f"{option}: expected names among 'x', 'hidden_0', 'hidden', 'hidden_1', got '{key}'"
    with pytest.raises(ArgumentError, match=re.escape(message)):
        kt.from_torch(OfHidden(), (torch.randn(3, 7, FEATURES), states(3)), **{option: value})


class Product(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(FEATURES, 3)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        return self.fc(query) - 2 * self.fc(key)


@pytest.mark.parametrize("named", [False, True])
def test_one_tensor_as_two_arguments(named: bool) -> None:
    module, x = randomize(Product()), torch.randn(3, 7, FEATURES)
    model: Any = kt.from_torch(module, {"key": x, "query": x} if named else (x, x))
    query, key = torch.randn(2, 5, FEATURES), torch.randn(2, 5, FEATURES)
    with torch.no_grad():
        made = model({"query": query, "key": key} if named else [query, key])
        assert_close(made, module(query, key))


class Pair(NamedTuple):
    sequence: Tensor
    last: Tensor


Other = namedtuple("Other", ["last", "pair"])


@dataclass
class Output:
    sequence: Tensor
    last: Tensor


class Returns(nn.Module):
    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.rnn, self.function = nn.GRU(FEATURES, 5, batch_first=True), function

    def forward(self, x: Tensor) -> Any:
        return self.function(self.rnn(x)[0])


@pytest.mark.parametrize(
    "function",
    [lambda o: Pair(o, o[:, -1]), lambda o: Other(o[:, -1], Pair(o, o[:, 0])), lambda o: o.max(1), lambda o: o.sort(1)],
    ids=["named tuple", "nested", "of torch", "of torch again"],
)
def test_a_named_tuple_is_a_tuple(function: Callable[[Tensor], Any]) -> None:
    module = randomize(Returns(function))
    model: Any = kt.from_torch(module, torch.randn(3, 7, FEATURES))
    x = torch.randn(2, 9, FEATURES)
    with torch.no_grad():
        made, expected = model(x), module(x)
    flat = [made[0], *made[1]] if isinstance(expected, Other) else list(made)
    wanted = [expected[0], *expected[1]] if isinstance(expected, Other) else list(expected)
    assert type(made) is tuple
    for one, other in zip(flat, wanted, strict=True):
        assert_close(one, other)


def test_a_dataclass_is_a_dict_of_its_fields() -> None:
    module = randomize(Returns(lambda o: Output(o, o[:, -1])))
    model: Any = kt.from_torch(module, torch.randn(3, 7, FEATURES))
    x = torch.randn(2, 9, FEATURES)
    with torch.no_grad():
        made, expected = model(x), module(x)
    assert list(made) == ["sequence", "last"]
    assert_close(made["sequence"], expected.sequence)
    assert_close(made["last"], expected.last)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda o: (o, None), "the output: None, and a model returns tensors"),
        (lambda o: (o, 3), "the output: 3, and a model returns tensors"),
        (lambda o: {"out": o, "kind": "rnn"}, "the output: 'rnn', and a model returns tensors"),
        (lambda o: Output(o, None), "the output: None, and a model returns tensors"),  # type: ignore[arg-type]
        (lambda o: (o, o.size(0)), "the output: a size (3 in the example), and a model returns tensors"),
        (lambda o: (o, object), "the output: a type, and a model returns tensors"),
        (lambda o: (o, torch.ones(2)), "the output: a tensor (2,) that does not depend on the input"),
        (lambda o: (), "the output: forward returns no tensor"),
    ],
)
def test_why_an_output_is_refused(function: Callable[[Tensor], Any], message: str) -> None:
    with pytest.raises(UnsupportedError, match=re.escape(message)):
        kt.from_torch(randomize(Returns(function)), torch.randn(3, 7, FEATURES))


# ---------------------------------------------------------------- torch's other spellings

SPELLED: dict[str, Callable[[Any, Tensor], Any]] = {
    "flip": lambda m, x: x.flip(dims=(1,)),
    "flip of torch": lambda m, x: torch.flip(input=x, dims=[1, 2]),
    "permute": lambda m, x: x.permute(dims=(0, 2, 1)),
    "permute of torch": lambda m, x: torch.permute(x, dims=(0, 2, 1)),
    "sum": lambda m, x: x.sum(axis=1) + torch.sum(x, axis=-2, keepdims=True)[:, 0],
    "cat": lambda m, x: torch.cat((x, x * 2), axis=-1),
    "stack": lambda m, x: torch.stack([x, x * 2], axis=1),
    "mean": lambda m, x: torch.mean(input=x, axis=(1, 2), keepdim=True),
    "max": lambda m, x: torch.max(x, axis=1)[0] + torch.amax(x, axis=1),
    "softmax": lambda m, x: torch.softmax(input=x, axis=1),
    "std": lambda m, x: x.std(axis=2, unbiased=False),
    "cumsum": lambda m, x: torch.cumsum(x, axis=1),
    "squeeze": lambda m, x: x[:, :1].squeeze(axis=1) + torch.unsqueeze(x, axis=1)[:, 0, 0],
    "add": lambda m, x: torch.add(input=x, other=x) + torch.maximum(input=x, other=-x),
    "matmul": lambda m, x: torch.matmul(input=x, other=x.mT) @ torch.bmm(input=x, mat2=x.mT),
    "view": lambda m, x: torch.reshape(input=x, shape=(x.size(0), -1))[:, :7],
    "reshape method": lambda m, x: x.reshape(shape=(x.size(0), x.size(1), 2, 2)),
    "view method": lambda m, x: x.view(size=(x.size(0), x.size(1), 2, 2)),
    "expand": lambda m, x: x[:, :1].expand(size=(-1, 3, -1)),
    "repeat": lambda m, x: x.repeat(repeats=(1, 1, 2)),
    "tile": lambda m, x: torch.tile(input=x, dims=(1, 1, 2)) + x.tile(dims=(1, 1, 2)),
    "transpose": lambda m, x: torch.transpose(input=x, dim0=1, dim1=2),
    "where": lambda m, x: torch.where(condition=x > 0, input=x, other=-2 * x),
    "clamp": lambda m, x: torch.clamp(input=x, min=-0.5, max=0.5),
    "gather": lambda m, x: torch.gather(input=x, dim=1, index=x.argmax(axis=1, keepdims=True)),
    "index_select": lambda m, x: torch.index_select(input=x, dim=2, index=torch.tensor([1, 0])),
    "chunk": lambda m, x: torch.chunk(input=x, chunks=2, axis=2)[1],
    "split": lambda m, x: torch.split(x, split_size_or_sections=2, dim=2)[1],
    "split method": lambda m, x: x.split(split_size=2, dim=2)[0],
    "unbind": lambda m, x: torch.unbind(input=x, dim=2)[1],
    "linear": lambda m, x: F.linear(input=x, weight=m.fc.weight, bias=m.fc.bias),
    "masked_fill": lambda m, x: torch.masked_fill(input=x, mask=x > 0, value=3.0),
    "roll": lambda m, x: torch.roll(input=x, shifts=1, dims=2),
    "roll of two": lambda m, x: torch.roll(x, shifts=(1, 2), dims=(2, 1)),
    "norm": lambda m, x: torch.linalg.vector_norm(x, dim=2) + x.norm(p=2, dim=-1),
    "mv": lambda m, x: torch.mv(x[:, 0], vec=m.fc.bias.detach().clone()),
    "swapdims": lambda m, x: x.swapaxes(axis0=1, axis1=2),
    "pow": lambda m, x: torch.pow(input=x, exponent=2),
    "layer_norm": lambda m, x: F.layer_norm(input=x, normalized_shape=(4,)),
    "tril": lambda m, x: torch.tril(input=x, diagonal=1),
    "pad": lambda m, x: F.pad(input=x, pad=(1, 0), value=2.0),
    "topk": lambda m, x: torch.topk(input=x, k=2, dim=2)[0],
    "flatten": lambda m, x: torch.flatten(input=x[:, :, :, None], start_dim=2),
    "unflatten": lambda m, x: torch.unflatten(x, dim=2, sizes=(2, 2)),
    "movedim": lambda m, x: torch.movedim(input=x, source=1, destination=2),
    "select": lambda m, x: torch.select(input=x, dim=1, index=0),
    "narrow": lambda m, x: torch.narrow(input=x, dim=1, start=2, length=3),
    "logsumexp": lambda m, x: torch.logsumexp(input=x, dim=2),
}  # fmt: skip


class Function(nn.Module):
    def __init__(self, function: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.fc, self.function = nn.Linear(FEATURES, FEATURES), function

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


@pytest.mark.parametrize("name", SPELLED)
def test_other_spellings_of_arguments(name: str) -> None:
    module = randomize(Function(SPELLED[name]))
    model: Any = kt.from_torch(module, torch.randn(3, 7, FEATURES))
    x = torch.randn(2, 7, FEATURES)
    with torch.no_grad():
        assert_close(of_model(model, x), of_module(module, x))


def test_every_argument_has_the_name_that_it_has_in_torch() -> None:
    """torch's own table of signatures. What it lists otherwise than it is, or takes in a form that Keras has not:"""
    other = {"logsumexp": "names", "repeat_interleave": "repeats", "roll": "dims", "where": "input", "gather": "dim"}
    other["scatter"] = "dim"  # the one of several processes
    wrong = []
    for function, stand_in in get_testing_overrides().items():
        name = getattr(function, "__name__", "")
        if name not in _FUNCTIONS or name.startswith("__"):
            continue
        ours = inspect.signature(_FUNCTIONS[name])
        names = [
            parameter.name
            for parameter in inspect.signature(stand_in).parameters.values()
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.default is parameter.empty
        ]
        if any(p.kind is p.VAR_POSITIONAL for p in ours.parameters.values()):
            continue
        args, kwargs = spelled(ours, (None,), dict.fromkeys(names, 1))
        try:
            ours.bind(*args, **kwargs)
        except TypeError as error:
            if f"'{other.get(name)}'" not in str(error):
                wrong.append(f"{name}({', '.join(names)}): {error}")
    assert wrong == []


# ---------------------------------------------------------------- parameters that are asked, and tables


class Asks(nn.Module):
    """It asks a parameter for its dtype, device and sizes, as generated code for initial states does."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, 5, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        weight = next(self.lstm.parameters())
        units = self.lstm.weight_hh_l0.shape[1]
        zeros = weight.new_zeros(1, x.size(0), units)
        other = torch.zeros(1, x.size(0), self.lstm.weight_hh_l0.size(-1)).type_as(weight).to(weight)
        return self.lstm(x, (zeros, other))[0] * weight.dim() + weight.numel() - len(weight)


def test_a_question_about_a_parameter_is_no_use_of_it() -> None:
    module = randomize(Asks())
    model: Any = kt.from_torch(module, torch.randn(3, 7, FEATURES))
    x = torch.randn(2, 9, FEATURES)
    with torch.no_grad():
        assert_close(of_model(model, x), of_module(module, x))


class Tables(nn.Module):
    def __init__(self, both: bool) -> None:
        super().__init__()
        self.words, self.both = nn.Embedding(20, 6), both
        self.table = nn.Parameter(torch.randn(20, 3))
        self.register_buffer("fixed", torch.randn(20, 2))

    def forward(self, ids: Tensor) -> Tensor:
        found = [F.embedding(ids, self.words.weight), F.embedding(input=ids, weight=self.table, padding_idx=0)]
        found += [F.embedding(ids, self.fixed)] + ([self.words(ids)] if self.both else [])
        return torch.cat(found, -1)


@pytest.mark.parametrize("both", [False, True])
def test_embedding_as_a_function(both: bool, caplog: pytest.LogCaptureFixture) -> None:
    module = randomize(Tables(both))
    with caplog.at_level(logging.INFO, logger="kerastorch"):
        model: Any = kt.from_torch(module, torch.randint(0, 20, (3, 7)))
    assert "table: Keras trains the row padding_idx=0 too" in caplog.text
    names = [layer.name for layer in model.layers if layer._class_name == "Embedding"]
    assert names == ["words", "table", "fixed"]
    assert [model.get_layer(name).trainable for name in names] == [True, True, False]
    ids = torch.randint(0, 20, (2, 9))
    with torch.no_grad():
        assert_close(of_model(model, ids), of_module(module, ids))


@pytest.mark.parametrize("option", [{"max_norm": 1.0}, {"scale_grad_by_freq": True}, {"sparse": True}])
def test_embedding_with_options_of_torch_alone(option: dict[str, Any]) -> None:
    class Option(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(20, 6)

        def forward(self, ids: Tensor) -> Tensor:
            return F.embedding(ids, self.words.weight, **option)

    with pytest.raises(UnsupportedError, match="embedding with max_norm, scale_grad_by_freq or sparse"):
        kt.from_torch(Option(), torch.randint(0, 20, (3, 7)))
