"""Masked sequences as a device gets them: ordered without a sort, time-major, both directions in one call.

Nothing here needs a device: `packing.scatters` says yes for the CPU, and the kernel is torch's own behind a look at
what it is given. What is compared with is the way of the CPU, which other tests compare with Keras.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import BFLOAT16, assert_close
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from kerastorch import layers
from kerastorch.kernels import fused, operators, packing
from kerastorch.layers.rnn import both_directions

MASK = torch.tensor(
    [[1, 1, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 1]],
    dtype=torch.bool,
)
KINDS: dict[str, Any] = {
    "LSTM": layers.LSTM,
    "CuDNNLSTM": layers.CuDNNLSTM,
    "GRU": layers.GRU,
    "SimpleRNN": layers.SimpleRNN,
    "no bias": lambda units, **config: layers.LSTM(units, use_bias=False, **config),
}


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Tensor, bool]]:
    """Each call of a kernel, with its inputs and whether both directions run; the way is that of a device."""
    log: list[tuple[str, Tensor, bool]] = []

    def seen(name: str, kernel: Any) -> Any:
        def run(x: Tensor, hx: Any, weights: list[Tensor], *rest: Any) -> Any:
            log.append((name, x, rest[4]))
            return kernel(x, hx, weights, *rest)

        return run

    found = {name: (seen(name, kernel), states) for name, (kernel, states) in operators._KERNELS.items()}
    monkeypatch.setattr(operators, "_KERNELS", found)
    monkeypatch.setattr(packing, "scatters", lambda x: True)
    monkeypatch.setattr(both_directions, "gains", lambda *args: True)
    return log


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def filled(layer: Any, dtype: torch.dtype | None = torch.float64, batch: int | None = None) -> Any:
    layer.build((batch, None, 3))
    if dtype is not None:
        layer.to(dtype)
    with torch.no_grad():
        for index, weight in enumerate(layer.parameters()):
            weight.copy_(0.6 * random(*weight.shape, seed=10 + index))
    return layer


def everything(layer: Any, x: Tensor, initial: list[Tensor] | None = None, **call: Any) -> list[Tensor]:
    """Outputs, states, and all gradients."""
    begins = [x.clone().requires_grad_(), *(state.clone().requires_grad_() for state in initial or [])]
    outputs = layer(begins[0], initial_state=begins[1:] or None, **call)
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    loss = sum((out * torch.arange(1.0, out.numel() + 1).reshape(out.shape)).sum() for out in outputs)
    sources = [*begins, *(weight for weight in layer.parameters() if weight.requires_grad)]
    return [*outputs, *torch.autograd.grad(loss, sources)]  # type: ignore[arg-type]


def compare(layer: Any, x: Tensor, patch: pytest.MonkeyPatch, kernels: list[Any], **call: Any) -> list[Any]:
    """Compare with the way of the CPU; the calls of kernels on the way of a device."""
    ours, calls = everything(layer, x, **call), list(kernels)
    patch.undo()
    for our, their in zip(ours, everything(layer, x, **call), strict=True):
        assert our.shape == their.shape
        assert_close(our, their)  # float64, another order of sums
    return calls


@pytest.mark.parametrize("options", [{}, {"return_state": True}, {"zero_output_for_mask": True}], ids=str)
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_one_direction(name: str, sequences: bool, options: Any, kernels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = filled(KINDS[name](4, return_sequences=sequences, **options)), random(4, 5, 3)
    x = x.transpose(0, 1).contiguous().transpose(0, 1) if sequences else x  # as the layer before gives it, or as data
    states = [random(4, 4, seed=index) for index in range(layer._state_count)] if options else None
    ((_, given, both),) = compare(layer, x, monkeypatch, kernels, mask=MASK, initial=states)
    assert not both
    assert given.transpose(0, 1).is_contiguous()  # cuDNN's own order: nothing is copied


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("states", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_both_directions_in_one_call(
    name: str, sequences: bool, states: bool, given: bool, kernels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = filled(layers.Bidirectional(KINDS[name](4, return_sequences=sequences, return_state=states)))
    count = 2 * layer.forward_layer._state_count
    initial = [random(4, 4, seed=index) for index in range(count)] if given else None
    ((_, x, both),) = compare(layer, random(4, 5, 3), monkeypatch, kernels, mask=MASK, initial=initial)
    assert both
    assert x.transpose(0, 1).is_contiguous()


@pytest.mark.parametrize("mode", ["sum", "mul", "ave", None])
def test_merged_otherwise(mode: str | None, kernels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = filled(layers.Bidirectional(layers.LSTM(4, return_sequences=True), merge_mode=mode))
    assert len(compare(layer, random(4, 5, 3), monkeypatch, kernels, mask=MASK)) == 1


def test_kept_states(kernels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for _ in range(2):
        layer = filled(layers.Bidirectional(layers.LSTM(4, stateful=True)), batch=4)
        found.append([layer(random(4, 5, 3, seed=seed), mask=MASK) for seed in (1, 2)] + layer.states)
        monkeypatch.undo()
    assert [both for *_, both in kernels] == [True, True]
    for ours, theirs in zip(*found, strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed around", "autocast", "autocast of halves"])
def test_half_precision_in_one_call(
    policy: str, sequences: bool, mask: Tensor | None, kernels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dtype = "mixed_bfloat16" if policy.startswith("mixed") else None
    layer = layers.GRU(
        4, return_sequences=sequences, return_state=True, dtype=dtype if policy != "mixed around" else None
    )
    layer = filled(layers.Bidirectional(layer, dtype=dtype), dtype=None)
    x = random(4, 5, 3).to(torch.bfloat16 if policy == "autocast of halves" else torch.float32)

    def run() -> list[Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=policy.startswith("autocast")):
            return everything(layer, x, mask=mask)

    ours = run()
    assert [(name, both) for name, _, both in kernels] == [("gru", True)]
    monkeypatch.undo()
    for our, their in zip(ours, run(), strict=True):
        assert our.dtype == their.dtype
        assert_close(our.float(), their.float(), BFLOAT16)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("both", [False, True])
def test_widths_that_tensor_cores_take(both: bool, half: torch.dtype, kernels: Any) -> None:
    layer = layers.LSTM(4, return_state=True)
    layer = filled(layers.Bidirectional(layer) if both else layer, half)
    layer(random(4, 5, 3).to(half), mask=MASK)
    layer.double()(random(4, 5, 3), mask=MASK)
    assert [x.shape[-1] for _, x, _ in kernels] == ([8, 8] if both else [8, 4])  # two of each, or one; in float64 as is


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.usefixtures("kernels")
def test_what_a_masked_step_holds_is_nowhere(both: bool) -> None:
    layer = layers.LSTM(4, return_sequences=True, return_state=True)
    layer = filled(layers.Bidirectional(layer) if both else layer)
    x = random(4, 5, 3)
    expected = everything(layer, x, mask=MASK)
    found = everything(layer, torch.where(MASK.unsqueeze(-1), x, torch.nan), mask=MASK)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


class Operations(TorchDispatchMode):
    """The names of all operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.usefixtures("kernels")
