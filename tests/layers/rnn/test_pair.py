"""A Bidirectional as one call of torch's kernel, against one call for each direction."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import assert_close
from torch import Tensor

from kerastorch import layers
from kerastorch.kernels import fused
from kerastorch.kernels.fused import NAMES, fused_lstm
from kerastorch.layers.rnn import both_directions

MODES = ["concat", "sum", "ave", "mul", None]
LAYERS = {
    "LSTM": (layers.LSTM, {}),
    "LSTM without bias": (layers.LSTM, {"use_bias": False}),
    "CuDNNLSTM": (layers.CuDNNLSTM, {}),
    "GRU": (layers.GRU, {}),
    "SimpleRNN": (layers.SimpleRNN, {"activation": "relu"}),
}
MASK = torch.tensor([[0, 1, 1, 0, 1, 0]], dtype=torch.bool)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def make(name: str = "LSTM", merge_mode: str | None = "concat", *, forces_zeros: bool = True, **config: Any) -> Any:
    cls, fixed = LAYERS[name]
    layer = layers.Bidirectional(cls(3, **fixed, **config), merge_mode=merge_mode, forces_zeros=forces_zeros)
    layer.build((2 if config.get("stateful") else None, 6, 4))
    layer.double()
    with torch.no_grad():
        for index, parameter in enumerate(layer.parameters()):
            parameter.copy_(0.5 * random(*parameter.shape, seed=10 + index))
    return layer


def flat(outputs: Any) -> list[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


def everything(layer: Any, x: Tensor, initial: list[Tensor] | None = None, **call: Any) -> list[Tensor]:
    """Outputs, states, and all gradients."""
    leaves = [x.clone().requires_grad_(), *(state.clone().requires_grad_() for state in initial or [])]
    outputs = flat(layer(leaves[0], initial_state=leaves[1:] or None, **call))
    loss = sum((out * torch.arange(1.0, out.numel() + 1).reshape(out.shape)).sum() for out in outputs)
    sources = [*leaves, *(p for p in layer.parameters() if p.requires_grad)]
    return [*outputs, *torch.autograd.grad(loss, sources)]  # type: ignore[arg-type]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each run of both directions at once."""
    log: list[str] = []
    run = both_directions.run
    monkeypatch.setattr(both_directions, "run", lambda kernel, *args: log.append(NAMES[kernel]) or run(kernel, *args))
    return log


def compare(layer: Any, x: Tensor, runs: list[str], monkeypatch: pytest.MonkeyPatch, name: str, **call: Any) -> None:
    ours = everything(layer, x, **call)
    assert runs == [name]
    monkeypatch.setattr(both_directions, "kernel_of", lambda *args: None)
    theirs = everything(layer, x, **call)
    assert len(runs) == 1
    for our, their in zip(ours, theirs, strict=True):
        assert our.shape == their.shape
        assert_close(our, their)  # float64, another order of sums


@pytest.mark.parametrize("merge_mode", MODES)
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("return_state", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_both_at_once(
    merge_mode: str | None,
    return_sequences: bool,
    return_state: bool,
    masked: bool,
    given: bool,
    runs: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer = make(merge_mode=merge_mode, return_sequences=return_sequences, return_state=return_state)
    x = random(1 if masked else 2, 6, 4)
    call: dict[str, Any] = {"mask": MASK} if masked else {}
    call["initial"] = [random(len(x), 3, seed=i) for i in range(1, 5)] if given else None
    compare(layer, x, runs, monkeypatch, "lstm", **call)


@pytest.mark.parametrize(
    ("name", "kernel"),
    [("LSTM without bias", "lstm"), ("CuDNNLSTM", "lstm"), ("GRU", "gru"), ("SimpleRNN", "rnn_relu")],
)
@pytest.mark.parametrize("masked", [False, True])
def test_every_kernel(name: str, kernel: str, masked: bool, runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(both_directions, "gains", lambda *args: True)  # as on CUDA
    layer = make(name, return_sequences=True, return_state=True)
    compare(layer, random(1, 6, 4), runs, monkeypatch, kernel, **({"mask": MASK} if masked else {}))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", LAYERS)
def test_on_cuda(name: str, runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = make(name, return_sequences=True, return_state=True).cuda(), random(2, 6, 4).cuda()
    ours = flat(layer(x))
    assert len(runs) == 1
    monkeypatch.setattr(both_directions, "kernel_of", lambda *args: None)
    for our, their in zip(ours, flat(layer(x)), strict=True):
        assert_close(our, their)  # float64, another order of sums


def test_states_are_kept(runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for _ in range(2):
        layer = make(stateful=True, return_sequences=True)
        found.append([layer(random(2, 6, 4, seed=seed)) for seed in (1, 2)] + layer.states)
        monkeypatch.setattr(both_directions, "kernel_of", lambda *args: None)
    assert len(runs) == 2
    for ours, theirs in zip(*found, strict=True):
        assert_close(ours, theirs)


def test_what_keeps_the_directions_apart(runs: list[str]) -> None:
    x = random(2, 6, 4)
    apart: list[tuple[Any, dict[str, Any]]] = [
        (make(), {"mask": MASK.expand(2, 6)}),
        (make("GRU"), {}),
        (make(activation="relu"), {}),
        (make(dropout=0.5), {"training": True}),
        (make(recurrent_dropout=0.5), {"training": True}),
        (layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(2, go_backwards=True)).double(), {}),
        (layers.Bidirectional(layers.LSTM(3, go_backwards=True)).double(), {}),
    ]
    watched = make()
    seen: list[Any] = []
    watched.backward_layer.register_forward_hook(lambda *args: seen.append(1))
    for layer, call in [*apart, (watched, {})]:
        layer(x, **call)
        assert not runs
        assert "one call" not in layer.kernel_choice(x, **call).reason
    assert seen
    together = make(dropout=0.5)
    together(x, training=False)
    assert runs == ["lstm"]
    assert both_directions.gains(fused_lstm, x, together.forward_layer)
    assert together.kernel_choice(x, training=False).reason.endswith("; both directions in one call")
    with torch.nn.modules.module.register_module_forward_hook(lambda *args: seen.append(1)):
        together(x, training=False)
    assert len(runs) == 1
    empty = make()(random(1, 6, 4), mask=torch.zeros(1, 6, dtype=torch.bool))
    assert len(runs) == 1
    assert not empty.any()


def test_what_a_mask_hides_counts_where_there_is_a_mask(runs: list[str]) -> None:
    """Not zeros at masked steps, but the output before: one call for both cannot give that."""
    layer, x = make(forces_zeros=False, return_sequences=True), random(1, 6, 4)
    assert not layer.forward_layer.zero_output_for_mask
    layer(x, mask=MASK)
    assert not runs
    assert "one call" not in layer.kernel_choice(x, MASK).reason
    layer(x)
    assert runs == ["lstm"]
    assert layer.kernel_choice(x).reason.endswith("; both directions in one call")


def test_a_penalty_of_a_direction_acts() -> None:
    plain = layers.Bidirectional(layers.LSTM(3, activity_regularizer="l2"))
    plain(torch.randn(2, 6, 4))
    assert len(plain.losses) == 2


def test_a_swapped_pair_is_seen(runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    real = fused.run_pair

    def wrong(name: str, x: Tensor, states: Any, weights: Any) -> Any:
        return real(name, x, states, [*weights[4:], *weights[:4]])

    monkeypatch.setattr(fused, "run_pair", wrong)
    with pytest.raises(AssertionError, match="not close"):
        compare(make(return_sequences=True), random(2, 6, 4), runs, monkeypatch, "lstm")
