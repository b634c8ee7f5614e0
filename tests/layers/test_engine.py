"""The step engine against autograd that follows every step, and against numerical derivatives."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from _close import GRADIENT, assert_close, assert_each_close
from _recurrences import DROPS, EQUATIONS, MASKS, Problem, follow_steps
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils.checkpoint import checkpoint

from kerastorch import activations as A
from kerastorch import layers
from kerastorch.kernels import activation_gradients, step_engine
from kerastorch.kernels.equations import GRU, LSTM, GRUResetBefore, SimpleRNN
from kerastorch.kernels.recurrent_product import Product

NAMES = sorted(function.__name__ for function in activation_gradients._TABLE)


def check(problem: Problem) -> None:
    ours, theirs = problem.everything(step_engine.run), problem.everything(follow_steps)
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert_close(our, their)  # float64, another order of sums


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the engine did: "engine" for each differentiable run of its own."""
    log: list[str] = []
    forward = step_engine._Differentiable.forward

    def spy(*args: Any) -> Any:
        log.append("engine")
        return forward(*args)

    monkeypatch.setattr(step_engine._Differentiable, "forward", staticmethod(spy))
    return log


# ---------------------------------------------------------------- right numbers


@pytest.mark.parametrize("equations", EQUATIONS)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("drop", DROPS)
def test_equals_autograd_through_every_step(equations: Any, mask: str, drop: str, calls: list[str]) -> None:
    check(Problem(equations, mask=mask, drop=drop))
    check(Problem(equations, "silu", "hard_sigmoid_keras2", mask=mask, drop=drop))  # both keep their inputs
    check(Problem(equations, steps=1, mask=mask, drop=drop))
    check(Problem(equations, batch=1, mask=mask, drop=drop))
    assert calls == ["engine"] * 4


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("equations", EQUATIONS)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("drop", DROPS)
def test_on_cuda(equations: Any, mask: str, drop: str) -> None:
    check(Problem(equations, mask=mask, drop=drop).to("cuda"))
    check(Problem(equations, "silu", "hard_sigmoid", mask=mask, drop=drop).to("cuda"))


@pytest.mark.parametrize("equations", EQUATIONS)
@pytest.mark.parametrize("name", NAMES)
def test_every_activation_in_both_places(equations: Any, name: str, calls: list[str]) -> None:
    check(Problem(equations, name, "sigmoid", mask="holes"))
    check(Problem(equations, "tanh", name, mask="holes"))
    assert calls == ["engine"] * 2


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_at_and_beside_kinks(name: str) -> None:
    function = A.get(name)
    entry = activation_gradients.find(function)
    assert entry is not None
    kinks = torch.tensor([0.0, -0.0, 0.5, 1.0, 2.5, 3.0, 6.0, 40.0, 1e3], dtype=torch.float64)
    x = torch.cat([kinks, -kinks])
    x = torch.cat([x, x.nextafter(x + 1), x.nextafter(x - 1)])
    for dtype in (torch.float64, torch.float32):
        leaf = x.to(dtype, copy=True).requires_grad_()
        grad = torch.linspace(-1, 2, len(x), dtype=dtype)
        output = function(leaf)
        (expected,) = torch.autograd.grad(output, leaf, grad)
        kept = x.to(dtype, copy=True)
        applied = entry.apply(kept)
        assert torch.equal(applied, output.detach())
        assert torch.equal(entry.output(kept), applied)
        finite = expected.isfinite()
        assert_each_close(entry.backward(grad, kept)[finite], expected[finite])


@pytest.mark.parametrize("equations", EQUATIONS)
@pytest.mark.parametrize(("mask", "drop"), [("none", "none"), ("holes", "none"), ("right", "each gate")])
@pytest.mark.parametrize(
    ("activation", "recurrent"), [("relu", "sigmoid"), ("softsign", "hard_sigmoid"), ("elu", "hard_sigmoid_keras2")]
)
def test_gradients_are_those_of_finite_differences(
    equations: Any, mask: str, drop: str, activation: str, recurrent: str
) -> None:
    problem = Problem(equations, activation, recurrent, mask=mask, drop=drop, steps=3)
    leaves = [tensor.requires_grad_() for tensor in problem.tensors]
    assert torch.autograd.gradcheck(lambda *tensors: problem.run(step_engine.run, *tensors), leaves)


