"""The recurrences of the step engine in compiled code: every step in one call, in float32 on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from .. import activations as A
from .. import native
from ._equations import GRU, LSTM, Equations, Gradients, GRUResetBefore, SimpleRNN, Weights, history, rolled
from ._kernels import Activation, States
from ._ops import may_read
from ._product import Product

MOST_WEIGHTS = 2**20  # in the recurrent matrix: the time to pack it grows faster than the time for a step

_CODES = {A.get(name): code for code, name in enumerate(native.ACTIVATIONS)}


def pays(w_hh: Tensor) -> bool:
    """Whether the compiled code is there, and the faster one for recurrent weights of this size."""
    return native.available and w_hh.numel() <= MOST_WEIGHTS


def find(
    equations: type[Equations], functions: Sequence[Activation], w_hh: Tensor, *tensors: Tensor | None
) -> type[Equations] | None:
    """The same recurrence compiled; None where there is none for these activations and tensors.

    Args:
        equations: The recurrence.
        functions: Its activations.
        w_hh: Its recurrent weights.
        *tensors: All others that it computes with.
    """
    if not pays(w_hh) or any(code_of(function) is None for function in functions):
        return None
    given = [tensor for tensor in (w_hh, *tensors) if tensor is not None]
    fits = all(t.is_cpu and t.dtype == torch.float32 and type(t) in (Tensor, Parameter) for t in given)
    return _COMPILED[equations] if fits and may_read(given[1]) else None


def code_of(function: Activation) -> int | None:
    """The number of an activation in the compiled code; None if it is not there."""
    try:
        return _CODES.get(function)
    except TypeError:  # a callable that cannot be hashed
        return None


class _Compiled(Equations):
    """What they share; abstract."""

    def _run(self, name: str, weights: Weights, use: Tensor | None, h: Tensor, **fields: Any) -> None:
        """Call a function of the compiled code; `fields` are more arrays, and `keep`."""
        steps, batch, units = h.shape
        sizes = {
            "steps": steps - 1,
            "batch": batch,
            "units": units,
            "activation": code_of(self.activation.function),
            "recurrent": code_of(self.recurrent.function),
            "drops": 0 if weights.drop is None else len(weights.drop),
            "keep": fields.pop("keep", False),
        }
        if "grad" in fields:
            grad = fields["grad"]
            fields["grad"] = grad = grad if grad.stride(-1) == 1 else grad.contiguous()
            sizes |= {"grad_step": grad.stride(0), "grad_row": grad.stride(1)}
        drop = None if weights.drop is None else weights.drop.contiguous()
        use = None if use is None else use.contiguous()
        native.run(name, sizes, w=weights.w_hh.contiguous(), drop=drop, use=use, h=h, **fields)  # type: ignore[arg-type]


class CompiledLSTM(_Compiled, LSTM):
    def forward(
        self, gates: Tensor, weights: Weights, states: States, use: Tensor | None, keep: bool
    ) -> tuple[Tensor, States, States]:
        gates, hs = gates.contiguous(), history(states[0], len(gates))
        cs = history(states[1], len(gates)) if keep else states[1].clone(memory_format=torch.contiguous_format)
        self._run("lstm_forward", weights, use, hs, gates=gates, c=cs, keep=keep)
        return hs[1:], (cs[-1] if keep else cs,), (gates, hs, cs) if keep else ()

    def backward(
        self, kept: States, weights: Weights, use: Tensor | None, grads: States, of_weights: bool
    ) -> Gradients:
        gates, hs, cs = kept
        dgates, dh = torch.empty_like(gates), torch.empty_like(hs[0])
        dc = grads[1].clone(memory_format=torch.contiguous_format)
        self._run("lstm_backward", weights, use, hs, gates=gates, c=cs, grad=grads[0], dh=dh, dc=dc, dgates=dgates)
        w_grad = Product(weights.w_hh, weights.drop).weight_grad(dgates, hs[:-1]) if of_weights else None
        return Gradients(dgates, w_grad, None, (dh, dc))


class CompiledGRU(_Compiled, GRU):
    def forward(
        self, gates: Tensor, weights: Weights, states: States, use: Tensor | None, keep: bool
    ) -> tuple[Tensor, States, States]:
        gates, hs = gates.contiguous(), history(states[0], len(gates))
        hidden = torch.empty_like(hs[1:]) if keep else None
        bias = None if weights.b_hh is None else weights.b_hh.contiguous()
        self._run("gru_forward", weights, use, hs, gates=gates, bias=bias, hidden=hidden, keep=keep)
        return hs[1:], (), () if hidden is None else (gates, hs, hidden)

    def backward(
        self, kept: States, weights: Weights, use: Tensor | None, grads: States, of_weights: bool
    ) -> Gradients:
        gates, hs, hidden = kept
        units = hs.shape[-1]
        dh, all_four = torch.empty_like(hs[0]), gates.new_empty(*gates.shape[:2], 4 * units)
        turned = Weights(rolled(weights.w_hh, 1), None, None if weights.drop is None else weights.drop.roll(1, 0))
        self._run("gru_backward", turned, use, hs, gates=gates, hidden=hidden, grad=grads[0], dh=dh, dgates=all_four)
        product = Product(turned.w_hh, turned.drop)
        w_grad, b_grad = self._of_weights(product, all_four, hs, weights, of_weights)
        return Gradients(all_four[..., units:], w_grad, b_grad, (dh,))


class CompiledGRUResetBefore(_Compiled, GRUResetBefore):
    def forward(
        self, gates: Tensor, weights: Weights, states: States, use: Tensor | None, keep: bool
    ) -> tuple[Tensor, States, States]:
        gates, hs = gates.contiguous(), history(states[0], len(gates))
        self._run("gru_before_forward", weights, use, hs, gates=gates, keep=keep)
        return hs[1:], (), (gates, hs) if keep else ()

    def backward(
        self, kept: States, weights: Weights, use: Tensor | None, grads: States, of_weights: bool
    ) -> Gradients:
        gates, hs = kept
        dgates, dh = torch.empty_like(gates), torch.empty_like(hs[0])
        self._run("gru_before_backward", weights, use, hs, gates=gates, grad=grads[0], dh=dh, dgates=dgates)
        r = gates[..., : hs.shape[-1]]
        return Gradients(dgates, self._weight_grad(weights, dgates, r, hs) if of_weights else None, None, (dh,))


class CompiledSimpleRNN(_Compiled, SimpleRNN):
    def forward(
        self, gates: Tensor, weights: Weights, states: States, use: Tensor | None, keep: bool
    ) -> tuple[Tensor, States, States]:
        hs = history(states[0], len(gates))
        self._run("rnn_forward", weights, use, hs, gates=gates.contiguous(), keep=keep)
        return hs[1:], (), (hs,) if keep else ()

    def backward(
        self, kept: States, weights: Weights, use: Tensor | None, grads: States, of_weights: bool
    ) -> Gradients:
        (hs,) = kept
        dgates, dh = torch.empty_like(hs[1:]), torch.empty_like(hs[0])
        self._run("rnn_backward", weights, use, hs, grad=grads[0], dh=dh, dgates=dgates)
        w_grad = Product(weights.w_hh, weights.drop).weight_grad(dgates, hs[:-1]) if of_weights else None
        return Gradients(dgates, w_grad, None, (dh,))


_COMPILED: dict[type[Equations], type[_Compiled]] = {
    LSTM: CompiledLSTM,
    GRU: CompiledGRU,
    GRUResetBefore: CompiledGRUResetBefore,
    SimpleRNN: CompiledSimpleRNN,
}
