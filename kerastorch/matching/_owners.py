"""Whose variable is it: the names of the layers on the way from a model to each variable in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from torch import nn

from ..base.layer import REGISTRY, Layer
from ..base.tracking import opened
from ..base.variables import Variable, all_variables, own_variables
from ..models import Model
from .attributes import is_own

Written = Callable[[nn.Module], nn.Module]
Inside = Callable[[nn.Module], Sequence[nn.Module]]


class Owned(NamedTuple):
    """A variable, the names of the layers around it from the outside in, and how many of these stand in models."""

    variable: Variable
    names: tuple[str, ...]
    depth: int  # the first `depth` names are a layer of a model, the rest is inside that layer


def inner_modules(module: nn.Module, in_place: bool = False) -> list[nn.Module]:
    """The modules inside, as Keras lists them: Keras 2 (`in_place`) goes by the attributes, Keras 3 by time."""
    if not isinstance(module, Layer):
        return list(module.children())
    return opened(module, True) if in_place and is_own(module) else module._sublayers()


def owned_variables(
    layer: nn.Module, inside: Inside = inner_modules, written: Written | None = None, copies: bool = False
) -> Iterator[Owned]:
    """`all_variables` of a layer with the names below it (its own is not among them).

    Args:
        layer: The layer.
        inside: The modules inside a module, in the order in which they come.
        written: What is looked at in the place of a module.
        copies: Whether a layer that stands in several models or wrappers comes once for each, as configs make it; what
            the constructor of a person's own class makes stays one.
    """
    stack: list[tuple[nn.Module, tuple[str, ...], int, set[int]]] = [(layer, (), 0, set())]
    while stack:
        current, names, depth, seen = stack.pop()
        current = current if written is None else written(current)
        if id(current) in seen:
            continue
        seen.add(id(current))
        apart = copies and isinstance(current, Layer) and REGISTRY.get(current._class_name) is type(current)
        for variable in own_variables(current):
            yield Owned(variable, names, depth)
        for child in reversed(inside(current)):
            below = (*names, child.name) if isinstance(child, Layer) else names
            # A layer of a model, which is itself a layer of a model, and so on without a wrapper between.
            inner = len(below) if isinstance(current, Model) and depth == len(names) else depth
            stack.append((child, below, inner, set() if apart else seen))


def has_variables(layer: nn.Module) -> bool:
    """Whether there is a variable in the layer or in what is inside it."""
    return next(all_variables(layer), None) is not None


def model_chain(model: Model, once: bool = False) -> list[Model]:
    """The models of which each holds nothing with weights but the next: those inside `model`, from the outside in.

    Args:
        model: The model.
        once: Whether variables that a layer before has as well are not counted, as in a tree, which holds them once.
    """
    chain: list[Model] = []
    while True:
        current = chain[-1] if chain else model
        seen: set[int] = set()
        weighted = []
        for layer in current._sublayers():
            held = {id(variable.parts()[0]) for variable in all_variables(layer)}
            if held - seen:
                weighted.append(layer)
            if once:
                seen |= held
        if len(weighted) != 1 or not isinstance(weighted[0], Model) or own_variables(current):
            return chain
        chain.append(weighted[0])