@pytest.mark.parametrize("equations", EQUATIONS)
def test_only_the_gradients_that_are_asked_for(equations: Any) -> None:
    problem = Problem(equations)
    for chosen in range(len(problem.tensors)):
        found = []
        for run in (step_engine.run, follow_steps):
            leaves = [tensor.detach().requires_grad_(i == chosen) for i, tensor in enumerate(problem.tensors)]
            problem.run(run, *leaves)[0].square().sum().backward()
            assert [leaf.grad is not None for leaf in leaves] == [i == chosen for i in range(len(leaves))]
            found.append(leaves[chosen].grad)
        assert_close(*found)


@pytest.mark.parametrize("equations", EQUATIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_an_initial_state_of_zeros_has_the_gradient_of_any_other(equations: Any, dtype: torch.dtype) -> None:
    """An output before the first valid step is zero, whatever the initial state is."""
    problem = Problem(equations, "tanh", mask="holes", dtype=dtype)
    for state in problem.tensors[problem.weights :]:
        state.zero_()
    assert_close(problem.everything(step_engine.run), problem.everything(follow_steps), GRADIENT)


# ---------------------------------------------------------------- planted faults


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_derivative_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = activation_gradients.find(A.get(name))
    assert entry is not None

    def wrong(out: Tensor, grad: Tensor, kept: Tensor) -> None:
        entry.backward_to(out, grad, kept)
        out.mul_(1 + 1e-6)

    monkeypatch.setitem(activation_gradients._TABLE, entry.function, entry._replace(backward_to=wrong))
    for equations, other in itertools.product(EQUATIONS, ("tanh", "sigmoid")):
        if equations is SimpleRNN or other == "sigmoid":
            problem = Problem(equations, name, other)
        else:
            problem = Problem(equations, other, name)
        with pytest.raises(AssertionError, match="not close"):
            check(problem)


FAULTS = {
    "_mask_factors": (lambda factors, through, use: through, (LSTM, GRU, GRUResetBefore)),
    "_masked_steps": (lambda use, like: None, (LSTM, SimpleRNN)),
    "rolled": (lambda w, shift: w, (GRU,)),
    "_before": (lambda grad_hs, step, dh, passed: torch.zeros_like(dh), EQUATIONS),
}


@pytest.mark.parametrize(("place", "equations"), [(place, cls) for place in FAULTS for cls in FAULTS[place][1]])
def test_a_wrong_piece_is_seen(place: str, equations: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"kerastorch.kernels.equations.{place}", FAULTS[place][0])
    with pytest.raises(AssertionError, match="not close"):
        check(Problem(equations, mask="holes"))


@pytest.mark.parametrize("equations", EQUATIONS)
@pytest.mark.parametrize("drop", DROPS[1:])
def test_a_dropout_mask_that_is_not_applied_backwards_is_seen(
    equations: Any, drop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Product, "back", lambda self, grad: grad @ self.w)
    monkeypatch.setattr(Product, "add_back_to", lambda self, before, grad: before + grad @ self.w)
    with pytest.raises(AssertionError, match="not close"):
        check(Problem(equations, drop=drop))


# ---------------------------------------------------------------- memory


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("equations", EQUATIONS)
@pytest.mark.parametrize("mask", ["none", "holes"])
def test_inference_gives_the_same_and_keeps_nothing(equations: Any, mask: str, mode: Any, calls: list[str]) -> None:
    problem = Problem(equations, mask=mask)
    expected = problem.everything(step_engine.run)
    calls.clear()
    with mode():
        outputs = problem.run(step_engine.run, *(tensor.detach().requires_grad_() for tensor in problem.tensors))
    assert not calls
    for ours, theirs in zip(outputs, expected, strict=False):
        assert torch.equal(ours, theirs)
        assert not ours.requires_grad
    problem.run(step_engine.run, *problem.tensors)  # with gradients on, but nothing that needs them
    assert not calls


# ---------------------------------------------------------------- autograd's other rules


@pytest.mark.parametrize("equations", EQUATIONS)
def test_the_backward_pass_changes_nothing_that_it_needs(equations: Any) -> None:
    problem = Problem(equations, mask="holes")
    leaves = [tensor.requires_grad_() for tensor in problem.tensors]
    loss = sum(out.square().sum() for out in problem.run(step_engine.run, *leaves))
    first = torch.autograd.grad(loss, leaves, retain_graph=True)  # type: ignore[arg-type]
    for ours, theirs in zip(first, torch.autograd.grad(loss, leaves), strict=True):  # type: ignore[arg-type]
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("equations", EQUATIONS)
def test_a_weight_that_was_overwritten_is_noticed(equations: Any) -> None:
    problem = Problem(equations)
    leaves = [tensor.requires_grad_() for tensor in problem.tensors]
    loss = problem.run(step_engine.run, *leaves)[0].sum()
    with torch.no_grad():
        leaves[1].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("equations", EQUATIONS)
def test_outputs_that_were_overwritten_change_no_gradient(equations: Any) -> None:
    problem = Problem(equations)
    leaves = [tensor.requires_grad_() for tensor in problem.tensors]
    outputs = problem.run(step_engine.run, *leaves)
    loss = sum(out.sum() for out in outputs)
    expected = torch.autograd.grad(loss, leaves, retain_graph=True)  # type: ignore[arg-type]
    with torch.no_grad():
        for out in outputs:
            out.mul_(2)
    for ours, theirs in zip(torch.autograd.grad(loss, leaves), expected, strict=True):  # type: ignore[arg-type]
        assert torch.equal(ours, theirs)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own forward mode
@pytest.mark.parametrize("equations", EQUATIONS)
def test_who_follows_single_operations_sees_them(
    equations: Any, monkeypatch: pytest.MonkeyPatch, calls: list[str]
) -> None:
    problem = Problem(equations, mask="holes")
    expected = problem.everything(step_engine.run)
    calls.clear()

    def loss(gates: Tensor) -> Tensor:
        return problem.run(step_engine.run, gates, *problem.tensors[1:])[0].square().sum()

    gates = problem.tensors[0]
    leaf = gates.clone().requires_grad_()
    (grad,) = torch.autograd.grad(loss(leaf), leaf)
    calls.clear()
    assert_close(torch.func.grad(loss)(gates), grad)
    many = torch.stack([gates, 2 * gates])
    assert_close(torch.func.vmap(loss)(many), torch.stack([loss(gates), loss(2 * gates)]))
    direction = torch.linspace(-1, 1, gates.numel(), dtype=gates.dtype).reshape(gates.shape)
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(loss(forward_ad.make_dual(gates, direction))).tangent
    assert_close(tangent, (grad * direction).sum())
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    for ours, theirs in zip(problem.everything(step_engine.run), expected, strict=True):
        assert_close(ours, theirs)
    assert not calls


# ---------------------------------------------------------------- in layers

CONFIGS = [
    (layers.LSTM, {"activation": "relu"}),
    (layers.GRU, {"activation": "relu"}),
    (layers.GRU, {"reset_after": False, "recurrent_activation": "hard_sigmoid"}),
    (layers.SimpleRNN, {"activation": "softsign"}),
]


def build(cls: Any, config: dict[str, Any], dtype: torch.dtype = torch.float64, **more: Any) -> Any:
    layer = cls(5, return_sequences=True, return_state=True, **config, **more)
    layer.build((None, 6, 4))
    return layer.to(dtype)


def run_layer(layer: Any, x: Tensor, **call: Any) -> list[Tensor]:
    x = x.detach().requires_grad_()
    outputs = layer(x, **call)
    parameters = list(layer.parameters())
    return [*outputs, *torch.autograd.grad(sum(out.square().sum() for out in outputs), [x, *parameters])]


@pytest.mark.parametrize(("cls", "config"), CONFIGS)
def test_layers_run_on_the_engine(cls: Any, config: Any, calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    layer = build(cls, config, dropout=0.5, recurrent_dropout=0.25)
    x = torch.randn(4, 6, 3, dtype=torch.float64).transpose(1, 2).repeat(1, 2, 1)[:, :, [0, 2, 3, 5]]
    mask = torch.tensor([[1, 0, 1, 1, 0, 1]] * 3 + [[0] * 6], dtype=torch.bool)
    cases = [
        {"x": x, "training": True, "mask": mask},
        {"x": x.flip(0)[:, ::2], "training": False},
        {"x": x[:1, :1], "training": True},
        {"x": x[:0], "training": True},
    ]
    for case in cases:
        results = []
        for run in (step_engine.run, follow_steps):
            monkeypatch.setattr(step_engine, "run", run)
            torch.manual_seed(3)
            results.append(run_layer(layer, **case))
        for ours, theirs in zip(*results, strict=True):
            assert_close(ours, theirs)
        monkeypatch.undo()
    assert layer.kernel_choice(training=False).path == "step loop"


@pytest.mark.parametrize(("cls", "config"), CONFIGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_dtypes(cls: Any, config: Any, dtype: torch.dtype, calls: list[str]) -> None:
    layer = build(cls, config)
    x = torch.randn(3, 6, 4, dtype=torch.float64).to(dtype)
    layer = layer.to(dtype)
    ours = run_layer(layer, x)
    theirs = run_layer(layer.double(), x.double())
    assert calls
    for our, their in zip(ours, theirs, strict=True):
        assert our.dtype == dtype
        # Six steps of rounding, relative to the largest element.
        limit = 30 * torch.finfo(dtype).eps * float(their.detach().abs().max())
        assert float((our.double() - their).detach().abs().max()) < limit


@pytest.mark.parametrize(("cls", "config"), CONFIGS)
@pytest.mark.parametrize("given", [torch.float32, torch.bfloat16])
def test_autocast(cls: Any, config: Any, given: torch.dtype, calls: list[str]) -> None:
    layer = build(cls, config, torch.float32, recurrent_dropout=0.25)
    x = torch.randn(3, 6, 4).to(given)
    mask = torch.tensor([[1, 0, 1, 1, 0, 1]] * 3, dtype=torch.bool)
    expected = run_layer(layer, x.float(), mask=mask, training=False)
    with torch.autocast("cpu", torch.bfloat16):
        found = run_layer(layer, x, mask=mask, training=False)
        run_layer(layer, x, mask=mask, training=True)
        with torch.no_grad():
            again = layer(x, mask=mask, training=False)
    assert len(calls) == 3
    for our, their in zip(found, expected, strict=True):
        limit = 30 * torch.finfo(torch.bfloat16).eps * float(their.detach().abs().max())
        assert float((our - their).detach().abs().max()) < limit
    assert found[0].dtype == torch.bfloat16
    assert [grad.dtype for grad in found[-2:]] == [torch.float32] * 2
    for ours, theirs in zip(again, found, strict=False):
        assert torch.equal(ours, theirs)


def test_checkpointing(calls: list[str]) -> None:
    layer = build(layers.LSTM, {"activation": "relu"})
    x = torch.randn(3, 6, 4, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(layer(x)[0].square().sum(), x)
    (found,) = torch.autograd.grad(checkpoint(layer, x, use_reentrant=False)[0].square().sum(), x)  # type: ignore[index]
    assert torch.equal(found, expected)
    assert calls == ["engine"] * 3


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"activation": "relu"}, None),
        ({"activation": "softmax"}, "autograd follows every step: no derivative of softmax is known here"),
        (
            {"activation": torch.nn.PReLU(), "recurrent_activation": "log_softmax"},
            "autograd follows every step: no derivative of PReLU and log_softmax is known here",
        ),
    ],
)
def test_other_activations_are_left_to_autograd(config: Any, reason: str | None, calls: list[str]) -> None:
    layer = layers.LSTM(5, **config)
    choice = layer.kernel_choice()
    assert choice.path == "step loop"
    assert choice.reason.startswith("torch's LSTM kernel has activation tanh only")
    assert ("autograd" in choice.reason) == (reason is not None)
    layer(torch.randn(3, 6, 4)).sum().backward()
    if reason is None:
        assert calls == ["engine"]
        return
    assert choice.reason.endswith(reason)
    assert not calls
    if isinstance(layer.activation, torch.nn.PReLU):
        assert layer.activation.weight.grad is not None
