"""Mixed precision in plain torch: the casts that the model makes, and weights that stay in float32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from _close import apart, scale_beside
from torch import nn

from kerastorch import Input, Model, layers
from kerastorch.leaving import to_source, to_torch

from ._cases import from_text, randomize
from .test_to_torch import by_value, run

GENERATOR = torch.Generator().manual_seed(5)
NUMBERS = torch.randn(3, 6, 4, generator=GENERATOR)
WORDS = torch.tensor([[1, 4, 2, 0, 0, 0], [3, 1, 0, 6, 0, 0], [0, 2, 5, 8, 1, 0]])
IMAGES = torch.randn(2, 3, 6, 6, 2, generator=GENERATOR)


def tagger(dtype: str) -> Model:
    """A mask, both directions, attention, a norm in float32, and probabilities in float32."""
    x = Input((None,), dtype="int64")
    y = layers.Embedding(9, 6, mask_zero=True, dtype=dtype)(x)
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True, dtype=dtype), dtype=dtype)(y)
    y = layers.LayerNormalization(dtype=dtype)(layers.Dropout(0.5, dtype=dtype)(y))
    y = layers.Add(dtype=dtype)([y, layers.MultiHeadAttention(2, 3, dropout=0.2, dtype=dtype)(y, y)])
    y = layers.GRU(4, reset_after=False, activation="relu", dtype=dtype)(y)
    return Model(x, layers.Dense(3, activation="softmax", dtype="float32")(y))


def steps(dtype: str) -> Model:
    """Given and kept states, cells, what loops over steps, and constants."""
    x, h = Input(batch_shape=(3, 6, 4)), Input(batch_shape=(3, 4))
    y = layers.Normalization(mean=0.3, variance=2.0, dtype=dtype)(layers.Rescaling(0.5, 0.1, dtype=dtype)(x))
    y = layers.GRU(4, return_sequences=True, dtype=dtype)(y, initial_state=h)
    y = layers.RNN(
        [layers.LSTMCell(4, dtype=dtype), layers.GRUCell(4, dtype=dtype)], return_sequences=True, dtype=dtype
    )(y)
    y = layers.Bidirectional(layers.GRU(4, return_sequences=True, dtype=dtype), merge_mode="ave", dtype=dtype)(y)
    y = layers.TimeDistributed(layers.Dense(4, activation="gelu", dtype=dtype), dtype=dtype)(y)
    y, *states = layers.LSTM(4, activation="elu", return_state=True, stateful=True, dtype=dtype)(y)
    return Model([x, h], [layers.PReLU(dtype=dtype)(layers.EinsumDense("bf,fu->bu", 3, dtype=dtype)(y)), *states])


def images(dtype: str) -> Model:
    x = Input((3, 6, 6, 2))
    y = layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True, dtype=dtype)(x)
    y = layers.TimeDistributed(layers.Conv2D(2, 3, strides=2, padding="same", dtype=dtype), dtype=dtype)(y)
    y = layers.BatchNormalization(dtype=dtype)(
        layers.TimeDistributed(layers.MaxPooling2D(2, dtype=dtype), dtype=dtype)(y)
    )
    return Model(x, layers.Flatten(dtype=dtype)(y))


CASES: dict[str, tuple[Callable[[str], Model], list[torch.Tensor]]] = {
    "tagger": (tagger, [WORDS]),
    "steps": (steps, [NUMBERS, NUMBERS[:, 0]]),
    "images": (images, [IMAGES]),
}


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_those_of_the_model(name: str, policy: str) -> None:
    make, inputs = CASES[name]
    model, wide = make(policy).eval(), make("float32").eval()
    randomize(wide)
    model.set_weights(wide.get_weights())
    live = to_torch(model)
    assert {value.dtype for value in live.parameters()} == {torch.float32}
    assert not any(isinstance(part, layers.Layer) for part in live.modules())
    outputs, gradients = run(model, inputs)
    exact, exact_gradients = run(wide, inputs)
    expected, judges = by_value(model, gradients), by_value(wide, exact_gradients)
    for module in (live, from_text(live)):
        found, own = run(module, inputs, len(outputs))
        mine = by_value(module, own)
        gaps = [apart(a, b, exact=c.double().numpy()) for a, b, c in zip(found, outputs, exact, strict=True)]
        assert mine.keys() == expected.keys()
        eps = torch.finfo(getattr(torch, policy.removeprefix("mixed_"))).eps
        for key, theirs in expected.items():
            scale = scale_beside(theirs, list(expected.values()), eps)
            gaps.append(apart(mine[key], theirs, eps, exact=judges[key].double().numpy(), scale=scale))
        assert [gap for gap in gaps if gap] == []


def test_code_of_it_is_replayed_and_trains(tmp_path: Path) -> None:
    to_source(tagger("mixed_float16").eval(), tmp_path / "out")
    text = (tmp_path / "out" / "model.py").read_text()
    assert "ComputesIn(nn.Linear" not in text  # the last layer is in float32
    assert ".to(torch.float16)" in text
    names: dict[str, Any] = {"__name__": "generated", "__file__": str(tmp_path / "out" / "model.py")}
    exec(compile(text, "model.py", "exec"), names)
    for computed, recorded in names["replay"]():
        assert apart(computed, recorded, 4e-4) is None  # numbers of float16 lie 2**-11 apart
    module: nn.Module = names["load"]().train()
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    before = [value.clone() for value in module.parameters()]
    module(WORDS).square().sum().backward()
    optimizer.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True)]
    assert moved == [value.requires_grad for value in module.parameters()]
