"""What tools of torch look for in the live modules: quantization, pruning, and those that count by hooks."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from _close import apart
from torch import nn
from torch.nn.utils import prune

from kerastorch import Input, Model, layers
from kerastorch.leaving import to_torch

from ._cases import randomize


def tagger() -> Model:
    words = Input((None,), dtype="int64")
    x = layers.Embedding(20, 6, mask_zero=True, name="words")(words)
    x = layers.LSTM(8, return_sequences=True, name="read")(x)
    x = layers.GRU(5, name="sum")(x)
    model = Model(words, layers.Dense(3, activation="softmax", name="score")(x)).eval()
    randomize(model)
    return model


def without_masks() -> Model:
    """A stack that becomes one module, both directions, equal blocks, and attention."""
    x = Input((None, 6))
    y = layers.LSTM(6, return_sequences=True, name="low")(layers.LSTM(6, return_sequences=True, name="high")(x))
    for n in range(3):
        y = layers.Add(name=f"add_{n}")([y, layers.GRU(6, return_sequences=True, name=f"gru_{n}")(y)])
    y = layers.MultiHeadAttention(2, 3, name="look")(y, y)
    y = layers.Bidirectional(layers.SimpleRNN(4), name="both")(y)
    model = Model(x, layers.Dense(3, activation="softmax", name="score")(y)).eval()
    randomize(model)
    return model


WORDS = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 0, 0]])


def test_dynamic_quantization_finds_the_layers() -> None:
    model = tagger()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.ao says where it will move to
        small: Any = torch.ao.quantization.quantize_dynamic(to_torch(model), {nn.LSTM, nn.GRU, nn.Linear}, torch.qint8)
    kinds = {name: type(part).__module__ for name, part in small.named_children()}
    assert all("quantized.dynamic" in kinds[name] for name in ("read", "sum", "score"))
    # Weights of 8 bits: a part in 127 of each, so a few hundredths of the result.
    assert (small(WORDS) - model(WORDS)).abs().max() < 0.05


def test_pruning_finds_the_weights() -> None:
    module: Any = to_torch(tagger())
    before = module(WORDS)
    prune.l1_unstructured(module.read, "weight_hh_l0", 0.5)
    prune.l1_unstructured(module.score, "weight", 0.5)
    assert module.score.weight.count_nonzero() == 7  # of 15
    assert module.read.weight_hh_l0.count_nonzero() == module.read.weight_hh_l0.numel() // 2
    assert apart(module(WORDS), before) is not None
    prune.remove(module.score, "weight")


def test_hooks_by_the_class_of_a_module_are_called() -> None:
    """As thop and torchinfo count: one hook for each module without children, by its very class; masks hinder none."""
    module = to_torch(tagger())
    counted: dict[type, int] = {}

    def count(part: nn.Module, args: Any, output: Any) -> None:
        counted[type(part)] = counted.get(type(part), 0) + 1

    known = {nn.Embedding, nn.LSTM, nn.GRU, nn.Linear}
    for part in module.modules():
        if type(part) in known and not list(part.children()):
            part.register_forward_hook(count)
    module(WORDS)
    assert counted == dict.fromkeys(known, 1)


def test_isinstance_finds_the_modules_of_torch() -> None:
    module = to_torch(tagger())
    kinds = (nn.Embedding, nn.LSTM, nn.GRU, nn.Linear)
    assert [sum(isinstance(part, kind) for part in module.modules()) for kind in kinds] == [1, 1, 1, 1]
    assert isinstance(to_torch(without_masks()).get_submodule("gru.2"), nn.GRU)


def test_a_script_is_made_of_modules_of_torch() -> None:
    """torch.jit.script for any batch and number of steps."""
    model = without_masks()
    script = _quietly(torch.jit.script, to_torch(model))
    for rows, steps in ((2, 5), (3, 8)):
        x = torch.randn(rows, steps, 6)
        assert apart(script(x), model(x)) is None
    model = tagger()
    script = _quietly(torch.jit.script, to_torch(model))
    for words in (WORDS, torch.tensor([[0, 0, 4], [1, 0, 2], [0, 0, 0]])):
        assert apart(script(words), model(words)) is None


def test_a_trace_skips_masked_steps_of_any_number() -> None:
    model = tagger()
    trace = _quietly(torch.jit.trace, to_torch(model), (WORDS,), check_trace=False)
    for words in (WORDS, torch.tensor([[1, 2, 3, 0, 0, 0, 0, 0], [4, 0, 0, 0, 0, 0, 0, 0], [9, 8, 7, 6, 5, 4, 3, 2]])):
        assert apart(trace(words), model(words)) is None


def _quietly(make: Any, *args: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about its own TorchScript
        return make(*args, **options)
