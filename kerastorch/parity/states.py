"""States of recurrent layers: those that they begin with, and those that are left where no output shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from ..base.layer import Layer
from ..layers import Bidirectional
from ..layers.rnn.sequence import SequenceLayer

Begun = tuple[Layer, Sequence[Tensor]]  # a layer, and the states that it begins with


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors in nested lists, tuples and dicts, dicts by their keys, as a recording has them."""
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in tensors_in(value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in tensors_in(part)]
    return [value] if isinstance(value, Tensor) else []


def is_recurrent(layer: Layer) -> bool:
    """Whether a layer goes through time with states, by code of ours."""
    return isinstance(layer, (SequenceLayer, Bidirectional)) and not layer._own_code


def final_states(layer: Layer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The states of a recurrent layer after a call, where they are no outputs; nothing for any other layer.

    The call is repeated: a layer that returns its states may run in another way than one that does not.

    Args:
        layer: The layer.
        args: As they reached it.
        kwargs: Likewise.
    """
    if not isinstance(layer, (SequenceLayer, Bidirectional)) or layer._own_code or layer.return_state:
        return []
    if layer.stateful:
        return [state.clone() for state in layer.states or ()]
    parts: Any = [layer] if isinstance(layer, SequenceLayer) else [layer.forward_layer, layer.backward_layer]
    try:
        for part in parts:
            part.return_state = True
        made = layer.forward(*args, **kwargs)
    finally:
        for part in parts:
            part.return_state = False
    count = 2 if isinstance(layer, Bidirectional) and layer.merge_mode is None else 1
    return tensors_in(list(made[count:]))


@contextmanager
def beginning_with(states: Mapping[str, Begun]) -> Iterator[None]:
    """Meanwhile layers begin with the given states in each call that gives them none."""

    def giving(given: Sequence[Tensor]) -> Any:
        def give(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            alone = len(args) == 1 and isinstance(args[0], Tensor) and kwargs.get("initial_state") is None
            return (args, {**kwargs, "initial_state": list(given)}) if alone else None

        return give

    handles = [
        layer.register_forward_pre_hook(giving(given), with_kwargs=True, prepend=True)
        for layer, given in states.values()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
