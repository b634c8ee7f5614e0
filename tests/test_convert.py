"""kt.convert: every array map against real modules and layers, and against its own inverse, bit for bit."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from _close import assert_close
from hypothesis import given, settings
from torch import nn

import kerastorch as kt
from kerastorch import convert, layers

GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}
MODULES: dict[str, Any] = {"LSTM": nn.LSTM, "GRU": nn.GRU, "SimpleRNN": nn.RNN}
NAMES = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "simple_rnn"}
each_kind = pytest.mark.parametrize("kind", list(GATES))
sizes = st.integers(1, 6)


def made(
    kind: str, features: int, units: int, *, two: bool | None = None, seed: int = 0, bias: bool = True
) -> list[np.ndarray]:
    """Random distinct arrays in Keras's layout; `two`: a bias `(2, G*U)`, as a GRU has by default."""
    rng = np.random.default_rng(seed)
    wide = GATES[kind] * units
    shapes: list[tuple[int, ...]] = [(features, wide), (units, wide)]
    if bias:
        shapes.append((2, wide) if (kind == "GRU" if two is None else two) else (wide,))
    return [rng.normal(size=shape).astype("float32") * 0.4 for shape in shapes]


def function(kind: str, way: str, target: str) -> Any:
    return getattr(convert, f"{NAMES[kind]}_{way}_{target}")


def same(left: Any, right: Any) -> None:
    """Equal in number, shape, dtype and every bit."""
    left, right = list(left), list(right)
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        if a is None or b is None:
            assert a is None
            assert b is None
            continue
        assert type(a) is type(b)
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        assert bytes(np.asarray(a)) == bytes(np.asarray(b))


# ---------------------------------------------------------------------------------------------- inverses, bit for bit


@each_kind
@settings(max_examples=25, deadline=None)
@given(features=sizes, units=sizes, layer=st.integers(0, 3), reverse=st.booleans(), bias=st.booleans())
def test_torch_and_back(kind: str, features: int, units: int, layer: int, reverse: bool, bias: bool) -> None:
    arrays = made(kind, features, units, bias=bias)
    state = function(kind, "to", "torch")(*arrays, layer=layer, reverse=reverse)
    assert all(name.endswith(f"_l{layer}_reverse" if reverse else f"_l{layer}") for name in state)
    back = function(kind, "from", "torch")(state, layer=layer, reverse=reverse)
    same([part for part in back if part is not None], arrays)
    again = function(kind, "to", "torch")(*back, layer=layer, reverse=reverse)
    same(again.values(), state.values())


@each_kind
@settings(max_examples=25, deadline=None)
@given(features=sizes, units=sizes, both=st.booleans(), bias=st.booleans())
def test_onnx_and_back(kind: str, features: int, units: int, both: bool, bias: bool) -> None:
    sides = [made(kind, features, units, seed=seed, bias=bias) for seed in (1, 2)]
    onnx = function(kind, "to", "onnx")(*sides[0], backward=sides[1] if both else None)
    options = {"linear_before_reset": True} if kind == "GRU" else {}
    for direction in range(2 if both else 1):
        back = function(kind, "from", "onnx")(*onnx, direction=direction, **options)
        same([part for part in back if part is not None], sides[direction])


@settings(max_examples=25, deadline=None)
@given(features=sizes, units=sizes)
def test_cudnn_and_back(features: int, units: int) -> None:
    lstm, gru = made("LSTM", features, units), made("GRU", features, units)
    for way in ("ih", "hh"):
        buffer = convert.lstm_to_cudnn(*lstm, bias_to=way)
        assert buffer.shape == (4 * units * (features + units + 2),)
        same(convert.lstm_from_cudnn(buffer, features, units), lstm)
        same(convert.lstm_from_cudnn_lstm(*convert.lstm_to_cudnn_lstm(*lstm, bias_to=way)), lstm)
    same(convert.gru_from_cudnn(convert.gru_to_cudnn(*gru), features, units), gru)
    same(convert.gru_from_cudnn_gru(*convert.gru_to_cudnn_gru(*gru)), gru)


