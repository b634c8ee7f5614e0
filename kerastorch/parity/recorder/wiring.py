"""What a Keras model's inputs lead to: the tables that they are looked up in, and the values that are masked."""

from __future__ import division

import numpy as np


def class_of(layer):
    return type(layer).__name__


def as_list(value):
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def sublayers(model):
    """The layers of a model in Keras's order; of a graph of Keras 3 with the operations between them."""
    operations = getattr(model, "operations", None)
    return list(model.layers if operations is None else operations)


def is_model(layer):
    """Whether there is a chain or a graph of layers inside."""
    return hasattr(layer, "layers") and hasattr(layer, "inputs") and hasattr(layer, "outputs")


def nodes_of(layer):
    """The calls of a layer in graphs."""
    for name in ("_inbound_nodes", "inbound_nodes"):
        if hasattr(layer, name):
            return list(getattr(layer, name))
    return []


def tensors_into(node):
    return as_list(node.input_tensors)


def maker_of(tensor):
    """The call that made a symbolic tensor; None for one that is there from the beginning."""
    history = getattr(tensor, "_keras_history", None)
    if history is None:
        return None
    nodes = nodes_of(history[0])
    return nodes[history[1]] if history[1] < len(nodes) else None


def needs_of(layer):
    """What each input of a layer must hold: a list of (words, masked value), both None where it may hold anything."""
    kind = class_of(layer)
    if kind == "Embedding":
        return [(int(layer.input_dim), 0 if getattr(layer, "mask_zero", False) else None)]
    if kind == "Masking":
        return [(None, float(np.asarray(layer.mask_value).ravel()[0]))]
    if is_model(layer):
        return needs_of_model(layer)
    inner = getattr(layer, "layer", None)  # TimeDistributed and the like
    return [] if inner is None else needs_of(inner)


def needs_of_model(model):
    """The same for the inputs of a model, followed back from the layers that look up or mask.

    Where an input reaches several tables, the smallest one counts.
    """
    inputs = as_list(model.inputs)
    found = []
    found.extend((None, None) for _ in inputs)
    layers = [layer for layer in sublayers(model)]
    if class_of(model) == "Sequential" and layers and not nodes_of(layers[0]):
        first = needs_of(layers[0])
        return first[:1] if first else found
    for layer in layers:
        needs = needs_of(layer)
        if not any(need != (None, None) for need in needs):
            continue
        for node in nodes_of(layer):
            for tensor, need in zip(tensors_into(node), needs):
                for place in _inputs_behind(tensor, inputs):
                    found[place] = _both(found[place], need)
    return found


def _both(one, other):
    words = [number for number in (one[0], other[0]) if number is not None]
    return (min(words) if words else None, one[1] if one[1] is not None else other[1])


def _inputs_behind(tensor, inputs):
    """The places of the inputs that a symbolic tensor is made of; behind an Embedding there are no words any more."""
    left, seen, found = [tensor], set(), set()
    while left:
        tensor = left.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        places = [place for place, given in enumerate(inputs) if given is tensor]
        if places:
            found.update(places)
            continue
        node = maker_of(tensor)
        layer = tensor._keras_history[0] if node is not None else None
        if node is not None and class_of(layer) != "Embedding":
            left.extend(tensors_into(node))
    return sorted(found)
