"""Where the things in a rank stand: as near to their neighbours above and below as their distances allow."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ._order import Span

_SWEEPS = 24


def placed(
    rows: Sequence[Sequence[str]], widths: dict[str, float], spans: Sequence[Span], beside: float, leftmost: str = ""
) -> dict[str, float]:
    """The middle of each name.

    Args:
        rows: The names of each rank, in order.
        widths: How wide each is.
        spans: The edges between neighbouring ranks.
        beside: The distance between two names in a rank.
        leftmost: A name that stands as far left as anything does.
    """
    middles: dict[str, float] = {}
    for row in rows:
        at = 0.0
        for name in row:
            middles[name] = at + widths[name] / 2
            at += widths[name] + beside
        for name in row:  # ranks begin one above the middle of the other
            middles[name] -= (at - beside) / 2
    up: dict[str, list[tuple[str, float]]] = {}
    down: dict[str, list[tuple[str, float]]] = {}
    for upper, lower, off_upper, off_lower in spans:
        down.setdefault(upper, []).append((lower, off_lower - off_upper))
        up.setdefault(lower, []).append((upper, off_upper - off_lower))
    for sweep in range(_SWEEPS):
        sides = ((up,), (down,), (up, down))[2 if sweep >= _SWEEPS - 4 else sweep % 2]
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wishes, weights = [], []
            for name in row:
                near = [(other, off) for side in sides for other, off in side.get(name, ())]
                mean = sum(middles[other] + off for other, off in near) / len(near) if near else middles[name]
                wishes.append(mean)
                # An edge that passes through several ranks is straightest where its places are.
                weights.append(sum(4.0 if _passes(name) and _passes(other) else 1.0 for other, _ in near) or 0.01)
            if leftmost in row:
                wishes[0], weights[0] = min(middles[name] for name in middles if name != leftmost), 0.001
            for name, middle in zip(row, nearest(row, widths, beside, wishes, weights), strict=True):
                middles[name] = middle
    if leftmost in middles:
        left = min((middles[name] - widths[name] / 2 for name in middles if name != leftmost), default=0.0)
        middles[leftmost] = min(left + widths[leftmost] / 2, _limit(rows, widths, middles, beside, leftmost))
    return middles


def _passes(name: str) -> bool:
    return name.startswith("through ")


def _limit(
    rows: Sequence[Sequence[str]], widths: dict[str, float], middles: dict[str, float], beside: float, name: str
) -> float:
    """As far right as a name can stand that is the first in its rank."""
    (row,) = [row for row in rows if name in row]
    after = [middles[other] - widths[other] / 2 - beside / 2 for other in row[1:2]]
    return after[0] - widths[name] / 2 if after else float("inf")


def nearest(
    row: Sequence[str], widths: dict[str, float], beside: float, wishes: Sequence[float], weights: Sequence[float]
) -> list[float]:
    """The places nearest to the wished ones, by weighted squares, in which nothing is nearer than `beside`."""
    offsets = [0.0]
    for before, name in itertools.pairwise(row):
        offsets.append(offsets[-1] + (widths[before] + widths[name]) / 2 + beside)
    blocks: list[list[float]] = []  # mean, weight, how many
    for wish, offset, weight in zip(wishes, offsets, weights, strict=True):
        blocks.append([wish - offset, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, total, count = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + mean * total) / (last[1] + total)
            last[1], last[2] = last[1] + total, last[2] + count
    found = [mean for mean, _, count in blocks for _ in range(int(count))]
    return [mean + offset for mean, offset in zip(found, offsets, strict=True)]