@settings(max_examples=25, deadline=None)
@given(features=sizes, units=sizes)
def test_old_programs_and_back(features: int, units: int) -> None:
    lstm, gru = made("LSTM", features, units), made("GRU", features, units, two=False)
    same(convert.lstm_from_keras1(convert.lstm_to_keras1(*lstm)), lstm)
    same(convert.gru_from_keras1(convert.gru_to_keras1(*gru)), gru)


# ---------------------------------------------------------------------------------------------- the same numbers


@each_kind
@pytest.mark.parametrize("bias_to", ["ih", "hh", "half"])
def test_torchs_module_computes_what_the_layer_computes(kind: str, bias_to: str) -> None:
    arrays = made(kind, 3, 4)
    layer = getattr(layers, kind)(4, return_sequences=True)
    layer.build((None, None, 3))
    layer.set_weights(arrays)
    module = MODULES[kind](3, 4, batch_first=True)
    options = {} if kind == "GRU" else {"bias_to": bias_to}
    state = function(kind, "to", "torch")(*arrays, **options)
    module.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    x = torch.randn(2, 5, 3)
    assert_close(module(x)[0], layer(x))  # the same kernel, biases added once more


@each_kind
def test_one_layer_and_direction_of_an_existing_module(kind: str) -> None:
    module = MODULES[kind](3, 4, num_layers=2, bidirectional=True)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    arrays = made(kind, 8, 4, seed=5)
    convert.copy_to_torch(module, *arrays, layer=1, reverse=True)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]) != name.endswith("_l1_reverse"), name
    same(function(kind, "from", "torch")(module.state_dict(), layer=1, reverse=True), map(torch.from_numpy, arrays))


def test_a_bidirectional_layer_is_two_halves() -> None:
    layer = layers.Bidirectional(layers.GRU(4, return_sequences=True))
    layer.build((None, None, 3))
    arrays = made("GRU", 3, 4, seed=1) + made("GRU", 3, 4, seed=2)
    layer.set_weights(arrays)
    module = nn.GRU(3, 4, batch_first=True, bidirectional=True)
    state = convert.bidirectional_to_torch("GRU", arrays[:3], arrays[3:])
    module.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    x = torch.randn(2, 5, 3)
    assert_close(module(x)[0], layer(x))
    forward, backward = convert.bidirectional_from_torch("GRU", state)
    same([*forward, *backward], arrays)


def test_cudnn_layers_of_keras2_hold_the_same_lstm() -> None:
    arrays = made("LSTM", 3, 4)
    old, new = layers.CuDNNLSTM(4), layers.LSTM(4)
    for layer, weights in ((old, convert.lstm_to_cudnn_lstm(*arrays, bias_to="half")), (new, arrays)):
        layer.build((None, None, 3))
        layer.set_weights(weights)
    x = torch.randn(2, 5, 3)
    assert_close(old(x), new(x))
    gru = made("GRU", 3, 4)
    old, new = layers.CuDNNGRU(4), layers.GRU(4)
    for layer, weights in ((old, convert.gru_to_cudnn_gru(*gru)), (new, gru)):
        layer.build((None, None, 3))
        layer.set_weights(weights)
    assert_close(old(x), new(x))


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_the_flat_buffer_is_the_one_that_keras_gives_to_cudnn(keras_worker: Any, kind: str) -> None:
    arrays = made(kind, 3, 4)
    theirs = keras_worker.call("keras2", "facts:cudnn_parameters", kind, arrays)
    ours = function(kind, "to", "cudnn")(*arrays)
    np.testing.assert_array_equal(ours, theirs)  # values are moved, nothing is computed


