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
