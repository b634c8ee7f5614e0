"""The state of an optimizer between the arrays of a file and the tensors beside torch's parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.variable import Variable
from ..dtypes import dtype_name
from ..errors import counted, quote
from ..files import Array, OptimizerState
from ..optimizers import Optimizer
from .forms import BESIDE, PRODUCT, WHOLE, Kind, Place, places, readings, rule_of, start_of, updating

_FLOATS = ("float16", "float32", "float64", "bfloat16")
_COUNTS = ("int32", "int64", "uint32", "uint64", "float32")  # Keras 1 and 2 counted in float32, too
_MOST_STEPS = 2**53  # what a float64 counts


class Unfit(Exception):
    """The state of a file that is none of this optimizer's; the text says why."""


@dataclass(frozen=True)
class Loaded:
    """What was read of a state, ready to be set.

    Attributes:
        values: Each place with its value.
        notes: What the file does not hold, and what stands in its place.
    """

    values: list[tuple[Place, Tensor]]
    notes: tuple[str, ...] = ()

    def scalar(self, slot: str) -> float | None:
        return next((value.item() for place, value in self.values if place.slot == slot), None)


# ---------------------------------------------------------------- reading


def read_state(
    optimizer: Optimizer, stored: OptimizerState, kind: Kind, trained: Sequence[Variable], others: Sequence[Variable]
) -> Loaded:
    """Match the arrays of a file with what this optimizer keeps, and read them. Nothing is set.

    Args:
        optimizer: The optimizer.
        stored: The arrays.
        kind: Which Keras listed them.
        trained: The weights that the model trains.
        others: All that it could train, if layers were not frozen.

    Raises:
        Unfit: Number or shapes are others, or a value is none that Keras writes.
    """
    if not rule_of(optimizer):
        raise Unfit(f"{type(optimizer).__name__} is no optimizer of Keras's, so nobody knows what its state means")
    shapes = [array.shape for _, array in stored.arrays]
    for variables in (trained, others):
        for listed in readings(optimizer, variables, kind):
            if [place.shape for place in listed] == shapes:
                loaded = _read(optimizer, listed, stored, {id(variable) for variable in trained})
                whole = len(listed) == len(next(readings(optimizer, variables, kind)))
                if whole or any(place.variable is not None for place in listed) or not loaded.scalar("iterations"):
                    return loaded
    raise Unfit(_difference(next(readings(optimizer, trained, kind)), stored, type(optimizer).__name__))


def by_names(variables: Sequence[Variable], names: Mapping[int, str] | None) -> list[Variable]:
    """The weights in the order in which Keras up to 2.0.5 lists their state: that of their names in the file.

    Args:
        variables: In the order of the model.
        names: The `id` of a weight's first tensor -> what the file calls it; None leaves the order of the model.

    Raises:
        Unfit: A weight has no name.
    """
    if names is None:
        return list(variables)
    unknown = [variable.path for variable in variables if id(variable.parts()[0]) not in names]
    if unknown:
        raise Unfit(f"Keras before 2.0.6 lists it by the names of the weights, and the file has none for {unknown[0]}")
    return sorted(variables, key=lambda variable: names[id(variable.parts()[0])])


def _difference(wanted: Sequence[Place], stored: OptimizerState, name: str) -> str:
    if len(wanted) != len(stored.arrays):
        return f"it has {counted(len(stored.arrays), 'array')}, and {name} of this model {len(wanted)}"
    for place, (_, array) in zip(wanted, stored.arrays, strict=True):
        if place.shape != array.shape:
            return f"{place.name} of this model has shape {place.shape}, and {quote(array.where)} {array.shape}"
    raise AssertionError("the lists are the same")


