"""One step of each recurrence, forward and back, for the step engine.

Shapes are time-major: gates `(T, B, G*U)`, the history of a state `(T + 1, B, U)` with the initial one in front, `use`
`(T, B, 1)`, True where the step counts; weights are in torch layout.

The gradient of each gate is the gradient of a state times a factor that is known before the walk back in time begins.
So `backward` has three parts: the factors, for all steps at once; the walk, which turns them in place into the
gradients of the gates; and the gradients of the weights, for all steps at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from . import fused_steps
from .activation_gradients import Pointwise
from .recurrent_product import Product
from .step_loop import Cell, gru_cell, gru_cell_reset_before, lstm_cell, rnn_cell
from .types import Activation, Gradients, States, Weights


class Steps(NamedTuple):
    """A recurrence to run: its equations, recurrent weights, activations, and the dropout masks of its state."""

    equations: type[Equations]
    w_hh: Tensor
    b_hh: Tensor | None
    activation: Activation
    recurrent: Activation
    drop: Tensor | None  # (G, B, U), or (1, B, U) for all gates


class Equations(ABC):
    """One step, forward and back; abstract."""

    def __init__(self, activation: Pointwise, recurrent: Pointwise) -> None:
        self.activation, self.recurrent = activation, recurrent

    @staticmethod
    def by_hand(x: Tensor) -> bool:
        """Whether `forward` and `backward` run for inputs like x, and not `cell` with autograd behind it."""
        return True

    @staticmethod
    @abstractmethod
    def cell(steps: Steps) -> Cell:
        """The same step on tensors that autograd follows."""

    @abstractmethod
    def forward(
        self, gates: Tensor, weights: Weights, states: States, use: Tensor | None, keep: bool
    ) -> tuple[Tensor, States, States]:
        """Run all steps; `gates` is overwritten.

        Returns:
            outputs `(T, B, U)`, the final states behind h, and what `backward` needs (nothing unless `keep`).
        """

    @abstractmethod
    def backward(
        self, kept: States, weights: Weights, use: Tensor | None, grads: States, of_weights: bool
    ) -> Gradients:
        """All gradients, from those of `forward`'s outputs and final states."""


class LSTM(Equations):
    """Gates i f g o: `c' = f * c + i * g`, `h' = o * activation(c')`."""

    @staticmethod
    def cell(steps: Steps) -> Cell:
        return lstm_cell(steps.w_hh, steps.activation, steps.recurrent, steps.drop)

    def product(self, weights: Weights) -> Product:
        """What the states are multiplied with; the last axis of all is that of the units."""
        return Product(weights.w_hh, weights.drop)

    def forward(
        self, gates: Tensor, weights: Weights, states: States, use: Tensor | None, keep: bool
    ) -> tuple[Tensor, States, States]:
        count, units, product = len(gates), weights.w_hh.shape[1], self.product(weights)
        if fused_steps.fit(gates, states[0], self.activation.function, self.recurrent.function):
            return fused_steps.run_lstm(product, gates, states, use, keep)
        activation, recurrent, masked = self.activation, self.recurrent, use is not None
        hs, cs = history(states[0], count), history(states[1], count if keep else 0)
        h, c = hs.unbind(), cs.unbind() if keep else [cs[0]] * (count + 1)
        i_f, g, o = gates.split([2 * units, units, units], dim=-1)
        i_f_, g_, o_ = _pairs(recurrent, i_f), g.unbind(), o.unbind()
        for step, all_gates in enumerate(gates.unbind()):
            product.add(all_gates, h[step], all_gates)
            i, f = i_f_(step)
            new_c = torch.mul(f, c[step], out=None if masked else c[step + 1])
            new_c.addcmul_(i, activation.apply(g_[step]))
            new_h = activation.apply_to_copy(new_c, h[step + 1])
            torch.mul(recurrent.apply(o_[step]), new_h, out=h[step + 1])
            if use is not None:
                torch.where(use[step], new_c, c[step], out=c[step + 1])
                torch.where(use[step], h[step + 1], h[step], out=h[step + 1])
        return hs[1:], (c[-1],), (gates, hs, cs) if keep else ()

    def backward(
        self, kept: States, weights: Weights, use: Tensor | None, grads: States, of_weights: bool
    ) -> Gradients:
        gates, hs, cs = kept
        activation, recurrent, product = self.activation, self.recurrent, self.product(weights)
        i, f, g, o = gates.chunk(4, dim=-1)
        c_out = activation.function(cs[1:])
        factors = torch.empty_like(gates)  # of the gradient of c, but for the gate o: of h
        to_i, to_f, to_g, to_o = factors.chunk(4, dim=-1)
        recurrent.backward_to(to_i, activation.output(g), i)
        recurrent.backward_to(to_f, cs[:-1], f)
        activation.backward_to(to_g, recurrent.output(i), g)
        recurrent.backward_to(to_o, c_out, o)
        h_to_c = activation.backward(recurrent.output(o), activation.kept(cs[1:], c_out))
        f = _mask_factors((factors, h_to_c), recurrent.output(f), use)

        grad_hs, dc = grads[0].unbind(), grads[1].clone()
        to_i_f_g = factors.unflatten(-1, (4, -1))[..., :3, :]
        i_f_g_, o_, all_gates = to_i_f_g.unbind(), to_o.unbind(), factors.unbind()
        h_to_c_, f_, masked = h_to_c.unbind(), f.unbind(), _masked_steps(use, hs)
        dh = grad_hs[-1]
        for step in range(len(gates) - 1, -1, -1):
            dc.addcmul_(dh, h_to_c_[step])
            i_f_g_[step].mul_(dc.unsqueeze(-2))
            o_[step].mul_(dh)
            dc.mul_(f_[step])
            dh = product.add_back_to(_before(grad_hs, step, dh, masked), all_gates[step])
        return Gradients(factors, product.weight_grad(factors, hs[:-1]) if of_weights else None, None, (dh, dc))


