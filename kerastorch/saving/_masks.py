"""Masks on the way into a file: where they arrive, and which calls must name theirs.

Keras 3 hands no mask to a recurrent layer that is called with `initial_state` or `constants`; Keras 2 and the models
here do. Such a call names its mask in the file: operations compute it, as the layer that makes it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..base.weighted import repr_of
from ..errors import SaveError
from ..layers.core.embedding import Embedding
from ..layers.core.masking import Masking
from ..layers.rnn.bidirectional import Bidirectional
from ..layers.rnn.sequence import SequenceLayer
from ..models.graph import slots_of
from ..models.graph_config import CallMasks, MaskOf, Unmasked
from ..models.mask_flow import Visit, leaves_of
from ..models.walk import graph_of
from ._forms import Entry

_STATES = ("initial_state", "constants")


def refuse_trained_calls(visits: Sequence[Visit]) -> None:
    """Raise for a call with `training=True`, which acts in inference, too; Keras 3 overrules it.

    Raises:
        SaveError: There is one.
    """
    trained = [repr_of(visit.layer) for visit in visits if visit.arguments.get("training") is True]
    if trained:
        raise SaveError(
            f"{trained[0]} is called with training=True: its dropout acts in inference as well, which Keras 3 does not "
            "keep: there predict calls every layer of a model with training=False. Call it without training, or save "
            "the weights alone."
        )


def arriving_masks(visits: Sequence[Visit]) -> dict[int, list[tuple[Any, ...]]]:
    """The masks at each call of each layer, by the layer's `id`."""
    found: dict[int, list[tuple[Any, ...]]] = {}
    for visit in visits:
        found.setdefault(id(visit.layer), []).append(visit.arriving)
    return found


def makers_of_used_masks(visits: Sequence[Visit]) -> set[int]:
    """The layers, by `id`, whose output's mask is used somewhere behind them."""
    needed: set[int] = set()  # masks on which depends one that is used
    found: set[int] = set()
    for visit in reversed(visits):
        leaving = {id(mask) for mask in visit.leaving if mask is not None}
        if visit.what == "used" or leaving & needed:
            needed |= {id(mask) for mask in visit.arriving if mask is not None}
        if leaving & needed:
            found.add(id(visit.layer))
    return found


def call_masks(visits: Sequence[Visit]) -> dict[int, CallMasks]:
    """The masks that calls must name, by the `id` of the functional model.

    Raises:
        SaveError: A mask is not one that an operation here computes.
    """
    makers: dict[int, Visit] = {}
    for visit in visits:
        known = {id(mask) for mask in visit.arriving}
        for mask in visit.leaving:
            if mask is not None and id(mask) not in known:
                makers.setdefault(id(mask), visit)  # a call that uses none hands it on
    found: dict[int, dict[int, MaskOf]] = {}
    for visit in visits:
        with_states = any(leaves_of(visit.arguments.get(name)) for name in _STATES)
        if not with_states or "mask" in visit.arguments or visit.what != "used" or visit.step is None:
            continue
        maker = makers.get(id(next(mask for mask in visit.arriving if mask is not None)))
        if maker is None or maker.model is not visit.model or not isinstance(maker.layer, (Embedding, Masking)):
            made = "another model makes it" if maker is None else f"{repr_of(maker.layer)} makes it"
            raise SaveError(
                f"{repr_of(visit.layer)} is called with states and uses a mask, which Keras 3 hands to such a call "
                f"only if it is named; {made}, expected an Embedding or a Masking in the same functional model. "
                "Pass mask=... in the call."
            )
        step = graph_of(visit.model).steps[maker.step or 0]
        steps = isinstance(maker.layer, Masking)
        value = maker.layer.mask_value if isinstance(maker.layer, Masking) else 0
        found.setdefault(id(visit.model), {})[visit.step] = MaskOf(
            maker.layer.name, slots_of(step.args)[0], value, steps
        )
    return dict(found)


def masked_steps_of_before(entry: Entry) -> None:
    """What layers over time gave at masked steps in Keras 2, and give in no later one."""
    layer, zeros = entry.layer, entry.config.pop("forces_zeros", True)
    entry.config.pop("first_state_shows", False)
    if not entry.masked or not isinstance(layer, (SequenceLayer, Bidirectional)):
        return
    if (
        not zeros
        and isinstance(layer, Bidirectional)
        and layer.forward_layer.zero_output_for_mask != layer.return_sequences
    ):
        # No later Keras can be told to do otherwise; a masked step is one that nobody is meant to look at.
        then, now = "the output before repeated", "zeros"
        if not layer.return_sequences:
            then, now = "zeros, as in TensorFlow 1.13", "the output before repeated"
        entry.texts.append(f"the output of masked steps is {now}; here, and where the model comes from, it is {then}")
    parts = layer._directions if isinstance(layer, Bidirectional) else (layer,)
    if any(part.first_state_shows for part in parts):
        entry.texts.append("masked steps before the first valid one give zeros; here they give the initial state")


def unused_masks(visits: Sequence[Visit]) -> dict[int, CallMasks]:
    """The calls that say that a mask is not to be used, in a Keras where it cannot be said: it must be taken off.

    Returns:
        By the `id` of the functional model, which arguments of which calls.
    """
    found: dict[int, dict[int, Unmasked]] = {}
    for visit in visits:
        names = visit.layer._call_arguments.masked
        unused = [name for name in names if visit.arguments.get(f"{name}_mask", ...) is None]
        if unused and visit.step is not None:
            masked = [
                name for name in unused if any(edge.mask is not None for edge in leaves_of(visit.arguments.get(name)))
            ]
            found.setdefault(id(visit.model), {})[visit.step] = Unmasked(tuple(masked))
    return dict(found)
