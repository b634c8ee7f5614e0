"""A step of each optimizer beside torch's own of that name: by turns, in processor time, on one thread of the CPU.

    python benchmarks/bench_optimizers.py [--out benchmarks/results/optimizers.md]

Both update the same tensors, each with a state of its own: where memory lies changes a step by a tenth. They take turns
in an order that is drawn anew each time. Printed are the least time of both, and the median of the ratios of
neighbours, which load of the machine moves little; --out writes them as a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from kerastorch import optimizers

# An LSTM of so many units and features and a Dense layer of 64, twice; 51 MB are an Embedding's.
LSTM = {"small": (32, 16), "13 MB": (512, 256)}
STEPS = {"small": 40, "13 MB": 3, "51 MB": 1}
PAIRS: list[tuple[str, dict[str, object], Callable[..., torch.optim.Optimizer], dict[str, object]]] = [
    ("SGD", {}, torch.optim.SGD, {}),
    ("SGD", {"momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}),
    ("RMSprop", {}, torch.optim.RMSprop, {}),
    ("Adam", {}, torch.optim.Adam, {}),
    ("Adam", {"amsgrad": True}, torch.optim.Adam, {"amsgrad": True}),
    ("AdamW", {}, torch.optim.AdamW, {}),
    ("Adamax", {}, torch.optim.Adamax, {}),
    ("Nadam", {}, torch.optim.NAdam, {}),
    ("Adagrad", {}, torch.optim.Adagrad, {}),
    ("Adadelta", {}, torch.optim.Adadelta, {}),
]


def weights(size: str) -> list[torch.nn.Parameter]:
    if size in LSTM:
        units, features = LSTM[size]
        shapes = [(4 * units, features), (4 * units, units), (4 * units,), (64, units), (64,)] * 2
    else:
        shapes = [(50000, 256)]
    made = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    for weight in made:
        weight.grad = torch.randn_like(weight)
    return made


def seconds(optimizer: torch.optim.Optimizer, steps: int) -> float:
    begin = time.process_time()
    for _ in range(steps):
        optimizer.step()
    return (time.process_time() - begin) / steps


def measured(pair: int, size: str, rounds: int) -> tuple[float, float, float]:
    """The least seconds of torch's and of ours, and the median ratio of ours to torch's."""
    name, config, theirs, arguments = PAIRS[pair]
    trained = weights(size)
    ours = getattr(optimizers, name)(learning_rate=1e-3, **config)
    ours.build([(f"weight {place}", weight) for place, weight in enumerate(trained)])
    both = theirs(trained, lr=1e-3, **arguments), ours
    for optimizer in both:
        seconds(optimizer, 3)  # state is made
    found: list[tuple[float, float]] = []
    for _ in range(rounds):
        times = {optimizer: seconds(optimizer, STEPS[size]) for optimizer in random.sample(both, 2)}
        found.append((times[both[0]], times[both[1]]))
    torchs, own = (min(times) for times in zip(*found, strict=True))
    return torchs, own, statistics.median(own / torchs for torchs, own in found)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    lines = [
        "# A step of an optimizer",
        "",
        f"{os.cpu_count()}-core {platform.machine()} CPU under a load of {os.getloadavg()[1]:.0f} "
        f"({torch.backends.cpu.get_cpu_capability()}), torch {torch.__version__}, one thread. Milliseconds of the "
        "processor: the least of torch's step and of kerastorch's, and in brackets the median of their ratios over "
        f"{options.rounds} turns (below 1: kerastorch's is faster). Small: ten weights, of two LSTMs of 32 units, each "
        "with a Dense layer; 13 MB: the same with 512 units; 51 MB: one weight, as of an Embedding. Written by "
        "`benchmarks/bench_optimizers.py`.",
        "",
        f"| | {' | '.join(STEPS)} |",
        "|---|" + "---|" * len(STEPS),
    ]
    for pair, (name, config, *_) in enumerate(PAIRS):
        cells: list[str] = []
        for size in STEPS:
            torchs, own, ratio = measured(pair, size, options.rounds)
            cells.append(f"{torchs * 1e3:.3g}, {own * 1e3:.3g} ({ratio:.2f})")
        shown = ", ".join([name, *(key if value is True else f"{key} {value}" for key, value in config.items())])
        lines.append(f"| {shown} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    if options.out is not None:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
