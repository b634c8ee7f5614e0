"""An epoch of `fit`: here, as a loop of plain torch, and in Keras on each backend; writes JSON and a Markdown table.

    python benchmarks/bench_fit.py --python jax=/path/to/an/environment/with/keras/and/jax/bin/python

Without --python Keras on JAX is left out. A run of 9 rounds takes some minutes; what is measured is kept after each
size.

All compute the same model on the same data with one thread: each Keras in a process of its own, what runs on kernels of
kerastorch in one, where memory lies alike for all. They take turns, an epoch each, so that other work slows all down.
What counts is the time of the processor, and of each turn its ratio to the loop of plain torch, which runs the same
kernels as kerastorch; numbers are medians over the turns.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ROWS, STEPS, FEATURES = 2048, 20, 16
SIZES = ((32, 32), (32, 128), (128, 128))  # rows of a batch, units
LOOP = "plain torch loop"

DATA = f"""
import json, sys, time
import numpy as np
rng = np.random.default_rng(0)
x = rng.normal(size=({ROWS}, {STEPS}, {FEATURES})).astype("float32")
y = rng.normal(size=({ROWS}, 1)).astype("float32")
"""
SERVE = """
epochs = {}
for line in sys.stdin:
    name, *size = json.loads(line)
    key = name, *size
    if key not in epochs:
        epochs[key] = makers[name](*size)
        epochs[key]()  # what is compiled or built at first is not measured
    start = time.process_time()
    epochs[key]()
    print(json.dumps(time.process_time() - start), flush=True)
"""
OURS = """
import torch, kerastorch as kt
torch.set_num_threads(1)
from kerastorch import layers
def model(units):
    kt.set_seed(0)
    return kt.Sequential([kt.Input(x.shape[1:]), layers.LSTM(units), layers.Dense(1)])
"""
# The same model, so the same kernels; the rows are drawn and the loss is summed as a person writes it.
TORCH = """
def make(rows, units):
    made = model(units)
    optimizer = torch.optim.Adam(made.parameters())
    loss_of, inputs, targets = torch.nn.MSELoss(), torch.from_numpy(x), torch.from_numpy(y)
    def epoch():
        made.train()
        order, total = torch.randperm(len(inputs)), torch.zeros(())
        for start in range(0, len(order), rows):
            which = order[start : start + rows]
            optimizer.zero_grad()
            loss = loss_of(made(inputs[which]), targets[which])
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(which)
        return float(total) / len(inputs)
    return epoch
"""
FIT = """
def make(rows, units):
    made = model(units)
    made.compile({optimizer}, "mse"{more})
    return lambda: made.fit(x, y, batch_size=rows, verbose=0)
