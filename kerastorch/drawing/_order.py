"""Which rank each thing of a drawing has, and the order in a rank."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence

# An edge between neighbouring ranks: the upper and the lower name, and how far from their middles it leaves them.
Span = tuple[str, str, float, float]
_SWEEPS = 12


def ranks_of(
    names: Sequence[str], pairs: Sequence[tuple[str, str]], first: Sequence[str] = (), last: Sequence[str] = ()
) -> dict[str, int]:
    """The rank of each name: one more than the largest before it, but what nothing is before stands near what it feeds.

    Args:
        names: All names, in the order in which they are preferred.
        pairs: (from, to); those that close a circle are taken the other way round.
        first: Names that stand in a rank of their own above all others.
        last: Names that stand in one below.
    """
    forward = _without_circles(names, pairs)
    after: dict[str, set[str]] = {name: set() for name in names}
    before: dict[str, set[str]] = {name: set() for name in names}
    for source, target in forward:
        after[source].add(target)
        before[target].add(source)
    free = [name for name in names if name not in first and name not in last]
    missing = {name: len(before[name]) for name in names}
    ready = [name for name in names if not missing[name]]
    order: list[str] = []
    while ready:
        name = ready.pop(0)
        order.append(name)
        for other in sorted(after[name], key=names.index if len(names) < 200 else None):
            missing[other] -= 1
            if not missing[other]:
                ready.append(other)
    lowest = 1 if first else 0
    ranks = dict.fromkeys(first, 0)
    for name in order:
        if name not in ranks:
            ranks[name] = max((ranks[other] + 1 for other in before[name]), default=lowest)
            ranks[name] = max(ranks[name], lowest)
    for name in reversed(order):  # inputs beside what they feed
        if name in free and not before[name] and (below := [ranks[other] for other in after[name]]):
            ranks[name] = max(min(below) - 1, lowest)
    bottom = max((ranks[name] for name in free), default=-1) + 1
    return {name: ranks[name] for name in names if name not in last} | dict.fromkeys(last, bottom)


def _without_circles(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs, with those turned round that lead back to a name on the way there. Iterative: models are deep."""
    after: dict[str, list[str]] = {name: [] for name in names}
    for source, target in pairs:
        if target not in after[source]:
            after[source].append(target)
    state: dict[str, int] = {}  # 1 on the way, 2 done
    back: set[tuple[str, str]] = set()
    entered = {target for _, target in pairs}
    for root in sorted(names, key=lambda name: name in entered):  # what nothing is before comes first
        stack = [(root, iter(after[root]))] if root not in state else []
        state.setdefault(root, 1)
        while stack:
            name, rest = stack[-1]
            other = next(rest, None)
            if other is None:
                state[name] = 2
                stack.pop()
            elif other not in state:
                state[other] = 1
                stack.append((other, iter(after[other])))
            elif state[other] == 1:
                back.add((name, other))
    return [(target, source) if (source, target) in back else (source, target) for source, target in pairs]


def ordered(rows: list[list[str]], spans: Sequence[Span]) -> list[list[str]]:
    """The same ranks, each in an order with few crossings: by the mean places of the neighbours, down and up."""
    up: dict[str, list[str]] = {}
    down: dict[str, list[str]] = {}
    for upper, lower, _, _ in spans:
        down.setdefault(upper, []).append(lower)
        up.setdefault(lower, []).append(upper)
    best, fewest = [list(row) for row in rows], _crossings(rows, down)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        downwards = sweep % 2 == 0
        neighbours = up if downwards else down
        for row in rows if downwards else reversed(rows):
            other = {name: place for line in rows for place, name in enumerate(line)}
            means = {
                name: sum(other[near] for near in neighbours[name]) / len(neighbours[name])
                if name in neighbours
                else float(other[name])
                for name in row
            }
            row.sort(key=means.__getitem__)
        now = _crossings(rows, down)
        if now < fewest:
            best, fewest = [list(row) for row in rows], now
    return best


def _crossings(rows: Sequence[Sequence[str]], down: dict[str, list[str]]) -> int:
    total = 0
    for upper, lower in itertools.pairwise(rows):
        place = {name: index for index, name in enumerate(lower)}
        seen: list[int] = []
        for name in upper:
            ends = sorted(place[other] for other in down.get(name, ()))
            total += sum(len(seen) - bisect.bisect_right(seen, end) for end in ends)
            for end in ends:
                bisect.insort(seen, end)
    return total
