"""Medians and spreads, turns, growth, and the aims: numbers only."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from _rows import UNMASKED, Row

MOST_ROUNDS, LEAST_ROUNDS = 9, 3
SHORTEST_SAMPLE = 0.004  # seconds: what is shorter is called several times for one sample


def summary(seconds: Sequence[float]) -> dict[str, float | int]:
    """Median and quartiles in milliseconds, and of how many samples."""
    ordered = sorted(seconds)
    low, _, high = statistics.quantiles(ordered, n=4, method="inclusive") if len(ordered) > 1 else ordered * 3
    rounded = {"ms": statistics.median(ordered), "low": low, "high": high}
    return {**{name: float(f"{1e3 * value:.4g}") for name, value in rounded.items()}, "n": len(ordered)}


def rounds_for(seconds: float, budget: float) -> int:
    """How many samples of a call that takes `seconds` fit the budget; never below the stated least."""
    return max(LEAST_ROUNDS, min(MOST_ROUNDS, int(budget / seconds)))


def calls_for(seconds: float) -> int:
    """How many calls make one sample."""
    return max(1, math.ceil(SHORTEST_SAMPLE / max(seconds, 1e-6)))


def turns(rounds: Mapping[str, int]) -> list[list[str]]:
    """Who is timed in which round: A B C, A B C, ...; who has fewer samples takes them at even distances."""
    most = max(rounds.values(), default=0)
    return [
        [name for name, count in rounds.items() if (turn + 1) * count // most > turn * count // most]
        for turn in range(most)
    ]


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """p of the power law `value ~ size ** p` that fits best."""
    return statistics.linear_regression([math.log(s) for s in sizes], [math.log(v) for v in values]).slope


# ---------------------------------------------------------------------------- aims


class Aim(NamedTuple):
    """What a row shall reach: `kerastorch <= limit * column`."""

    column: str
    limit: float


def aims_of(row: Row) -> list[Aim]:
    small = row.size.B == 1
    aims = [Aim(column, 1.0) for column in ("keras-tensorflow", "keras-xla", "keras-torch")]
    aims.append(Aim("keras-jax", 1.5 if small else 1.0))
    if row.variant == "default":
        aims.append(Aim("torch", 1.25 if small else 1.05))
    if row.masked:
        aims.append(Aim(UNMASKED, 1.35))
    return aims


class Verdict(NamedTuple):
    """An aim, and the ratio that was measured."""

    row: Row
    aim: Aim
    ratio: float

    @property
    def met(self) -> bool:
        return self.ratio <= self.aim.limit


def verdicts(row: Row, cells: Mapping[str, Mapping[str, Any]]) -> list[Verdict]:
    """Of a measured row, the aims whose columns have a number. What was stopped is slower than where it was stopped."""
    ours = cells.get("kerastorch", {}).get("ms")
    if ours is None:
        return []
    return [
        Verdict(row, aim, ours / theirs)
        for aim in aims_of(row)
        if (theirs := cells.get(aim.column, {}).get("ms")) is not None
    ]
