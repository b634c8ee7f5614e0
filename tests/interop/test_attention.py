"""MultiHeadAttention and nn.MultiheadAttention, both ways."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import GRADIENT, assert_close
from torch import nn

from kerastorch import from_torch, layers
from kerastorch.errors import NotBuiltError, UnsupportedError

Q, K, V = torch.randn(3, 4, 6), torch.randn(3, 5, 6), torch.randn(3, 5, 6)


@torch.no_grad()
def distinct(module: nn.Module) -> Any:
    """The module with other random values in every parameter, biases too."""
    generator = torch.Generator().manual_seed(3)
    for parameter in module.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return module


def assert_same(layer: Any, module: nn.MultiheadAttention, inputs: Any, mask: torch.Tensor | None = None) -> None:
    """Outputs, weights and gradients of the inputs agree; `mask`: what may be looked at."""
    query, key, value = (x.clone().requires_grad_() for x in inputs)
    out, scores = layer(query, value, key, attention_mask=mask, return_attention_scores=True)
    theirs, weights = module(
        query,
        key,
        value,
        attn_mask=None if mask is None else (~mask).repeat_interleave(module.num_heads, 0),
        average_attn_weights=False,
    )
    assert_close([out, scores], [theirs, weights])
    upstream = torch.randn_like(out)
    mine = torch.autograd.grad((out * upstream).sum(), (query, key, value))
    assert_close(mine, torch.autograd.grad((theirs * upstream).sum(), (query, key, value)), GRADIENT)


MASK = torch.tensor([[True, True, False, True, False]]).expand(3, 4, 5) | torch.eye(4, 5, dtype=torch.bool)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("features", [(6, 6), (3, 4), (6, 4)], ids=str)
def test_both_ways(dtype: torch.dtype, use_bias: bool, features: tuple[int, int]) -> None:
    inputs = [x.to(dtype) for x in (Q, K[..., : features[0]], V[..., : features[1]])]
    layer = layers.MultiHeadAttention(2, 3, use_bias=use_bias, dtype=dtype)
    layer(inputs[0], inputs[2], inputs[1])
    distinct(layer)
    with torch.no_grad():  # what is frozen must not depend on where the call stands
        module = layer.to_torch()
    assert type(module) is nn.MultiheadAttention
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert_same(layer, module, inputs)
    assert_same(layer, module, inputs, MASK)
    again = from_torch(module)
    assert isinstance(again, layers.MultiHeadAttention)
    for mine, theirs in zip(layer.get_weights(), again.get_weights(), strict=True):
        assert (mine == theirs).all()
    assert again.input_shape == [(None, None, x.shape[-1]) for x in (inputs[0], inputs[2], inputs[1])]
    back = again.to_torch().state_dict()
    for name, tensor in module.state_dict().items():
        assert torch.equal(back[name], tensor)


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"kdim": 5, "vdim": 4}, {"batch_first": False}], ids=str)
def test_from_torch(options: dict[str, Any]) -> None:
    module = distinct(nn.MultiheadAttention(6, 3, **{"batch_first": True, **options}))
    layer = from_torch(module)
    inputs = Q, K[..., : options.get("kdim", 6)], V[..., : options.get("vdim", 6)]
    if options.get("batch_first", True):
        assert_same(layer, module, inputs)
        return
    theirs, _ = module(*(x.transpose(0, 1) for x in inputs))
    assert_close(layer(inputs[0], inputs[2], inputs[1]), theirs.transpose(0, 1))


def test_a_swapped_projection_is_seen() -> None:
    layer = layers.MultiHeadAttention(2, 3)
    layer(Q, V, K)
    module = distinct(layer).to_torch()
    with torch.no_grad():
        module.in_proj_weight.copy_(module.in_proj_weight.roll(6, 0))
    with pytest.raises(AssertionError):
        assert_same(layer, module, (Q, K, V))


def test_mode_dropout_and_frozen_weights_are_kept() -> None:
    layer = layers.MultiHeadAttention(2, 3, dropout=0.25, trainable=False).eval()
    layer(Q, V)
    module = layer.to_torch()
    assert (module.dropout, module.training) == (0.25, False)
    assert not any(parameter.requires_grad for parameter in module.parameters())
    again = from_torch(module)
    assert (again.dropout, again.training, again.trainable) == (0.25, False, False)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"key_dim": 4}, "num_heads . key_dim is 8, in torch it is the query's 6"),
        ({"value_dim": 4}, "value_dim=4 and key_dim=3"),
        ({"output_shape": 5}, "output_shape=.5,."),
        ({"use_gate": True}, "torch has no gate"),
        ({"sliding_window": 2}, "sliding_window=2"),
    ],
)
def test_what_torch_cannot_express_is_refused(options: dict[str, Any], reason: str) -> None:
    layer = layers.MultiHeadAttention(2, **{"key_dim": 3, **options})
    layer(Q, V)
    with pytest.raises(UnsupportedError, match=reason):
        layer.to_torch()


def test_other_layers_and_states_are_refused() -> None:
    with pytest.raises(NotBuiltError):
        layers.MultiHeadAttention(2, 3).to_torch()
    four = layers.MultiHeadAttention(2, 3)
    four(Q.unsqueeze(1), V.unsqueeze(1))
    with pytest.raises(UnsupportedError, match="an input of 4 axes"):
        four.to_torch()
    partly = layers.MultiHeadAttention(2, 3)
    partly(Q, V)
    partly.key_dense.trainable = False
    with pytest.raises(UnsupportedError, match="in torch they are one parameter"):
        partly.to_torch()
    dots = layers.Attention(use_scale=True)
    dots([Q, V])
    with pytest.raises(UnsupportedError, match="no module that computes Attention"):
        dots.to_torch()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: nn.MultiheadAttention(6, 2, add_bias_kv=True), "add_bias_kv=True"),
        (lambda: nn.MultiheadAttention(6, 2, add_zero_attn=True), "add_zero_attn=True"),
        (lambda: nn.Sequential(nn.Linear(6, 6), nn.MultiheadAttention(6, 2)), "hands on one tensor"),
    ],
)
def test_what_keras_cannot_express_is_refused(make: Any, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        from_torch(make())
