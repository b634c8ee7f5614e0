"""Ragged inputs of Keras, whose rows have steps of their own number: here they are padded tensors with a mask.

A layer that drops the mask, or computes with the padding, would make other numbers than Keras of them: only layers of
which it was seen that they make the same ones may stand on the way.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..base.layer import Layer
from ..base.weighted import repr_of
from ..errors import UnsupportedError
from ..layers.core.embedding import Embedding
from .graph import Graph, slots_of
from .input import InputLayer

_OVER_TIME = ("LSTM", "GRU", "SimpleRNN", "Bidirectional")
_STEP_BY_STEP = ("Embedding", "TimeDistributed", "Dropout", "Activation")
_KNOWN = (*_OVER_TIME, *_STEP_BY_STEP, "GlobalAveragePooling1D")


def rows_after(layer: Layer) -> bool:
    """Whether what a layer makes of a ragged tensor is ragged as well; an Embedding hands on the mask from now on.

    Raises:
        UnsupportedError: It is not known to compute what Keras does.
    """
    if layer._class_name not in _KNOWN or (isinstance(layer, Embedding) and layer.mask_zero):
        what = " with mask_zero=True" if isinstance(layer, Embedding) else ""
        raise UnsupportedError(
            f"{repr_of(layer)}{what} takes a ragged tensor of Keras, and what it makes of a padded one with a mask is "
            f"not known to be the same; {', '.join(_KNOWN)} do."
        )
    if isinstance(layer, Embedding):
        layer._hands_on_mask = True
    if layer._class_name in _OVER_TIME:
        return bool(layer.return_sequences)  # type: ignore[attr-defined]
    return layer._class_name in _STEP_BY_STEP


def follow_rows(graph: Graph, layers: Sequence[Layer], inputs: Sequence[InputLayer]) -> None:
    """Follow the ragged inputs through a graph."""
    slots = zip(slots_of(graph.inputs), inputs, strict=True)
    ragged = {slot for slot, layer in slots if layer.ragged}
    for step in graph.steps if ragged else ():
        if ragged.intersection(slots_of(step.args)) and rows_after(layers[step.layer]):
            ragged.add(step.outputs[0])
