"""What all optimizers of Keras have in common: arguments, the order of a step, state, and configs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .._serial import snake_case
from ..errors import ArgumentError, NotBuiltError, quote
from ..outside import outside
from ..torch_private import foreach
from ._arguments import Arguments
from ._clips import clipped
from ._given_gradients import TakesGradients
from ._pieces import Stretch, pieces
from ._rate import Rate
from ._single import held, single
from ._steps import Steps
from ._trained import Trained, groups_of, trained_of
from .schedules import LearningRateSchedule

_Grads = dict[Tensor, Tensor]
# The arguments beyond the learning rate that all optimizers have, and what they are by default.
COMMON: Mapping[str, Any] = {
    **dict.fromkeys(("weight_decay", "clipnorm", "global_clipnorm", "clipvalue")),
    **{"use_ema": False, "ema_momentum": 0.99, "ema_overwrite_frequency": None},
    **dict.fromkeys(("loss_scale_factor", "gradient_accumulation_steps")),
}


class Optimizer(Arguments, TakesGradients, Steps):
    """Base of Keras's optimizers (`keras.optimizers.Optimizer`).

    A step does what a step of Keras does, in its order: gradients are divided by `loss_scale_factor`, averaged over
    `gradient_accumulation_steps`, clipped; weights decay; the rule of the optimizer updates them; their averages
    follow; constraints of the weights are applied.

    The optimizer is a `torch.optim.Optimizer`: hooks, `zero_grad`, `state_dict`, gradient scalers and torch's
    learning-rate schedulers work with it. The state of a tensor has the names that Keras gives its variables
    ("momentum", "velocity", ...).

    Args:
        learning_rate: A number, a `LearningRateSchedule`, or a function without arguments.
        weight_decay: Each step first takes `learning_rate * weight_decay` of each weight away. None: nothing.
        clipnorm: The gradient of each weight gets at most this norm. A weight is one of Keras: the two biases of a
            `GRU` are one.
        clipvalue: Each element of a gradient gets at most this size.
        global_clipnorm: All gradients together get at most this norm.
        use_ema: Keep a moving average of each weight. `finalize_variable_values` puts it into the model.
        ema_momentum: The share of the old average in the new one.
        ema_overwrite_frequency: Put the averages into the model every so many steps. None: never.
        loss_scale_factor: The gradients are divided by it. `scale_loss` multiplies a loss by it.
        gradient_accumulation_steps: Update once in so many steps, with the mean of their gradients.
        name: The name in configs.
        params: What `build` takes; then the optimizer is ready at once. Without it call `build`.

    Raises:
        ArgumentError: An argument is of a wrong kind, or two ways to clip are given.
    """

    ARGUMENTS: ClassVar[tuple[str, ...]] = ()  # of the class, beyond the common ones, as in its config
    # Averages begin with the weights before the first step, as in tf.keras since 2.11; with those after it in Keras 3.
    averages_begin_before = False
    _by_numbers = True  # each weight by itself, not a weight as a whole
    _in_one = False  # torch has one operation for the rule, which gains nothing where large weights are cut

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule | Callable[[], Any] = 0.001,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        params: Any = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            self._refuse_unknown(unknown)
        self.name = snake_case(type(self).__name__) if name is None else name
        self._rate: Any = self._checked_rate(learning_rate)
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self._check_common()
        self._trained: list[Trained] = []
        self._constrain: Callable[[], None] | None = None
        self._spared: tuple[frozenset[Tensor], re.Pattern[str] | None] = (frozenset(), None)
        self._steady: frozenset[Tensor] = frozenset()
        # torch wants something to train at once; build says what it is.
        super().__init__([torch.empty(0)], {"lr": math.nan, "weight_decay": weight_decay})
        self.param_groups.clear()
        if params is not None:
            self.build(params)

    # ------------------------------------------------------------------ what is trained

    @property
    def built(self) -> bool:
        """Whether the optimizer knows what it trains."""
        return bool(self._trained)

    def _check_built(self) -> None:
        if not self.built:
            raise NotBuiltError(f"This {type(self).__name__} does not know yet what it trains: call build(model).")

    @property
    def variables(self) -> list[Any]:
        """The state in Keras's order and layout; of one that scales losses, that of the optimizer inside.

        Each has `name`, `path`, `shape`, `dtype`, `value`, `numpy()` and `assign(array)`. Before `build` there are the
        count of steps and the learning rate, unless a schedule or a function gives it.

        Raises:
            UnsupportedError: The optimizer is of a class of your own, or was built for plain tensors.
        """
        return outside("optimizer_variables")(self)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set `variables` from a list of arrays, as `[np.array(v) for v in optimizer.variables]` gives them.

        Raises:
            NotBuiltError: The optimizer does not know yet what it trains.
            ShapeError: There are more or fewer, or one has another shape; nothing is changed then.
        """
        self._check_built()
        outside("set_optimizer_variables")(self, weights)

    def build(self, variables: nn.Module | Iterable[Any]) -> None:
        """Say what is trained. A second call does nothing, as in Keras.

        Args:
            variables: A module, whose trainable weights are taken (and, of a kerastorch model, their constraints); or
                an iterable of tensors, of `(name, tensor)` pairs, of the objects in `model.trainable_variables`, or of
                torch's dicts `{"params": [...], "lr": ..., "weight_decay": ...}`.

        Raises:
            ArgumentError: There is nothing to train, or an object of another kind.
        """
        if self.built:
            return
        groups, trained, rate = [], [], self.learning_rate
        for options, items in groups_of(variables):
            found = [trained_of(item, type(self).__name__) for item in items]
            trained += found
            groups.append({"lr": rate, **options, "params": [part for item in found for part in item.parts]})
        if not trained:
            raise ArgumentError(f"{type(self).__name__} has nothing to train: {quote(variables)} has no weights.")
        for group in groups:
            self.add_param_group(group)
        self.param_groups[0]["iterations"] = 0
        self._trained, self._is_whole = trained, isinstance(variables, nn.Module)
        self._steady = self._not_decaying()
        self._constrain = getattr(variables, "apply_constraints", None)
        self._start_state()

    def _start_state(self) -> None:
        """State of a rule that no single weight has."""

    def exclude_from_weight_decay(
        self, var_list: Sequence[Any] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Let weights keep their size: those in `var_list`, and those whose name matches one of `var_names`.

        Args:
            var_list: Tensors, or objects of `model.trainable_variables`.
            var_names: Regular expressions that are searched in the names which `build` is given. As in Keras a name
                that merely contains one matches.

        Raises:
            ArgumentError: The optimizer is built already.
        """
        if self.built:
            raise ArgumentError("exclude_from_weight_decay must be called before the optimizer is built.")
        spared = [part for item in var_list or () for part in trained_of(item, type(self).__name__).parts]
        pattern = re.compile("|".join(sorted(set(var_names)))) if var_names else None
        self._spared = (frozenset(spared), pattern)

    # ------------------------------------------------------------------ the learning rate, and the count of steps

    @property
    def learning_rate(self) -> Rate:
        """The learning rate of the next step: a number, with `assign`, `value` and `numpy` as Keras's variable."""
        if isinstance(self._rate, LearningRateSchedule):
            found: Any = self._rate(self._steps)
        elif callable(self._rate):
            found = self._rate()
        else:
            found = self.param_groups[0]["lr"] if self.built else self._rate
        return Rate.of(self, found)

    @learning_rate.setter
    def learning_rate(self, value: float | LearningRateSchedule | Callable[[], Any]) -> None:
        rate = self._checked_rate(value)
        if isinstance(self._rate, LearningRateSchedule) and not callable(rate):
            raise ArgumentError(
                f"The learning rate of this {type(self).__name__} is a schedule, so it cannot be set to "
                f"{quote(value)}: make the optimizer with a number, or set another schedule."
            )
        self._rate = rate
        if self.built and not callable(rate):
            for group in self.param_groups:
                group["lr"] = rate

    @property
    def has_set_rate(self) -> bool:
        """Whether the learning rate is a number, and not a schedule's or a function's."""
        return not callable(self._rate)

    @property
    def iterations(self) -> int:
        """How many times the weights were updated."""
        return self._steps // (self.gradient_accumulation_steps or 1)

    @iterations.setter
    def iterations(self, value: int) -> None:
        self._check_built()
        self.param_groups[0]["iterations"] = int(value) * (self.gradient_accumulation_steps or 1)

    @property
    def _steps(self) -> int:
        return self.param_groups[0]["iterations"] if self.built else 0

    def scale_loss(self, loss: Any) -> Any:
        """The loss times `loss_scale_factor`, to be called before `backward`."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # ------------------------------------------------------------------ a step

    def _apply(self, grads: _Grads) -> None:
        if self.loss_scale_factor is not None:
            grads = {part: grad / self.loss_scale_factor for part, grad in grads.items()}
        if self.use_ema and self.averages_begin_before:
            self._begin_averages()
        ready = self._accumulated(grads) if self.gradient_accumulation_steps else grads
        if ready is not None:
            self._update(clipped(self, self._trained, ready))
        if self.use_ema:
            self._average()
        if self._constrain is not None:
            self._constrain()
        self.param_groups[0]["iterations"] += 1

    def _accumulated(self, grads: _Grads) -> _Grads | None:
        """The mean of the gradients since the last update, or None while they are still being gathered."""
        count = self.gradient_accumulation_steps or 1
        sums = [self._slot(part, "gradient_accumulator") for part in grads]
        if (self._steps + 1) % count:
            foreach.add_(sums, list(grads.values()))
            return None
        means = foreach.add(sums, list(grads.values()))
        foreach.div_(means, float(count))
        for part in (part for group in self.param_groups for part in group["params"]):
            if "gradient_accumulator" in self.state[part]:
                self.state[part]["gradient_accumulator"].zero_()
        return dict(zip(grads, means, strict=True))

    def _update(self, grads: _Grads) -> None:
        for group in self.param_groups:
            parts = [part for part in group["params"] if part in grads]
            if callable(self._rate):
                group["lr"] = self.learning_rate
            rate, decay = held(group["lr"]), group["weight_decay"]
            if not parts:
                continue
            self._decay(parts, rate, decay)
            own = [
                grad if grad.dtype == part.dtype else grad.to(part.dtype) for part in parts for grad in (grads[part],)
            ]
            for some, theirs in pieces(parts, own, not self._in_one) if self._by_numbers else [(parts, own)]:
                self._rule(some, theirs, rate, self.iterations + 1)

    def _decay(self, parts: list[Tensor], rate: float, decay: float | None) -> None:
        if decay is not None and (decaying := [part for part in parts if part not in self._steady]):
            foreach.mul_(decaying, 1 - single(decay) * rate)

    def _rule(self, params: list[Tensor], grads: list[Tensor], rate: float, step: int) -> None:
        """Update `params` in place.

        Args:
            params: The tensors, each with a gradient.
            grads: The gradients, which must not be changed.
            rate: The learning rate, as Keras holds it.
            step: 1 in the first update.
        """
        raise NotImplementedError

    @staticmethod
    def _plain(value: float) -> float:
        """A setting that Keras takes as the Python number that it is."""
        return value

    @staticmethod
    def _start(value: float) -> float:
        """What state begins with: Keras casts it."""
        return single(value)

    def _not_decaying(self) -> frozenset[Tensor]:
        """The tensors that keep their size: those given, and those of weights whose name matches."""
        given, pattern = self._spared
        named = [item for item in self._trained if pattern is not None and pattern.search(item.name)]
        return given.union(*(item.parts for item in named))

    # ------------------------------------------------------------------ state

    def _slot(self, part: Tensor, name: str, value: float = 0.0) -> Tensor:
        """A tensor of state beside a weight, made when it is first needed."""
        state = self.state[part]
        held = state.get(name)
        if held is None:
            held = torch.full_like(part, value, memory_format=torch.preserve_format, requires_grad=False)
            state[name] = held
        elif held.device != part.device or held.dtype != part.dtype:  # the model has moved since
            state[name] = held = held.to(part)
        return held

    def _slots(self, params: list[Tensor], name: str, value: float = 0.0) -> list[Tensor]:
        if isinstance(params, Stretch):
            return [self._slot(params.whole, name, value)[params.rows]]
        return [self._slot(part, name, value) for part in params]

    def _begin_averages(self) -> None:
        for part in (part for group in self.param_groups for part in group["params"]):
            self.state[part].setdefault("average", part.detach().clone())

    def _average(self) -> None:
        momentum = self.ema_momentum if self.iterations or self.averages_begin_before else 0.0
        parts = [part for group in self.param_groups for part in group["params"]]
        averages = self._slots(parts, "average")
        foreach.mul_(averages, momentum)
        foreach.add_(averages, parts, alpha=1 - momentum)
        if self.ema_overwrite_frequency and (self.iterations + 1) % self.ema_overwrite_frequency == 0:
            self.finalize_variable_values()

    @torch.no_grad()
    def finalize_variable_values(self, var_list: Any = None) -> None:
        """Put the moving averages into the weights. Does nothing without `use_ema` or before the first step.

        Args:
            var_list: Not needed: the weights are those that the optimizer trains.
        """
        for part in (part for group in self.param_groups for part in group["params"]):
            if self.use_ema and "average" in self.state[part]:
                part.copy_(self.state[part]["average"])

    def __getstate__(self) -> dict[str, Any]:
        # torch keeps no more than its own three; hooks stay behind, as with torch's optimizers.
        return {key: value for key, value in vars(self).items() if "hook" not in key}

    def __repr__(self) -> str:
        config = {key: value for key, value in self.get_config().items() if key != "name" and value is not None}
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in config.items())})"

    # ------------------------------------------------------------------ configs

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values, as Keras 3 writes them."""
        rate = self._rate.serialized() if isinstance(self._rate, LearningRateSchedule) else float(self.learning_rate)
        stated = {name: getattr(self, name) for name in (*COMMON, *self.ARGUMENTS)}
        return {"name": self.name, "learning_rate": rate, **stated}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Optimizer:
        """Make the optimizer that `config` describes; its state is not in it."""
        return cls(**config)
