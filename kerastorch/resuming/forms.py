"""In which order each Keras lists the state of each optimizer, and what it calls it. Data, and the lists made of it.

Sources: `build` of the optimizers of keras 3.15 and tf-keras 2.21, `_create_slots` of `tf_keras.optimizers.legacy`, and
`get_updates` of Keras 1.2 to 2.3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..base.variable import Variable
from ..optimizers import LossScaleOptimizer, Muon, Optimizer

# "keras3"; "tf": tf.keras since 2.11; "legacy": before, `optimizers.legacy`, and Keras 1 and 2.
Kind = Literal["keras3", "tf", "legacy"]
Blocks = Sequence[Sequence[str]]

# The slots of an optimizer, by our names. Those in one block stand together for each weight; the blocks follow one
# another.
_ADAM: Blocks = (("momentum", "velocity"), ("velocity_hat",))
_BLOCKS: Mapping[str, Blocks] = {
    "SGD": (("momentum",),),
    "RMSprop": (("velocity",), ("momentum",), ("average_gradient",)),
    "Adam": _ADAM,
    "AdamW": _ADAM,
    "Adamax": (("momentum", "norm"),),
    "Nadam": (("momentum", "velocity"),),
    "Adagrad": (("accumulator",),),
    "Adadelta": (("accumulated_grad", "accumulated_delta_var"),),
    "Ftrl": (("accumulator", "linear"),),
    "Lion": (("momentum",),),
    "Lamb": (("momentum", "velocity"),),
    "ScheduleFreeAdamW": (("momentum", "velocity"),),
    "Muon": (("momentum", "velocity"),),
    "Adafactor": (("row", "column", "velocity"),),
}
_TOGETHER_IN_LEGACY = ("Ftrl",)  # all others have one slot of all weights, then the next
# A slot is there if this argument of the optimizer is not zero; without such an argument it always is.
_IF = {"momentum": "momentum", "velocity_hat": "amsgrad", "average_gradient": "centered"}
_ALWAYS_IN_TF = ("SGD",)  # without momentum it means nothing there: the last step, or zeros
# What a slot starts from; the others start from 0.
_START = {"accumulator": "initial_accumulator_value"}
_STARTS_AS_WEIGHT = {"ScheduleFreeAdamW": ("momentum",)}
# Means over the last axis of a weight, and over the one before. They have fewer axes, so they stand in Keras's layout
# beside the first tensor of the weight. Of weights without two axes Keras 3 keeps numbers in their places.
BESIDE: Mapping[str, Callable[[tuple[int, ...]], tuple[int, ...]]] = {
    "row": lambda shape: shape[:-1],
    "column": lambda shape: (*shape[:-2], shape[-1]),
}
# Names in .h5 files, where they are not ours.
_M_AND_V = {"momentum": "m", "velocity": "v", "velocity_hat": "vhat"}
_NAMES: Mapping[Kind, Mapping[str, Mapping[str, str]]] = {
    "keras3": {},
    "tf": {
        **dict.fromkeys(("Adam", "AdamW", "Nadam", "SGD", "Lion"), _M_AND_V),
        "Adamax": {"momentum": "m", "norm": "u"},
    },
    "legacy": {
        **dict.fromkeys(("Adam", "Nadam"), _M_AND_V),
        "Adamax": {"momentum": "m", "norm": "v"},
        "RMSprop": {"velocity": "rms", "average_gradient": "mg"},
        "Adadelta": {"accumulated_grad": "accum_grad", "accumulated_delta_var": "accum_var"},
    },
}
_OURS = f"{Optimizer.__module__.rpartition('.')[0]}."
# What a LossScaleOptimizer has in front of the optimizer inside; the first two mean nothing.
_SCALING = {"own_iterations": "iteration", "own_rate": "learning_rate"}
_SCALING |= {"step_counter": "step_counter", "dynamic_scale": "dynamic_scale"}
WHOLE = ("iterations", "own_iterations", "step_counter")  # scalars that count
PRODUCT = "u_product"  # of Nadam; tf.keras since 2.11 does not save it


@dataclass(frozen=True)
class Place:
    """One array of a state.

    Attributes:
        slot: Our name of it: "iterations", "learning_rate", `PRODUCT`, or of a slot; None where it means nothing.
        variable: The weight that it belongs to; None for a scalar.
        shape: Its shape in Keras's layout.
        name: What it is called in an .h5 file.
    """

    slot: str | None
    variable: Variable | None
    shape: tuple[int, ...]
    name: str


def rule_of(optimizer: Optimizer) -> str:
    """The name of the class of what updates the weights; "" for one of somebody's own, whose state nobody knows."""
    cls = type(updating(optimizer))
    return cls.__name__ if cls.__name__ in _BLOCKS and cls.__module__.startswith(_OURS) else ""


def updating(optimizer: Optimizer) -> Optimizer:
    """The optimizer that updates weights: what is inside one that scales losses, or itself."""
    return optimizer.inner_optimizer if isinstance(optimizer, LossScaleOptimizer) else optimizer


def start_of(optimizer: Optimizer, slot: str) -> float | None:
    """What a slot starts from; None where that is the weight itself."""
    if slot == "average" or slot in _STARTS_AS_WEIGHT.get(rule_of(optimizer), ()):
        return None
    return float(getattr(optimizer, _START[slot])) if slot in _START else 0.0


