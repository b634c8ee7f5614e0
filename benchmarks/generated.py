"""Measure generated code beside the model that it was made of.

    python benchmarks/generated.py --seconds 120

Both run in one process on one thread, right after one another, in an order that is drawn anew each time, on the same
numbers, which must agree first. What is written are ratios of their processor times alone, medians over the rounds
(below 1: the code is faster), so that other work on the machine tells as little as may be. "kernel" is what
kerastorch runs with torch's own kernel, "as it is" what it chooses by itself: compiled code for the smaller sizes.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

import kerastorch as kt
from kerastorch import layers
from kerastorch.kernels import step_engine

SIZES = ((1, 50, 16, 64), (32, 100, 64, 128), (64, 100, 32, 32))  # rows, steps, features, units
MODELS: dict[str, Callable[[int], list[kt.Layer]]] = {
    "LSTM": lambda units: [layers.LSTM(units, return_sequences=True)],
    "GRU": lambda units: [layers.GRU(units, return_sequences=True)],
    "SimpleRNN": lambda units: [layers.SimpleRNN(units, return_sequences=True)],
    "both directions": lambda units: [layers.Bidirectional(layers.LSTM(units, return_sequences=True))],
    "two LSTM": lambda units: [layers.LSTM(units, return_sequences=True) for _ in range(2)],
    "masked LSTM": lambda units: [layers.Masking(), layers.LSTM(units, return_sequences=True)],
}


class Row(NamedTuple):
    """What is measured: a model of a size, in inference or training, against which of our ways."""

    model: str
    size: tuple[int, int, int, int]
    training: bool
    as_it_is: bool


def code_of(model: kt.Model, folder: str) -> nn.Module:
    """The model as its generated code makes it."""
    (path, *_) = kt.to_source(model, folder)
    spec = importlib.util.spec_from_file_location(Path(folder).name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.load()


def pair(name: str, size: tuple[int, int, int, int], folder: str) -> tuple[nn.Module, nn.Module, torch.Tensor]:
    """The generated code and the model, which agree, and an input."""
    rows, steps, features, units = size
    model = kt.Sequential([kt.Input((steps, features)), *MODELS[name](units)]).eval()
    x = torch.randn(rows, steps, features)
    if name.startswith("masked"):
        for row in range(rows):
            x[row, steps - steps * row // (2 * rows) :] = 0
    code = code_of(model, folder)
    with torch.no_grad():
        torch.testing.assert_close(code(x), model(x), rtol=0.0, atol=1e-5)
    return code, model, x


def call_of(module: nn.Module, x: torch.Tensor, training: bool) -> Callable[[], Any]:
    """One call, with or without the way back."""

    def train() -> None:
        module(x).sum().backward()

    def infer() -> None:
        with torch.no_grad():
            module(x)

    return train if training else infer


def ratio(calls: dict[str, Callable[[], Any]], repeats: int) -> float:
    """The time of the code by that of the model."""
    times: dict[str, float] = {}
    for name in random.sample(sorted(calls), 2):
        start = time.thread_time()
        for _ in range(repeats):
            calls[name]()
        times[name] = time.thread_time() - start
    return times["code"] / times["model"]


def measure(seconds: float) -> dict[Row, tuple[float, int]]:
    """For each row the median, and how many rounds it is of."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    usual = step_engine.outruns
    ways = {True: usual, False: lambda *args: False}
    prepared: list[tuple[Row, dict[str, Callable[[], Any]], int]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, size) in enumerate(itertools.product(MODELS, SIZES)):
            code, model, x = pair(name, size, f"{folder}/generated_{number}")
            for training, as_it_is in itertools.product((False, True), (False, True)):
                step_engine.outruns = ways[as_it_is]
                calls = {"code": call_of(code, x, training), "model": call_of(model, x, training)}
                start = time.thread_time()
                ratio(calls, 1)
                repeats = max(1, int(4e-3 / (time.thread_time() - start)))
                prepared.append((Row(name, size, training, as_it_is), calls, repeats))
    found: dict[Row, list[float]] = {}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:  # the rounds are short, so that all rows meet the same machine
        for row, calls, repeats in prepared:
            step_engine.outruns = ways[row.as_it_is]
            found.setdefault(row, []).append(ratio(calls, repeats))
    step_engine.outruns = usual
    return {row: (statistics.median(ratios), len(ratios)) for row, ratios in found.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    found = measure(parser.parse_args().seconds)
    print(f"torch {torch.__version__}; the time of generated code by that of the model\n")
    print("| model | rows, steps, features, units | inference: kernel, as it is | training: the same | rounds |")
    print("|---|---|---|---|---|")
    for name, size in itertools.product(MODELS, SIZES):
        cells = [found[Row(name, size, *way)] for way in itertools.product((False, True), (False, True))]
        infer, train = (", ".join(f"{value:.2f}" for value, _ in part) for part in (cells[:2], cells[2:]))
        print(f"| {name} | {', '.join(map(str, size))} | {infer} | {train} | {cells[0][1]} |")


if __name__ == "__main__":
    main()
