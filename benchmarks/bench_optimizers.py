"""A step of each optimizer beside torch's own of that name: by turns, in processor time, on one thread of the CPU.

    python benchmarks/bench_optimizers.py

Prints the least time of both and the median of the ratios of neighbours, which load of the machine moves little.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from kerastorch import optimizers

ROUNDS, STEPS = 25, {"small": 40, "large": 3}
UNITS = {"small": (32, 16), "large": (512, 256)}  # units and features of an LSTM; two of them, each with a Dense layer
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
    units, features = UNITS[size]
    shapes = [(4 * units, features), (4 * units, units), (4 * units,), (64, units), (64,)] * 2
    made = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    for weight in made:
        weight.grad = torch.randn_like(weight)
    return made


def seconds(optimizer: torch.optim.Optimizer, steps: int) -> float:
    begin = time.process_time()
    for _ in range(steps):
        optimizer.step()
    return (time.process_time() - begin) / steps


def main() -> None:
    torch.set_num_threads(1)
    for size, steps in STEPS.items():
        for name, config, theirs, arguments in PAIRS:
            ours = getattr(optimizers, name)(learning_rate=1e-3, **config)
            ours.build([(f"weight {place}", weight) for place, weight in enumerate(weights(size))])
            both = theirs(weights(size), lr=1e-3, **arguments), ours
            for optimizer in both:
                seconds(optimizer, 3)  # state is made
            found = [[seconds(optimizer, steps) for optimizer in both] for _ in range(ROUNDS)]
            least = [min(each) * 1e6 for each in zip(*found, strict=True)]
            ratio = statistics.median(own / other for other, own in found)
            shown = f"{name} {config or ''}".strip()
            times = f"torch {least[0]:7.0f} us  here {least[1]:7.0f} us"
            print(f"{size:5}  {shown:24}  {times}  ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