def _read(optimizer: Optimizer, listed: Sequence[Place], stored: OptimizerState, trained: set[int]) -> Loaded:
    values = []
    for place, (_, array) in zip(listed, stored.arrays, strict=True):
        if place.slot is not None:  # what means nothing may be of any dtype: int32 beside a bias of Adafactor
            _check_dtype(place, array)
        if place.slot is None or (place.variable is not None and id(place.variable) not in trained):
            continue
        value = _tensor(array)
        _check_value(place, value, array)
        values.append((place, value))
    loaded = Loaded(values)
    notes = []
    slots = {place.slot for place in listed}
    if "iterations" not in slots:
        notes.append("the file does not hold how many steps were done: they are counted from 0")
    if rule_of(optimizer) == "Nadam" and PRODUCT not in slots:
        notes.append("the file does not hold the product of Nadam's momenta: it is computed from the number of steps")
    if any(place.variable is not None and id(place.variable) not in trained for place in listed):
        notes.append("the state of weights that are frozen is left out")
    return Loaded(loaded.values, tuple(notes))


def _check_dtype(place: Place, array: Array) -> None:
    allowed = _COUNTS if place.slot in WHOLE else _FLOATS
    if array.dtype not in allowed:
        raise Unfit(f"{quote(array.where)} holds {array.dtype}, expected {' or '.join(allowed)}")


def _check_value(place: Place, value: Tensor, array: Array) -> None:
    if place.slot in WHOLE and not (0 <= value.item() <= _MOST_STEPS and value.item() == int(value.item())):
        raise Unfit(f"{quote(array.where)} is {value.item():g}, expected a number of steps")
    if place.slot in ("learning_rate", "dynamic_scale", PRODUCT) and not math.isfinite(value.item()):
        raise Unfit(f"{quote(array.where)} is {value.item():g}, expected a finite number")


def _tensor(array: Array) -> Tensor:
    values = np.array(array.read())  # of its own: what the reader gives is a view of the file
    return torch.from_numpy(values.view(np.int16)).view(torch.bfloat16) if array.dtype == "bfloat16" else _of(values)


def _of(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype("int64") if values.dtype.kind == "u" else values)


@torch.no_grad()
def set_state(optimizer: Optimizer, loaded: Loaded) -> None:
    """Put what was read into an optimizer that is built."""
    group = optimizer.param_groups[0]
    for slot, kind in (("step_counter", int), ("dynamic_scale", float)):
        found = loaded.scalar(slot)
        if found is not None:
            group[slot] = kind(found)
    optimizer = updating(optimizer)
    for place, value in loaded.values:
        if place.variable is not None:
            put(optimizer, place, value)
    steps = loaded.scalar("iterations")
    group["iterations"] = int(steps or 0)
    rate = loaded.scalar("learning_rate")
    if rate is not None and np.float32(optimizer.learning_rate) != np.float32(rate):  # the config may have more digits
        optimizer.learning_rate = rate
    if rule_of(optimizer) == "Nadam":
        product = loaded.scalar(PRODUCT)
        momentum_at: Callable[[int], float] = optimizer.momentum_at  # type: ignore[attr-defined]
        group[PRODUCT] = _product(momentum_at, optimizer.iterations) if product is None else product


def _product(momentum_at: Callable[[int], float], steps: int) -> float:
    """The product of the momenta of all steps; however many a file says, some thousands decide."""
    product = 1.0
    for step in range(1, steps + 1):
        factor = momentum_at(step)
        if factor == momentum_at(step + 1):  # it has reached its end
            return product * factor ** (steps - step + 1)
        product *= factor
        if product == 0 or not math.isfinite(product):
            break
    return product


# ---------------------------------------------------------------- writing


