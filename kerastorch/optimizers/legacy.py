"""The optimizers of tf.keras up to 2.10, which newer tf.keras has as `tf.keras.optimizers.legacy`.

Their rules differ from today's in RMSprop, Adagrad and Nadam, and all have `decay`. Standalone Keras up to 2.3.1 has
the same rules but for two: there `clipnorm` is the norm of all gradients together (`global_clipnorm` here), and Adagrad
starts from 0. Source: `tf_keras.optimizers.legacy`, tf-keras 2.21.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from ..torch_private import foreach
from . import adam, rules
from ._averages import roots
from ._single import single
from .optimizer import COMMON, Optimizer

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "Nadam", "RMSprop"]


def _as_tf_keras(config: dict[str, Any], decay: float) -> dict[str, Any]:
    # Arguments that came later are in a config where they say something.
    kept = {key: value for key, value in config.items() if key not in COMMON or value != COMMON[key]}
    return {**kept, "decay": decay}


class _Decaying(Optimizer):
    """What the old ones have in common.

    Args:
        decay: The learning rate is divided by `1 + decay * iterations`.
        lr: The learning rate under its first name.
    """

    def __init__(self, *args: Any, decay: float = 0.0, lr: Any = None, **arguments: Any) -> None:
        self.decay = decay
        self._number("decay", decay)
        if lr is not None:
            arguments["learning_rate"] = lr
        super().__init__(*args, **arguments)

    @staticmethod
    def _plain(value: float) -> float:
        return single(value)  # all settings are variables there

    @staticmethod
    def _start(value: float) -> float:
        return value

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        super()._rule(params, grads, rate / (1 + single(self.decay) * (step - 1)), step)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values, as tf-keras writes them."""
        return _as_tf_keras(super().get_config(), self.decay)


class SGD(_Decaying, rules.SGD):
    """`tf.keras.optimizers.legacy.SGD`: today's rule, with `decay`."""


class Adam(_Decaying, adam.Adam):
    """`tf.keras.optimizers.legacy.Adam`: today's rule, with `decay`."""


class Adamax(_Decaying, adam.Adamax):
    """`tf.keras.optimizers.legacy.Adamax`: today's rule, with `decay`."""


class Adadelta(_Decaying, rules.Adadelta):
    """`tf.keras.optimizers.legacy.Adadelta`: today's rule, with `decay`."""


class Ftrl(_Decaying, rules.Ftrl):
    """`tf.keras.optimizers.legacy.Ftrl`: today's rule, with `decay`."""


class _RMSprop(rules.RMSprop):
    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        if self.momentum > 0:  # TensorFlow's fused kernel, which has epsilon under the root
            super()._rule(params, grads, rate, step)
            return
        divide_by = roots(self._variance(params, grads), outside=self.epsilon)
        foreach.addcdiv_(params, grads, divide_by, -rate)


class RMSprop(_Decaying, _RMSprop):
    """`tf.keras.optimizers.legacy.RMSprop`: without momentum epsilon is added to the root, as in `torch.optim`."""


class _Adagrad(rules.Adagrad):
    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        foreach.addcdiv_(params, grads, roots(self._sums(params, grads), outside=self.epsilon), -rate)


class Adagrad(_Decaying, _Adagrad):
    """`tf.keras.optimizers.legacy.Adagrad`: epsilon is added to the root."""


class Nadam(adam.Nadam):
    """`tf.keras.optimizers.legacy.Nadam`: the momentum's schedule moves by `schedule_decay` of a step.

    Args:
        learning_rate: See `Optimizer`; this one has no decay of it.
        schedule_decay: How fast the momentum reaches `beta_1`. A file calls it `decay`.
        **arguments: See `kt.optimizers.Nadam`.
    """

    def __init__(self, learning_rate: Any = 0.001, *args: Any, schedule_decay: float = 0.004, **arguments: Any) -> None:
        self.schedule_decay = arguments.pop("decay", schedule_decay)
        super().__init__(arguments.pop("lr", learning_rate), *args, **arguments)

    def momentum_at(self, step: int) -> float:
        """The momentum of a step, counted from 1."""
        return single(self.beta_1) * (1 - 0.5 * math.pow(single(0.96), self.schedule_decay * step))

    def _factor(self, step: int) -> float:
        return self.momentum_at(step)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values, as tf-keras writes them."""
        return _as_tf_keras(super().get_config(), self.schedule_decay)
