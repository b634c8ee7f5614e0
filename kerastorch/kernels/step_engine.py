"""The step engine: recurrences without a fused kernel, with a backward pass written by hand.

The loop over the steps holds what depends on the step before and nothing else: the recurrent product, and pointwise
work in place. Everything else is done for all steps at once: the input product, the derivatives of the activations,
and each weight gradient as one matrix product. A ConvLSTM has convolutions in the place of the products.

Kept for the backward pass, in elements: the inputs `T*B*F`, the gates `T*B*G*U`, in the array that the input product
made (not for a SimpleRNN whose activation's derivative follows from its output), each state `(T + 1)*B*U` and the
initial one `B*U`, `T*B*U` more for a GRU with the reset gate behind the product, and the masks. Without gradients
there are the outputs only. What is kept is never what is returned: outputs and states may be changed in place.

The backward pass by hand has no derivative of its own. Where one is wanted (`create_graph=True`), autograd follows
every step once more instead: slower, and right for derivatives of any order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import native, size_rules, torch_private
from ..dtypes import autocasts
from . import activation_gradients, compiled, equations, matrix_products, onnx_operators
from .equations import Equations, Steps
from .fused import fused_lstm
from .input_product import InputProduct
from .operators import is_followed, may_read
from .step_loop import loop, one_by_one
from .types import INSTEAD, Gradients, Kernel, States, Weights


def outruns(kernel: Kernel, x: Tensor, weights: Sequence[Tensor]) -> bool:
    """Whether the engine is faster than a kernel of torch that computes the same.

    Args:
        kernel: torch's.
        x: `(B, T, F)`.
        weights: As the kernel takes them.
    """
    if not x.is_cpu or x.dtype != torch.float32 or is_followed():
        return False  # checked first: a traced graph must work for any number of steps
    rows, steps = x.shape[:2]
    elements = weights[1].numel()
    if may_read(x) and compiled.pays(weights[1]):
        if kernel is fused_lstm:
            outputs = rows * steps * weights[1].shape[1]
            return rows * elements <= _lstm_work() and (outputs <= _lstm_outputs() or _trains(x, weights))
        if steps >= size_rules.COMPILED_STEPS and elements <= size_rules.WEIGHTS_OF_A_STEP * steps:
            most = _loop_work()
            return most is None or rows * weights[1].shape[1] ** 2 <= most
    if kernel is fused_lstm or steps < size_rules.LOOP_STEPS:
        return False
    if _trains(x, weights):
        return 0 < rows <= size_rules.LOOP_ROWS
    return rows * weights[1].shape[1] >= size_rules.LOOP_STATE or matrix_products.pays(rows, weights[1])


def _trains(x: Tensor, weights: Sequence[Tensor]) -> bool:
    return torch.is_grad_enabled() and (x.requires_grad or any(weight.requires_grad for weight in weights))


def _lstm_work() -> int:
    return size_rules.LSTM_WORK.get(native.level or "DEFAULT", size_rules.LSTM_WORK["DEFAULT"])


def _lstm_outputs() -> int:
    """The most numbers that compiled inference returns in all steps, where it is the faster one."""
    return size_rules.LSTM_OUTPUTS.get(native.level or "DEFAULT", size_rules.LSTM_OUTPUTS["DEFAULT"])


def _loop_work() -> int | None:
    """The most multiplications of a gate a step for which the compiled loop is faster; None: there is no such end."""
    return size_rules.LOOP_WORK.get(native.level or "DEFAULT")


def where_faster(kernel: Kernel) -> str | None:
    """For which sizes the engine runs in the place of a kernel of torch; None for none."""
    if native.available and kernel is fused_lstm:
        return (
            f"on the CPU, in float32 and up to {_lstm_work()} multiplications a step, in inference also up to "
            f"{_lstm_outputs()} outputs (rows, steps and units multiplied)"
        )
    if native.available:
        return (
            f"on the CPU, in float32 and from {size_rules.COMPILED_STEPS} steps on, up to "
            f"{size_rules.WEIGHTS_OF_A_STEP} recurrent weights for each step"
            + ("" if _loop_work() is None else f" and {_loop_work()} multiplications of a gate a step")
        )
    if kernel is fused_lstm:
        return None
    return (
        f"on the CPU, in float32 and from {size_rules.LOOP_STEPS} steps on, in training for batches up to "
        f"{size_rules.LOOP_ROWS}, and in inference for states of {size_rules.LOOP_STATE} elements and for "
        "large products"
    )


def says_faster(kernel: Kernel) -> str:
    """Why the engine runs in the place of a kernel of torch."""
    return _with_shortfall(f"{_loop()} is faster {where_faster(kernel) or ''}".strip())


def says_instead(kernel: Kernel) -> str:
    """What there is to say beside torch's kernel: for which sizes the engine runs instead; "" for nothing."""
    where = where_faster(kernel)
    return _shortfall() if where is None else _with_shortfall(f"{_loop()} {INSTEAD}: {where}")


