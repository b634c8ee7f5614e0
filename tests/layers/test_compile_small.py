"""torch.compile and torch.export over layers without time: one graph each, with the eager numbers."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from _close import assert_close

from kerastorch import layers

LAYERS: list[tuple[Any, dict[str, Any]]] = [
    (layers.ReLU, {"max_value": 1.0, "negative_slope": 0.1, "threshold": 0.2}),
    (layers.Softmax, {"axis": [1, 2]}),
    (layers.PReLU, {"shared_axes": [1]}),
    (layers.ActivityRegularization, {"l1": 0.1}),
    (layers.Rescaling, {"scale": [1.0, 2.0, 3.0, 4.0]}),
    (layers.Normalization, {}),
    (layers.Normalization, {"mean": 0.1, "variance": 2.0}),
    (layers.GroupNormalization, {"groups": 2, "scale": False}),
    (layers.UnitNormalization, {}),
    (layers.RMSNormalization, {}),
    (layers.Dense, {"units": 3, "activation": layers.LeakyReLU(0.1)}),
    (layers.LSTM, {"units": 3, "activation": layers.ELU(0.5)}),
]
NOISES: list[tuple[Any, dict[str, Any]]] = [
    (layers.GaussianNoise, {"stddev": 0.5}),
    (layers.GaussianDropout, {"rate": 0.5}),
    (layers.AlphaDropout, {"rate": 0.5, "noise_shape": (None, 1, None)}),
]


pytestmark = pytest.mark.usefixtures("fresh_compiler")


def compiled(layer: Any) -> Any:
    # The tracing is what can fail; inductor is tried in test_compile.py, and takes seconds for each layer.
    return torch.compile(layer, fullgraph=True, backend="aot_eager")


@pytest.mark.parametrize(("cls", "config"), LAYERS, ids=lambda value: getattr(value, "__name__", ""))
def test_one_graph(cls: Any, config: dict[str, Any]) -> None:
    x = torch.randn(3, 6, 4)
    layer = cls(**config)
    layer.build((None, 6, 4))
    layer.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations
        assert_close(compiled(layer)(x), layer(x))
        program = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    again = torch.randn(5, 6, 4)
    assert_close(program.module()(again), layer(again))


@pytest.mark.parametrize(("cls", "config"), NOISES, ids=lambda value: getattr(value, "__name__", ""))
def test_noise_in_one_graph(cls: Any, config: dict[str, Any]) -> None:
    x, layer = torch.randn(3, 6, 4), cls(**config)
    layer.build((None, 6, 4))
    run = compiled(layer)
    assert not torch.equal(run(x), x)
    layer.eval()
    torch._dynamo.reset()
    assert torch.equal(compiled(layer)(x), x)


@pytest.mark.parametrize(
    "layer", [layers.Highway(activation="tanh"), layers.MaxoutDense(3)], ids=lambda v: v._class_name
)
def test_layers_of_keras_1(layer: Any) -> None:
    x = torch.randn(2, 4)
    layer(x)
    assert_close(compiled(layer)(x), layer(x))
