"""What reaches a kernel on CUDA: weights in one array in cuDNN's layout, contiguous states.

The stand-in is torch's CPU kernel behind checks that cuDNN's wrapper makes (`aten/src/ATen/native/cudnn/RNN.cpp`:
`try_get_weight_buf`, and the contiguity of the states). A device only has to confirm the layout.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import assert_close
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from kerastorch import layers
from kerastorch.kernels import cudnn, operators
from kerastorch.kernels.cudnn import Layout

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def made_layout(name: str, features: int, units: int, both: bool, dtype: torch.dtype, device: torch.device) -> Layout:
    """cuDNN's order: the matrices of each direction, then all biases; with gaps, which alignment may ask for."""
    gates, directions = GATES[name] * units, 2 if both else 1
    offsets = [0] * 4 * directions
    end = 0
    for first, sizes in ((0, (gates * features, gates * units)), (2, (gates, gates))):
        for direction in range(directions):
            for index, size in enumerate(sizes):
                offsets[4 * direction + first + index] = end
                end += size + (3 if first == 0 else 0)
    return Layout(tuple(offsets), end + 5)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each call of a kernel, whose arguments are checked as cuDNN checks them."""
    log: list[str] = []

    def strict(name: str, kernel: Any) -> Any:
        def run(x: Tensor, hx: Any, weights: list[Tensor], biased: bool, *rest: Any) -> Any:
            both = rest[3]
            for state in hx if isinstance(hx, tuple) else (hx,):
                assert state.is_contiguous(), "rnn: hx is not contiguous"
            assert biased
            assert len(x) <= cudnn.ROWS
            assert len(weights) == (8 if both else 4)
            w_ih, w_hh = weights[:2]
            places = made_layout(name, w_ih.shape[1], w_hh.shape[1], both, w_ih.dtype, w_ih.device)
            storage = w_ih.untyped_storage()
            assert storage.nbytes() >= places.size * w_ih.element_size()
            for weight, offset in zip(weights, places.offsets, strict=True):
                assert weight.untyped_storage().data_ptr() == storage.data_ptr(), "not one chunk of memory"
                assert weight.storage_offset() == offset
                assert weight.is_contiguous()
            log.append(name)
            return kernel(x, hx, weights, biased, *rest)

        return run

    kernels = {name: (strict(name, kernel), states) for name, (kernel, states) in operators._KERNELS.items()}
    monkeypatch.setattr(operators, "_KERNELS", kernels)
    monkeypatch.setattr(cudnn, "applies", lambda x: True)
    monkeypatch.setattr(cudnn, "layout", made_layout)
    return log


LAYERS: dict[str, Any] = {
    "LSTM": lambda **config: layers.LSTM(3, **config),
    "GRU": lambda **config: layers.GRU(3, **config),
    "SimpleRNN": lambda **config: layers.SimpleRNN(3, **config),
    "relu": lambda **config: layers.SimpleRNN(3, activation="relu", **config),
    "CuDNNGRU": lambda **config: layers.CuDNNGRU(3, **{k: v for k, v in config.items() if k != "use_bias"}),
    "Bidirectional": lambda **config: layers.Bidirectional(layers.LSTM(3, **config)),
}
MASK = torch.tensor([[1, 1, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)


def everything(layer: Any, x: Tensor, **call: Any) -> list[Tensor]:
    """Outputs, states, and gradients of x and of all weights."""
    x = x.clone().requires_grad_()
    outputs = layer(x, **call)
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    loss = sum((out * torch.linspace(-1, 2, out.numel(), dtype=out.dtype).view(out.shape)).sum() for out in outputs)
    sources = [x, *(weight for weight in layer.parameters() if weight.requires_grad)]
    return [*outputs, *torch.autograd.grad(loss, sources)]  # type: ignore[arg-type]


@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_a_kernel_gets_one_array_and_gives_the_same(
    name: str, bias: bool, mask: Tensor | None, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(3)
    layer = LAYERS[name](use_bias=bias, return_sequences=True, return_state=True)
    layer.build((None, None, 4))
    layer.double()
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    x = torch.randn(3, 5, 4, dtype=torch.float64)
    found = everything(layer, x, mask=mask)
    assert calls
    monkeypatch.undo()
    for one, other in zip(found, everything(layer, x, mask=mask), strict=True):
        # The same kernel on the same numbers: a difference is a place in the wrong array.
        assert_close(one, other)


@pytest.mark.usefixtures("calls")
def test_states_cut_out_of_a_larger_tensor() -> None:
    layer = layers.LSTM(3, dtype="float64")
    layer.build((None, None, 4))
    both = torch.randn(2, 6, dtype=torch.float64)
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    states = both.chunk(2, dim=-1)
    assert torch.equal(layer(x, initial_state=states), layer(x, initial_state=[state.clone() for state in states]))


@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
@pytest.mark.parametrize("name", ["LSTM", "GRU", "Bidirectional"])
def test_a_batch_of_more_rows_than_a_call_takes(
    name: str, mask: Tensor | None, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = LAYERS[name](return_sequences=True, return_state=True, dtype="float64")
    layer.build((None, None, 4))
    x = torch.randn(8, 5, 4, dtype=torch.float64)
    mask = None if mask is None else mask.repeat(3, 1)[:8]
    expected = everything(layer, x, mask=mask)
    whole = len(calls)
    monkeypatch.setattr(cudnn, "ROWS", 3)
    for one, other in zip(everything(layer, x, mask=mask), expected, strict=True):
        assert_close(one, other)  # the gradients of the weights are sums in another order
    assert len(calls) == whole + 3 * whole


@pytest.mark.parametrize("name", ["LSTM", "Bidirectional"])
def test_with_deterministic_algorithms(name: str, calls: list[str]) -> None:
    """torch then fills memory that is not initialised, and refuses operations that have no deterministic form."""
    layer = LAYERS[name](return_sequences=True, return_state=True, use_bias=False, dtype="float64")
    layer.build((None, None, 4))
    x = torch.randn(3, 5, 4, dtype=torch.float64)
    expected = everything(layer, x, mask=MASK)
    torch.use_deterministic_algorithms(True)
    try:
        found = everything(layer, x, mask=MASK)
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert calls


def test_torchs_own_answer_says_where_cudnn_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """For bfloat16, too, which a list of `torch.backends.cudnn` leaves out."""
    asked: list[torch.dtype] = []
    monkeypatch.setattr(torch, "cudnn_is_acceptable", lambda x: asked.append(x.dtype) or True)
    with FakeTensorMode():
        x = torch.empty(2, 5, 4, device="cuda:0", dtype=torch.bfloat16)
    assert cudnn.applies(x)
    assert not cudnn.applies(torch.empty(2, 5, 4))
    assert asked == [torch.bfloat16]


def test_the_layout_of_bfloat16_is_that_of_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    """`flatten_parameters` does nothing for bfloat16, and no layout would be found."""
    made: list[Any] = []

    def module(*sizes: int, dtype: torch.dtype, **config: Any) -> Any:
        made.append(dtype)
        return torch.nn.LSTM(*sizes, dtype=dtype, **config)

    monkeypatch.setitem(cudnn._MODULES, "lstm", (module, {}))
    cudnn.layout.cache_clear()
    cudnn.layout("lstm", 4, 3, False, torch.bfloat16, torch.device("cpu"))
    cudnn.layout("lstm", 4, 3, False, torch.float64, torch.device("cpu"))
    assert made == [torch.float16, torch.float64]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "autocast"])
def test_half_precision(policy: str, calls: list[str]) -> None:
    layer = layers.LSTM(3, dtype=policy if policy != "autocast" else None)
    layer.build((None, None, 4))
    x = torch.randn(2, 5, 4)
    with torch.autocast("cpu", torch.bfloat16, enabled=policy == "autocast"):
        assert layer(x).dtype == torch.bfloat16
    assert calls == ["lstm"]


def test_weights_that_are_not_contiguous(calls: list[str]) -> None:
    """As a parametrization or a pruned weight can be."""
    x, states = torch.randn(2, 5, 4), (torch.zeros(2, 3),)
    weights = [torch.randn(4, 9).t(), torch.randn(3, 9).t(), torch.randn(9), torch.randn(9)]
    out, last = operators.run_kernel("gru", x, states, weights)
    straight, its = operators.run_kernel("gru", x, states, [weight.contiguous() for weight in weights])
    assert torch.equal(out, straight)
    assert torch.equal(last, its)
    assert calls == ["gru"] * 2


def test_the_operator_of_compiled_programs(calls: list[str]) -> None:
    """Forwards and backwards, which runs the kernel once more."""
    x, h = torch.randn(2, 5, 4, requires_grad=True), torch.zeros(2, 3)
    weights = [torch.randn(*shape, requires_grad=True) for shape in ((9, 4), (9, 3), (9,), (9,))]
    for given in (weights, [*weights[:2], None, None]):
        out, _ = operators.operator("gru")(x, h, *given)
        out.sum().backward()
    assert calls == ["gru"] * 4


def test_weights_with_dropout_in_them(calls: list[str]) -> None:
    """A batch of one: dropped inputs and states are dropped weights."""
    layer = layers.LSTM(3, dropout=0.5, recurrent_dropout=0.5, dtype="float64")
    layer.build((None, None, 4))
    layer(torch.randn(1, 5, 4, dtype=torch.float64), training=True).sum().backward()
    assert calls == ["lstm"]


def test_parameters_keep_memory_of_their_own(calls: list[str]) -> None:
    layer = layers.LSTM(3, dtype="float64")
    layer.build((None, None, 4))
    before = [(weight.data_ptr(), weight._version) for weight in layer.parameters()]
    layer(torch.randn(2, 5, 4, dtype=torch.float64)).sum().backward()
    assert calls == ["lstm"]
    assert [(weight.data_ptr(), weight._version) for weight in layer.parameters()] == before
    assert len({pointer for pointer, _ in before}) == len(before)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("name", GATES)
def test_a_torch_that_keeps_its_weights_apart_gets_them_apart(
    name: str, both: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the CPU, where the layout is asked of torch itself."""
    device = torch.device("cpu")
    cudnn.layout.cache_clear()
    state = torch.random.get_rng_state()
    assert cudnn.layout(name, 4, 3, both, torch.float32, device) is None
    assert torch.equal(torch.random.get_rng_state(), state)  # nothing is drawn
    count = GATES[name] * 3
    weights = [torch.randn(count, 4), torch.randn(count, 3)] * (2 if both else 1)
    arranged = cudnn.arrange(name, weights, both)
    assert len(arranged) == (8 if both else 4)
    assert torch.equal(arranged[0], weights[0])
    assert not arranged[2].any()


def test_a_wrong_place_is_seen(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*args: Any) -> Layout:
        offsets, size = made_layout(*args)
        return Layout((offsets[1], offsets[0], *offsets[2:]), size)

    monkeypatch.setattr(cudnn, "layout", wrong)
    layer = layers.LSTM(4, dtype="float64")
    layer.build((None, None, 4))
    with pytest.raises(AssertionError):
        layer(torch.randn(2, 5, 4, dtype=torch.float64))
    assert not calls
