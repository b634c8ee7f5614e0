"""The calls of a spec: their references, and an order in which each comes after those that it needs."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping

from ..errors import ArgumentError, plural, quote
from ..spec import Call, refs_of

NodeKey = tuple[str, int]  # a layer, and the number of one of its calls


def in_order(calls: Mapping[str, tuple[Call, ...]], there: Collection[NodeKey]) -> Iterator[NodeKey]:
    """Every call once all it needs was yielded or is `there`; linear in the number of edges.

    Raises:
        ArgumentError: The graph has a cycle, or refers to a call that is not there.
    """
    waiting: dict[NodeKey, int] = {}
    dependents: dict[NodeKey, list[NodeKey]] = {}
    ready: deque[NodeKey] = deque()
    for name, its_calls in calls.items():
        for index, call in enumerate(its_calls):
            key = (name, index)
            needed = {(ref.layer, ref.node) for ref in refs_of((call.args, call.kwargs))}
            needed = {source for source in needed if source not in there}
            for source in needed:
                if source[0] not in calls or not 0 <= source[1] < len(calls[source[0]]):
                    raise ArgumentError(
                        f"layer {quote(name)} takes its input from call {source[1]} of {quote(source[0])}: "
                        "there is none."
                    )
                dependents.setdefault(source, []).append(key)
            waiting[key] = len(needed)
            if not needed:
                ready.append(key)
    while ready:
        key = ready.popleft()
        yield key
        del waiting[key]
        for dependent in dependents.get(key, ()):
            waiting[dependent] -= 1
            if not waiting[dependent]:
                ready.append(dependent)
    if waiting:
        names = [quote(name) for name, _ in list(waiting)[:5]]
        raise ArgumentError(f"the graph has a cycle through {plural(len(names), 'layer')} {', '.join(names)}.")