def onnx_lstm(x: np.ndarray, W: np.ndarray, R: np.ndarray, B: np.ndarray) -> np.ndarray:
    """The equations of ONNX's LSTM operator as its specification writes them; x (T, B, F)."""
    units = R.shape[1]
    h = c = np.zeros((x.shape[1], units))
    for step in x:
        i, o, f, g = np.split(step @ W.T + h @ R.T + B[: 4 * units] + B[4 * units :], 4, axis=-1)
        c = 1 / (1 + np.exp(-f)) * c + 1 / (1 + np.exp(-i)) * np.tanh(g)
        h = 1 / (1 + np.exp(-o)) * np.tanh(c)
    return h


def onnx_gru(x: np.ndarray, W: np.ndarray, R: np.ndarray, B: np.ndarray, linear_before_reset: bool) -> np.ndarray:
    units = R.shape[1]
    (wz, wr, wh), (rz, rr, rh) = np.split(W, 3), np.split(R, 3)
    bz, br, bh, cz, cr, ch = np.split(B, 6)
    h = np.zeros((x.shape[1], units))
    for step in x:
        z = 1 / (1 + np.exp(-(step @ wz.T + h @ rz.T + bz + cz)))
        r = 1 / (1 + np.exp(-(step @ wr.T + h @ rr.T + br + cr)))
        inner = r * (h @ rh.T + ch) if linear_before_reset else (r * h) @ rh.T + ch
        h = (1 - z) * np.tanh(step @ wh.T + inner + bh) + z * h
    return h


@pytest.mark.parametrize("reset_after", [True, False])
def test_onnx_computes_what_the_gru_computes(reset_after: bool) -> None:
    arrays = made("GRU", 3, 4, two=reset_after)
    layer = layers.GRU(4, reset_after=reset_after)
    layer.build((None, None, 3))
    layer.set_weights(arrays)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    W, R, B = convert.gru_to_onnx(*arrays)
    y = onnx_gru(x.transpose(1, 0, 2), W[0], R[0], B[0], reset_after)
    assert_close(layer(x).detach().numpy(), y)  # float32 against float64 over five steps
    same(convert.gru_from_onnx(W, R, B, linear_before_reset=reset_after), arrays)
    wrong = onnx_gru(x.transpose(1, 0, 2), W[0], R[0], B[0], not reset_after)
    assert np.abs(y - wrong).max() > 1e-3


def test_onnx_computes_what_the_lstm_computes() -> None:
    arrays = made("LSTM", 3, 4)
    layer = layers.LSTM(4)
    layer.build((None, None, 3))
    layer.set_weights(arrays)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    W, R, B = convert.lstm_to_onnx(*arrays)
    y = onnx_lstm(x.transpose(1, 0, 2), W[0], R[0], B[0])
    assert_close(layer(x).detach().numpy(), y)


# ---------------------------------------------------------------------------------------------- choices and refusals


def test_torch_in_torch_out_and_nothing_is_shared() -> None:
    kernel, recurrent, bias = map(torch.from_numpy, made("LSTM", 3, 4))
    state = convert.lstm_to_torch(kernel, recurrent, bias)
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    before = kernel.clone()
    state["weight_ih_l0"].zero_()
    state["bias_ih_l0"].zero_()
    assert torch.equal(kernel, before)
    assert bias.any()


