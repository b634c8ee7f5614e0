"""Attention layers and EinsumDense: what they refuse, symbolic calls, masks, initial values, kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import BFLOAT16, assert_close

from kerastorch import Input, Model, layers
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError

Q, V = torch.randn(2, 4, 6), torch.randn(2, 5, 6)


@pytest.mark.parametrize(
    ("make", "call", "error", "text"),
    [
        (lambda: layers.Attention(score_mode="mul"), None, ArgumentError, "score_mode"),
        (lambda: layers.Attention(dropout=2), None, ArgumentError, "dropout"),
        (layers.Attention, lambda a: a(Q), ShapeError, r"takes a list, \[query, value\]"),
        (layers.Attention, lambda a: a([Q]), ShapeError, "got 1 input"),
        (layers.Attention, lambda a: a([Q, V[..., :2]]), ShapeError, "same number of features"),
        (layers.Attention, lambda a: a([Q, V, V[:, :3]]), ShapeError, "same number of timesteps"),
        (layers.Attention, lambda a: a([Q, V], mask=torch.ones(2, 4)), ArgumentError, "query_mask, value_mask"),
        (layers.Attention, lambda a: a([Q, V], mask=[torch.ones(2, 5), None]), ShapeError, "mask of the query"),
        (layers.AdditiveAttention, lambda a: a.build([(None, 4, None), (None, 5, None)]), ShapeError, "must be known"),
        (lambda: layers.MultiHeadAttention(0, 3), None, ArgumentError, "num_heads"),
        *(
            (
                lambda: layers.MultiHeadAttention(2, 3),
                lambda a, shape=shape: a._check_input_shape(shape),
                ShapeError,
                "takes query and",
            )
            for shape in ((None, 4, 6), [(None, 4, 6)], [(None, 4, 6)] * 4, ())
        ),
        (lambda: layers.MultiHeadAttention(2, 3.5), None, ArgumentError, "key_dim"),
        (lambda: layers.MultiHeadAttention(2, 3, sliding_window=0), None, ArgumentError, "sliding_window"),
        (lambda: layers.MultiHeadAttention(2, 3, flash_attention=True, dropout=0.1), None, ArgumentError, "dropout=0"),
        (lambda: layers.MultiHeadAttention(2, 3), lambda a: a(Q), ArgumentError, "value is missing"),
        (lambda: layers.MultiHeadAttention(2, 3), lambda a: a(Q, V[0]), ShapeError, "same rank"),
        (lambda: layers.MultiHeadAttention(2, 3), lambda a: a(Q, V, Q), ShapeError, "agree in all but the last"),
        (lambda: layers.MultiHeadAttention(2, 3), lambda a: a.build((None, 4, 6)), ArgumentError, "value is missing"),
        (
            lambda: layers.MultiHeadAttention(2, 3),
            lambda a: a(Q, V, attention_mask=torch.ones(2, 4, 4)),
            ShapeError,
            r"masks together have shape \(2, 1, 4, 4\)",
        ),
        (lambda: layers.MultiHeadAttention(2, 3, attention_axes=2), lambda a: a(Q, V), ShapeError, "attention_axes"),
        (lambda: layers.GroupQueryAttention(3, 4, 3), None, ArgumentError, "multiple of num_key_value_heads"),
        (lambda: layers.EinsumDense("ab->ac", 3), None, ArgumentError, "equation"),
        (lambda: layers.EinsumDense("ab,bc->ad", 3), None, ArgumentError, "axis 'd' of the output"),
        (lambda: layers.EinsumDense("ab,bdc->ac", 3), None, ArgumentError, "axis 'd' of the kernel"),
        (lambda: layers.EinsumDense("ab,bc->ac", 3, bias_axes="b"), None, ArgumentError, "bias_axes: 'b'"),
        (lambda: layers.EinsumDense("ab,bc->ac", 3, lora_rank=2), None, UnsupportedError, "LoRA"),
        (lambda: layers.EinsumDense("abc,cd->abd", (None, 3)), lambda a: a(Q[0]), ShapeError, "3 axes"),
        (lambda: layers.EinsumDense("abc,cd->abd", 3), lambda a: a(Q), ShapeError, "one size for each axis"),
        (lambda: layers.EinsumDense("abc,cd->abd", (5, 3)), lambda a: a(Q), ShapeError, "axis 'b'"),
        (lambda: layers.EinsumDense("...c,cd->...d", 3), lambda a: a.build((None, None)), ShapeError, "must be known"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, call: Any, error: type[Exception], text: str) -> None:
    if call is None:
        with pytest.raises(error, match=text):
            make()
        return
    with pytest.raises(error, match=text):
        call(make())


def test_a_built_layer_refuses_other_features() -> None:
    layer = layers.MultiHeadAttention(2, 3)
    layer(Q, V)
    with pytest.raises(ShapeError, match="kernel has shape"):
        layer(Q[..., :4], V)


def test_multi_head_attention_is_called_and_built_as_in_keras() -> None:
    layer = layers.MultiHeadAttention(2, 3)
    layer.build(query_shape=(None, 4, 6), value_shape=(None, 5, 6))
    assert layer.input_shape == [(None, 4, 6), (None, 5, 6)]
    assert layer.output_shape == (None, 4, 6)
    wanted = layer(Q, V)
    assert torch.equal(layer(query=Q, value=V, key=V), wanted)
    assert torch.equal(layer(Q.numpy(), value=V.numpy()), wanted)
    assert layer.compute_output_shape([(None, 4, 6), (None, 5, 6)]) == (None, 4, 6)


def test_numpy_behind_a_tensor_becomes_a_tensor() -> None:
    layer = layers.MultiHeadAttention(2, 3)
    wanted = layer(Q, V)
    assert torch.equal(layer(Q, V.numpy()), wanted)


def test_symbolic_calls_state_the_shapes_of_scores() -> None:
    q, v = Input((4, 6)), Input((5, 6))
    out, scores = layers.MultiHeadAttention(2, 3)(q, v, return_attention_scores=True)
    assert (out.shape, scores.shape) == ((None, 4, 6), (None, 2, 4, 5))
    one, weights = layers.Attention()([q, v], return_attention_scores=True)
    assert (one.shape, weights.shape) == ((None, 4, 6), (None, 4, 5))
    model = Model([q, v], [out, scores, one, weights])
    results = model([Q, V])
    assert [tuple(x.shape) for x in results] == [(2, 4, 6), (2, 2, 4, 5), (2, 4, 6), (2, 4, 5)]
    assert model.compute_output_shape([(7, 4, 6), (7, 5, 6)])[1] == (7, 2, 4, 5)
    again = Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    for a, b in zip(again([Q, V]), results, strict=True):
        assert torch.equal(a, b)


def test_masks_come_along_the_edges() -> None:
    words, values = Input((4,), dtype="int64"), Input((5,), dtype="int64")
    embed = layers.Embedding(7, 6, mask_zero=True)
    q, v = embed(words), embed(values)
    heads, dots = layers.MultiHeadAttention(2, 3), layers.Attention()
    model = Model([words, values], [heads(q, value=v), layers.GRU(2)(heads(q, v)), dots([q, v])])
    a, b = torch.tensor([[1, 2, 0, 0]]), torch.tensor([[3, 4, 5, 0, 0]])
    x, y = embed(a), embed(b)
    out = heads(x, y, query_mask=a != 0, value_mask=b != 0)
    wanted = [out, model.layers[-1](out, mask=a != 0) if isinstance(model.layers[-1], layers.GRU) else None]
    results = model([a, b])
    assert torch.equal(results[0], wanted[0])
    assert torch.equal(results[2], dots([x, y], mask=[a != 0, b != 0]))
    gru = next(layer for layer in model.layers if isinstance(layer, layers.GRU))
    assert torch.equal(results[1], gru(out, mask=a != 0))
    assert not torch.equal(results[1], gru(out.clone()))  # without the mask that hangs on it


def test_a_step_that_may_look_nowhere_is_finite_and_gets_no_gradient() -> None:
    layer = layers.MultiHeadAttention(2, 3)
    query = Q.clone().requires_grad_()
    mask = torch.ones(2, 5, dtype=torch.bool)
    mask[0] = False
    out = layer(query, V, value_mask=mask)
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert not query.grad[0].count_nonzero()
    assert query.grad[1].count_nonzero()


def test_kernel_choice_tells_when_the_fused_kernel_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[Any] = []
    kernel = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional, "scaled_dot_product_attention", lambda *a, **o: (runs.append(o), kernel(*a, **o))[1]
    )
    mask = torch.ones(2, 5, dtype=torch.bool)
    for config in ({}, {"dropout": 0.5}, {"keras2_masks": True}):
        for given in (None, mask):
            layer = layers.MultiHeadAttention(2, 3, **config).eval()
            runs.clear()
            layer(Q, V, value_mask=given)
            assert bool(runs) == (layer.kernel_choice(Q, given).path == "fused")
            assert layer.kernel_choice().reason
    explicit = layers.MultiHeadAttention(2, 3)
    out, scores = explicit(Q, V, value_mask=mask, return_attention_scores=True)
    assert_close(out, explicit(Q, V, value_mask=mask))
    assert_close(scores.sum(-1), torch.ones(2, 2, 4))


def test_projections_start_with_the_fans_of_the_equation() -> None:
    torch.manual_seed(0)
    layer = layers.MultiHeadAttention(20, 30)
    layer.build((None, 4, 100), (None, 4, 100))
    kernel = layer.get_weights()[0]
    limit = np.sqrt(6 / (100 + 600))  # not the fans of the last two axes, as a convolution would have
    assert limit * 0.99 < np.abs(kernel).max() <= limit


@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16", "bfloat16"])
def test_dtype_policies(policy: str) -> None:
    layer = layers.MultiHeadAttention(2, 3, dtype=policy)
    weights = torch.float32 if policy == "mixed_bfloat16" else getattr(torch, policy)
    x = Q.to(torch.float64 if policy == "float64" else torch.bfloat16 if policy == "bfloat16" else torch.float32)
    out = layer(x, x)
    assert out.dtype == (torch.bfloat16 if "bfloat16" in policy else torch.float64)
    assert {parameter.dtype for parameter in layer.parameters()} == {weights}
    assert layer.get_config()["dtype"] == policy
    reference = layers.MultiHeadAttention(2, 3)
    reference(Q, Q)
    reference.set_weights([np.asarray(array, "float32") for array in layer.get_weights()])
    assert_close(out.float(), reference(x.float(), x.float()), BFLOAT16)


@pytest.mark.parametrize("frozen", [True, False])
def test_trainable_reaches_the_projections(frozen: bool) -> None:
    layer = layers.MultiHeadAttention(2, 3, trainable=not frozen)
    layer(Q, V)
    assert {parameter.requires_grad for parameter in layer.parameters()} == {not frozen}


def test_penalties_are_those_of_the_projections() -> None:
    layer = layers.MultiHeadAttention(2, 3, kernel_regularizer="l2", activity_regularizer="l1")
    layer(Q, V)
    assert len(layer.losses) == 4 + 4
    assert layer.get_config()["activity_regularizer"]["class_name"] == "L1"
    old = layers.MultiHeadAttention(2, 3, activity_regularizer="l1", keras2_masks=True)
    old(Q, V)
    assert len(old.losses) == 4 + 1


def test_attention_compiles_and_exports() -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads, self.dots = layers.MultiHeadAttention(2, 3), layers.Attention(use_scale=True)
            self(Q, V)

        def forward(self, q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return self.dots([self.heads(q, v, use_causal_mask=True), v])

    module = Two().eval()
    exported = torch.export.export(module, (Q, V))
    assert_close(exported.module()(Q, V), module(Q, V))
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    assert_close(compiled(Q, V), module(Q, V))


def test_a_mask_for_each_head_and_the_mask_of_the_values_hold_both() -> None:
    layer = layers.MultiHeadAttention(2, 3).eval()
    query, value = torch.randn(2, 4, 5), torch.randn(2, 6, 5)
    heads = torch.rand(2, 2, 4, 6) > 0.4
    heads[..., 0] = True
    known = torch.tensor([[1, 1, 0, 1, 0, 1], [1, 0, 1, 1, 1, 0]], dtype=torch.bool)
    options: dict[str, Any] = {"return_attention_scores": True}
    found = layer(query, value, value_mask=known, attention_mask=heads, **options)
    wanted = layer(query, value, attention_mask=heads & known[:, None, None], **options)
    for ours, theirs in zip(found, wanted, strict=True):
        assert torch.equal(ours, theirs)
    assert not found[1][~(heads & known[:, None, None])].any()
