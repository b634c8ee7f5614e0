"""Every function of torch that is translated: alone, and all of them together in a file that Keras opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from _close import assert_close
from torch import Tensor, nn

import kerastorch as kt

from ._helpers import of_model

BATCH, TIME, FEATURES = 3, 7, 4


class Functions(nn.Module):
    """One function, or several, of a series and of trained weights."""

    def __init__(self, **functions: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.functions = functions
        self.matrix, self.vector = nn.Parameter(torch.randn(4, 6)), nn.Parameter(torch.randn(4))
        self.dense = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> dict[str, Any]:
        return {name: function(self, x) for name, function in self.functions.items()}


def add_in_place(a: Tensor, b: Tensor) -> Tensor:
    a += b
    return a


def causal(x: Tensor) -> Tensor:
    later = torch.ones(x.size(1), x.size(1)).triu(1).bool()
    return (x @ x.mT).masked_fill(later, -1e9).softmax(-1) @ x


POINTWISE: dict[str, Callable[[Any, Tensor], Any]] = {
    "add": lambda m, x: x + x.mean(1, keepdim=True) + 2,
    "other_rank": lambda m, x: x.transpose(0, 1) * x[:, 0],
    "reversed": lambda m, x: 1 - 2 / (3 + x.abs()) - 2**x,
    "alpha": lambda m, x: torch.sub(x, x * x, alpha=1),
    "power": lambda m, x: x**2 + (x.abs() + 0.1).pow(0.5),
    "divide": lambda m, x: torch.div(x, 0.3, rounding_mode="floor") + x // 0.7 + x % 0.7,
    "unary": lambda m, x: x.abs().add(0.1).log() + x.exp().sqrt() - x.sin() * torch.cos(x) + x.sign() + x.floor(),
    "constants": lambda m, x: x * torch.arange(4.0, dtype=x.dtype) + torch.ones(1, 1, dtype=x.dtype),
    "compare": lambda m, x: ((x > 0) & (x < 1) | (x.ge(2)) | ~(x != x)).to(x.dtype),
    "where": lambda m, x: torch.where(x > 0, x, x * 0.1),
    "masked_fill": lambda m, x: x.masked_fill(x < 0, float("-inf")).softmax(1),
    "clamp": lambda m, x: x.clamp(-0.5, 0.5) + x.clamp(min=0),
    "extremes": lambda m, x: torch.max(x, x * x) - torch.minimum(x, x.new_zeros(x.shape)),
    "activations": lambda m, x: F.gelu(F.silu(F.elu(F.leaky_relu(F.softplus(x))))) + F.relu6(x) + torch.selu(x),
    "more_activations": lambda m, x: F.hardtanh(x) + F.logsigmoid(x) + F.softsign(x) + F.mish(x) + F.hardswish(x),
    "shrinking": lambda m, x: F.hardshrink(x, 0.3) - 2 * F.softshrink(x, 0.2) + 3 * F.threshold(x, 0.1, -0.5),
    "shrinking_modules": lambda m, x: nn.Softshrink(0.2)(nn.Hardshrink(0.3)(x)) + nn.Threshold(0.1, -0.5)(x),
    "tanh_gelu": lambda m, x: F.gelu(x, approximate="tanh"),
    "gate": lambda m, x: F.glu(x, -1),
    "softmax": lambda m, x: F.log_softmax(x, 1) + x.softmax(-1),
    "dropout": lambda m, x: F.dropout(x, 0.5, training=m.training),
    "in_place": lambda m, x: m.dense(x).relu_().add_(1.0).mul_(2),
    "plus_equals": lambda m, x: add_in_place(m.dense(x), x),
    "casts": lambda m, x: (x > 0).long().to(x).sum(1) + x.contiguous().clone().detach().type_as(x)[:, 0],
    "constant_rows": lambda m, x: torch.cat([x.new_zeros(x.size(0), 1, 4), x[:, :-1]], 1) + torch.zeros_like(x),
    "several_in_one": lambda m, x: (
        torch.addcmul(x, x, x * 2, value=0.5) + torch.lerp(x, x * x, x.sigmoid()) - x.clamp_min(0.1).addcdiv(x, x.exp())
    ),
    "nan_to_num": lambda m, x: (
        torch.nan_to_num((x - 1).log(), 0.5, neginf=-3.0) + x.div(x * (x > 0)).nan_to_num(2.0, 9)
    ),
    "prelu": lambda m, x: F.prelu(x, m.vector[:1]) + F.prelu(x[:, 0], m.vector)[:, None],
    "full_like": lambda m, x: torch.full_like(x, 0.5) * x + torch.full_like(x, 2, dtype=torch.int64),
    "full": lambda m, x: torch.full((x.size(0), 2), 3.0, dtype=x.dtype) + x[:, 0, :2],
}
REDUCING: dict[str, Callable[[Any, Tensor], Any]] = {
    "sums": lambda m, x: x.sum((1, 2), keepdim=True) + x.mean(dim=-1, keepdim=True),
    "product": lambda m, x: x[:, :3].prod(1),
    "extremes": lambda m, x: torch.max(x, 1)[0] + x.amin(1) + x.min(dim=1).values,
    "places": lambda m, x: x.max(2).indices + x.argmin(-1),
    "any": lambda m, x: (x > 1).any(1),
    "counted": lambda m, x: (x > 0).sum(1) + (x > 0.5).cumsum(1)[:, -1] + (x > 0).int().sum(1) + (x > -9).prod(1),
    "counted_in_32_bits": lambda m, x: (x > 0).int() + (x > 1) * 2 + (x.int() // 2) % 3,
    "of_integers": lambda m, x: (
        (x.int() / 2).to(x.dtype) + (x > 0) * 0.5 + x.long() * (x > 1) + torch.where(x > 0, x.int(), 1.5)
    ),
    "spread": lambda m, x: x.std(1) + x.var(1) + x.std(dim=1, unbiased=False) + torch.var(x, 1, correction=0),
    "logsumexp": lambda m, x: x.logsumexp(1),
    "norms": lambda m, x: (
        F.normalize(x, dim=-1) + x.norm(dim=1, keepdim=True) + torch.linalg.norm(x, dim=-1)[..., None]
    ),
    "cosine": lambda m, x: F.cosine_similarity(x, x + 1, dim=-1),
    "distance": lambda m, x: F.pairwise_distance(x, x * 2) + F.pairwise_distance(x[:, 0], x[:, 1], keepdim=True),
    "with_mean": lambda m, x: sum(torch.var_mean(x, 1)) + sum(torch.std_mean(x, dim=1, correction=0)),
    "softmin": lambda m, x: F.softmin(x, dim=1),
    "cumsum": lambda m, x: x.cumsum(1),
    "matmul": lambda m, x: (x @ x.transpose(1, 2)).matmul(x),
    "weights": lambda m, x: x @ m.matrix,
    "vector": lambda m, x: x @ m.vector,
    "turned_weights": lambda m, x: F.linear(x, m.matrix.t()) + m.matrix.exp().sum(0),
    "weights_first": lambda m, x: m.matrix.t() @ x.transpose(1, 2),
    "functional_dense": lambda m, x: F.linear(x, m.dense.weight, m.dense.bias),
    "softmax_of_weights": lambda m, x: (x * torch.softmax(m.vector, 0)).sum(-1),
    "einsum": lambda m, x: torch.einsum("btf,bsf->bts", x, x),
    "einsum_of_weights": lambda m, x: torch.einsum("btf,fu->but", x, m.matrix),
    "attention": lambda m, x: F.scaled_dot_product_attention(x, x * 2, x),
    "attention_to_the_past": lambda m, x: F.scaled_dot_product_attention(x[:, 2:], x, x, is_causal=True),
    "attention_where": lambda m, x: F.scaled_dot_product_attention(x, x, x, attn_mask=(x[:, None, :, 0] > 0)),
    "attention_nowhere": lambda m, x: F.scaled_dot_product_attention(x, x, x, attn_mask=(x[..., :1] > x.mT[:, :1])),
    "attention_with_numbers": lambda m, x: F.scaled_dot_product_attention(x, x, x, attn_mask=x @ x.mT, scale=0.5),
    "attention_with_infinity": lambda m, x: F.scaled_dot_product_attention(
        x, x, x, attn_mask=torch.full((7, 7), float("-inf"), dtype=x.dtype).triu(1)
    ),
    "added_product": lambda m, x: torch.baddbmm(x @ x.mT, x, x.mT, beta=0.5, alpha=2.0),
    "causal": lambda m, x: causal(x),
    "layer_norm": lambda m, x: F.layer_norm(x, (4,)),
}
SHAPING: dict[str, Callable[[Any, Tensor], Any]] = {
    "heads": lambda m, x: x.view(*x.shape[:2], 2, 2).transpose(1, 2),
    "heads_and_back": lambda m, x: x.view(x.size(0), -1, 2, 2).permute(0, 2, 1, 3).transpose(1, 2).reshape(x.shape),
    "flatten": lambda m, x: x.flatten(1),
    "joined_with_the_batch": lambda m, x: m.dense(x.reshape(-1, 4)).view(x.size(0), -1, 4),
    "unflatten": lambda m, x: x.unflatten(-1, (2, 2)).flatten(1, 2),
    "split": lambda m, x: torch.cat(x.split([1, 3], -1)[::-1], -1),
    "chunk": lambda m, x: torch.stack(x.chunk(2, -1), 0).sum(0),
    "unbind": lambda m, x: sum(x.unbind(2)),
    "stack": lambda m, x: torch.stack([x, x * 2], dim=1).mT,
    "slices": lambda m, x: x[:, 1:-1, ::2],
    "new_axes": lambda m, x: x[:, None, -1] * x[..., 0, None],
    "diff": lambda m, x: x.diff(dim=1) + torch.diff(x, 2, 1)[:, :1],
    "hstack": lambda m, x: torch.hstack([x, x * 2]),
    "differences": lambda m, x: x[:, 1:] - x[:, :-1],
    "select": lambda m, x: x.select(1, 2) + x.narrow(1, 2, 3)[:, -1],
    "index_select": lambda m, x: x.index_select(2, torch.tensor([3, 0])),
    "gather": lambda m, x: x.gather(1, x.argmax(1, keepdim=True)).squeeze(1),
    "expand": lambda m, x: torch.cat([x, x[:, :1].expand(-1, 7, -1)], -1) + x[:, :1].expand_as(x).repeat(1, 1, 2),
    "repeat": lambda m, x: x.repeat(1, 2, 1).repeat_interleave(2, dim=2),
    "flip": lambda m, x: x.flip(1).roll(1, 1),
    "moved": lambda m, x: x.movedim(1, 2).unsqueeze(1).squeeze(1).swapaxes(0, 2),
    "triangle": lambda m, x: (x @ x.mT).tril() + (x @ x.mT).triu(1) * 2,
    "positions": lambda m, x: x + torch.arange(x.size(1)).unsqueeze(-1).to(x.dtype),
    "every_step": lambda m, x: torch.stack([step * i for i, step in enumerate(x.unbind(1))], 1),
    "number_of_steps": lambda m, x: x.sum(1) / x.size(1),
    "pools": lambda m, x: F.max_pool1d(x.transpose(1, 2), 2) + F.adaptive_avg_pool1d(x.transpose(1, 2), 1),
    "pad": lambda m, x: F.pad(x, (0, 1, 2, 0), value=0.5),
    "one_hot": lambda m, x: F.one_hot(x.argmax(-1), 5).to(x.dtype),
    "top": lambda m, x: x.topk(2, 1)[0] + x.transpose(1, 2).topk(2)[1].to(x.dtype).transpose(1, 2),
    "sorted": lambda m, x: x.sort(1)[0] + x.sort(2, descending=True)[0] * x.sort(dim=1, descending=True)[1],
    "sorting": lambda m, x: x.argsort(1) - x.argsort(-1, descending=True),
}
ALL = {"pointwise": POINTWISE, "reducing": REDUCING, "shaping": SHAPING}
CASES = [(group, name) for group, functions in ALL.items() for name in functions]


def outputs(made: dict[str, Tensor]) -> list[Tensor]:
    """By name, with the batch first."""
    return [tensor.movedim(list(tensor.shape).index(BATCH), 0) for _, tensor in sorted(made.items())]


@pytest.mark.parametrize(("group", "name"), CASES)
def test_function(group: str, name: str) -> None:
    module = Functions(**{name: ALL[group][name]}).double().eval()
    model = kt.from_torch(module, torch.randn(BATCH, TIME, FEATURES, dtype=torch.float64))
    x = torch.randn(BATCH, TIME, FEATURES, dtype=torch.float64)
    with torch.no_grad():
        expected = outputs(module(x))
        actual = of_model(model, x)
        assert_close(actual, expected)  # the same sums in another order
    assert [out.dtype for out in actual] == [out.dtype for out in expected]


@pytest.mark.parametrize("group", ALL)
def test_keras_computes_the_same(group: str, keras_worker: Any, tmp_path: Path) -> None:
    module = Functions(**ALL[group]).eval()
    x = torch.randn(BATCH, TIME, FEATURES)
    path = str(tmp_path / "model.keras")
    model: Any = kt.from_torch(module, x, dynamic_axes=())
    kt.save_model(model, path)
    predicted = keras_worker.call("keras3", "predictions:predictions", path, [x.numpy()])
    with torch.no_grad():
        assert_close(predicted, outputs(module(x)))
