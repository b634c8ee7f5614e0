"""The step engine against autograd through every step, with `torch.nn.LSTM` as the yardstick; prints a Markdown table.

    python benchmarks/bench_engine.py --threads 2 --rounds 15

A training step is forward and backward, to the input and all weights. The contestants take turns, in one process, so
that a busy machine slows down all of them; each number is a median.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from kerastorch import layers
from kerastorch.layers import _engine
from kerastorch.layers._equations import Steps
from kerastorch.layers._kernels import States, loop

B, T, F, U = 32, 100, 64, 128
CONFIGS = {
    "LSTM, relu": (layers.LSTM, dict(activation="relu")),
    "LSTM, hard_sigmoid": (layers.LSTM, dict(recurrent_activation="hard_sigmoid")),
    "LSTM, hard_sigmoid of Keras 2": (layers.LSTM, dict(recurrent_activation="hard_sigmoid_keras2")),
    "LSTM, recurrent_dropout": (layers.LSTM, dict(recurrent_dropout=0.2)),
    "GRU, reset_after=False": (layers.GRU, dict(reset_after=False)),
    "GRU, relu": (layers.GRU, dict(activation="relu")),
    "SimpleRNN, elu": (layers.SimpleRNN, dict(activation="elu")),
}


def follow_steps(steps: Steps, gates: Tensor, states: States, mask: Tensor | None) -> tuple[Tensor, States]:
    """What the engine replaces: autograd records every operation of every step."""
    return loop(steps.equations.cell(steps), gates, states, mask)


def train(layer: nn.Module, x: Tensor, grad: Tensor) -> None:
    """One training step, without the optimizer."""
    out = layer(x.clone().requires_grad_())
    (out[0] if isinstance(out, tuple) else out).backward(grad)
    layer.zero_grad(set_to_none=True)


@torch.no_grad()
def infer(layer: nn.Module, x: Tensor, grad: Tensor) -> None:
    """One prediction."""
    layer(x)


def medians(contestants: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Milliseconds of each, taking turns; the first three rounds warm up."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for round_ in range(rounds + 3):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            if round_ >= 3:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure every configuration and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    x, grad = torch.randn(B, T, F), torch.randn(B, T, U)
    yardstick = nn.LSTM(F, U, batch_first=True)
    engine = _engine.run

    print(f"B={B} T={T} F={F} U={U}, float32, {args.threads} threads, ms, median of {args.rounds}\n")
    print("| | | step by step | engine | ratio | torch.nn.LSTM |\n|---|---|---:|---:|---:|---:|")
    for name, (cls, config) in CONFIGS.items():
        layer = cls(U, return_sequences=True, **config)
        layer.build((None, T, F))
        for kind, run in (("train", train), ("infer", infer)):

            def timed(with_run: Callable, module: nn.Module, run: Callable = run) -> Callable[[], None]:
                def call() -> None:
                    _engine.run = with_run
                    run(module, x, grad)

                return call

            if kind == "infer":
                layer.eval()
            if kind == "infer" and layer.kernel_choice().path == "fused":
                continue
            found = medians(
                {
                    "loop": timed(follow_steps, layer),
                    "engine": timed(engine, layer),
                    "torch": timed(engine, yardstick),
                },
                args.rounds,
            )
            ratio = found["loop"] / found["engine"]
            numbers = f"{found['loop']:.1f} | {found['engine']:.1f} | {ratio:.1f}x | {found['torch']:.1f}"
            print(f"| {name} | {kind} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
