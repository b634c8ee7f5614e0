"""Layers against their equations written out in numpy: dropout masks of single gates, and the masks of attention.

Live Keras agrees with all of this (tests/parity); here it is held without Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import Tensor

from kerastorch import layers

B, T, F, U = 3, 5, 4, 3
Array = np.ndarray


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def made(layer: Any, *shapes: Any) -> Any:
    """The layer in float64, with random distinct weights."""
    layer.build(*shapes)
    layer.double()
    rng = np.random.default_rng(4)
    layer.set_weights([rng.normal(0, 0.6, array.shape) for array in layer.get_weights()])
    return layer


def close(ours: Tensor, reference: Array) -> None:
    assert_close(ours, reference)


# ---------------------------------------------------------------- a mask for each gate


def gru(x: Array, weights: list[Array], drop: Array, recurrent: Array, after: bool) -> Array:
    """All outputs of a GRU. Gates, and so the masks, in Keras's order: update, reset, candidate."""
    kernel, hidden = (np.split(weights[i], 3, axis=1) for i in (0, 1))
    bias = weights[2] if after else np.stack([weights[2], np.zeros_like(weights[2])])
    b, b_hidden = (np.split(row, 3) for row in bias)
    h, out = np.zeros((len(x), U)), []
    for step in x.swapaxes(0, 1):
        in_z, in_r, in_h = (step * drop[gate] @ kernel[gate] + b[gate] for gate in range(3))
        of_z, of_r = (h * recurrent[gate] @ hidden[gate] + b_hidden[gate] for gate in (0, 1))
        z, r = sigmoid(in_z + of_z), sigmoid(in_r + of_r)
        kept = h * recurrent[2]
        of_h = r * (kept @ hidden[2] + b_hidden[2]) if after else (r * kept) @ hidden[2]
        h = z * h + (1 - z) * np.tanh(in_h + of_h)
        out.append(h)
    return np.stack(out, 1)


def lstm(x: Array, weights: list[Array], drop: Array, recurrent: Array) -> Array:
    """All outputs of an LSTM. Gates: input, forget, candidate, output."""
    kernel, hidden, bias = (np.split(array, 4, axis=-1) for array in weights)
    h, c, out = np.zeros((len(x), U)), np.zeros((len(x), U)), []
    for step in x.swapaxes(0, 1):
        i, f, g, o = (
            step * drop[gate] @ kernel[gate] + h * recurrent[gate] @ hidden[gate] + bias[gate] for gate in range(4)
        )
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.stack(out, 1)


def simple_rnn(x: Array, weights: list[Array], drop: Array, recurrent: Array) -> Array:
    kernel, hidden, bias = weights
    h, out = np.zeros((len(x), U)), []
    for step in x.swapaxes(0, 1):
        h = np.tanh(step * drop[0] @ kernel + bias + h * recurrent[0] @ hidden)
        out.append(h)
    return np.stack(out, 1)


GATED: dict[str, tuple[Callable[..., Any], int, Callable[..., Array]]] = {
    "GRU": (layers.GRU, 3, lambda *args: gru(*args, after=True)),
    "GRU, reset before": (
        lambda *args, **config: layers.GRU(*args, reset_after=False, **config),
        3,
        lambda *args: gru(*args, after=False),
    ),
    "LSTM": (layers.LSTM, 4, lstm),
    "SimpleRNN": (layers.SimpleRNN, 1, simple_rnn),
}


