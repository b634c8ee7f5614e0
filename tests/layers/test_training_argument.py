"""`layer(x, training=...)` of every layer: the argument wins over the mode that the layer is in."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from kerastorch import layers
from kerastorch.base.layer import REGISTRY, Example, Layer
from kerastorch.structure import leaves, map_shapes

EXAMPLES = [(cls, example) for cls in REGISTRY.values() for example in cls.EXAMPLES]


def _run(layer: Layer, x: Any, **options: Any) -> tuple[list[Tensor], list[Tensor]]:
    """What a copy of the layer returns, and its state afterwards, under one seed."""
    layer = copy.deepcopy(layer)
    torch.manual_seed(3)
    out = layer(*x, **options) if layer._call_arguments.tensors else layer(x, **options)
    return [leaf for leaf in leaves(out) if isinstance(leaf, Tensor)], list(layer.state_dict().values())


@pytest.mark.parametrize(
    ("cls", "example"), EXAMPLES, ids=[f"{cls._class_name}-{example.name}" for cls, example in EXAMPLES]
)
def test_the_argument_wins(cls: type[Layer], example: Example) -> None:
    layer = cls.from_config(dict(example.config))
    words = example.config.get("input_dim")
    x = map_shapes(lambda shape: torch.randint(words, shape) if words else torch.randn(shape), example.input_shape)
    with torch.no_grad():
        layer.eval()
        layer(*x) if layer._call_arguments.tensors else layer(x)
        for training in (False, True):
            expected = _run(layer.train(training), x)
            given = _run(layer.train(not training), x, training=training)
            for mine, wanted in zip(given, expected, strict=True):
                assert len(mine) == len(wanted)
                assert all(torch.equal(a, b) for a, b in zip(mine, wanted, strict=True)), training


def test_a_wrapper_hands_it_on() -> None:
    x = torch.randn(2, 4)
    seen: list[bool | None] = []

    class Told(layers.Dense):
        def call(self, x: Tensor, training: bool | None = None) -> Tensor:
            seen.append(training)
            return super().call(x)

    layer = layers.SpectralNormalization(Told(3))
    for training in (True, False):
        layer(x, training=training)
    layer.eval()(x)
    assert seen[-3:] == [True, False, False]


def test_a_layer_of_another_dtype_inside() -> None:
    """Keras casts what a layer is called on to the dtype of that layer, inside a wrapper too."""
    layer = layers.SpectralNormalization(layers.Dense(3), dtype="mixed_float16").eval()
    x = torch.randn(2, 4)
    out = layer(x)
    assert out.dtype == torch.float16
    assert torch.equal(out, layer.layer(x.half().float()).half())