def test_two_biases_become_one_only_if_asked_for() -> None:
    state = convert.lstm_to_torch(*made("LSTM", 3, 4), bias_to="half")
    with pytest.raises(kt.KerasTorchError, match=r"lstm_from_torch: both biases hold values .* sum_biases=True"):
        convert.lstm_from_torch(state)
    summed = convert.lstm_from_torch(state, sum_biases=True)
    np.testing.assert_array_equal(summed.bias, made("LSTM", 3, 4)[2])  # x/2 + x/2 is exact


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: convert.lstm_to_torch(np.zeros((3, 16), "f4"), np.zeros((4, 12), "f4")),
            r"lstm_to_torch: recurrent_kernel has shape \(4, 12\), expected \(U=4, 4U=16\) with F=3, U=4",
        ),
        (
            lambda: convert.lstm_to_torch(np.zeros((3, 15), "f4"), np.zeros((4, 16), "f4")),
            r"kernel has shape \(3, 15\), expected \(F=3, 4U\)",
        ),
        (
            lambda: convert.gru_to_torch(*made("GRU", 3, 4, two=False)),
            r"bias has shape \(12,\), expected \(2, 3U=12\) .*reset_after=False, which torch does not compute",
        ),
        (lambda: convert.gru_to_cudnn(*made("GRU", 3, 4, two=False)), r"which cuDNN does not compute"),
        (lambda: convert.gru_to_keras1(*made("GRU", 3, 4)), r"reset_after=True\. Keras 1 had none"),
        (lambda: convert.lstm_from_keras1([np.zeros(3)] * 9), r"expected 12 arrays.*i, c, f, o; got 9"),
        (lambda: convert.lstm_from_cudnn(np.zeros(7, "f4"), 3, 4), r"expected \(144,\) for input_size=3 and units=4"),
        (
            lambda: convert.lstm_to_torch(np.zeros((3, 16), "f4"), torch.zeros(4, 16)),
            r"kernel are numpy arrays, the others are tensors",
        ),
        (
            lambda: convert.lstm_to_torch(np.zeros((3, 16), "f4"), np.zeros((4, 16), "f8")),
            r"differ in dtype \(kernel torch.float32, recurrent_kernel torch.float64\)",
        ),
        (lambda: convert.lstm_to_torch([[1.0]], np.zeros((4, 16))), r"kernel: expected a numpy array or a tensor"),
        (lambda: convert.lstm_to_torch(*made("LSTM", 3, 4), bias_to="both"), r"bias_to: expected 'ih', 'hh' or 'half'"),
        (lambda: convert.lstm_to_torch(*made("LSTM", 3, 4), layer=-1), r"layer: expected the number of a layer"),
        (lambda: convert.lstm_from_torch({}), r"the state dict has no weight_ih_l0, weight_hh_l0"),
        (
            lambda: convert.lstm_from_torch(nn.LSTM(3, 4, proj_size=2).state_dict()),
            r"has a projection \(proj_size\), which Keras does not have",
        ),
        (
            lambda: convert.bidirectional_to_torch("Dense", [], []),
            r"kind: expected one of LSTM, GRU, SimpleRNN, got 'Dense'",
        ),
        (
            lambda: convert.copy_to_torch(nn.LSTM(3, 4), *made("LSTM", 3, 4), layer=1),
            r"the module has 1 layer and one direction: it has no weight_ih_l1",
        ),
        (
            lambda: convert.copy_to_torch(nn.LSTM(3, 4, bias=False), *made("LSTM", 3, 4)),
            r"one of the two has a bias",
        ),
        (
            lambda: convert.copy_to_torch(nn.LSTM(3, 5), *made("LSTM", 3, 4)),
            r"weight_ih_l0 is \(20, 3\) in the module, the arrays make \(16, 3\)",
        ),
        (lambda: convert.copy_to_torch(nn.Linear(3, 5), *made("LSTM", 3, 4)), r"expected nn.LSTM, nn.GRU or nn.RNN"),  # type: ignore[arg-type]
        (
            lambda: convert.lstm_to_onnx(*made("LSTM", 3, 4), backward=made("LSTM", 3, 5)),
            r"the two directions differ in their shapes",
        ),
        (
            lambda: convert.lstm_from_onnx(*convert.lstm_to_onnx(*made("LSTM", 3, 4)), direction=1),
            r"direction: expected 0 to 0, got 1",
        ),
    ],
)
def test_what_does_not_fit_is_told(call: Any, message: str) -> None:
    with pytest.raises(kt.KerasTorchError, match=message):
        call()