"""
KERAS = """
import os
os.environ["KERAS_BACKEND"] = {backend!r}
{threads}
import keras
from keras import layers
def model(units):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input(x.shape[1:]), layers.LSTM(units), layers.Dense(1)])
"""
THREADS = {
    "tensorflow": "import tensorflow as tf; tf.config.threading.set_intra_op_parallelism_threads(1); "
    "tf.config.threading.set_inter_op_parallelism_threads(1)",
    "torch": "import torch; torch.set_num_threads(1)",
    "jax": 'os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"',
}


def codes() -> dict[str, tuple[str, str]]:
    """Contestant -> the environment that it runs in, and the code that makes its epoch."""
    found = {
        LOOP: ("kerastorch", TORCH),
        "kerastorch, torch's Adam": (
            "kerastorch",
            FIT.format(optimizer="torch.optim.Adam(made.parameters())", more=""),
        ),
        "kerastorch": ("kerastorch", FIT.format(optimizer='"adam"', more="")),
        "kerastorch, a metric": ("kerastorch", FIT.format(optimizer='"adam"', more=', metrics=["mae"]')),
    }
    return found | {f"Keras, {backend}": (backend, FIT.format(optimizer='"adam"', more="")) for backend in THREADS}


def served(place: str) -> str:
    """The code of the process in which all contestants of an environment wait for their turns."""
    head = OURS if place == "kerastorch" else KERAS.format(backend=place, threads=THREADS[place])
    made = [f"{code}\nmakers[{name!r}] = make\n" for name, (where, code) in codes().items() if where == place]
    return "".join((DATA, head, "makers = {}\n", *made, SERVE))


class Process:
    """The contestants of an environment, which wait for their turns."""

    def __init__(self, python: str, code: str) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        environment["PYTHONPATH"] = str(ROOT)
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        self.process = subprocess.Popen([python, "-c", code], env=environment, **pipes)

    def seconds(self, name: str, size: tuple[int, int]) -> float:
        """The time of the processor for an epoch of a contestant."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{json.dumps([name, *size])}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"A contestant has ended with {self.process.wait()}: {self.process.args}")
        return float(json.loads(line))

    def end(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def measure(
    pythons: Mapping[str, str], rounds: int, sizes: Sequence[tuple[int, int]], keep: Callable[[dict[str, Any]], Any]
) -> dict[str, Any]:
    """Seconds of every turn: size -> contestant -> list; `keep` is given what is known after each size."""
    running = {place: Process(python, served(place)) for place, python in pythons.items()}
    places = {name: place for name, (place, _) in codes().items() if place in running}
    found: dict[str, Any] = {}
    for size in sizes:
        times: dict[str, list[float]] = {name: [] for name in places}
        for _ in range(rounds):
            for name, place in places.items():
                times[name].append(running[place].seconds(name, size))
        found["x".join(map(str, size))] = times
        keep(found)
        print(size, {name: round(statistics.median(values), 3) for name, values in times.items()}, flush=True)
    for process in running.values():
        process.end()
    return found


def ratio(times: Mapping[str, list[float]], name: str) -> float:
    """The median over the turns of the ratio to the loop in the same turn."""
    return statistics.median(mine / loop for mine, loop in zip(times[name], times[LOOP], strict=True))


def table(found: Mapping[str, Any], machine: str) -> str:
    """The results as Markdown."""
    names = list(next(iter(found.values())))
    lines = [
        "# An epoch of fit",
        "",
        f"{machine}; LSTM and Dense(1), {ROWS} rows of {STEPS} steps of {FEATURES} features, Adam, mean squared error. "
        "Seconds of the processor for an epoch, medians of "
        f"{len(next(iter(found.values()))[LOOP])} turns, one thread each; in brackets the median ratio to the loop of "
        "plain torch in the same turn. Written by `benchmarks/bench_fit.py`.",
        "",
        "| | " + " | ".join(f"B={size.split('x')[0]}, {size.split('x')[1]} units" for size in found) + " |",
        "|---|" + "---|" * len(found),
    ]
    for name in names:
        cells = [f"{statistics.median(times[name]):.3f} ({ratio(times, name):.2f})" for times in found.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sizes", nargs="+", default=["x".join(map(str, size)) for size in SIZES], metavar="BxUNITS")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "fit")
    parser.add_argument("--python", action="append", default=[], metavar="BACKEND=PYTHON")
    options = parser.parse_args(arguments)
    pythons = dict.fromkeys(("kerastorch", "tensorflow", "torch"), sys.executable)
    pythons |= dict(given.split("=", 1) for given in options.python)
    sizes = [(int(rows), int(units)) for rows, units in (size.split("x") for size in options.sizes)]

    def keep(found: dict[str, Any]) -> None:
        machine = (
            f"{os.cpu_count()}-core {platform.machine()} CPU under a load of {os.getloadavg()[1]:.0f}, "
            f"Python {platform.python_version()}"
        )
        options.out.with_suffix(".json").write_text(json.dumps(found) + "\n")
        options.out.with_suffix(".md").write_text(table(found, machine))

    measure(pythons, options.rounds, sizes, keep)


if __name__ == "__main__":
    main()
