"""The compiled recurrences against autograd through every step in float64, for each level of the processor."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import GRADIENT, assert_close, assert_each_close
from _needs import COMPILED, needs
from _recurrences import DROPS, EQUATIONS, MASKS, Problem, follow_steps
from torch import Tensor

from kerastorch import activations as A
from kerastorch import layers, native, size_rules
from kerastorch.activations import records
from kerastorch.errors import ShapeError
from kerastorch.kernels import activation_gradients, compiled, step_engine
from kerastorch.kernels.compiled import CompiledLSTM
from kerastorch.kernels.equations import GRU, LSTM, SimpleRNN
from kerastorch.kernels.input_product import LINEAR
from kerastorch.kernels.types import Weights

pytestmark = needs(native.available, COMPILED)
ACTIVATIONS = [record.name for record in records.COMPILED]


def check(**options: Any) -> None:
    exact = Problem(**options)
    ours = Problem(**options, dtype=torch.float32).everything(step_engine.run)
    assert_close(ours, exact.everything(follow_steps), GRADIENT)


# ---------------------------------------------------------------- right numbers


@pytest.mark.parametrize("equations", EQUATIONS)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("drop", DROPS)
def test_equals_autograd_through_every_step(
    equations: Any, mask: str, drop: str, level: str, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size_rules, "THREADED_WORK", 0)  # two threads, where there are two
    for units in (2, 21, 64, 70):
        check(equations=equations, activation="tanh", mask=mask, drop=drop, units=units)
    check(equations=equations, activation="relu", recurrent="hard_sigmoid_keras2", mask=mask, drop=drop, units=5)
    check(equations=equations, steps=1, batch=1, mask=mask, drop=drop, units=9)
    assert len(calls) == 2 * 6


@pytest.mark.parametrize("equations", EQUATIONS)
@pytest.mark.parametrize("batch", [0, 1, 2, 4, 5, 6, 7, 13])
def test_every_number_of_rows(equations: Any, batch: int, level: str) -> None:
    check(equations=equations, activation="tanh", batch=batch, units=33)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("equations", EQUATIONS)
def test_every_activation_in_both_places(equations: Any, name: str, level: str, calls: list[str]) -> None:
    check(equations=equations, activation=name, units=17, mask="holes")
    check(equations=equations, activation="tanh", recurrent=name, units=17)
    assert len(calls) == 4


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_derivatives_at_and_beside_kinks(name: str, level: str) -> None:
    """A SimpleRNN of one step without a state is its activation."""
    function = A.get(name)
    kinks = torch.tensor([0.0, 1e-30, 1e-4, 0.3, 0.62, 0.63, 1.0, 2.5, 3.0, 6.0, 10.0, 40.0, 1e3])
    x = torch.cat([kinks, -kinks])
    x = torch.cat([x, x.nextafter(x + 1), x.nextafter(x - 1), torch.tensor([torch.inf, -torch.inf, torch.nan])])
    leaf, exact = x.clone().requires_grad_(), x.double().requires_grad_()
    steps = step_engine.Steps(SimpleRNN, torch.zeros(1, 1), None, function, A.linear, None)
    inputs = step_engine.Inputs(leaf.reshape(-1, 1, 1), torch.ones(1, 1), None, None, LINEAR)
    out, _ = step_engine.run(steps, inputs, (torch.zeros(len(x), 1),), None)
    expected = function(exact)
    assert torch.equal(out.flatten().isnan(), expected.isnan())
    finite = x.isfinite()
    # 4 units in the last place, of small values too: a sigmoid near 0 is a quotient by e^88 at most.
    assert_each_close(out.flatten()[finite], expected[finite], 1.7e-7, terms=2e-31)
    ends, limits = out.flatten()[x.isinf()], function(x[x.isinf()])
    assert torch.equal(ends.isnan(), limits.isnan())
    assert torch.equal(ends[limits.isinf()], limits[limits.isinf()])
    # As above: a sigmoid at minus infinity is e^-88, not 0.
    assert_each_close(ends[limits.isfinite()], limits[limits.isfinite()], 1.7e-7, terms=2e-31)
    if name == "hard_sigmoid_keras2":  # beside its kinks rounding decides, on the kinks the derivative is exact
        finite &= (x.abs() == 2.5) | ((x.abs() - 2.5).abs() > 1e-6)
    (ours,) = torch.autograd.grad(out.flatten()[finite].sum(), leaf)
    kink = function(x.requires_grad_())  # in float32: which side of a kink a value lies on
    (theirs,) = torch.autograd.grad(kink[finite].sum(), x)
    assert_each_close(ours[finite], theirs[finite])  # of 1 - y * y, with y rounded, what 1 rounds


@pytest.mark.parametrize("drop", DROPS)
def test_threads_change_no_bit(drop: str, level: str, calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row has a dropout mask of its own; a thread that does not start at row 0 needs the masks of its rows."""
    monkeypatch.setattr(size_rules, "THREADED_WORK", 0)
    for equations in EQUATIONS:
        found = []
        for threads in (1, 2, 3):
            monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
            problem = Problem(equations, "tanh", batch=6, units=24, drop=drop, dtype=torch.float32)
            found.append(problem.everything(step_engine.run))
        for others in found[1:]:
            assert all(torch.equal(a, b) for a, b in zip(found[0], others, strict=True))
    assert len(calls) == 2 * 3 * len(EQUATIONS)


