"""Measure where the compiled step loop is faster than torch's LSTM: the ground of `LSTM_WORK` in the size rules.

    KERASTORCH_COMPILED=avx512 python benchmarks/lstm_rule.py --seconds 300

Both run on one thread, right after one another, in an order that is drawn anew each time, on the same numbers. What is
written are ratios of their processor times alone, medians over the rounds (below 1: compiled is faster), so that other
work on the machine tells as little as may be. Sizes lie around the end of the rule.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from kerastorch import layers, native, size_rules
from kerastorch.kernels import step_engine

STEPS, UNITS = (1, 8, 50, 100, 200, 400), (16, 32, 64)
# The multiplications of a step, of the largest that the rule lets be compiled.
AROUND = (1 / 16, 0.25, 0.5, 1, 2)


def cases() -> list[tuple[int, int, int]]:
    """Rows, units and steps."""
    most = size_rules.LSTM_WORK[native.level or "DEFAULT"]
    sizes = {(int(most * part // (4 * units**2)), units) for units in UNITS for part in AROUND}
    return [(rows, units, steps) for rows, units in sorted(sizes) if rows for steps in STEPS]


def run_of(rows: int, units: int, steps: int, training: bool) -> Callable[[], Any]:
    layer, x = layers.LSTM(units, return_sequences=True), torch.randn(rows, steps, units)
    layer(x)

    def train() -> None:
        layer(x).sum().backward()

    def infer() -> None:
        with torch.no_grad():
            layer(x)

    return train if training else infer


def ratio(run: Callable[[], Any], repeats: int) -> float:
    """The time of compiled code by that of torch's kernel."""
    times: dict[bool, float] = {}
    for compiled in random.sample((True, False), 2):
        step_engine.outruns = lambda *args, chosen=compiled: chosen
        start = time.thread_time()
        for _ in range(repeats):
            run()
        times[compiled] = time.thread_time() - start
    return times[True] / times[False]


def measure(seconds: float) -> dict[tuple[Any, ...], tuple[float, int]]:
    """For each size the median, and how many rounds it is of."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    usual, prepared = step_engine.outruns, []
    for size, training in itertools.product(cases(), (False, True)):
        run = run_of(*size, training)
        start = time.thread_time()
        ratio(run, 1)
        prepared.append(((*size, training), run, max(1, int(6e-4 / (time.thread_time() - start)))))
    found: dict[tuple[Any, ...], list[float]] = {}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:  # the rounds are short, so that all sizes meet the same machine
        for key, run, repeats in prepared:
            found.setdefault(key, []).append(ratio(run, repeats))
    step_engine.outruns = usual
    return {key: (statistics.median(ratios), len(ratios)) for key, ratios in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    found, level = measure(parser.parse_args().seconds), native.level or "DEFAULT"
    print(f"{level}, up to {size_rules.LSTM_WORK[level]} multiplications a step; torch {torch.__version__}\n")
    print("| multiplications | rows, units | steps | inference | training | rounds |\n|---|---|---|---|---|---|")
    for rows, units, steps in sorted(cases(), key=lambda size: (size[0] * size[1] ** 2, size)):
        (infer, rounds), (train, _) = (found[rows, units, steps, training] for training in (False, True))
        print(f"| {4 * rows * units**2} | {rows}, {units} | {steps} | {infer:.2f} | {train:.2f} | {rounds} |")


if __name__ == "__main__":
    main()
