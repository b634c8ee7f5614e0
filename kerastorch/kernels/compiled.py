"""The recurrences of the step engine in compiled code: every step in one call, in float32 on the CPU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .. import native, size_rules
from ..activations.records import COMPILED
from ..errors import ShapeError
from ..torch_private import is_plain
from .conv_lstm import ChannelsLast
from .equations import GRU, LSTM, Equations, GRUResetBefore, SimpleRNN, history
from .recurrent_product import Product
from .types import Activation, Gradients, States, Weights

_CODES = {record.function: code for code, record in enumerate(COMPILED)}


def pays(w_hh: Tensor) -> bool:
    """Whether the compiled code is there, and the faster one for recurrent weights of this size."""
    return native.available and w_hh.numel() <= size_rules.PACKED_WEIGHTS


def find(
    equations: type[Equations], functions: Sequence[Activation], w_hh: Tensor, states: States, *others: Tensor | None
) -> type[Equations] | None:
    """The same recurrence compiled; None where there is none for it, these activations and tensors, or it is slower.

    The values of tensors must be readable (`may_read`).

    Args:
        equations: The recurrence.
        functions: Its activations.
        w_hh: Its recurrent weights.
        states: Its initial states.
        *others: All other tensors that the steps compute with.
    """
    if not pays(w_hh) or any(code_of(function) is None for function in functions):
        return None
    given = [tensor for tensor in (w_hh, *states, *others) if tensor is not None]
    fits = all(t.is_cpu and t.dtype == torch.float32 and is_plain(t) for t in given)
    compiled = _COMPILED.get(equations) if fits else None
    return compiled if compiled is not None and compiled.pays(w_hh, states[0]) else None


def code_of(function: Activation) -> int | None:
    """The number of an activation in the compiled code; None if it is not there."""
    try:
        return _CODES.get(function)
    except TypeError:  # a callable that cannot be hashed
        return None


class _Compiled(Equations):
    """What they share; abstract."""

    @staticmethod
    def pays(w_hh: Tensor, state: Tensor) -> bool:
        """Whether it is faster than operations of torch for weights of this size and states of this shape."""
        return True

    def _run(self, name: str, weights: Weights, use: Tensor | None, h: Tensor, **fields: Any) -> None:
        """Call a function of the compiled code; `fields` are more arrays, and `keep`."""
        back = "grad" in fields
        steps, *rows, units = h.shape
        sizes: dict[str, Any] = {
            "steps": steps - 1,
            "batch": math.prod(rows),
            "units": units,
            "activation": code_of(self.activation.function),
            "recurrent": code_of(self.recurrent.function),
            "drops": 0 if weights.drop is None else len(weights.drop),
            "keep": fields.pop("keep", False),
        }
        if back:
            grad = fields["grad"]
            fields["grad"] = grad = grad if grad.stride()[2:] == h.stride()[2:] else grad.contiguous()
            sizes |= {"grad_step": grad.stride(0), "grad_row": grad.stride(1)}
        for key in ("gates", "dgates"):  # the compiled code writes where they end
            tensor = fields.get(key)
            if tensor is not None and (tensor.shape[:-1] != (steps - 1, *rows) or tensor.shape[-1] < len(weights.w_hh)):
                raise ShapeError(f"{name}: {key} has the shape {tuple(tensor.shape)}, the states {tuple(h.shape)}.")
        drop = None if weights.drop is None else weights.drop.contiguous()
        if use is not None:
            use = (use if use.ndim == 3 else use.expand(-1, *rows, 1)).contiguous()
        w, more = self._recurrent_product(weights, h, back)
        native.run(name, sizes | more, w=w, drop=drop, use=use, h=h, **fields)

    def _recurrent_product(self, weights: Weights, h: Tensor, back: bool) -> tuple[Tensor, dict[str, Any]]:
        """The recurrent weights as the compiled code takes them, and what it must know of them."""
        return weights.w_hh.contiguous(), {}


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
        w_grad = self._weight_grad(weights, dgates, hs[:-1]) if of_weights else None
        return Gradients(dgates, w_grad, None, (dh, dc))

    def _weight_grad(self, weights: Weights, dgates: Tensor, h: Tensor) -> Tensor:
        """The gradient of the recurrent weights, from those of the gates and the state before each step."""
        return self.product(weights).weight_grad(dgates, h)


class CompiledConvLSTM(CompiledLSTM):
    """A convolution of the state's images, channels last, in the place of the recurrent product."""

    cell = ChannelsLast.cell
    product = ChannelsLast.product

    @staticmethod
    def pays(w_hh: Tensor, state: Tensor) -> bool:
        images, *image, _ = state.shape
        return images >= torch.get_num_threads() or math.prod(image) * w_hh.numel() <= size_rules.IMAGE_WORK

    def _recurrent_product(self, weights: Weights, h: Tensor, back: bool) -> tuple[Tensor, dict[str, Any]]:
        *image, units = h.shape[2:]
        kernel = weights.w_hh.shape[2:]
        depth, height, width = kernel = (*[1] * (3 - len(kernel)), *kernel)
        parts = 1 if weights.drop is None else len(weights.drop)
        w = weights.w_hh.reshape(parts, -1, units, depth * height * width)
        w = (w.flip(-1) if back else w).unflatten(-1, (depth * height, width))
        w = w.permute(0, 3, 4, 1, 2) if back else w.permute(0, 3, 4, 2, 1)  # part, line, place, and in, out
        return w.contiguous(), {"image": (*[1] * (3 - len(image)), *image), "kernel": kernel}


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
        turned = self._turned(weights)
        self._run("gru_backward", turned, use, hs, gates=gates, hidden=hidden, grad=grads[0], dh=dh, dgates=all_four)
        w_grad, b_grad = self._of_weights(turned, all_four, hs, weights, of_weights)
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
    ChannelsLast: CompiledConvLSTM,
    GRU: CompiledGRU,
    GRUResetBefore: CompiledGRUResetBefore,
    SimpleRNN: CompiledSimpleRNN,
}
