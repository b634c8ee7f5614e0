"""How Keras sorts a graph: by the distance from the outputs, far calls first, whatever the order in the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Key = tuple[str, int]  # a layer, and the number of its call


@dataclass
class Depths:
    """The distances in a graph.

    Attributes:
        calls: Of each call that the outputs need, in the order in which Keras comes by them.
        layers: Of each layer: that of its farthest call.
        met: The layers in the order in which they are met on the way from the outputs, numbered.
    """

    calls: dict[Key, int] = field(default_factory=dict)
    layers: dict[str, int] = field(default_factory=dict)
    met: dict[str, int] = field(default_factory=dict)


def depths(needed: Mapping[Key, Sequence[Key]], outputs: Iterable[Key]) -> Depths:
    """Measure a graph. Iterative: it may be thousands of calls deep.

    Args:
        needed: For each call those that make its inputs; a call that is no key needs none.
        outputs: The calls that make the outputs of the model.
    """
    found = Depths()
    left: list[Key] = []  # each behind those that it needs
    entered: set[Key] = set()
    stack = [(key, False) for key in reversed(list(outputs))]
    while stack:
        key, leaving = stack.pop()
        if leaving:
            left.append(key)
        elif key not in entered:
            entered.add(key)
            found.met.setdefault(key[0], len(found.met))
            stack.append((key, True))
            stack.extend((source, False) for source in reversed(needed.get(key, ())) if source not in entered)
    for key in reversed(left):
        depth = max(found.calls.get(key, 0), found.layers.get(key[0], 0))
        found.calls[key] = found.layers[key[0]] = depth
        for source in needed.get(key, ()):
            found.calls[source] = max(depth + 1, found.calls.get(source, 0))
    return found