@pytest.mark.parametrize("batch", [1, B])
@pytest.mark.parametrize("name", GATED)
@pytest.mark.parametrize("rates", [(0.3, 0.0), (0.0, 0.4), (0.3, 0.4)])
def test_dropout_masks_of_single_gates(name: str, rates: tuple[float, float], batch: int) -> None:
    """Masks in which every value is another one: a mask at the wrong gate shows."""
    make, gates, reference = GATED[name]
    config = {"dropout": rates[0], "recurrent_dropout": rates[1], "implementation": 1}
    layer = made(make(U, return_sequences=True, **config), (batch, T, F)).train()
    rng = np.random.default_rng(9)
    x = rng.normal(size=(batch, T, F))
    masks = {
        rate: rng.uniform(0.5, 2.0, (gates, batch, size)) * (rng.random((gates, batch, size)) > 0.3)
        for rate, size in zip(rates, (F, U), strict=True)
        if rate
    }
    layer._dropout_masks = lambda like, rate: torch.tensor(masks[rate])
    given = [masks.get(rate, np.ones((gates, batch, size))) for rate, size in zip(rates, (F, U), strict=True)]
    weights = layer.get_weights()
    close(layer(torch.tensor(x)), reference(x, weights, *given))
    for index in range(2 if gates > 1 else 0):
        if rates[index]:  # the test can see another order
            rolled = [np.roll(each, 1, axis=0) if index == i else each for i, each in enumerate(given)]
            assert np.abs(reference(x, weights, *rolled) - reference(x, weights, *given)).max() > 1e-2


# ---------------------------------------------------------------- attention

TQ, TV = 4, 6
QUERY, VALUE, KEY = (np.random.default_rng(i).normal(size=(B, t, F)) for i, t in ((1, TQ), (2, TV), (3, TV)))
QUERY_MASK = np.array([[1, 1, 0, 1], [0, 1, 1, 1], [1, 0, 1, 0]], bool)
VALUE_MASK = np.array([[1, 0, 1, 1, 1, 0], [1, 1, 0, 1, 0, 1], [1, 1, 1, 0, 1, 1]], bool)
KEY_MASK = np.array([[1, 1, 1, 0, 1, 1], [1, 1, 1, 0, 1, 1], [1, 0, 1, 1, 1, 0]], bool)
ALLOWED = np.asarray(np.random.default_rng(4).random((B, TQ, TV)) < 0.7)
ALLOWED[..., 0] = True
MASKS: dict[str, dict[str, Array]] = {
    "none": {},
    "query": {"query_mask": QUERY_MASK},
    "value": {"value_mask": VALUE_MASK},
    "key": {"key_mask": KEY_MASK},
    "value and key": {"value_mask": VALUE_MASK, "key_mask": KEY_MASK},
    "given": {"attention_mask": ALLOWED},
    "all": {"query_mask": QUERY_MASK, "value_mask": VALUE_MASK, "key_mask": KEY_MASK, "attention_mask": ALLOWED},
}


def softmax(x: Array) -> Array:
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def allowed_by(masks: dict[str, Array], window: int | None, causal: bool) -> Array:
    """`(B, Tq, Tv)`: which values each step of the query may look at."""
    allowed = np.ones((B, TQ, TV), bool)
    for row in range(B):
        for i in range(TQ):
            for j in range(TV):
                allowed[row, i, j] = (
                    masks.get("query_mask", np.ones((B, TQ), bool))[row, i]
                    and masks.get("value_mask", np.ones((B, TV), bool))[row, j]
                    and masks.get("key_mask", np.ones((B, TV), bool))[row, j]
                    and masks.get("attention_mask", np.ones((B, TQ, TV), bool))[row, i, j]
                    and (window is None or abs(i - j) < window)
                    and (not causal or j <= i)
                )
    return allowed