def _loop() -> str:
    return "the compiled step loop" if native.available else "the step loop"


def _shortfall() -> str:
    """Why the compiled code is not the best for this processor, or not there; empty where it is the best."""
    if not native.shortfall:
        return ""
    return f"{'slower compiled code runs' if native.available else 'no compiled code runs'}: {native.shortfall}"


def _with_shortfall(reason: str) -> str:
    return "; ".join(filter(None, (reason, _shortfall())))


class Inputs(NamedTuple):
    """What makes the inputs' part of the gates."""

    x: Tensor  # (B, T, F)
    w: Tensor
    b: Tensor | None
    drop: Tensor | None  # (G, B, F), or (1, B, F) for all gates
    product: InputProduct  # no default: Dynamo of torch 2.11 cannot trace one that is an object

    def gates(self) -> Tensor:
        return self.product(_time_major(self.x), self.w, self.b, self.drop)

    def dtype_of_gates(self) -> torch.dtype:
        x = self.x
        return torch.get_autocast_dtype(x.device.type) if autocasts(x.device) and x.dtype != torch.float64 else x.dtype


def remark(*functions: Any) -> str | None:
    """How the steps of a recurrence with these activations run, where it is not plain operations of torch."""
    names = [getattr(f, "__name__", type(f).__name__) for f in functions if activation_gradients.find(f) is None]
    if names:
        return f"autograd follows every step: no derivative of {' and '.join(names)} is known here"
    if any(compiled.code_of(f) is None for f in functions):
        return None
    if native.available:
        return _with_shortfall("on the CPU and in float32, the steps run in compiled code")
    return _shortfall() or None


def run(
    steps: Steps, inputs: Inputs, states: States, mask: Tensor | None, *, only_last: bool = False
) -> tuple[Tensor, States]:
    """Run a recurrence over all steps; a masked step repeats the output and keeps the states.

    Args:
        steps: The recurrence.
        inputs: Its inputs, and their weights.
        states: Initial states `(B, U)`.
        mask: bool `(B, T)`, True = use the step, or None.
        only_last: Whether the output of the last step is enough: then there may be no other, `(B, 1, U)`.

    The axes F and U may be several, those of an image; the mask then has all axes of the input but the last.

    Returns:
        outputs `(B, T, U)`, final states; none shares memory with another, or with what is kept.
    """
    activation, recurrent = activation_gradients.find(steps.activation), activation_gradients.find(steps.recurrent)
    if activation is None or recurrent is None or is_followed():
        return _followed_by_autograd(steps, inputs, states, mask)
    dtype = torch.promote_types(inputs.dtype_of_gates(), states[0].dtype)  # not that of the weights, under autocast
    states, w_hh = tuple(_to(state, dtype) for state in states), _to(steps.w_hh, dtype)
    b_hh, drop = (None if tensor is None else _to(tensor, dtype) for tensor in (steps.b_hh, steps.drop))
    functions = steps.activation, steps.recurrent
    readable = may_read(inputs.x)
    program = compiled.find(steps.equations, functions, w_hh, states, b_hh, drop) if readable else None
    if program is None and not steps.equations.by_hand(inputs.x):
        return _followed_by_autograd(steps, inputs, states, mask)
    equations = (program or steps.equations)(activation, recurrent)
    use = None if mask is None else mask.transpose(0, 1).unsqueeze(-1)
    tensors = (*inputs[:3], w_hh, b_hh, *states)
    if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors):
        options = equations, inputs.product, only_last
        outputs, *others = _Differentiable.apply(*options, inputs.drop, drop, use, *tensors)
    else:
        gates = _to(inputs.gates(), dtype)
        with _no_autocast(gates):
            outputs, others, _ = equations.forward(gates, Weights(w_hh, b_hh, drop), states, use, keep=False)
    out = outputs.transpose(0, 1)
    last = out.select(1, -1).clone()
    if mask is not None and not (readable and _is_zero(states[0])):
        begun = (mask.cumsum(1) > 0)[:, -out.shape[1] :]
        out = out * begun.unsqueeze(-1)  # zeros, not the initial state, before the first valid step
    return out, (last, *others)


