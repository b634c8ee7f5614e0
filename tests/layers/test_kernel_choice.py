"""Where the step engine is faster than a kernel of torch it runs in its place, with the same numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import GRADIENT, assert_close
from torch import Tensor

from kerastorch import layers, size_rules
from kerastorch.kernels import matrix_products, step_engine

CONFIGS = {
    "GRU": (layers.GRU, {}),
    "GRU without bias": (layers.GRU, {"use_bias": False, "go_backwards": True}),
    "GRU, dropout": (layers.GRU, {"dropout": 0.25}),
    "CuDNNGRU": (layers.CuDNNGRU, {}),
    "SimpleRNN": (layers.SimpleRNN, {}),
    "SimpleRNN, relu": (layers.SimpleRNN, {"activation": "relu", "use_bias": False}),
}
STEPS = size_rules.LOOP_STEPS


def fill(layer: Any) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))


def inputs(batch: int = 3, steps: int = STEPS, features: int = 4) -> Tensor:
    return torch.randn(batch, steps, features, generator=torch.Generator().manual_seed(2))


def everything(layer: Any, x: Tensor, orders: int = 1, **call: Any) -> list[Tensor]:
    """Outputs, final states, and the gradients of the inputs and weights, of the first order and the second."""
    torch.manual_seed(3)
    leaves = [x.clone().requires_grad_(), *layer.parameters()]
    outputs = layer(leaves[0], **call)
    loss = sum((out * torch.linspace(-1, 2, out.numel()).reshape(out.shape)).sum() for out in outputs)
    first = torch.autograd.grad(loss, leaves, create_graph=orders == 2)  # type: ignore[arg-type]
    found = [*outputs, *first]
    if orders == 2:
        found += torch.autograd.grad(sum(grad.square().sum() for grad in first), leaves)  # type: ignore[arg-type]
    return found


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each run of the engine."""
    log: list[str] = []
    run = step_engine.run
    monkeypatch.setattr(step_engine, "run", lambda *args, **options: log.append("engine") or run(*args, **options))
    return log


@pytest.mark.parametrize("orders", [1, 2])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_engine_gives_what_the_kernel_gives(
    name: str, masked: bool, batch: int, orders: int, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cls, config = CONFIGS[name]
    layer = cls(5, return_sequences=True, return_state=True, **config)
    x = inputs(batch)
    layer(x)
    fill(layer)
    call: dict[str, Any] = {"training": True, "initial_state": [inputs(batch, 5)[:, :, 0]]}
    if masked:
        call["mask"] = torch.arange(STEPS) % torch.arange(2, batch + 2)[:, None] > 0  # holes, the first step is one
    runs.clear()
    ours = everything(layer, x, orders, **call)
    assert runs == ["engine"]
    monkeypatch.setattr(step_engine, "outruns", lambda *args: False)
    theirs = everything(layer, x, orders, **call)
    assert runs == ["engine"]
    assert_close(ours, theirs, GRADIENT)


@pytest.mark.parametrize("name", ["GRU", "SimpleRNN"])
def test_where_it_runs(name: str, runs: list[str], without_compiled_code: None) -> None:
    layer = CONFIGS[name][0](4)
    for (batch, steps), faster in {
        (3, STEPS): True,
        (size_rules.LOOP_ROWS, STEPS): True,
        (size_rules.LOOP_ROWS + 1, STEPS): False,
        (3, STEPS - 1): False,
    }.items():
        for needs in (True, False):
            x = inputs(batch, steps)
            layer(x)
            runs.clear()
            with torch.set_grad_enabled(needs):
                choice = layer.kernel_choice(x)
                layer(x)
            assert (choice.path == "step loop") == bool(runs) == (faster and needs)
            faster_there = step_engine.where_faster(layer._fused())
            assert faster_there is not None
            assert faster_there in choice.reason
    frozen = inputs()
    layer.trainable = False
    assert layer.kernel_choice(frozen).path == "fused"
    assert layer.kernel_choice(frozen.requires_grad_()).path == "step loop"
    layer.double()
    assert layer.kernel_choice(frozen.detach().double().requires_grad_()).path == "fused"


def test_where_it_runs_in_inference(monkeypatch: pytest.MonkeyPatch, without_compiled_code: None) -> None:
    layer = layers.GRU(4)
    layer(inputs())
    monkeypatch.setattr(size_rules, "PRODUCT_WORK", {matrix_products.BLAS: 3 * 4 * 4 * 3})
    if torch.backends.mkldnn.is_available():
        with torch.no_grad():
            assert layer.kernel_choice(inputs(3)).path == "step loop"
            assert layer.kernel_choice(inputs(2)).path == "fused"


@torch.no_grad()
def test_where_it_runs_in_inference_without_onednn(
    monkeypatch: pytest.MonkeyPatch, without_compiled_code: None
) -> None:
    monkeypatch.setattr(matrix_products, "pays", lambda *args: False)
    for cls in (layers.GRU, layers.SimpleRNN):
        layer = cls(4)
        layer(inputs())
        rows = size_rules.LOOP_STATE // 4
        assert layer.kernel_choice(inputs(rows)).path == "step loop"
        assert layer.kernel_choice(inputs(rows - 1)).path == "fused"
        assert layer.kernel_choice(inputs(rows, size_rules.LOOP_STEPS - 1)).path == "fused"


def test_never_in_the_place_of_an_lstm(runs: list[str], without_compiled_code: None) -> None:
    for cls in (layers.LSTM, layers.CuDNNLSTM):
        layer = cls(4)
        layer(inputs())
        choice = layer.kernel_choice(inputs())
        assert choice.path == "fused"
        assert "step loop" not in choice.reason
    assert not runs


@pytest.mark.parametrize("cell", [layers.GRUCell, layers.SimpleRNNCell])
def test_cells(cell: Any, runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    layer = layers.RNN([cell(4), cell(3)], return_sequences=True, return_state=True)
    x = inputs()
    layer(x)
    fill(layer)
    runs.clear()
    ours = everything(layer, x)
    assert runs == ["engine"] * 2
    assert layer.kernel_choice(x).path == "step loop"
    assert layer.kernel_choice().path == "fused"
    monkeypatch.setattr(step_engine, "outruns", lambda *args: False)
    assert_close(ours, everything(layer, x), GRADIENT)
    assert len(runs) == 2


def test_who_takes_a_graph_gets_the_kernel(runs: list[str]) -> None:
    layer = layers.GRU(4)
    x = inputs()
    layer(x)
    runs.clear()
    exported = torch.export.export(layer.eval(), (x,))
    assert not runs
    assert any("kerastorch.gru" in str(node.target) for node in exported.graph.nodes)
    assert_close(torch.func.vmap(layer)(x[None])[0], layer(x))
    assert runs == ["engine"]
