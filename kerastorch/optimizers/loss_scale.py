"""Losses that are scaled up, so that gradients do not vanish in float16."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, quote
from .optimizer import COMMON, Optimizer
from .registry import get, include, serialize


class LossScaleOptimizer(Optimizer):
    """An optimizer around another one for training in float16 (`keras.optimizers.LossScaleOptimizer`).

    The loss is multiplied by a scale before `backward` (`scale_loss`), and the gradients are divided by it. A step with
    a gradient that is not finite is left out, and halves the scale; so many steps in a row without one double it.
    Looking at the gradients waits for the device once in each step.

    Args:
        inner_optimizer: The optimizer that updates the weights; clipping, decay and the like are its arguments.
        initial_scale: The first scale.
        dynamic_growth_steps: How many finite steps in a row double it.
        name: The name in configs.
        params: See `Optimizer`.
        **others: `dynamic=True`, and common arguments at what they are by default, as files of older Keras 3 have them.

    Raises:
        ArgumentError: The inner optimizer is none of kerastorch, an argument is of a wrong kind, or it is one for the
            inner optimizer.
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        *,
        params: Any = None,
        **others: Any,
    ) -> None:
        if not isinstance(inner_optimizer, Optimizer) or isinstance(inner_optimizer, LossScaleOptimizer):
            raise ArgumentError(
                f"LossScaleOptimizer: inner_optimizer is {quote(inner_optimizer)}, expected one of kt.optimizers; for "
                "torch's own use torch.amp.GradScaler."
            )
        self.inner_optimizer = inner_optimizer
        self.initial_scale, self.dynamic_growth_steps = initial_scale, dynamic_growth_steps
        self._number("initial_scale", initial_scale)
        self._count("dynamic_growth_steps", 1)
        self._check_others(others)
        inner_optimizer.loss_scale_factor = None  # the gradients would be divided twice
        super().__init__(0.0, name=name)
        if inner_optimizer.built:
            self._share()
        if params is not None:
            self.build(params)

    def _check_others(self, others: Mapping[str, Any]) -> None:
        for name, value in others.items():
            if name == "dynamic":
                if not value:
                    raise ArgumentError(
                        "LossScaleOptimizer: dynamic=False, a scale that stays, is loss_scale_factor= of the inner "
                        "optimizer."
                    )
            elif name not in COMMON:
                self._refuse_unknown({name: value})
            elif value != COMMON[name]:
                raise ArgumentError(
                    f"LossScaleOptimizer: {name} is {quote(value)}: give it to the inner optimizer, which updates the "
                    "weights."
                )

    def build(self, variables: Any) -> None:
        """See `Optimizer.build`."""
        if not self.built:
            self.inner_optimizer.build(variables)
            self._share()

    def _share(self) -> None:
        """Have the groups and the state of the inner optimizer, with the scale in the first group."""
        inner = self.inner_optimizer
        self.param_groups, self.state, self._trained = inner.param_groups, inner.state, inner._trained
        self.param_groups[0].setdefault("dynamic_scale", float(self.initial_scale))
        self.param_groups[0].setdefault("step_counter", 0)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See `torch.optim.Optimizer.load_state_dict`."""
        self.inner_optimizer.load_state_dict(state_dict)
        self._share()

    @property
    def dynamic_scale(self) -> float:
        """What the next loss is multiplied by."""
        return self.param_groups[0]["dynamic_scale"] if self.built else float(self.initial_scale)

    @property
    def step_counter(self) -> int:
        """How many finite steps there were since the scale has changed."""
        return self.param_groups[0]["step_counter"] if self.built else 0

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def has_set_rate(self) -> bool:
        """See `Optimizer.has_set_rate`."""
        return self.inner_optimizer.has_set_rate

    @property
    def iterations(self) -> int:
        """How many times the weights were updated; steps that were left out do not count."""
        return self.inner_optimizer.iterations

    @iterations.setter
    def iterations(self, value: int) -> None:
        self.inner_optimizer.iterations = value

    def scale_loss(self, loss: Any) -> Any:
        """The loss times the scale, to be called before `backward`."""
        return loss * self.dynamic_scale

    def _apply(self, grads: dict[Tensor, Tensor]) -> None:
        group = self.param_groups[0]
        scale = group["dynamic_scale"]
        values = list(grads.values())
        if values and not all(torch.stack([grad.isfinite().all().to(values[0].device) for grad in values]).tolist()):
            group.update(dynamic_scale=scale * 0.5, step_counter=0)
            return
        self.inner_optimizer._apply({part: grad / scale for part, grad in grads.items()})
        if group["step_counter"] == self.dynamic_growth_steps - 1:
            group.update(dynamic_scale=scale * 2.0, step_counter=0)
        else:
            group["step_counter"] += 1

    @torch.no_grad()
    def finalize_variable_values(self, var_list: Any = None) -> None:
        """See `Optimizer.finalize_variable_values`."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values, as Keras 3 writes them."""
        return {
            "name": self.name,
            "inner_optimizer": serialize(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Optimizer:
        """Make the optimizer that `config` describes; its state is not in it."""
        return cls(**{**config, "inner_optimizer": get(config.get("inner_optimizer"))})


include(LossScaleOptimizer)