@pytest.mark.parametrize("equations", EQUATIONS)
@pytest.mark.parametrize("drop", DROPS[1:])
def test_two_threads_with_recurrent_dropout_equal_autograd(
    equations: Any, drop: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size_rules, "THREADED_WORK", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    for batch, units in ((2, 5), (7, 24)):
        check(equations=equations, activation="tanh", batch=batch, units=units, drop=drop)


@pytest.mark.parametrize("cls", [layers.LSTM, layers.GRU, layers.SimpleRNN, layers.CuDNNLSTM, layers.CuDNNGRU])
def test_any_memory_order_and_expanded_gradients(cls: Any, calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    layer = cls(5, return_sequences=True, return_state=True)
    x = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(1)).transpose(0, 1)
    layer(x)
    generator = torch.Generator().manual_seed(2)
    for weight in layer.parameters():
        weight.data = torch.randn(weight.shape, generator=generator)  # all of them, biases too
    calls.clear()
    found = []
    for outruns in (lambda *args: True, lambda *args: False):
        monkeypatch.setattr(step_engine, "outruns", outruns)
        leaves = [x.detach().requires_grad_(), *layer.parameters()]
        out, *states = layer(leaves[0])
        loss = out.sum() + sum(state.sum() for state in states)
        first = torch.autograd.grad(loss, leaves, create_graph=True)
        second = torch.autograd.grad(sum(grad.square().sum() for grad in first), leaves)  # type: ignore[arg-type]
        found.append([out, *states, *first, *second])
    assert len(calls) == 1  # with create_graph=True, autograd follows every step
    assert_close(*found, GRADIENT)


def test_inference_keeps_nothing_and_changes_nothing(calls: list[str]) -> None:
    problem = Problem(LSTM, "tanh", units=8, mask="holes", dtype=torch.float32)
    before = [tensor.clone() for tensor in problem.tensors]
    expected = problem.everything(step_engine.run)
    with torch.inference_mode():
        found = problem.run(step_engine.run, *problem.tensors)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=False))
    assert all(torch.equal(a, b) for a, b in zip(problem.tensors, before, strict=True))


# ---------------------------------------------------------------- planted faults