def _followed_by_autograd(steps: Steps, inputs: Inputs, states: States, mask: Tensor | None) -> tuple[Tensor, States]:
    recurrence = onnx_recurrence(steps) if torch_private.is_exporting_to_onnx() and inputs.drop is None else None
    if recurrence is not None:
        return onnx_operators.run(recurrence, inputs.x, states, (inputs.w, steps.w_hh, inputs.b, steps.b_hh), mask)
    out, states = loop(steps.equations.cell(steps), inputs.gates(), states, mask)
    # An activation may keep its output, which is the last state, too. In a graph nothing is changed in place.
    return out, states if is_followed() else tuple(state.clone() for state in states)


def onnx_recurrence(steps: Steps) -> onnx_operators.Recurrence | None:
    """The node of ONNX that computes a recurrence; None: there is none."""
    name, functions = _ONNX.get(steps.equations, ""), (steps.recurrent, steps.activation)
    if not name or steps.drop is not None or any(function not in onnx_operators.FUNCTIONS for function in functions):
        return None
    if name == "LSTM":
        functions = (*functions, steps.activation)
    elif name == "RNN":
        functions = (steps.activation,)
    return onnx_operators.Recurrence(name, functions, steps.equations is equations.GRU)


_ONNX = {equations.LSTM: "LSTM", equations.GRU: "GRU", equations.GRUResetBefore: "GRU", equations.SimpleRNN: "RNN"}


def _time_major(x: Tensor) -> Tensor:
    return x.transpose(0, 1).contiguous()


def _is_zero(state: Tensor) -> bool:
    """Whether a state is zeros, and nobody wants its gradient."""
    return not state.requires_grad and not bool(state.any())


