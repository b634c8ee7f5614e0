"""Adam and its kin, by the rules of Keras 3 and of tf.keras since 2.11. Source: keras 3.15."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from ..errors import ArgumentError
from ..torch_private import adam_at_once, foreach
from ._averages import decay_to, decay_to_squares, roots
from ._single import single
from .optimizer import Optimizer


class WithBetas(Optimizer):
    """Base: what is kept of two means, and an epsilon, with Adam's defaults."""

    ARGUMENTS = ("beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Any,
    ) -> None:
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        super().__init__(learning_rate, **common)


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2014) as `keras.optimizers.Adam` computes it.

    `w -= learning_rate * sqrt(1 - beta_2 ** t) / (1 - beta_1 ** t) * m / (sqrt(v) + epsilon)`: epsilon is the paper's
    "epsilon hat", and not what `torch.optim.Adam` calls eps.

    Args:
        learning_rate: See `Optimizer`.
        beta_1: How much of the mean gradient `m` is kept.
        beta_2: How much of the mean square `v` is kept.
        epsilon: Is added to the root of `v`.
        amsgrad: The largest `v` so far is used.
        **common: See `Optimizer`.
    """

    ARGUMENTS = ("beta_1", "beta_2", "epsilon", "amsgrad")
    _in_one = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Any,
    ) -> None:
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, amsgrad
        super().__init__(learning_rate, **common)

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        moments, squares = self._slots(params, "momentum"), self._slots(params, "velocity")
        largest = self._slots(params, "velocity_hat") if self.amsgrad else []
        alpha = rate * math.sqrt(1 - single(self.beta_2) ** step) / (1 - single(self.beta_1) ** step)
        betas = self._plain(self.beta_1), self._plain(self.beta_2)
        if adam_at_once(params, grads, moments, squares, largest, alpha, betas, self.epsilon):
            return
        decay_to(moments, grads, betas[0])
        decay_to_squares(squares, grads, betas[1])
        if largest:
            foreach.maximum_(largest, squares)
            squares = largest
        foreach.addcdiv_(params, moments, roots(squares, outside=self.epsilon), -alpha)


class AdamW(Adam):
    """Adam with weight decay beside the gradient (Loshchilov and Hutter, 2017; `keras.optimizers.AdamW`).

    Args:
        learning_rate: See `Optimizer`.
        weight_decay: Each step first takes `learning_rate * weight_decay` of each weight away.
        **arguments: See `Adam` and `Optimizer`.
    """

    def __init__(self, learning_rate: Any = 0.001, weight_decay: float = 0.004, *args: Any, **arguments: Any) -> None:
        if weight_decay is None:
            raise ArgumentError("AdamW: weight_decay is None, expected a number; without decay use Adam.")
        super().__init__(learning_rate, *args, weight_decay=weight_decay, **arguments)


class Adamax(WithBetas):
    """Adam with the largest gradient in place of the mean square (`keras.optimizers.Adamax`).

    Args:
        learning_rate: See `Optimizer`.
        beta_1: How much of the mean gradient is kept.
        beta_2: How much of the largest gradient is kept.
        epsilon: Is added to the largest gradient.
        **common: See `Optimizer`.
    """

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        moments, largest = self._slots(params, "momentum"), self._slots(params, "norm")
        decay_to(moments, grads, self._plain(self.beta_1))
        foreach.mul_(largest, self._plain(self.beta_2))
        foreach.maximum_(largest, foreach.abs(grads))
        foreach.addcdiv_(params, moments, foreach.add(largest, self.epsilon), -rate / (1 - single(self.beta_1) ** step))


class Nadam(WithBetas):
    """Adam with Nesterov momentum (Dozat, 2015) and Keras's schedule of it (`keras.optimizers.Nadam`).

    Args:
        learning_rate: See `Optimizer`.
        beta_1: The momentum at the end of the schedule.
        beta_2: How much of the mean square is kept.
        epsilon: Is added to the root.
        **common: See `Optimizer`.
    """

    def _start_state(self) -> None:
        self.param_groups[0]["u_product"] = 1.0

    def momentum_at(self, step: int) -> float:
        """The momentum of a step, counted from 1."""
        return single(self.beta_1) * (1 - 0.5 * single(0.96) ** step)

    def _factor(self, step: int) -> float:
        """What the product of the momentums grows by: the same from numbers with all their digits."""
        return self.beta_1 * (1 - 0.5 * 0.96**step)

    def _update(self, grads: dict[Tensor, Tensor]) -> None:
        self.param_groups[0]["u_product"] *= self._factor(self.iterations + 1)
        super()._update(grads)

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        moments, squares = self._slots(params, "momentum"), self._slots(params, "velocity")
        decay_to(moments, grads, single(self.beta_1))
        decay_to_squares(squares, grads, single(self.beta_2))
        now, following = self.momentum_at(step), self.momentum_at(step + 1)
        product = self.param_groups[0]["u_product"]
        ahead = foreach.mul(moments, following / (1 - product * following))
        foreach.add_(ahead, grads, alpha=(1 - now) / (1 - product))
        divide_by = roots(squares, by=1 - single(self.beta_2) ** step, outside=self.epsilon)
        foreach.addcdiv_(params, ahead, divide_by, -rate)


class ScheduleFreeAdamW(Optimizer):
    """AdamW that needs no schedule (Defazio and others, 2024; `keras.optimizers.ScheduleFreeAdamW`).

    `z -= learning_rate * g / (sqrt(v / (1 - beta_2 ** t)) + epsilon); w += (z - w) / t`. This is what Keras computes on
    TensorFlow and on torch, where what it calls the old `z` is the new one already, so that `beta_1` cancels out. On
    JAX it is the old one, as in the paper.

    Args:
        learning_rate: See `Optimizer`.
        beta_1: Stands in the config; it changes no number.
        beta_2: How much of the mean square `v` is kept.
        epsilon: Is added to the root.
        warmup_steps: The learning rate rises in so many steps.
        **common: See `Optimizer`.
    """

    ARGUMENTS = ("beta_1", "beta_2", "epsilon", "warmup_steps")

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        **common: Any,
    ) -> None:
        self.beta_1, self.beta_2, self.epsilon, self.warmup_steps = beta_1, beta_2, epsilon, warmup_steps
        super().__init__(learning_rate, **common)

    def _start_state(self) -> None:
        for part in (part for group in self.param_groups for part in group["params"]):
            self.state[part]["momentum"] = part.detach().clone()

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        moments, squares = self._slots(params, "momentum"), self._slots(params, "velocity")
        if self.warmup_steps > 0:
            rate *= min(step / self.warmup_steps, 1.0)
        keep = single(self.beta_2)
        decay_to_squares(squares, grads, keep)
        divide_by = roots(squares, by=1 - keep**step, outside=self.epsilon)
        foreach.addcdiv_(moments, grads, divide_by, -rate)
        foreach.lerp_(params, moments, 1 / step)
