"""The update rules of Keras 3, which are those of tf.keras since 2.11, but for Adam and its kin. Source: keras 3.15.

Each rule takes all tensors of a group at once (torch's operations on lists of tensors), so that on a GPU a step is a
few kernels. What multiplies a whole tensor is computed in float64 in Python; Keras computes it in the dtype of the
weight.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..arguments import number
from ..torch_private import foreach, sgd_at_once
from ._averages import decay_to, decay_to_squares, inverse_roots, roots
from ._single import single
from .optimizer import Optimizer


class SGD(Optimizer):
    """Gradient descent with momentum (`keras.optimizers.SGD`).

    `m = momentum * m - learning_rate * g; w += m`, with `nesterov` `w += momentum * m - learning_rate * g`. The rate
    is inside the momentum, so a change of it acts as in Keras, not as in `torch.optim.SGD`.

    Args:
        learning_rate: See `Optimizer`.
        momentum: From 0 to 1.
        nesterov: Look ahead.
        **common: See `Optimizer`.
    """

    ARGUMENTS = ("momentum", "nesterov")
    _in_one = True

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **common: Any) -> None:
        self.momentum, self.nesterov = momentum, nesterov
        self._number("momentum", momentum, 0, 1)
        super().__init__(learning_rate, **common)

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        if not self.momentum:
            foreach.add_(params, grads, alpha=-rate)
            return
        moments, momentum = self._slots(params, "momentum"), single(self.momentum)
        if not self.nesterov and sgd_at_once(params, grads, moments, rate, momentum):
            return
        foreach.mul_(moments, momentum)
        foreach.add_(moments, grads, alpha=-rate)
        if self.nesterov:
            foreach.add_(params, moments, alpha=momentum)
            foreach.add_(params, grads, alpha=-rate)
        else:
            foreach.add_(params, moments)


class RMSprop(Optimizer):
    """`v = rho * v + (1 - rho) * g ** 2; w -= learning_rate * g / sqrt(v + epsilon)` (`keras.optimizers.RMSprop`).

    `torch.optim.RMSprop` adds epsilon to the root, which for small gradients is another optimizer.

    Args:
        learning_rate: See `Optimizer`.
        rho: How much of `v` is kept.
        momentum: Above 0: the increments are gathered with it.
        epsilon: Stands under the root.
        centered: The square of the mean gradient is taken from `v`.
        **common: See `Optimizer`.
    """

    ARGUMENTS = ("rho", "momentum", "epsilon", "centered")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **common: Any,
    ) -> None:
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered
        super().__init__(learning_rate, **common)

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        scale = inverse_roots(self._variance(params, grads), self.epsilon)
        if self.momentum > 0:
            moments = self._slots(params, "momentum")
            foreach.mul_(moments, self._plain(self.momentum))
            foreach.addcmul_(moments, grads, scale, rate)
            foreach.add_(params, moments, alpha=-1)
        else:
            foreach.addcmul_(params, grads, scale, -rate)

    def _variance(self, params: list[Tensor], grads: list[Tensor]) -> list[Tensor]:
        """The mean square of the gradients; with `centered` around their mean."""
        squares = self._slots(params, "velocity")
        decay_to_squares(squares, grads, self._plain(self.rho))
        if not self.centered:
            return squares
        means = self._slots(params, "average_gradient")
        decay_to(means, grads, self._plain(self.rho))
        return foreach.addcmul(squares, means, means, -1)


class Adagrad(Optimizer):
    """`a += g ** 2; w -= learning_rate * g / sqrt(a + epsilon)` (`keras.optimizers.Adagrad`; Duchi and others, 2011).

    Args:
        learning_rate: See `Optimizer`.
        initial_accumulator_value: What `a` starts from.
        epsilon: Stands under the root.
        **common: See `Optimizer`.
    """

    ARGUMENTS = ("initial_accumulator_value", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **common: Any,
    ) -> None:
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon
        super().__init__(learning_rate, **common)

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        foreach.addcmul_(params, grads, inverse_roots(self._sums(params, grads), self.epsilon), -rate)

    def _sums(self, params: list[Tensor], grads: list[Tensor]) -> list[Tensor]:
        sums = self._slots(params, "accumulator", self._start(self.initial_accumulator_value))
        foreach.addcmul_(sums, grads, grads, 1)
        return sums


class Adadelta(Optimizer):
    """Adadelta (Zeiler, 2012; `keras.optimizers.Adadelta`).

    Args:
        learning_rate: See `Optimizer`. The paper's method is 1.0.
        rho: How much of the mean squares is kept.
        epsilon: Stands under the roots.
        **common: See `Optimizer`.
    """

    ARGUMENTS = ("rho", "epsilon")

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **common: Any) -> None:
        self.rho, self.epsilon = rho, epsilon
        super().__init__(learning_rate, **common)

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        squares, moved = self._slots(params, "accumulated_grad"), self._slots(params, "accumulated_delta_var")
        decay_to_squares(squares, grads, self._plain(self.rho))
        moves = roots(moved, inside=self.epsilon)
        foreach.mul_(moves, grads)
        foreach.div_(moves, roots(squares, inside=self.epsilon))
        decay_to_squares(moved, moves, self._plain(self.rho))
        foreach.add_(params, moves, alpha=-rate)


class Ftrl(Optimizer):
    """Follow the regularized leader (McMahan and others, 2013; `keras.optimizers.Ftrl`).

    Args:
        learning_rate: See `Optimizer`.
        learning_rate_power: At most 0; how fast the rate falls with the squares.
        initial_accumulator_value: What the sum of the squares starts from.
        l1_regularization_strength: At least 0.
        l2_regularization_strength: At least 0.
        l2_shrinkage_regularization_strength: At least 0; acts on the gradient.
        beta: The paper's beta.
        **common: See `Optimizer`.
    """

    ARGUMENTS = (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    )

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **common: Any,
    ) -> None:
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        for name in self.ARGUMENTS[1:]:
            self._number(name, getattr(self, name))
        self._number("learning_rate_power", learning_rate_power, -float("inf"), 0)
        super().__init__(learning_rate, **common)

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        sums = self._slots(params, "accumulator", self._start(self.initial_accumulator_value))
        linear = self._slots(params, "linear")
        power = -self._plain(self.learning_rate_power)
        bigger = foreach.addcmul(sums, grads, grads, 1)
        now = foreach.pow(bigger, power)
        moved = foreach.sub(now, foreach.pow(sums, power))
        foreach.add_(linear, grads)
        foreach.add_(linear, params, alpha=2 * self._plain(self.l2_shrinkage_regularization_strength))
        foreach.addcmul_(linear, moved, params, -1 / rate)
        foreach.div_(now, rate)
        foreach.add_(now, 2 * self._plain(self.l2_regularization_strength) + self._plain(self.beta) / rate)
        strength = self._plain(self.l1_regularization_strength)
        for part, towards, by, total, new in zip(params, linear, now, sums, bigger, strict=True):
            part.copy_((towards.clamp(-strength, strength) - towards) / by)
            total.copy_(new)


class Lion(Optimizer):
    """Steps of one size by the sign of a momentum (Chen and others, 2023; `keras.optimizers.Lion`).

    Args:
        learning_rate: See `Optimizer`.
        beta_1: How much of the momentum counts in the sign; above 0, at most 1.
        beta_2: How much of the momentum is kept.
        **common: See `Optimizer`.
    """

    ARGUMENTS = ("beta_1", "beta_2")

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **common: Any) -> None:
        self.beta_1, self.beta_2 = beta_1, beta_2
        if not 0 < number("Lion", "beta_1", beta_1) <= 1:
            self._refuse("beta_1", "a number above 0, at most 1")
        super().__init__(learning_rate, **common)

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        moments = self._slots(params, "momentum")
        beta_1, beta_2 = single(self.beta_1), single(self.beta_2)
        signs = foreach.mul(moments, beta_1)
        foreach.add_(signs, grads, alpha=1 - beta_1)
        foreach.sign_(signs)
        foreach.add_(params, signs, alpha=-rate)
        foreach.mul_(moments, beta_2)
        foreach.add_(moments, grads, alpha=1 - beta_2)
