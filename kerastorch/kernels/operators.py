"""torch's recurrent kernels as operators `kerastorch::lstm`, `gru`, `rnn_tanh`, `rnn_relu`, for whoever takes a graph.

`torch.compile`, `torch.export` and `torch.func` cannot look into the kernels: inductor has no code for oneDNN's LSTM,
the tracers unroll the others over the steps that they happen to see, and `vmap` has no rule for any. An operator is one
node that they take as it is, for any batch and any number of steps.

Each has an operator `..._backward`, which runs the kernel once more and lets torch differentiate it: exactly the
kernel's own gradients on every device and dtype, for the price of one more forward pass in training.

Shapes: `x` `(B, T, F)`, states `(B, U)`, weights as in `step_loop`; absent biases are None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from .. import torch_private
from ..errors import UnsupportedError
from . import cudnn

# Each kernel, and how many states it has.
_KERNELS: dict[str, tuple[Callable[..., Any], int]] = {
    "lstm": (torch.lstm, 2),
    "gru": (torch.gru, 1),
    "rnn_tanh": (torch.rnn_tanh, 1),
    "rnn_relu": (torch.rnn_relu, 1),
}

States = tuple[Tensor, ...]
Args = Sequence[Any]  # x, the states, w_ih, w_hh, b_ih, b_hh


def run_kernel(name: str, x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Call the kernel itself: outputs `(B, T, U)`, final states."""
    out, *last = _run(name, x, tuple(state.unsqueeze(0) for state in states), weights, False)
    return out, *(state.select(0, 0) for state in last)