def test_only_operations_that_have_a_deterministic_form(both: bool) -> None:
    """Forwards and backwards nothing sorts, nothing reads a value, and no kernel is one that torch refuses under
    `use_deterministic_algorithms`: what adds where places may be equal is `index_add`, of `index_select`, alone."""
    layer = layers.LSTM(4, return_sequences=True, return_state=True)
    layer = filled(layers.Bidirectional(layer) if both else layer)
    with Operations() as seen:
        everything(layer, random(4, 5, 3), mask=MASK)
    assert {"index_copy", "index_select", "index_add"} <= {name.rstrip("_") for name in seen.names}
    refused = {"sort", "argsort", "nonzero", "_local_scalar_dense", "scatter_add", "scatter_add_", "put_", "index_put_"}
    assert not refused & seen.names
    assert not {name for name in seen.names if "scatter" in name or "unique" in name}


@pytest.mark.usefixtures("kernels")
def test_compiled() -> None:
    layer = filled(layers.LSTM(4, return_sequences=True, return_state=True))
    compiled = torch.compile(layer, fullgraph=True, backend="eager", dynamic=True)
    for rows in (4, 3):
        x, mask = random(rows, 5, 3), MASK[:rows]
        for one, other in zip(compiled(x, mask=mask), layer(x, mask=mask), strict=True):
            assert_close(one, other)


def test_it_is_not_the_way_of_the_cpu() -> None:
    assert not packing.scatters(random(2, 3, 4))
    assert fused.packing is packing
