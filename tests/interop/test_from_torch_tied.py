"""One parameter in several places of a module (tied weights): one layer in Keras, with one gradient, or a refusal."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from _close import KERAS, assert_close
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import UnsupportedError

from ._helpers import DTYPES, arrays, in_dtype, inputs_of, of_model, of_module, randomize
from ._zoo import FEATURES, WORDS


class Parts(nn.Module):
    """Modules by name, what is done with them first, and a function of the arguments."""

    def __init__(self, function: Callable[..., Any], tie: Callable[[Any], None] = lambda m: None, **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        tie(self)
        self.function = function

    def forward(self, *args: Tensor) -> Any:
        return self.function(self, *args)


def words(rows: int = 3, steps: int = 7) -> Tensor:
    return torch.randint(1, WORDS, (rows, steps))  # none is padding, which only torch does not train


def both(rows: int = 3, steps: int = 7) -> tuple[Tensor, Tensor]:
    return words(rows, steps), words(rows, steps + 2)


def series(rows: int = 3, steps: int = 7) -> Tensor:
    return torch.randn(rows, steps, FEATURES)


def share(*names: str) -> Callable[[Any], None]:
    """Ties: `share("out.weight", "emb.weight")`: the first becomes the second."""

    def tie(module: Any) -> None:
        for one, other in zip(names[::2], names[1::2], strict=True):
            owner, _, name = one.rpartition(".")
            setattr(module.get_submodule(owner), name, module.get_parameter(other))

    return tie


def share_all(one: str, other: str) -> Callable[[Any], None]:
    def tie(module: Any) -> None:
        for name, parameter in module.get_submodule(other).named_parameters():
            setattr(module.get_submodule(one), name, parameter)

    return tie


def same_module(module: Any) -> None:
    module.b = module.a


def embedded(**more: Any) -> dict[str, Any]:
    return {"emb": nn.Embedding(WORDS, 5), "rnn": nn.GRU(5, 5, batch_first=True), **more}


def pair(make: Callable[[], nn.Module], other: Callable[[], nn.Module] | None = None) -> dict[str, Any]:
    return {"a": make(), "b": (other or make)(), "rnn": nn.GRU(FEATURES, FEATURES, batch_first=True)}


def gru() -> nn.Module:
    return nn.GRU(FEATURES, FEATURES, batch_first=True)


def linear() -> nn.Module:
    return nn.Linear(FEATURES, FEATURES)


def encoder() -> nn.Module:
    return nn.TransformerEncoderLayer(FEATURES, 2, 6, batch_first=True)


def tied_words(m: Any, source: Tensor, target: Tensor) -> Any:
    states = m.rnn(m.emb(source))[1]
    return m.out(m.rnn(m.again(target), states)[0]), m.out(states[-1])


def chain(m: Any, x: Tensor) -> Tensor:
    return m.b(torch.tanh(m.a(m.rnn(x)[0])))


# Name -> (module, arguments, the layers that have weights)
Case = tuple[Callable[[], nn.Module], Callable[..., Any], list[str]]
TIED: dict[str, Case] = {
    "words in and out": (
        lambda: Parts(
            lambda m, w: m.out(m.rnn(m.emb(w))[0]),
            share("out.weight", "emb.weight"),
            **embedded(out=nn.Linear(5, WORDS)),
        ),
        words,
        ["emb", "out_bias", "rnn"],
    ),
    "words by function": (
        lambda: Parts(lambda m, w: F.linear(m.rnn(m.emb(w))[0], m.emb.weight, m.bias), **embedded(bias=vector(WORDS))),
        words,
        ["bias", "emb", "rnn"],
    ),
    "words by product": (
        lambda: Parts(lambda m, w: m.rnn(m.emb(w))[0][:, -1] @ m.emb.weight.t(), **embedded()),
        words,
        ["emb", "rnn"],
    ),
    "words by einsum": (
        lambda: Parts(lambda m, w: torch.einsum("btd,vd->btv", m.rnn(m.emb(w))[0], m.emb.weight), **embedded()),
        words,
        ["emb", "rnn"],
    ),
    "words of encoder and decoder": (
        lambda: Parts(
            tied_words,
            share("again.weight", "emb.weight", "out.weight", "emb.weight"),
            **embedded(again=nn.Embedding(WORDS, 5, padding_idx=0), out=nn.Linear(5, WORDS, bias=False)),
        ),
        both,
        ["emb", "rnn"],
    ),
    "a row of the table": (
        lambda: Parts(lambda m, w: m.rnn(m.emb(w))[0] + m.emb.weight[2] * m.emb.weight.mean(0), **embedded()),
        words,
        ["emb", "rnn"],
    ),
    "parameters joined": (
        lambda: Parts(
            lambda m, x: (
                m.rnn(x)[0] @ torch.cat([m.w, m.v[None], torch.ones(1, FEATURES, dtype=x.dtype)]).mT * m.w[0, 0]
            ),
            rnn=gru(),
            w=nn.Parameter(torch.zeros(2, FEATURES)),
            v=vector(FEATURES),
        ),
        series,
        ["rnn", "v", "w"],
    ),
    "one matrix": (
        lambda: Parts(chain, share("b.weight", "a.weight"), **pair(linear)),
        series,
        ["a", "a_bias", "b_bias", "rnn"],
    ),
    "one bias": (
        lambda: Parts(chain, share("b.bias", "a.bias"), **pair(linear)),
        series,
        ["a", "a_bias", "b", "rnn"],
    ),
    "one module": (lambda: Parts(chain, same_module, **pair(linear)), series, ["a", "rnn"]),
    "all of two modules": (lambda: Parts(chain, share_all("b", "a"), **pair(linear)), series, ["a", "rnn"]),
    "module and function": (
        lambda: Parts(lambda m, x: F.linear(m.a(x), m.a.weight, m.a.bias) + m.rnn(x)[0], **pair(linear)),
        series,
        ["a", "rnn"],
    ),
    "there and back": (
        lambda: Parts(
            lambda m, x: F.linear(m.rnn(m.a(x))[0], m.a.weight.t(), m.bias),
            a=nn.Linear(FEATURES, 3),
            rnn=nn.GRU(3, 3, batch_first=True),
            bias=vector(FEATURES),
        ),
        series,
        ["a_bias", "a_weight", "bias", "rnn"],
    ),
    "both ways": (
        lambda: Parts(
            lambda m, x: x @ m.w + m.rnn(x)[0] @ m.w.T + (x @ m.v).unsqueeze(-1) * m.v,
            rnn=gru(),
            w=nn.Parameter(torch.zeros(FEATURES, FEATURES)),
            v=vector(FEATURES),
        ),
        series,
        ["rnn", "v", "w"],
    ),
    "all of two recurrent": (
        lambda: Parts(lambda m, x: m.b(m.a(x)[0])[0], share_all("b", "a"), a=gru(), b=gru()),
        series,
        ["a"],
    ),
    "all of two convolutions": (
        lambda: Parts(
            lambda m, x: m.rnn(m.b(m.a(x.mT).relu()).mT)[0],
            share_all("b", "a"),
            **pair(lambda: nn.Conv1d(FEATURES, FEATURES, 3, padding=1)),
        ),
        series,
        ["a", "rnn"],
    ),
    "one encoder three times": (
        lambda: Parts(lambda m, x: m.rnn(m.a(m.a(m.a(x))))[0], **pair(encoder, gru)),
        series,
        ["a_linear1", "a_linear2", "a_norm1", "a_norm2", "a_self_attn", "rnn"],
    ),
    "scale of two norms": (
        lambda: Parts(chain, share("b.weight", "a.weight"), **pair(lambda: nn.LayerNorm(FEATURES))),
        series,
        ["a_bias", "a_weight", "b_bias", "rnn"],
    ),
    "two ranks of one norm": (
        lambda: Parts(lambda m, x: m.a(x[:, -1])[:, None] + m.a(x.mT).mT, a=nn.BatchNorm1d(FEATURES)),
        series,
        ["a"],
    ),
    "words of a row": (
        lambda: nn.Sequential(
            *[nn.Linear(FEATURES, FEATURES), nn.Tanh()] * 2,
        ),
        series,
        ["linear_0"],
    ),
}


def vector(size: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(size))


def of_case(name: str, dtype: torch.dtype) -> tuple[nn.Module, Any]:
    module, example = randomize(TIED[name][0]()).to(dtype), TIED[name][1]
    return module, lambda *sizes: in_dtype(example(*sizes), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TIED)
def test_tied_weights_are_one_weight(name: str, dtype: torch.dtype) -> None:
    module, example = of_case(name, dtype)
    model: Any = kt.from_torch(module, example())
    assert sorted(layer.name for layer in model.layers if layer.weights) == TIED[name][2]
    used = {id(parameter): parameter for parameter in module.parameters()}
    for rows, steps in ((2, 4), (5, 12)):
        given = example(rows, steps)
        ours, theirs = of_model(model, given), of_module(module, given)
        with torch.no_grad():
            assert_close(ours, theirs)
        for parameter in (*used.values(), *model.parameters()):
            parameter.grad = None
        factors = [torch.randn_like(out) for out in theirs]
        for outputs in (ours, theirs):
            torch.stack([(out * factor).sum() for out, factor in zip(outputs, factors, strict=True)]).sum().backward()
        trained = [parameter for parameter in used.values() if parameter.grad is not None]
        assert sum(map(torch.numel, model.parameters())) == sum(map(torch.numel, trained))
        # Of an Embedding that is also a matrix it is the sum of both: all gradients, smallest first.
        floor = 20 * torch.finfo(dtype).eps  # sums of a few dozen products, in another order
        assert_close(_gradients(list(model.parameters())), _gradients(trained), floor)


def _gradients(parameters: list[Any]) -> Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in parameters]).sort().values


LIVE = (
    "words in and out",
    "words of encoder and decoder",
    "one matrix",
    "there and back",
    "both ways",
    "scale of two norms",
)


@pytest.mark.parametrize("name", LIVE)
def test_keras_has_one_weight_too(name: str, keras_worker: Any, tmp_path: Path) -> None:
    module, example = of_case(name, torch.float32)
    path = str(tmp_path / "model.keras")
    kt.save_model(kt.from_torch(module, example()), path)  # type: ignore[arg-type]
    given = example(2, 11)
    predicted = keras_worker.call("keras3", "predictions:predictions", path, arrays(inputs_of(given)))
    with torch.no_grad():
        assert_close(predicted, of_module(module, given), KERAS)


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "one matrix of two recurrent": (
        lambda: Parts(lambda m, x: m.b(m.a(x)[0])[0], share("b.weight_hh_l0", "a.weight_hh_l0"), a=gru(), b=gru()),
        "a (GRU): a.weight_hh_l0 is used as weight_hh_l0 of a (GRU) and as weight_hh_l0 of b (GRU) (tied weights), and "
        "in Keras a weight stands in one layer: share the whole module (self.b = self.a) where its settings are the "
        "same, or give each use a copy",
    ),
    "a matrix of a recurrent by itself": (
        lambda: Parts(lambda m, x: m.a(x)[0] + m.a.bias_hh_l0[:FEATURES], a=gru()),
        "a.bias_hh_l0 is used as bias_hh_l0 of a (GRU) and by itself (tied weights)",
    ),
    "one matrix of two directions": (
        lambda: Parts(
            lambda m, x: m.a(x)[0],
            share("a.weight_ih_l0_reverse", "a.weight_ih_l0"),
            a=nn.GRU(FEATURES, FEATURES, batch_first=True, bidirectional=True),
        ),
        "a.weight_ih_l0 is used as weight_ih_l0 of a (GRU) and as weight_ih_l0_reverse of a (GRU) (tied weights)",
    ),
    "kernels of other settings": (
        lambda: Parts(
            lambda m, x: m.rnn(m.b(m.a(x.mT)).mT)[0],
            share_all("b", "a"),
            **pair(
                lambda: nn.Conv1d(FEATURES, FEATURES, 3, padding=1),
                lambda: nn.Conv1d(FEATURES, FEATURES, 3, padding=2, dilation=2),
            ),
        ),
        "a.weight is used as weight of a (Conv1d) and as weight of b (Conv1d) (tied weights)",
    ),
    "other statistics": (
        lambda: Parts(
            lambda m, x: m.b(m.a(x.mT).tanh()).mT, share_all("b", "a"), **pair(lambda: nn.BatchNorm1d(FEATURES))
        ),
        "a.weight is used as weight of a (BatchNorm1d) and as weight of b (BatchNorm1d) (tied weights)",
    ),
    "a layer of kerastorch": (
        lambda: Parts(chain, share("b.weight", "a.weight"), **pair(built_dense, linear)),
        "a.weight is used as weight of a (Dense) and as weight of b (Linear) (tied weights)",
    ),
}


def built_dense() -> nn.Module:
    layer = layers.Dense(FEATURES)
    layer.build((None, None, FEATURES))
    return layer


@pytest.mark.parametrize("name", REFUSED)
def test_what_keras_has_in_two_layers_is_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(UnsupportedError, match=re.escape(message)):
        kt.from_torch(randomize(make()), series())


@pytest.mark.parametrize("name", [name for name in REFUSED if "kerastorch" not in name])
def test_copies_are_the_way_out(name: str) -> None:
    """What the message says."""
    module: Any = randomize(REFUSED[name][0]())
    seen: set[int] = set()
    for part in module.modules():
        for key, parameter in list(part._parameters.items()):
            if id(parameter) in seen and parameter is not None:
                setattr(part, key, nn.Parameter(parameter.detach().clone()))
            seen.add(id(parameter))
    if "by itself" in name:
        module.copy = nn.Parameter(module.a.bias_hh_l0.detach().clone())
        module.function = lambda m, x: m.a(x)[0] + m.copy[:FEATURES]
    model = kt.from_torch(module, series())
    x = series(2, 5)
    with torch.no_grad():
        assert_close(of_model(model, x), of_module(module, x))


def test_what_is_not_trained_may_stand_in_several_layers() -> None:
    module = TIED["words in and out"][0]()
    module.get_submodule("emb").requires_grad_(False)
    module = randomize(module)
    model: Any = kt.from_torch(module, words())
    assert not model.get_layer("emb").trainable
    given = words(2, 5)
    with torch.no_grad():
        assert_close(of_model(model, given), of_module(module, given))