def _to(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor if tensor.dtype == dtype else tensor.to(dtype)


def _no_autocast(tensor: Tensor) -> contextlib.AbstractContextManager[Any]:
    device = tensor.device
    return torch.autocast(device.type, enabled=False) if autocasts(device) else contextlib.nullcontext()


class _Differentiable(torch.autograd.Function):
    """The gates of all inputs, and all steps, as one operation of autograd."""

    @staticmethod
    def forward(
        ctx: Any,
        equations: Equations,
        product: InputProduct,
        only_last: bool,
        drop_ih: Tensor | None,
        drop: Tensor | None,
        use: Tensor | None,
        x: Tensor,
        w_ih: Tensor,
        b_ih: Tensor | None,
        w_hh: Tensor,
        b_hh: Tensor | None,
        *states: Tensor,
    ) -> States:
        gates = product(_time_major(x), w_ih, b_ih, drop_ih)
        ctx.equations, ctx.product, ctx.states = equations, product, len(states)
        ctx.ahead = len(gates) - 1 if only_last else 0  # steps whose outputs nobody wants
        ctx.dtype, ctx.autocasts = gates.dtype, autocasts(x.device)
        with _no_autocast(gates):
            gates = _to(gates, w_hh.dtype)
            outputs, others, kept = equations.forward(gates, Weights(w_hh, b_hh, drop), states, use, keep=True)
        ctx.save_for_backward(drop_ih, drop, use, x, w_ih, b_ih, w_hh, b_hh, *states, *kept)
        return outputs[ctx.ahead :].clone(), *(other.clone() for other in others)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        saved = ctx.saved_tensors  # once: checkpointing gives them no second time
        drop_ih, drop, use, x, w_ih, b_ih, w_hh, b_hh = saved[:8]
        states, kept = saved[8 : 8 + ctx.states], saved[8 + ctx.states :]
        of_all = F.pad(grads[0], (0, 0) * (grads[0].ndim - 1) + (ctx.ahead, 0)) if ctx.ahead else grads[0]
        weights, grads = Weights(w_hh, b_hh, drop), (of_all, *grads[1:])
        needs = ctx.needs_input_grad[6:9]
        if torch.is_grad_enabled():  # in a backward pass: with create_graph=True, and only then
            # Under names of their own, see _followed.
            x, w_ih, b_ih = x.view_as(x), w_ih.view_as(w_ih), None if b_ih is None else b_ih.view_as(b_ih)
            with _autocast_again(ctx, x):
                gates = ctx.product(_time_major(x), w_ih, b_ih, drop_ih)
            found = _followed(ctx.equations, gates, weights, states, use, grads)
            wanted = [
                tensor for tensor, need in zip((x, w_ih, b_ih), needs, strict=True) if need and tensor is not None
            ]
            given = iter(torch.autograd.grad(gates, wanted, found.gates, create_graph=True) if wanted else ())
            of_inputs = [next(given) if need else None for need in needs]
        else:
            with _no_autocast(w_hh):
                found = ctx.equations.backward(kept, weights, use, grads, any(ctx.needs_input_grad[9:11]))
                of_inputs = [None] * 3
                if any(needs):
                    dgates, inputs, w = (_to(tensor, ctx.dtype) for tensor in (found.gates, _time_major(x), w_ih))
                    of_x, *others = ctx.product.gradients(dgates, inputs, w, drop_ih, needs)
                    of_inputs = [None if of_x is None else of_x.transpose(0, 1), *others]
        return *(None,) * 6, *of_inputs, found.w_hh, found.b_hh, *found.states


def _autocast_again(ctx: Any, x: Tensor) -> contextlib.AbstractContextManager[Any]:
    """The autocasting that was in force at the call."""
    if x.device.type == "meta":
        return contextlib.nullcontext()
    return torch.autocast(x.device.type, ctx.dtype if ctx.autocasts else None, ctx.autocasts, cache_enabled=False)


def _followed(
    equations: Equations, gates: Tensor, weights: Weights, states: States, use: Tensor | None, grads: States
) -> Gradients:
    """The same gradients, as functions of everything that they depend on."""
    # Under names of their own: one may be computed from another, and the derivative here is by each alone.
    w_hh, b_hh = (
        weights.w_hh.view_as(weights.w_hh),
        None if weights.b_hh is None else weights.b_hh.view_as(weights.b_hh),
    )
    gates, states = gates.to(w_hh.dtype), tuple(state.view_as(state) for state in states)
    functions = equations.activation.function, equations.recurrent.function
    cell = equations.cell(Steps(type(equations), w_hh, b_hh, *functions, weights.drop))
    with _no_autocast(w_hh):
        out, (_, *others) = one_by_one(cell, gates, states, None if use is None else use.squeeze(-1).transpose(0, 1))
    sources = (gates, w_hh, b_hh, *states)
    wanted = [tensor for tensor in sources if tensor is not None and tensor.requires_grad]
    results = (out.transpose(0, 1), *others)
    derivatives = iter(torch.autograd.grad(results, wanted, grads, create_graph=True, materialize_grads=True))
    found = [next(derivatives) if tensor is not None and tensor.requires_grad else None for tensor in sources]
    return Gradients(found[0], found[1], found[2], tuple(found[3:]))  # type: ignore[arg-type]