@pytest.mark.parametrize("equations", EQUATIONS)
def test_a_wrong_activation_is_seen(equations: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = compiled._CODES
    swapped = {**codes, A.hard_sigmoid: codes[A.hard_sigmoid_keras2]}
    monkeypatch.setattr(compiled, "_CODES", swapped)
    with pytest.raises(AssertionError, match="not close"):
        check(equations=equations, activation="hard_sigmoid", units=5)


@pytest.mark.parametrize("field", ["use", "drop", "bias", "hidden", "c", "grad_row"])
def test_a_wrong_array_is_seen(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = native.run

    def wrong(name: str, sizes: dict[str, int], **arrays: Any) -> None:
        if field in sizes:
            sizes = {**sizes, field: 0}
        elif arrays.get(field) is not None and arrays[field].numel():
            array = arrays[field]
            arrays[field] = ~array if array.dtype == torch.bool else array.flip(-1).contiguous()
        run(name, sizes, **arrays)

    monkeypatch.setattr(native, "run", wrong)
    with pytest.raises(AssertionError, match="not close"):
        check(equations=LSTM if field == "c" else GRU, units=5, mask="right", drop="each gate")


def test_a_library_of_other_sources_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native.ctypes, "sizeof", lambda kind: 8)
    with pytest.raises(ImportError, match="is older than its sources"):
        native.load(native.file_of("DEFAULT"))


# ---------------------------------------------------------------- where it runs


def path(layer: Any, x: Tensor) -> str:
    with torch.no_grad():
        layer(x)
        return layer.kernel_choice(x).path


def test_where_it_runs(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    units = 16
    most = size_rules.LSTM_WORK[level] // (4 * units * units)
    assert path(layers.LSTM(units), torch.zeros(most, 1, 3)) == "step loop"
    assert path(layers.LSTM(units), torch.zeros(most + 1, 1, 3)) == "fused"
    steps = size_rules.LSTM_OUTPUTS[level] // (2 * units)
    assert path(layers.LSTM(units), torch.zeros(2, steps, 3)) == "step loop"
    assert path(layer := layers.LSTM(units), x := torch.zeros(2, steps + 1, 3)) == "fused"
    assert layer.kernel_choice(x).path == "step loop"  # in training
    for cls in (layers.GRU, layers.SimpleRNN):
        assert path(cls(units), torch.zeros(2, size_rules.COMPILED_STEPS, 3)) == "step loop"
        assert path(cls(units), torch.zeros(2, size_rules.COMPILED_STEPS - 1, 3)) == "fused"
        most = size_rules.LOOP_WORK.get(level, 2**15) // (units * units)
        assert path(cls(units), torch.zeros(most, 5, 3)) == "step loop"
        beyond = "step loop" if level not in size_rules.LOOP_WORK else "fused"
        assert path(cls(units), torch.zeros(most + 1, 5, 3)) == beyond
    wide = layers.SimpleRNN(180)
    steps = -(-180 * 180 // size_rules.WEIGHTS_OF_A_STEP) + 2
    monkeypatch.setattr(size_rules, "WEIGHTS_OF_A_STEP", 180 * 180 // steps)
    assert path(wide, torch.zeros(1, steps, 3)) == "step loop"
    assert path(wide, torch.zeros(1, steps - 1, 3)) == "fused"
    assert path(layers.LSTM(units, dtype="float64"), torch.zeros(1, 5, 3, dtype=torch.float64)) == "fused"


def test_the_choice_says_up_to_where(level: str) -> None:
    assert f" up to {size_rules.LSTM_WORK[level]} multiplications a step" in layers.LSTM(4).kernel_choice().reason
    assert f" up to {size_rules.LSTM_OUTPUTS[level]} outputs (" in layers.LSTM(4).kernel_choice().reason
    limit = f" and {size_rules.LOOP_WORK.get(level)} multiplications of a gate a step"
    assert (limit in layers.GRU(4).kernel_choice().reason) == (level == "DEFAULT")


def test_the_choice_says_that_it_is_compiled() -> None:
    assert "compiled" in layers.LSTM(4).kernel_choice().reason
    reason = layers.LSTM(4, activation="relu").kernel_choice().reason
    if native.shortfall:  # a lower level runs
        reason = reason.removesuffix(f"; slower compiled code runs: {native.shortfall}")
    assert reason.endswith("the steps run in compiled code")
    assert "compiled" not in layers.LSTM(4, activation="gelu").kernel_choice().reason


def test_weights_beyond_the_rule_run_on_operations(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size_rules, "PACKED_WEIGHTS", 4 * 5 * 5 - 1)
    check(equations=LSTM, units=5)
    assert not calls
    monkeypatch.setattr(size_rules, "PACKED_WEIGHTS", 4 * 5 * 5)
    check(equations=LSTM, units=5)
    assert calls == ["lstm_forward", "lstm_backward"]


def test_gates_of_another_shape_never_reach_the_compiled_code() -> None:
    """It knows no sizes but those of the states, and would read and write behind the end of what is smaller."""
    tanh, sigmoid = (activation_gradients.find(A.get(name)) for name in ("tanh", "sigmoid"))
    assert tanh is not None
    assert sigmoid is not None
    lstm = CompiledLSTM(tanh, sigmoid)
    states = torch.zeros(2, 3), torch.zeros(2, 3)
    for shape in ((4, 2, 0), (4, 1, 12), (4, 2, 11)):
        with pytest.raises(ShapeError, match="gates has the shape"):
            lstm.forward(torch.zeros(shape), Weights(torch.zeros(12, 3), None, None), states, None, keep=False)
