"""Indices in the host's memory, looked at before they go to a device: there one that a table lacks ends the process.

On the CPU an Embedding says by itself what is wrong. On CUDA a kernel stops with an assertion, which names nothing, and
every later operation of the process fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..structure import leaves
from ._given import in_order
from .graph import Chain, map_template, slots_of
from .walk import layer_of


def check_ids(model: Any, inputs: Any) -> None:
    """Raise if an input holds an index that the Embedding that it goes into does not have.

    Embeddings are found directly behind the inputs of a graph, as the first layer of a chain, and likewise in the
    models inside; not in somebody's own `call`, nor behind a layer that changes the numbers.

    Args:
        model: The model.
        inputs: What it is to be called with: arrays or tensors, in the host's memory or not.

    Raises:
        ArgumentError: An index is not in the table.
    """
    for layer, value in _looked_up(model, inputs):
        if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
            value = torch.from_numpy(value.astype(np.int64))  # writable, and in this machine's order of bytes
        if isinstance(value, Tensor) and value.is_cpu:
            layer.refuse_ids(value)


def _looked_up(layer: Any, given: Any) -> Iterator[tuple[Any, Any]]:
    """Each Embedding that is called on a given value as it is, with that value."""
    if hasattr(layer, "refuse_ids"):
        yield from ((layer, value) for value in leaves(given))
    elif not getattr(layer, "_takes_ids", False) or type(layer)._own_code:
        return
    elif isinstance(layer._graph, Chain):
        yield from _looked_up(layer._layer_list[0], given)
    elif layer._graph is None:  # around one layer
        yield from _looked_up(layer.layer, given)
    else:
        values = dict(zip(slots_of(layer._graph.inputs), in_order(layer, given), strict=False))
        for step in layer._graph.steps:
            first = map_template(values.get, step.args[0]) if step.args else None
            yield from _looked_up(layer_of(layer, step), first)
