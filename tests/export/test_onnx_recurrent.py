"""LSTM, GRU and SimpleRNN as ONNX's own nodes or as Scan, in onnxruntime on other batches and numbers of steps."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import pytest
import torch
from _close import apart, assert_close
from torch import Tensor, nn

from export._onnx import (
    Several,
    assert_same,
    exported,
    leaves,
    needs_onnx,
    operators,
    program_of,
    ran,
    randomised,
    traced,
)
from kerastorch import Input, Model, Sequential, activations, layers
from kerastorch.errors import UnsupportedError
from kerastorch.kernels import onnx_operators

pytestmark = needs_onnx
SIZES = ((2, 7), (1, 1), (5, 11), (3, 4))
ALL = dict(return_sequences=True, return_state=True)


def made(cases: dict[str, nn.Module], mask: bool) -> tuple[Several, list[Tensor]]:
    x = torch.randn(2, 6, 3)
    args = [x, drawn(2, 6)] if mask else [x]
    model = Several(cases)
    model(*args)
    randomised(model)
    return model, args


def drawn(batch: int, steps: int) -> Tensor:
    """A mask with holes; one row has no valid step."""
    mask = torch.rand(batch, steps) > 0.4
    mask[-1] = False
    return mask


CASES = {
    "lstm": lambda: layers.LSTM(5),
    "lstm, all": lambda: layers.LSTM(4, **ALL),
    "lstm, backwards, zeros": lambda: layers.LSTM(4, go_backwards=True, zero_output_for_mask=True, **ALL),
    "lstm, no bias": lambda: layers.LSTM(4, use_bias=False),
    "lstm, relu": lambda: layers.LSTM(4, activation="relu", recurrent_activation="hard_sigmoid", **ALL),
    "gru, all": lambda: layers.GRU(4, **ALL),
    "gru, reset before": lambda: layers.GRU(4, reset_after=False, **ALL),
    "gru, no bias": lambda: layers.GRU(4, use_bias=False, recurrent_activation="softsign"),
    "rnn, all": lambda: layers.SimpleRNN(4, **ALL),
    "rnn, relu": lambda: layers.SimpleRNN(4, activation="relu"),
    "both directions": lambda: layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
    "both directions, last": lambda: layers.Bidirectional(layers.GRU(3, **ALL), merge_mode="sum"),
    "both directions, two layers": lambda: layers.Bidirectional(
        layers.GRU(3, reset_after=False, recurrent_activation="hard_sigmoid_keras2", return_state=True),
        backward_layer=layers.GRU(3, "elu", "hard_sigmoid", reset_after=False, go_backwards=True, return_state=True),
    ),
    "both directions, masked steps repeat": lambda: layers.Bidirectional(
        layers.SimpleRNN(3, return_sequences=True), forces_zeros=False
    ),
    "both directions, apart": lambda: layers.Bidirectional(
        layers.SimpleRNN(3), backward_layer=layers.SimpleRNN(2, go_backwards=True)
    ),
}
NODES = {"LSTM": 6, "GRU": 5, "RNN": 5}  # a Bidirectional is one, but where its directions are of two sizes


class Exported(NamedTuple):
    model: Several
    has_mask: bool
    program: Any
    data: bytes

    def args(self, size: tuple[int, int]) -> list[Tensor]:
        return [torch.randn(*size, 3), *([drawn(*size)] if self.has_mask else [])]


@pytest.fixture(scope="module", params=[False, True], ids=["no mask", "mask"])
def model(request: pytest.FixtureRequest) -> Exported:
    torch.manual_seed(0)
    several, args = made({name: make() for name, make in CASES.items()}, request.param)
    program = program_of(several, args)
    return Exported(several, request.param, program, program.model_proto.SerializeToString())


def test_the_nodes_are_those_of_onnx(model: Exported) -> None:
    found = Counter(operators(model.data))
    assert {name: found[name] for name in NODES} == NODES
    assert not {"Scan", "Loop", "TopK", "NonZero"} & set(found)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_onnxruntime_computes_the_same(model: Exported, size: tuple[int, int]) -> None:
    assert_same(model.data, model.model, model.args(size))


def test_the_operators_compute_what_their_nodes_do(model: Exported) -> None:
    """torch's own check, `verify=True`, runs them."""
    args = model.args((2, 6))
    with torch.no_grad():
        found = model.program.exported_program.module()(*args)
        assert_close(leaves(found), leaves(model.model(*args)))