def run_pair(name: str, x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Call the kernel in both directions of time at once: outputs `(B, T, 2U)`, final states `(2, B, U)`.

    Args:
        name: Of the kernel.
        x: `(B, T, F)`.
        states: `(2, B, U)` each: forwards, backwards.
        weights: Those of the way forwards, then those of the way back.
    """
    return _run(name, x, tuple(states), weights, True)


def _run(name: str, x: Tensor, states: States, weights: Sequence[Tensor], both: bool) -> tuple[Tensor, ...]:
    if cudnn.applies(x) and type(x) in (Tensor, Parameter):
        states, weights = tuple(state.contiguous() for state in states), cudnn.arrange(name, weights, both)
        if len(x) > cudnn.ROWS:  # rows know nothing of each other
            pieces = zip(x.split(cudnn.ROWS), *(state.split(cudnn.ROWS, 1) for state in states), strict=True)
            results = [_call(name, part, its, weights, both) for part, *its in pieces]
            outs, *lasts = zip(*results, strict=True)
            return torch.cat(outs), *(torch.cat(last, 1) for last in lasts)
    return _call(name, x, states, weights, both)


def _call(name: str, x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor], both: bool) -> tuple[Tensor, ...]:
    hx = tuple(states) if len(states) == 2 else states[0]
    biased = len(weights) == (8 if both else 4)
    # cuDNN must keep what a backward pass needs (there is no dropout inside these kernels). A trace keeps it always:
    # torch.jit.trace runs with gradients and without, and compares the graphs of both.
    keep = torch.is_grad_enabled() or torch_private.is_tracing()
    return _KERNELS[name][0](x, hx, list(weights), biased, 1, 0.0, keep, both, True)


def operator(name: str) -> Any:
    """The operator of a kernel."""
    return getattr(torch.ops.kerastorch, name).default


def wants_operator() -> bool:
    """Whether someone is taking a graph, or transforms the function: the kernel must then be one operator.

    Not always, because a call by way of an operator takes tens of microseconds more.
    """
    return torch.compiler.is_compiling() or torch_private.transforms_active()


def is_followed() -> bool:
    """Whether something follows every torch operation, from which a backward pass of our own would hide them."""
    return wants_operator() or torch_private.is_tracing() or torch_private.forward_mode_active()


def may_read(tensor: Tensor) -> bool:
    """Whether values may decide what runs: on the CPU nobody waits for them, and no graph is taken."""
    if is_followed() or type(tensor) not in (Tensor, Parameter) or not tensor.is_cpu:
        return False
    return not torch_private.is_watched()


def call_operator(name: str, x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """`run_kernel` by way of the operator."""
    args = x, *states, *weights[:2], *(weights[2:] or (None, None))
    if torch_private.transforms_active() and not torch.compiler.is_compiling():
        return _Transformable.apply(name, *args)  # type: ignore[return-value]
    return operator(name)(*args)


class _Transformable(torch.autograd.Function):
    """The operator's autograd formula once more, in the form that `torch.func` takes."""

    generate_vmap_rule = True

    @staticmethod
    def forward(name: str, *args: Any) -> tuple[Tensor, ...]:
        return operator(name)(*args)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.name = inputs[0]
        _keep(ctx, inputs[1:], output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return None, *_differentiate(ctx.name, ctx.needs_input_grad[1:], ctx, grads)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*(arg for arg in inputs if arg is not None))
    ctx.present = [arg is not None for arg in inputs]


def _differentiate(name: str, needs: Sequence[bool], ctx: Any, grads: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    saved = iter(ctx.saved_tensors)
    inputs = [next(saved) if present else None for present in ctx.present]
    wanted = [bool(need) and present for need, present in zip(needs, ctx.present, strict=True)]
    if torch.compiler.is_compiling():
        found = iter(operator(f"{name}_backward")(list(grads), *inputs, wanted))
    else:
        found = iter(_Gradients.apply(name, wanted, len(grads), *grads, *inputs))  # type: ignore[arg-type]
    return tuple(next(found) if want else None for want in wanted)


class _Gradients(torch.autograd.Function):
    """The backward operator, which has no gradients of its own: asked for them, torch alone would give zeros."""

    generate_vmap_rule = True

    @staticmethod
    def forward(name: str, wanted: list[bool], count: int, *tensors: Any) -> tuple[Tensor, ...]:
        return tuple(operator(f"{name}_backward")(list(tensors[:count]), *tensors[count:], wanted))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.name = inputs[0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        raise UnsupportedError(
            f"kerastorch::{ctx.name}: gradients of gradients are not available under torch.func and in exported "
            "programs; call the layer in eager mode, with torch.autograd.grad(..., create_graph=True). On CUDA, call "
            "it inside torch.backends.cudnn.flags(enabled=False): cuDNN has none."
        )


# ---------------------------------------------------------------- the operators


def _split(name: str, args: Args) -> tuple[Tensor, Args, list[Tensor]]:
    count = _KERNELS[name][1]
    return args[0], args[1 : 1 + count], [weight for weight in args[1 + count :] if weight is not None]


def _time_major(out: Tensor) -> Tensor:
    """The memory order that most kernels give, and that the operator promises."""
    return out.transpose(0, 1).contiguous().transpose(0, 1)


def _define(name: str) -> None:
    states = _KERNELS[name][1]
    letters = ", ".join(f"Tensor {letter}" for letter in "hc"[:states])
    inputs = f"Tensor x, {letters}, Tensor w_ih, Tensor w_hh, Tensor? b_ih, Tensor? b_hh"
    forward, backward = f"kerastorch::{name}", f"kerastorch::{name}_backward"
    torch.library.define(forward, f"({inputs}) -> ({', '.join(['Tensor'] * (1 + states))})")
    torch.library.define(backward, f"(Tensor[] grads, {inputs}, bool[] wanted) -> Tensor[]")

    @torch.library.impl(forward, "default")
    def run(*args: Any) -> tuple[Tensor, ...]:
        with torch.no_grad():
            out, *last = run_kernel(name, *_split(name, args))
        return _time_major(out), *(state.contiguous() for state in last)

    @torch.library.register_fake(forward)
    def fake(*args: Any) -> tuple[Tensor, ...]:
        x, h = args[0], args[1]
        out = x.new_empty(x.shape[1], x.shape[0], h.shape[1]).transpose(0, 1)
        return out, *(x.new_empty(state.shape) for state in args[1 : 1 + states])

    # No autograd formula, and so autograd works inside.
    @torch.library.impl(backward, "default")
    def run_backward(grads: list[Tensor], *args: Any) -> list[Tensor]:
        *given, wanted = args
        with torch.enable_grad():
            leaves = [
                None if arg is None else arg.detach().requires_grad_(want)
                for arg, want in zip(given, wanted, strict=True)
            ]
            outputs = run_kernel(name, *_split(name, leaves))
        sources = [leaf for leaf, want in zip(leaves, wanted, strict=True) if leaf is not None and want]
        found = torch.autograd.grad(outputs, sources, grads, materialize_grads=True)
        return [grad.contiguous() for grad in found]

    @torch.library.register_fake(backward)
    def fake_backward(grads: list[Tensor], *args: Any) -> list[Tensor]:
        *given, wanted = args
        return [arg.new_empty(arg.shape) for arg, want in zip(given, wanted, strict=True) if want]

    def differentiate(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return _differentiate(name, ctx.needs_input_grad, ctx, grads)

    torch.library.register_autograd(forward, differentiate, setup_context=_keep)
    # Since torch 2.5; before, vmap itself says that it has no rule.
    register_vmap: Callable[..., Any] | None = getattr(torch.library, "register_vmap", None)
    if register_vmap is not None:
        register_vmap(forward, _folding(operator(name), states))
        register_vmap(backward, _row_by_row(operator(f"{name}_backward")))


# ---------------------------------------------------------------- torch.func.vmap


def _folding(op: Any, states: int) -> Callable[..., Any]:
    """vmap over inputs and states is a larger batch; over weights, one run for each set of them."""

    def rule(info: Any, in_dims: Args, *args: Any) -> tuple[Any, Any]:
        data, weights = 1 + states, in_dims[1 + states :]
        if any(dim is not None for dim in weights):
            return _row_by_row(op)(info, in_dims, *args)
        rows = [
            arg.unsqueeze(0).expand(info.batch_size, *arg.shape) if dim is None else arg.movedim(dim, 0)
            for arg, dim in zip(args[:data], in_dims[:data], strict=True)
        ]
        outputs = op(*(row.reshape(-1, *row.shape[2:]) for row in rows), *args[data:])
        unfolded = tuple(output.reshape(info.batch_size, -1, *output.shape[1:]) for output in outputs)
        return unfolded, (0,) * len(unfolded)

    return rule


def _row_by_row(op: Any) -> Callable[..., Any]:
    """vmap as a loop: a kernel has one set of weights, and returns the gradients of one."""

    def pick(arg: Any, dim: Any, index: int) -> Any:
        if isinstance(arg, (list, tuple)):
            dims = dim if isinstance(dim, (list, tuple)) else [dim] * len(arg)
            return [pick(item, its_dim, index) for item, its_dim in zip(arg, dims, strict=True)]
        return arg if dim is None else arg.select(dim, index)

    def rule(info: Any, in_dims: Args, *args: Any) -> tuple[Any, Any]:
        runs = [
            op(*(pick(arg, dim, index) for arg, dim in zip(args, in_dims, strict=True)))
            for index in range(info.batch_size)
        ]
        stacked = [torch.stack(parts) for parts in zip(*runs, strict=True)]
        return type(runs[0])(stacked), type(runs[0])([0] * len(stacked))

    return rule


for _name in _KERNELS:
    _define(_name)