def places(optimizer: Optimizer, variables: Sequence[Variable], kind: Kind) -> list[Place]:
    """The state of an optimizer of these weights as one Keras lists it.

    Args:
        optimizer: One of Keras's rules.
        variables: What it trains.
        kind: Which Keras.
    """
    if isinstance(optimizer, LossScaleOptimizer):
        own = [Place(slot, None, (), f"{optimizer.name}/{name}") for slot, name in _SCALING.items()]
        return own + places(optimizer.inner_optimizer, variables, kind)
    made = _Places(optimizer, variables, kind)
    return (
        made.scalars() + made.common() + [place for block in made.blocks() for place in made.of_all(block)] + made.end()
    )


def not_begun(listed: Sequence[Place]) -> list[Place]:
    """What an optimizer keeps that was compiled and has done no step: its scalars alone."""
    return [place for place in listed if place.variable is None and place.slot != PRODUCT]


def readings(optimizer: Optimizer, variables: Sequence[Variable], kind: Kind) -> Iterator[list[Place]]:
    """All lists that a file of this kind may hold, the usual one first."""
    usual = places(optimizer, variables, kind)
    yield usual
    yield not_begun(usual)
    if kind != "legacy":
        return
    first = [place for place in usual if place.slot == "iterations"]
    slots = [place for place in usual if place.variable is not None]
    if rule_of(optimizer) == "Nadam":  # Keras up to 2.2 keeps the product to itself
        yield first + slots
    if rule_of(optimizer) == "Adam" and not getattr(
        optimizer, "amsgrad", False
    ):  # Keras 2.1 to 2.3: zeros of shape (1,)
        yield usual + [Place(None, None, (1,), "") for _ in variables]
    yield slots  # RMSprop, Adagrad and Adadelta of Keras up to 2.2, and SGD of Keras 1, count no steps


class _Places:
    def __init__(self, optimizer: Optimizer, variables: Sequence[Variable], kind: Kind) -> None:
        self.optimizer, self.variables, self.kind = optimizer, variables, kind
        self.rule = rule_of(optimizer)
        self.names = _NAMES[kind].get(self.rule, {})

    def scalar(self, slot: str, name: str) -> Place:
        home = {"keras3": f"{self.optimizer.name}/{name}", "tf": f"{name}:0", "legacy": f"{self.rule}/{name}:0"}
        return Place(slot, None, (), home[self.kind])

    def scalars(self) -> list[Place]:
        found = [self.scalar("iterations", "iter" if self.kind == "legacy" else "iteration")]
        if self.kind == "keras3" and self.optimizer.has_set_rate:
            found.append(self.scalar("learning_rate", "learning_rate"))
        if self.kind == "legacy" and self.rule == "Nadam":
            found.append(self.scalar(PRODUCT, "momentum_cache"))
        return found

    def end(self) -> list[Place]:
        return [self.scalar(PRODUCT, "variable")] if self.kind == "keras3" and self.rule == "Nadam" else []

    def common(self) -> list[Place]:
        blocks = ["average"] if self.optimizer.use_ema and self.kind != "legacy" else []
        if self.kind == "keras3" and self.optimizer.gradient_accumulation_steps:
            blocks.append("gradient_accumulator")
        return [place for slot in blocks for place in self.of_all([slot])]

    def blocks(self) -> Blocks:
        """The slots that this optimizer has."""
        blocks = [[slot for slot in block if self.has(slot)] for block in _BLOCKS[self.rule]]
        if self.kind == "legacy" and self.rule not in _TOGETHER_IN_LEGACY:
            return [[slot] for block in blocks for slot in block]
        return blocks

    def has(self, slot: str) -> bool:
        if self.kind == "tf" and self.rule in _ALWAYS_IN_TF:
            return True
        return self.uses(slot)

    def uses(self, slot: str) -> bool:
        """Whether a step reads what stands there."""
        return slot not in _IF or bool(getattr(self.optimizer, _IF[slot], True))

    def of_all(self, block: Sequence[str]) -> list[Place]:
        listed = [(variable, slot) for variable in self.variables for slot in block]
        return [self.place(variable, slot) for variable, slot in listed if self.has_for(variable, slot)]

    def has_for(self, variable: Variable, slot: str) -> bool:
        """Whether the optimizer has this slot for this weight."""
        if slot in BESIDE and self.kind == "tf":
            return variable.ndim >= 2
        if slot != "velocity" or not isinstance(self.optimizer, Muon):
            return True
        return self.optimizer.is_adams(variable.path, variable.ndim)

    def place(self, variable: Variable, slot: str) -> Place:
        if slot not in BESIDE:
            return Place(slot if self.uses(slot) else None, variable, variable.shape, self.name(variable, slot))
        if variable.ndim < 2:  # outside of the optimizer's own scope of names
            return Place(None, variable, (), variable.name)
        return Place(slot, variable, BESIDE[slot](variable.shape), f"{self.optimizer.name}/{variable.name}")

    def name(self, variable: Variable, slot: str) -> str:
        name = self.names.get(slot, slot)
        if self.kind == "keras3":
            return f"{self.optimizer.name}/{variable.path.replace('/', '_')}_{name}"
        return {"tf": f"{self.rule}/{name}/{variable.path}:0", "legacy": f"{self.rule}/{variable.path}/{name}:0"}[
            self.kind
        ]
