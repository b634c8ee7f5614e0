"""Layers that are not recurrent in onnxruntime, on sizes that the export has not seen."""

from __future__ import annotations

import torch

from export._onnx import assert_same, exported, needs_onnx, operators, randomised
from kerastorch import Input, Model, layers

pytestmark = needs_onnx


def test_attention_and_windows_of_any_size() -> None:
    a, b = Input((None, 3)), Input((None, 3))
    outputs = [
        layers.Attention(use_scale=True)([a, b], use_causal_mask=True),
        layers.MultiHeadAttention(2, 3)(a, b, use_causal_mask=True),
        layers.LayerNormalization()(a),
        layers.AdaptiveMaxPooling1D(3)(a),
        layers.AdaptiveAveragePooling1D(2)(b),
    ]
    model = randomised(Model([a, b], outputs))
    data = exported(_Apart(model), [torch.randn(2, 7, 3), torch.randn(2, 5, 3)])
    assert operators(data).count("LayerNormalization") == 1
    for rows, steps, others in ((3, 11, 6), (1, 4, 9)):
        assert_same(data, _Apart(model), [torch.randn(rows, steps, 3), torch.randn(rows, others, 3)])


class _Apart(torch.nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> list[torch.Tensor]:
        return self.model([a, b])
