"""torch's transformer layers: masks, both places of the normalization, in training and out of it, and in live Keras."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from _close import assert_close
from torch import Tensor, nn

import kerastorch as kt
from kerastorch.errors import UnsupportedError

from ._helpers import of_model, of_module, randomize

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "norm first": {"norm_first": True, "activation": "gelu"},
    "module": {"activation": nn.SiLU(), "layer_norm_eps": 1e-3},
    "function": {"activation": F.relu6},
    "without biases": {"bias": False},
}


class Encoder(nn.Module):
    """Embedding, positions, a causal stack, a head: as language models are written."""

    def __init__(self, causal: str = "", depth: int = 2, **options: Any) -> None:
        super().__init__()
        self.words, self.causal = nn.Embedding(20, 8), causal
        self.positions = nn.Parameter(torch.randn(50, 8))
        options = {"batch_first": True, "dropout": 0.1, **options}
        layer = nn.TransformerEncoderLayer(8, 2, 16, **options)
        self.encoder = nn.TransformerEncoder(layer, depth, nn.LayerNorm(8), enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> Tensor:
        steps = ids.size(1)
        x = self.words(ids)
        mask: Any = None
        if self.causal == "bool":
            mask = torch.ones(steps, steps).triu(1).bool()
        if self.causal == "float":
            mask = torch.triu(torch.full((steps, steps), float("-inf")), diagonal=1)
        if self.causal == "padded":
            return self.head(self.encoder(x, src_key_padding_mask=ids == 0))
        return self.head(self.encoder(x, mask=mask))


def ids(rows: int, steps: int) -> Tensor:
    made = torch.randint(1, 20, (rows, steps))
    made[0, -2:] = 0
    return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", OPTIONS)
def test_encoders(name: str, dtype: torch.dtype) -> None:
    module = randomize(Encoder(**OPTIONS[name])).to(dtype)
    model: Any = kt.from_torch(module, ids(3, 7))
    assert model.input_shape == (None, None)
    for rows, steps in ((2, 11), (4, 3)):
        with torch.no_grad():
            other = ids(rows, steps)
            assert_close(of_model(model, other), of_module(module, other))


@pytest.mark.parametrize("causal", ["bool", "float", "padded"])
def test_masks_of_encoders(causal: str) -> None:
    module = randomize(Encoder(causal))
    model: Any = kt.from_torch(module, ids(3, 7))
    assert model.input_shape == (None, None)
    for rows, steps in ((2, 11), (4, 5)):
        other = ids(rows, steps)
        with torch.no_grad():
            made, expected = of_model(model, other), of_module(module, other)
        assert_close(made, expected)


class Both(nn.Module):
    def __init__(self, batch_first: bool, norm_first: bool) -> None:
        super().__init__()
        options: Any = {"batch_first": batch_first, "norm_first": norm_first, "dropout": 0.0}
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, **options), 2)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, **options)
        self.axis = 1 if batch_first else 0

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        steps = target.size(self.axis)
        mask = torch.ones(steps, steps).triu(1).bool()
        return self.decoder(target, self.encoder(source), tgt_mask=mask)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [True, False])
def test_encoder_and_decoder(batch_first: bool, norm_first: bool) -> None:
    module, axis = randomize(Both(batch_first, norm_first)), 0 if batch_first else 1
    example = (torch.randn(3, 7, 8).movedim(0, axis), torch.randn(3, 5, 8).movedim(0, axis))
    model: Any = kt.from_torch(module, example, batch_axis=axis)
    assert model.input_shape == [(None, None, 8)] * 2
    source, target = torch.randn(2, 4, 8), torch.randn(2, 9, 8)
    with torch.no_grad():
        expected = module(source.movedim(0, axis), target.movedim(0, axis)).movedim(axis, 0)
        assert_close(model([source, target]), expected)


def test_gradients_of_an_encoder() -> None:
    module: Any = randomize(Encoder("bool", dropout=0.0)).double().train()
    model: Any = kt.from_torch(module, ids(3, 7))
    other = ids(2, 5)
    found = []
    for part, words in ((module, module.words.weight), (model, model.get_layer("words").weight)):
        out = part(other)
        weights = torch.arange(1.0, 1 + out.numel(), dtype=out.dtype).view(out.shape).cos()
        found.append(torch.autograd.grad((out * weights).sum(), words)[0])
    assert_close(found[1], found[0])


@pytest.mark.parametrize("causal", ["", "bool", "padded"])
def test_keras_has_the_same_encoder(causal: str, keras_worker: Any, tmp_path: Path) -> None:
    module = randomize(Encoder(causal))
    path = str(tmp_path / "model.keras")
    kt.save_model(kt.from_torch(module, ids(3, 7)), path)  # type: ignore[arg-type]
    other = ids(2, 11)
    (predicted,) = keras_worker.call("keras3", "predictions:predictions", path, [other.numpy()])
    with torch.no_grad():
        assert_close(predicted, of_module(module, other))


class WithMask(nn.Module):
    def __init__(self, mask: Any, **options: Any) -> None:
        super().__init__()
        self.layer, self.mask = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **options), mask

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, src_mask=self.mask(x))


@pytest.mark.parametrize(
    ("mask", "options", "message"),
    [
        (lambda x: torch.randn(7, 7), {}, "output 0 differs by"),
        (lambda x: torch.zeros(6, 7, 7), {}, "attn_mask must be (T, S), the same for every row and head"),
        (lambda x: None, {"activation": torch.erfinv}, "the activation 'erfinv': pass a module or a function of"),
    ],
)
def test_what_is_refused_of_encoders(mask: Any, options: Any, message: str) -> None:
    with pytest.raises(UnsupportedError, match=re.escape(message)):
        kt.from_torch(randomize(WithMask(mask, **options)), torch.randn(3, 7, 8))