def heads(weights: list[Array], allowed: Array, scores_too: bool) -> tuple[Array, Array]:
    """Attention in heads, Keras 3's: outputs and weights `(B, N, Tq, Tv)`."""
    wq, bq, wk, bk, wv, bv, wo, bo = weights
    q = np.einsum("btf,fnh->bnth", QUERY, wq) + bq[:, None]
    k = np.einsum("btf,fnh->bnth", KEY, wk) + bk[:, None]
    v = np.einsum("btf,fnh->bnth", VALUE, wv) + bv[:, None]
    k, v = (np.repeat(each, q.shape[1] // each.shape[1], axis=1) for each in (k, v))  # groups of queries
    scores = np.einsum("bnth,bnsh->bnts", q, k) / np.sqrt(q.shape[-1])
    look = softmax(np.where(allowed[:, None], scores, -1e9))  # nowhere to look: the same for all
    if scores_too:
        look = look * np.any(allowed, axis=-1)[:, None, :, None]
    out = np.einsum("bnts,bnsh->btnh", look, v)
    return np.einsum("btnh,nhf->btf", out, wo) + bo, look


def tensors(masks: dict[str, Array]) -> dict[str, Tensor]:
    return {name: torch.tensor(mask) for name, mask in masks.items()}


HEADED: dict[str, Callable[..., Any]] = {
    "MultiHeadAttention": lambda **config: layers.MultiHeadAttention(2, 3, value_dim=5, **config),
    "GroupQueryAttention": lambda **config: layers.GroupQueryAttention(3, 4, 2, **config),
}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [None, 1, 2, 3])
@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("name", HEADED)
def test_masks_and_windows_of_attention_in_heads(name: str, masks: str, window: int | None, causal: bool) -> None:
    layer = made(HEADED[name](sliding_window=window), QUERY.shape, VALUE.shape, KEY.shape).eval()
    allowed = allowed_by(MASKS[masks], window, causal)
    inputs = [torch.tensor(x) for x in (QUERY, VALUE, KEY)]
    options = {**tensors(MASKS[masks]), "use_causal_mask": causal}
    weights = layer.get_weights()
    if name == "GroupQueryAttention":  # query, key, value as well
        assert [array.shape[1] for array in weights[:6:2]] == [4, 2, 2]
    close(layer(*inputs, **options), heads(weights, allowed, scores_too=False)[0])
    out, look = layer(*inputs, **options, return_attention_scores=True)
    wanted, wanted_look = heads(weights, allowed, scores_too=True)
    close(look, wanted_look)
    close(out, wanted)
    if window is not None or causal or masks != "none":
        assert not allowed.all()


SCORES: dict[str, tuple[Callable[[], Any], Callable[[list[Array]], Array]]] = {
    "Attention": (lambda: layers.Attention(), lambda weights: QUERY @ KEY.swapaxes(1, 2)),
    "Attention, scaled": (
        lambda: layers.Attention(use_scale=True),
        lambda weights: weights[0] * (QUERY @ KEY.swapaxes(1, 2)),
    ),
    "Attention, concat": (
        lambda: layers.Attention(score_mode="concat"),
        lambda weights: weights[0] * np.tanh(QUERY[:, :, None] + KEY[:, None]).sum(-1),
    ),
    "AdditiveAttention": (
        lambda: layers.AdditiveAttention(),
        lambda weights: (weights[0] * np.tanh(QUERY[:, :, None] + KEY[:, None])).sum(-1),
    ),
}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("which", [(), ("query_mask",), ("value_mask",), ("query_mask", "value_mask")], ids=str)
@pytest.mark.parametrize("name", SCORES)
def test_masks_of_attention_over_a_list(name: str, which: tuple[str, ...], causal: bool) -> None:
    make, scores = SCORES[name]
    layer = made(make(), [QUERY.shape, VALUE.shape, KEY.shape]).eval()
    values = {"value_mask": VALUE_MASK} if "value_mask" in which else {}
    look = softmax(np.where(allowed_by(values, None, causal), scores(layer.get_weights()), -1e9))
    wanted = look @ VALUE
    mask: Any = None
    if which:
        mask = [torch.tensor(each) if key in which else None
                for key, each in (("query_mask", QUERY_MASK), ("value_mask", VALUE_MASK))]  # fmt: skip
    if "query_mask" in which:
        wanted = wanted * QUERY_MASK[..., None]
    inputs = [torch.tensor(x) for x in (QUERY, VALUE, KEY)]
    close(layer(inputs, mask=mask, use_causal_mask=causal), wanted)
    out, found = layer(inputs, mask=mask, use_causal_mask=causal, return_attention_scores=True)
    close(out, wanted)
    close(found, look)