def test_a_planted_fault_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    several, args = made({"lstm": layers.LSTM(4)}, False)
    planted = onnx_operators.KERNELS["lstm"]._replace(
        functions=(activations.sigmoid, activations.relu, activations.tanh)
    )
    monkeypatch.setitem(onnx_operators.KERNELS, "lstm", planted)
    data = exported(several, args)
    assert apart(ran(data, args)[0], several(*args)["lstm"].detach()) is not None


FUNCTIONS = sorted(function.__name__ for function in onnx_operators.FUNCTIONS)


def test_every_activation_that_onnx_has() -> None:
    turned = [*FUNCTIONS[3:], *FUNCTIONS[:3]]
    cases: dict[str, nn.Module] = {}
    for name, other in zip(FUNCTIONS, turned, strict=True):
        cases[f"lstm {name}"] = layers.LSTM(3, activation=name, recurrent_activation=other)
        cases[f"rnn {name}"] = layers.SimpleRNN(3, activation=name)
    cases["gru"] = layers.GRU(3, activation="leaky_relu", recurrent_activation="hard_sigmoid_keras2")
    several, args = made(cases, False)
    randomised(several, 0.2)  # not more: what relu and linear do not bound grows with every step
    data = exported(several, args)
    found = Counter(operators(data))
    assert [found[name] for name in ("LSTM", "GRU", "RNN", "Scan")] == [len(FUNCTIONS), 1, len(FUNCTIONS), 0]
    assert_same(data, several, [torch.randn(3, 5, 3)])


def test_the_rest_is_a_scan() -> None:
    several, args = made({"lstm": layers.LSTM(3, activation="gelu", **ALL)}, True)
    data = exported(several, args)
    assert Counter(operators(data))["Scan"] == 1
    assert_same(data, several, [torch.randn(3, 9, 3), drawn(3, 9)])


def test_images_over_time_are_a_scan_with_gradients_on_too() -> None:
    layer = layers.ConvLSTM1D(2, 3, padding="same", return_sequences=True)
    layer(torch.randn(2, 4, 5, 3))
    randomised(layer)
    assert torch.is_grad_enabled()
    data = exported(layer, [torch.randn(2, 4, 5, 3)])
    assert Counter(operators(data))["Scan"] == 1
    assert_same(data, layer, [torch.randn(3, 7, 5, 3)])


def test_float64_is_a_scan_that_onnxruntime_has() -> None:
    several, args = made({"gru": layers.GRU(3, dtype="float64")}, False)
    data = exported(several, [args[0].double()])
    assert_same(data, several, [torch.randn(3, 9, 3, dtype=torch.float64)])


@pytest.mark.parametrize("mask", [False, True], ids=["no mask", "mask"])
def test_without_dynamo(mask: bool) -> None:
    cases = {"lstm": layers.LSTM(3, **ALL), "gru": layers.GRU(3), "both": layers.Bidirectional(layers.LSTM(3))}
    several, args = made(cases, mask)
    data = traced(several, args)
    assert_same(data, several, [torch.randn(3, 9, 3), *([drawn(3, 9)] if mask else [])])


def test_without_dynamo_models_take_their_inputs_alone() -> None:
    """torch adds the defaults of all arguments of `forward`, as if they were inputs."""
    x, y = Input((None, 3)), Input((4,))
    models: list[Any] = [
        Sequential([Input((None, 3)), layers.LSTM(4)]),
        Model([x, y], layers.Add()([layers.LSTM(4)(x), y])),
    ]
    for model, args in zip(models, ([torch.randn(2, 5, 3)], [torch.randn(2, 5, 3), torch.randn(2, 4)]), strict=True):
        data = traced(randomised(model), args, 1)
        others = [torch.randn(3, *arg.shape[1:]) for arg in args]
        with torch.no_grad():
            assert_close(ran(data, others), [model(*others).numpy()])


def test_without_dynamo_a_step_loop_says_what_to_use() -> None:
    several, args = made({"lstm": layers.LSTM(3, activation="gelu")}, False)
    with pytest.raises(UnsupportedError, match=r"would fix the number of steps .* export with dynamo=True"):
        traced(several, args)
