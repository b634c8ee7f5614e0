"""Times against torch's own module in one run, launches of a step, and peak memory."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from behaviour import flattened
from rows import Rows
from torch import Tensor, nn

from kerastorch import layers


def timing(rows: Rows, device: torch.device, dry: bool) -> None:
    batch, steps, features, units = (4, 6, 8, 8) if dry else (64, 100, 64, 256)
    x = torch.randn(batch, steps, features, device=device)
    lengths = torch.arange(steps, device=device) < torch.randint(1, steps + 1, (batch, 1), device=device)
    cases: dict[str, tuple[Any, Tensor | None, bool]] = {
        "plain": (layers.LSTM(units, return_sequences=True), None, False),
        "masked": (layers.LSTM(units, return_sequences=True), lengths, False),
        "Bidirectional": (layers.Bidirectional(layers.LSTM(units, return_sequences=True)), None, True),
        "masked Bidirectional": (layers.Bidirectional(layers.LSTM(units, return_sequences=True)), lengths, True),
    }
    for name, (layer, mask, both) in cases.items():
        with rows.guarded(f"time, {name}"):
            layer.build((None, None, features))
            layer.to(device)
            torchs = flattened(device, features, units, both)
            for mode, run in (("inference", _inference), ("training", _training)):
                ours, theirs = _interleaved(
                    device, run(partial(layer, x, mask=mask)), run(partial(_outputs, torchs, x)), 3 if dry else 15
                )
                title = f"time, {name}, {mode}, of nn.LSTM without a mask"
                rows.add(title, f"{ours / theirs:.2f} ({1e3 * ours:.3f} ms)")
    if device.type == "cuda":
        _launches(rows, device)
        _memory(rows, device, x)


def _outputs(module: nn.LSTM, x: Tensor) -> Tensor:
    return module(x)[0]


def _inference(run: Callable[[], Tensor]) -> Callable[[], None]:
    def call() -> None:
        with torch.no_grad():
            run()

    return call


def _training(run: Callable[[], Tensor]) -> Callable[[], None]:
    return lambda: run().sum().backward()


def _interleaved(
    device: torch.device, one: Callable[[], None], other: Callable[[], None], rounds: int
) -> tuple[float, float]:
    """The median times of two functions, one call of each after the other."""
    found: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 3):
        for function, times in zip((one, other), found, strict=True):
            _wait(device)
            begin = time.perf_counter()
            function()
            _wait(device)
            if turn >= 3:
                times.append(time.perf_counter() - begin)
    return statistics.median(found[0]), statistics.median(found[1])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _launches(rows: Rows, device: torch.device) -> None:
    """Kernels that one more step starts, from runs of 10 and 20 steps."""
    makes: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
        "step loop (relu LSTM)": (lambda: layers.LSTM(16, activation="relu"), (8,)),
        "step loop (recurrent dropout)": (lambda: layers.LSTM(16, recurrent_dropout=0.5), (8,)),
        "ConvLSTM2D": (lambda: layers.ConvLSTM2D(4, 3), (8, 8, 3)),
    }
    for (name, (make, shape)), grad in itertools.product(makes.items(), (False, True)):
        title = f"launches a step, {name}, {'with gradients' if grad else 'forward'}"
        with rows.guarded(title), torch.set_grad_enabled(grad):
            layer = make()
            layer.build((None, None, *shape))
            layer.to(device)
            counts = []
            for steps in (10, 20):
                x = torch.randn(2, steps, *shape, device=device)
                run = partial(_pass, layer, x, grad)
                run()
                counts.append(_kernels(device, run))
            rows.add(title, (counts[1] - counts[0]) / 10)
    with rows.guarded("launches, masked Bidirectional"), torch.no_grad():
        layer = layers.Bidirectional(layers.LSTM(16, return_sequences=True))
        layer.build((None, None, 8))
        layer.to(device)
        x, mask = torch.randn(2, 10, 8, device=device), torch.ones(2, 10, dtype=torch.bool, device=device)
        run = partial(layer, x, mask=mask)
        run()
        rows.add("launches, masked Bidirectional", _kernels(device, run))


def _pass(layer: Any, x: Tensor, grad: bool) -> None:
    out = layer(x, training=True)
    if grad:
        out.sum().backward()


def _kernels(device: torch.device, run: Callable[[], Any]) -> int:
    """How many kernels a call starts."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run()
        torch.cuda.synchronize(device)
    return sum(event.count for event in profile.key_averages())


def _memory(rows: Rows, device: torch.device, x: Tensor) -> None:
    for name, make in {
        "LSTM": lambda: layers.LSTM(256),
        "relu LSTM": lambda: layers.LSTM(256, activation="relu"),
    }.items():
        with rows.guarded(f"peak memory of a training step, {name}"):
            layer = make()
            layer.build((None, None, x.shape[-1]))
            layer.to(device)
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            layer(x).sum().backward()
            used = torch.cuda.max_memory_allocated(device) - before
            rows.add(f"peak memory of a training step, {name}", f"{used / 2**20:.0f} MiB")