def written_state(optimizer: Optimizer, theirs: Optimizer, trained: Sequence[Variable], kind: Kind) -> OptimizerState:
    """The state of an optimizer as one Keras lists it, to be written into a file.

    Args:
        optimizer: One of Keras's rules, built.
        theirs: The one that this Keras makes of what the file says: it decides what is listed.
        trained: The weights that the model trains.
        kind: Which Keras.
    """
    group = optimizer.param_groups[0]
    scaling = {
        "own_iterations": 0,
        "own_rate": 0.0,
        **{key: group.get(key, 0) for key in ("step_counter", "dynamic_scale")},
    }
    optimizer, around, theirs = updating(optimizer), theirs, updating(theirs)
    taken: dict[str, int] = {}
    arrays = []
    for place in places(around, trained, kind):
        count = taken[place.name] = taken.get(place.name, -1) + 1
        name = place.name if not count else _numbered(place.name, count)
        if place.slot in scaling:
            arrays.append((name, _number(name, place.slot, scaling[place.slot])))
        else:
            arrays.append((name, _array(optimizer, theirs, place, name)))
    inner = tuple(array for _, array in arrays[len(scaling) :]) if around is not theirs else ()
    return OptimizerState(tuple(arrays), name=around.name if kind == "keras3" else None, inner=inner)


def _numbered(name: str, count: int) -> str:
    """A name of its own for one of two weights of one name, as of layers in different models."""
    stem, colon, end = name.partition(":")
    return f"{stem}_{count}{colon}{end}"


def _array(optimizer: Optimizer, theirs: Optimizer, place: Place, name: str) -> Array:
    if place.variable is None:
        return _number(name, place.slot, scalar_of(optimizer, theirs, place.slot))
    variable = place.variable

    def read() -> np.ndarray:
        dense = value_at(optimizer, theirs, place).detach().cpu().contiguous()
        return dense.view(torch.int16).numpy().view("uint16") if dense.dtype == torch.bfloat16 else dense.numpy()

    return Array(name, place.shape, dtype_name(variable.dtype), read)


def _number(name: str, slot: str | None, value: Any) -> Array:
    dtype = "int64" if slot in WHOLE else "float32"
    scalar = np.asarray(value, dtype)
    return Array(name, (), dtype, lambda: scalar)


def scalar_of(optimizer: Optimizer, theirs: Optimizer, slot: str | None) -> Any:
    """A number of the state, as an optimizer with the settings of `theirs` counts it."""
    if slot == "iterations":  # of which those that only gather gradients are some
        every = theirs.gradient_accumulation_steps
        return optimizer.iterations * every + _gathered(optimizer) if every else optimizer.iterations
    return optimizer.learning_rate if slot == "learning_rate" else optimizer.param_groups[0][PRODUCT]


def _gathered(optimizer: Optimizer) -> int:
    return optimizer._steps - optimizer.iterations * (optimizer.gradient_accumulation_steps or 1)


def value_at(optimizer: Optimizer, theirs: Optimizer, place: Place) -> Tensor:
    """What an optimizer keeps for a weight, in Keras's layout.

    Args:
        optimizer: Whose state it is.
        theirs: The one that says what it would start from, where no step has made it yet.
        place: Which it is.
    """
    variable, slot = _weight(place), str(place.slot)
    parts = variable.parts()
    if place.slot is None or slot in BESIDE:
        held = optimizer.state.get(parts[0], {}).get(slot)
        return parts[0].new_zeros(place.shape) if held is None else held
    return variable.var.to_keras([_held_of(optimizer, theirs, part, slot) for part in parts])


def _held_of(optimizer: Optimizer, theirs: Optimizer, part: Tensor, slot: str) -> Tensor:
    state = optimizer.state.get(part, {})
    if slot in state:
        return state[slot]
    start = start_of(theirs, slot)
    return part.detach() if start is None else torch.full_like(part, start, requires_grad=False)


def put(optimizer: Optimizer, place: Place, value: Tensor) -> None:
    """Set what an optimizer keeps for a weight.

    Args:
        optimizer: Whose state it is.
        place: Which it is.
        value: In Keras's layout, of its shape.
    """
    variable = _weight(place)
    parts = variable.parts()
    if place.slot is None:
        return
    tensors = [value] if place.slot in BESIDE else variable.var.to_torch(value)
    for part, tensor in zip(parts, tensors):  # noqa: B905 (of what stands beside there is one)
        optimizer.state[part][place.slot] = tensor.to(part.device, part.dtype, copy=True)


def _weight(place: Place) -> Variable:
    if place.variable is None:
        raise AssertionError(f"{place.name} is a number")
    return place.variable