class _GRU(Equations):
    """What both variants share: gates r z n, `h' = z * h + (1 - z) * n`; abstract."""

    def _rooms(self, n: States, h: States) -> States:
        """Where each step makes its candidate: in one piece of memory, for which torch has faster routines."""
        return n if self.activation.in_place is None else h[1:]

    def _factors_of_h(self, to_z: Tensor, to_n: Tensor, z: Tensor, n: Tensor, hs: Tensor) -> Tensor:
        """Write the factors of the gates z and n; return the gate z."""
        output = self.recurrent.output(z)
        self.recurrent.backward_to(to_z, hs[:-1] - self.activation.output(n), z)
        self.activation.backward_to(to_n, 1 - output, n)
        return output


class GRU(_GRU):
    """Reset behind the product: `n = activation(xn + r * (h W_n + b_n))`."""

    @staticmethod
    def cell(steps: Steps) -> Cell:
        return gru_cell(steps.w_hh, steps.b_hh, steps.activation, steps.recurrent, steps.drop)

    def forward(
        self, gates: Tensor, weights: Weights, states: States, use: Tensor | None, keep: bool
    ) -> tuple[Tensor, States, States]:
        count, units = len(gates), weights.w_hh.shape[1]
        if fused_steps.fit(gates, states[0], self.activation.function, self.recurrent.function):
            return fused_steps.run_gru(Product(weights.w_hh, weights.drop), weights.b_hh, gates, states[0], use, keep)
        product_rz, product_n = _gru_products(weights)
        hs, hidden = history(states[0], count), states[0].new_empty(count if keep else 1, *states[0].shape)
        h, hidden_ = hs.unbind(), hidden.unbind() if keep else [hidden[0]] * count
        rz, n = gates.split([2 * units, units], dim=-1)
        b_n = hs.new_zeros(units)
        if weights.b_hh is not None:
            rz.add_(weights.b_hh[: 2 * units])
            b_n = weights.b_hh[2 * units :]
        r_z_, rz_, n_ = _pairs(self.recurrent, rz), rz.unbind(), n.unbind()
        rooms = self._rooms(n_, h)
        for step in range(count):
            product_rz.add(rz_[step], h[step], rz_[step])
            r, z = r_z_(step)
            product_n.add(hidden_[step].copy_(b_n), h[step], hidden_[step])
            new = self.activation.apply(torch.addcmul(n_[step], r, hidden_[step], out=rooms[step]))
            if keep and rooms is not n_:
                n_[step].copy_(new)
            _interpolate(new, z, h, step, use)
        return hs[1:], (), (gates, hs, hidden) if keep else ()

    def backward(
        self, kept: States, weights: Weights, use: Tensor | None, grads: States, of_weights: bool
    ) -> Gradients:
        gates, hs, hidden = kept
        units = hs.shape[-1]
        r, z, n = gates.chunk(3, dim=-1)
        # The gradients of the recurrent side, in the order n r z, and of the input side, r z n, overlap in one array.
        factors = gates.new_empty(*gates.shape[:2], 4 * units)
        to_hidden, to_r, to_z, to_n = factors.chunk(4, dim=-1)
        z = self._factors_of_h(to_z, to_n, z, n, hs)
        torch.mul(to_n, self.recurrent.output(r), out=to_hidden)
        self.recurrent.backward_to(to_r, to_n * hidden, r)
        z = _mask_factors((factors,), z, use)
        turned = GRU._turned(weights)
        product = Product(turned.w_hh, turned.drop)

        side = factors[..., : 3 * units]
        grad_hs, z_, side_ = grads[0].unbind(), z.unbind(), side.unbind()
        all_four = factors.unflatten(-1, (4, -1)).unbind()
        dh = grad_hs[-1]
        for step in range(len(gates) - 1, -1, -1):
            all_four[step].mul_(dh.unsqueeze(1))
            dh = product.add_back_to(_before(grad_hs, step, dh, z_), side_[step])
        w_grad, b_grad = self._of_weights(turned, factors, hs, weights, of_weights)
        return Gradients(factors[..., units:], w_grad, b_grad, (dh,))

    @staticmethod
    def _turned(weights: Weights) -> Weights:
        """In the order n r z."""
        return Weights(rolled(weights.w_hh, 1), None, None if weights.drop is None else weights.drop.roll(1, 0))

    @staticmethod
    def _of_weights(
        turned: Weights, all_four: Tensor, hs: Tensor, weights: Weights, wanted: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        """The gradients of the recurrent weights and bias.

        Args:
            turned: The weights in the order n r z.
            all_four: The gradients of n's recurrent side, r, z and n's input side.
            hs: The history of the state.
            weights: The weights.
            wanted: Whether they are wanted at all.
        """
        if not wanted:
            return None, None
        side = all_four[..., : 3 * hs.shape[-1]]
        bias = None if weights.b_hh is None else rolled(side.sum((0, 1)), -1)
        return rolled(Product(turned.w_hh, turned.drop).weight_grad(side, hs[:-1]), -1), bias


class GRUResetBefore(_GRU):
    """Reset before the product: `n = activation(xn + (r * h) W_n)`."""

    @staticmethod
    def cell(steps: Steps) -> Cell:
        return gru_cell_reset_before(steps.w_hh, steps.activation, steps.recurrent, steps.drop)

    def forward(
        self, gates: Tensor, weights: Weights, states: States, use: Tensor | None, keep: bool
    ) -> tuple[Tensor, States, States]:
        units = weights.w_hh.shape[1]
        product_rz, product_n = _gru_products(weights)
        hs = history(states[0], len(gates))
        rz, n = gates.split([2 * units, units], dim=-1)
        r_z_, h, rz_, n_ = _pairs(self.recurrent, rz), hs.unbind(), rz.unbind(), n.unbind()
        rooms = self._rooms(n_, h)
        for step in range(len(gates)):
            product_rz.add(rz_[step], h[step], rz_[step])
            r, z = r_z_(step)
            new = self.activation.apply(product_n.add(n_[step], r * h[step], out=rooms[step]))
            if keep and rooms is not n_:
                n_[step].copy_(new)
            _interpolate(new, z, h, step, use)
        return hs[1:], (), (gates, hs) if keep else ()

    def backward(
        self, kept: States, weights: Weights, use: Tensor | None, grads: States, of_weights: bool
    ) -> Gradients:
        gates, hs = kept
        units = hs.shape[-1]
        product_rz, product_n = _gru_products(weights)
        r, z, n = gates.chunk(3, dim=-1)
        factors = torch.empty_like(gates)  # of the gradient of h, but for the gate r: of r * h
        to_r, to_z, to_n = factors.chunk(3, dim=-1)
        z = self._factors_of_h(to_z, to_n, z, n, hs)
        self.recurrent.backward_to(to_r, hs[:-1], r)
        z, r = _mask_factors((factors,), z, use), self.recurrent.output(r)

        to_rz, to_z_n = factors[..., : 2 * units], factors.unflatten(-1, (3, -1))[:, :, 1:]
        rz_, z_n_, to_r_, to_n_ = to_rz.unbind(), to_z_n.unbind(), to_r.unbind(), to_n.unbind()
        grad_hs, z_, r_ = grads[0].unbind(), z.unbind(), r.unbind()
        dh = grad_hs[-1]
        for step in range(len(gates) - 1, -1, -1):
            z_n_[step].mul_(dh.unsqueeze(1))
            d_reset = product_n.back(to_n_[step])
            to_r_[step].mul_(d_reset)
            before = _before(grad_hs, step, dh, z_).addcmul_(d_reset, r_[step])
            dh = product_rz.add_back_to(before, rz_[step])
        return Gradients(factors, self._weight_grad(weights, factors, r, hs) if of_weights else None, None, (dh,))

    @staticmethod
    def _weight_grad(weights: Weights, dgates: Tensor, r: Tensor, hs: Tensor) -> Tensor:
        """The gradient of the recurrent weights, from those of the gates and from the reset gate."""
        (rz, n), cut = _gru_products(weights), 2 * hs.shape[-1]
        before = hs[:-1]
        return torch.cat([rz.weight_grad(dgates[..., :cut], before), n.weight_grad(dgates[..., cut:], r * before)])


class SimpleRNN(Equations):
    """`h' = activation(x + h W)`."""

    @staticmethod
    def cell(steps: Steps) -> Cell:
        return rnn_cell(steps.w_hh, steps.activation, steps.drop)

    def forward(
        self, gates: Tensor, weights: Weights, states: States, use: Tensor | None, keep: bool
    ) -> tuple[Tensor, States, States]:
        product, hs = Product(weights.w_hh, weights.drop), history(states[0], len(gates))
        h = hs.unbind()
        for step, gate in enumerate(gates.unbind()):
            room = gate if self.activation.in_place is None else h[step + 1]
            new = self.activation.apply(product.add(gate, h[step], out=room))
            if use is not None:
                torch.where(use[step], new, h[step], out=h[step + 1])
            elif room is gate:
                h[step + 1].copy_(new)
        return hs[1:], (), ((hs,) if self.activation.in_place else (hs, gates)) if keep else ()

    def backward(
        self, kept: States, weights: Weights, use: Tensor | None, grads: States, of_weights: bool
    ) -> Gradients:
        hs, product = kept[0], Product(weights.w_hh, weights.drop)
        factors = self.activation.backward(torch.ones_like(hs[1:]), kept[1] if len(kept) == 2 else hs[1:])
        if use is not None:
            factors.masked_fill_(~use, 0.0)
        grad_hs, steps, masked = grads[0].unbind(), factors.unbind(), _masked_steps(use, hs)
        dh = grad_hs[-1]
        for step in range(len(steps) - 1, -1, -1):
            steps[step].mul_(dh)
            dh = product.add_back_to(_before(grad_hs, step, dh, masked), steps[step])
        return Gradients(factors, product.weight_grad(factors, hs[:-1]) if of_weights else None, None, (dh,))


# ---------------------------------------------------------------- what they share


def _gru_products(weights: Weights) -> tuple[Product, Product]:
    """The products of a GRU's two gates and of its candidate."""
    drop, cut = weights.drop, 2 * weights.w_hh.shape[1]
    drop_rz, drop_n = (drop, drop) if drop is None or len(drop) == 1 else (drop[:2], drop[2:])
    return Product(weights.w_hh[:cut], drop_rz), Product(weights.w_hh[cut:], drop_n)


def history(state: Tensor, steps: int) -> Tensor:
    """Room for a state before and behind each step."""
    history = state.new_empty(steps + 1, *state.shape)
    history[0] = state
    return history


def _pairs(gate: Pointwise, gates: Tensor) -> Callable[[int], Sequence[Tensor]]:
    """Apply an activation to two gates of a step, and return both."""
    both = gates.unbind()
    in_place = gate.in_place
    if in_place is None:
        return lambda step: gate.function(both[step]).chunk(2, dim=-1)
    views = list(zip(*(part.unbind() for part in gates.chunk(2, dim=-1)), strict=True))

    def apply(step: int) -> Sequence[Tensor]:
        in_place(both[step])
        return views[step]

    return apply


def _interpolate(n: Tensor, z: Tensor, h: States, step: int, use: Tensor | None) -> None:
    new = torch.lerp(n, h[step], z, out=h[step + 1] if use is None else None)
    if use is not None:
        torch.where(use[step], new, h[step], out=h[step + 1])


def _mask_factors(factors: States, through: Tensor, use: Tensor | None) -> Tensor:
    """At masked steps no gate gets a gradient (in place), and the state's passes unchanged (returned)."""
    if use is None:
        return through
    masked = ~use
    for factor in factors:
        factor.masked_fill_(masked, 0.0)
    return through.masked_fill(masked, 1.0)


def _masked_steps(use: Tensor | None, like: Tensor) -> States | None:
    """For each step 1 where it is masked and the state passes through, else 0."""
    return None if use is None else (~use).to(like.dtype).unbind()


def _before(grad_hs: States, step: int, dh: Tensor, passed: States | None) -> Tensor:
    """The gradient of the state before a step, but for the recurrent product: its output's, and what passes through."""
    if passed is None:
        return grad_hs[step - 1] if step else torch.zeros_like(dh)
    return torch.addcmul(grad_hs[step - 1], dh, passed[step]) if step else dh * passed[step]


def rolled(w: Tensor, shift: int) -> Tensor:
    """The blocks of a GRU's three gates, moved round by `shift`."""
    return w.roll(shift * (w.shape[0] // 3), 0)
