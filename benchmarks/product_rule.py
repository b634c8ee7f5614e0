"""Measure where oneDNN's matrix product is faster than the BLAS's: the ground of `PRODUCT_WORK` in the size rules.

    python benchmarks/product_rule.py --seconds 120
    MKL_ENABLE_INSTRUCTIONS=AVX2 python benchmarks/product_rule.py    # as MKL computes on AMD's processors

The products are those of the step engine, made by `kernels.matrix_products` itself: of the inputs of all steps, of one
step with packed weights, and the gradient of the weights. Both ways run on one thread, right after one another, in an
order that is drawn anew each time, on the same numbers. What is written are ratios of their processor times alone,
medians over the rounds (below 1: oneDNN is faster).
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kerastorch.kernels import matrix_products

# rows, inner and outer size
INPUTS = [
    (512, 16, 64),
    (800, 16, 64),
    (1600, 16, 64),
    (3200, 16, 64),
    (400, 32, 128),
    (800, 32, 128),
    (1600, 32, 128),
    (6400, 32, 128),
    (200, 64, 256),
    (800, 64, 256),
    (3200, 64, 512),
    (32000, 32, 256),
    (6400, 128, 1024),
]
STEPS = [
    (32, 64, 256),
    (32, 128, 384),
    (32, 128, 512),
    (64, 128, 512),
    (32, 256, 1024),
    (128, 256, 1024),
    (32, 512, 2048),
]


def run_of(name: str, rows: int, inner: int, outer: int) -> Callable[[], Any]:
    x, w, grad = torch.randn(rows, inner), torch.randn(outer, inner), torch.randn(rows, outer)
    if name == "inputs":
        return lambda: matrix_products.linear(x, w, None)
    if name == "gradient of weights":
        return lambda: matrix_products.weight_product(grad, x)
    factors: dict[bool, matrix_products.Factor] = {}

    def step() -> Tensor:
        chosen = matrix_products.pays(rows, w)
        if chosen not in factors:
            factors[chosen] = matrix_products.Factor(w, rows)
        return factors[chosen].plus(grad, x)

    return step


def ratio(run: Callable[[], Any], repeats: int) -> float:
    """The time of oneDNN by that of the BLAS."""
    times: dict[bool, float] = {}
    for chosen in random.sample((True, False), 2):
        matrix_products.pays = lambda *args, chosen=chosen: chosen
        start = time.thread_time()
        for _ in range(repeats):
            run()
        times[chosen] = time.thread_time() - start
    return times[True] / times[False]


def measure(seconds: float) -> dict[tuple[Any, ...], tuple[float, int]]:
    """For each kind and size the median, and how many rounds it is of."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    usual, prepared = matrix_products.pays, []
    keys = [("inputs", *size) for size in INPUTS]
    keys += [
        (kind, *size) for kind in ("a step", "gradient of weights") for size in (STEPS if kind == "a step" else INPUTS)
    ]
    with torch.no_grad():
        for key in keys:
            run = run_of(*key)
            ratio(run, 1)
            start = time.thread_time()
            ratio(run, 1)
            prepared.append((key, run, max(1, int(6e-4 / (time.thread_time() - start)))))
        found: dict[tuple[Any, ...], list[float]] = {}
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:  # the rounds are short, so that all sizes meet the same machine
            for key, run, repeats in prepared:
                found.setdefault(key, []).append(ratio(run, repeats))
    matrix_products.pays = usual
    return {key: (statistics.median(ratios), len(ratios)) for key, ratios in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    found = measure(parser.parse_args().seconds)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}\n")
    print("| product | multiplications | rows, inner, outer | oneDNN by BLAS | rounds |\n|---|---|---|---|---|")
    for (name, rows, inner, outer), (median, rounds) in found.items():
        print(f"| {name} | {rows * inner * outer} | {rows}, {inner}, {outer} | {median:.2f} | {rounds} |")


if __name__ == "__main__":
    main()
