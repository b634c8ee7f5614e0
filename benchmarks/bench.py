"""kerastorch against torch and against Keras on its backends: writes JSON, and from it the page and its plot.

    make bench                                      # sets up what it needs, then everything that is not measured yet
    make bench BENCH_ARGS="--quick"                 # the middle size, and some of the others
    make bench BENCH_ARGS="--rows 'GRU/*' --again"  # only these rows, anew
    make bench BENCH_ARGS="--report"                # the page anew, from what is measured

Each contestant is one process with one framework. The contestants take turns, so that a busy machine slows down all of
them. Before a row is timed, all of them must have computed the same numbers. What is measured is kept after each
row, and a run goes on where the last one was stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import _report
import bench_loading
import numpy as np
from _measures import calls_for, rounds_for, summary, turns
from _results import Results
from _rows import COLUMNS, UNMASKED, Row, growth_rows, memory_rows, quick_rows, select, table_rows
from _workers import GIVING_BACK, ROOT, Contestant, Failed, Missing, Worker, others_running, turn_of_this_run

TOLERANCE = 1e-4  # of the largest value: a gradient sums over batch and steps; wrong weights show at 1e-1
ROUNDINGS = 4  # or so often what rounding does: it decides on which side of a kink a value lies that is almost 0
WARM = 0.012  # seconds
JAX = ROOT / ".venv-jax" / "bin" / "python"
OUT = ROOT / "benchmarks" / "results"


def contestants(options: argparse.Namespace) -> list[Contestant]:
    """Those that can run here, in the order of the columns."""
    device = {} if options.device == "cpu" else {"BENCH_DEVICE": options.device}
    if device:
        device["CUDA_VISIBLE_DEVICES"] = "0"
    keras_torch = {"KERAS_TORCH_DEVICE": options.device, **device}
    found = [
        Contestant("kerastorch", module="ours", settings=device),
        Contestant("torch", module="raw_torch", settings=device),
        Contestant("keras-jax", options.jax, "keras_jax", "jax"),
        Contestant("keras-tensorflow", module="keras_tensorflow", backend="tensorflow"),
        Contestant("keras-xla", module="keras_tensorflow", backend="tensorflow", settings={"BENCH_JIT": "1"}),
        Contestant("keras-torch", module="keras_torch", backend="torch", settings=keras_torch),
        Contestant("gemm", module="gemm", settings=device),
    ]
    found = [contestant for contestant in found if not options.columns or contestant.name in options.columns]
    if device:
        found = [contestant for contestant in found if contestant.backend not in ("jax", "tensorflow")]
    for contestant in found:
        if contestant.backend and not (
            Path(contestant.python).exists() and contestant.has("keras", contestant.backend)
        ):
            raise SystemExit(
                f"{contestant.name}: {contestant.python} has no Keras with {contestant.backend}; `make bench` makes "
                "the environments, --columns leaves one out, --jax names another Python."
            )
    return found


def disagreements(
    numbers: Mapping[str, Mapping[str, np.ndarray]], mask: np.ndarray | None, roundings: Mapping[str, float]
) -> list[str]:
    """Where the contestants part from kerastorch by more than the tolerance.

    Args:
        numbers: Of each column.
        mask: The row's.
        roundings: How far each of kerastorch's numbers moves if the inputs are rounded, where that is known.
    """
    ours = numbers["kerastorch"]
    found = []
    for column, theirs in numbers.items():
        if not theirs or column == UNMASKED:
            continue
        if missing := set(ours) ^ set(theirs):
            found.append(f"{column}: only one of the two has {sorted(missing)}")
        for name in set(ours) & set(theirs):
            a, b = ours[name], theirs[name]
            if column == "torch" and name == "output" and mask is not None:
                a, b = a[mask], b[mask]  # a packed sequence has zeros behind its end, Keras the last output
            if a.shape != b.shape:
                found.append(f"{column}: {name} is {b.shape}, not {a.shape}")
                continue
            allowed = max(TOLERANCE * max(1.0, np.abs(a).max()), ROUNDINGS * roundings.get(name, 0.0))
            if not np.isfinite(b).all() or np.abs(a - b).max() > allowed:
                found.append(f"{column}: {name} differs by {np.abs(a - b).max():.2g} of {np.abs(a).max():.2g}")
    return found


def reason_of(error: Failed) -> str:
    """The line of a traceback that says what went wrong: JAX writes more behind it."""
    lines = str(error).strip().splitlines() or [""]
    return next((line for line in reversed(lines) if re.match(r"[\w.]+(Error|Exception): ", line)), lines[-1])[:200]


def measure(row: Row, workers: Mapping[str, Worker], budget: float, longest: float) -> dict[str, dict[str, Any]]:
    """The cells of a row."""
    from _rows import make_arrays

    cells: dict[str, dict[str, Any]] = {}
    cases = {column: (worker, row) for column, worker in workers.items()}
    if row.masked:
        cases[UNMASKED] = (workers["kerastorch"], row.unmasked())
    numbers, rounds, calls, expected = {}, {}, {}, {}
    for column, (worker, its_row) in cases.items():
        try:
            made = worker.ask("prepare", column, its_row.describe())
            numbers[column] = made["numbers"]
            first = worker.ask("time", column, 1, 0.0)
            if first < 4 * WARM:
                first = min(first, worker.ask("time", column, calls_for(first), WARM))
        except Missing as reason:
            cells[column] = {"missing": str(reason)}
            continue
        except Failed as error:
            cells[column] = {"failed": reason_of(error)}
            continue
        cells[column] = {"prepared": round(made["seconds"], 2)}
        if made["note"]:
            cells[column]["note"] = made["note"]
        if first >= longest:
            cells[column]["too long"] = round(first, 1)
        else:
            rounds[column], calls[column], expected[column] = rounds_for(first, budget), calls_for(first), first
    if "kerastorch" in numbers:
        mask = make_arrays(row).mask
        if disagreements(numbers, mask, {}):
            roundings = workers["kerastorch"].ask("roundings", "kerastorch")
            if wrong := disagreements(numbers, mask, roundings):
                raise SystemExit(f"{row.key}: the contestants do not compute the same:\n" + "\n".join(wrong))
    samples: dict[str, list[float]] = {column: [] for column in rounds}
    others: dict[str, list[int]] = {column: [] for column in rounds}
    with turn_of_this_run():
        for turn in turns(rounds):
            for column in turn:
                time.sleep(0.01)  # the threads of the one before may still spin
                others[column].append(others_running())
                # The caches are another's, and so is a core, until the system's next tick.
                warm = WARM if expected[column] < 4 * WARM else 0.0
                samples[column].append(cases[column][0].ask("time", column, calls[column], warm))
    for column, seconds in samples.items():
        cells[column] |= {**summary(seconds), "others": round(sum(others[column]) / len(others[column]), 1)}
    for column, (worker, _) in cases.items():
        with contextlib.suppress(Failed):
            worker.ask("drop", column)
    return cells


def measure_memory(row: Row, people: Sequence[Contestant], threads: int) -> dict[str, dict[str, Any]]:
    """Bytes that one call takes at its peak, each in a process of its own, whose freed memory goes back at once."""
    cells: dict[str, dict[str, Any]] = {}
    for contestant in people:
        settings = {**contestant.settings, **GIVING_BACK}
        with Worker(Contestant(**{**vars(contestant), "settings": settings}), threads) as worker:
            try:
                worker.ask("prepare", "case", row.describe(), False)
                cells[contestant.name] = {"mib": round(worker.ask("memory", "case") / 2**20, 1)}
            except Missing as reason:
                cells[contestant.name] = {"missing": str(reason)}
            except Failed as error:
                cells[contestant.name] = {"failed": reason_of(error)}
    return cells


def machine(threads: int, device: str) -> dict[str, Any]:
    model = platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    if device != "cpu":
        import torch

        model = torch.cuda.get_device_name(0)
    return {"machine": model, "threads": threads, "device": device, "python": platform.python_version()}


def commit() -> str:
    """Which code was measured: the last commit that changed the package."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments, "--", "kerastorch"], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip()

    return git("log", "-1", "--format=%h") + ("+" if git("status", "--porcelain") else "")


def run(options: argparse.Namespace, results: Results) -> None:
    people = contestants(options)
    stop = time.monotonic() + 60 * options.minutes
    with contextlib.ExitStack() as stack:
        workers = {person.name: stack.enter_context(Worker(person, options.threads)) for person in people}
        for name, worker in workers.items():
            with contextlib.suppress(Failed):
                worker.ask("drop", "")  # starts it
            if not worker.versions:
                raise SystemExit(f"{name}: its process does not start.")
        versions = {name: version for worker in workers.values() for name, version in worker.versions.items()}
        facts = machine(options.threads, options.device)
        preferred = all(worker.preferred for worker in workers.values())
        results.begin({**facts, "preferred": preferred, "versions": versions, "note": options.note})
        rows = quick_rows() if options.quick else [*quick_rows(), *table_rows(), *growth_rows()]
        rows = select(rows, options.rows)
        todo = [row for row in rows if options.again or not results.has("rows", row, workers)]
        for number, row in enumerate(todo):
            if time.monotonic() > stop:
                print(f"{len(todo) - number} rows are left: the time is over.")
                return
            start = time.monotonic()
            results.put("rows", row, measure(row, workers, options.budget, options.longest), commit())
            ours = results.cells("rows", row).get("kerastorch", {}).get("ms", "-")
            took = time.monotonic() - start
            print(f"{number + 1}/{len(todo)} {row.key}: {ours} ms (took {took:.0f} s)", flush=True)
    if sys.platform == "linux" and options.device == "cpu":
        rows = select(memory_rows()[:4] if options.quick else memory_rows(), options.rows)
        for row in rows:
            if time.monotonic() > stop:
                print("Some of the memory is left: the time is over.")
                return
            if options.again or not results.has("memory", row, [person.name for person in people]):
                results.put("memory", row, measure_memory(row, people, options.threads), commit())
                print(f"memory {row.key}", flush=True)


def loading_to_do(options: argparse.Namespace) -> list[str]:
    """The parts of `bench_loading.py` that are not measured yet; none where rows or columns are chosen."""
    if options.rows or options.columns or options.out or options.device != "cpu":
        return []
    path = OUT / "loading.json"
    there = json.loads(path.read_text()) if path.exists() and not options.again else {}
    return [part for part in bench_loading.PARTS if part not in there]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a selection of the rows")
    parser.add_argument("--rows", action="append", default=[], metavar="PATTERN", help="'GRU/*/training/*'")
    parser.add_argument("--columns", nargs="+", choices=[*COLUMNS], metavar="COLUMN", help=", ".join(COLUMNS))
    parser.add_argument("--again", action="store_true", help="also what is measured already")
    parser.add_argument("--report", action="store_true", help="measure nothing, write the page")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--budget", type=float, default=2.0, help="seconds for one cell; see docs/benchmarks.md")
    parser.add_argument("--longest", type=float, default=20.0, help="seconds of one call that are too long")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no row after so many")
    parser.add_argument("--device", default="cpu", help="cuda: only the columns that run on torch")
    parser.add_argument("--jax", default=str(JAX), help="the Python that has Keras and JAX")
    parser.add_argument("--out", type=Path, help="the JSON; benchmarks/results/speed-DEVICE.json")
    parser.add_argument("--note", default="", help="a sentence about the machine")
    options = parser.parse_args()
    if options.columns and "kerastorch" not in options.columns:
        parser.error("--columns: kerastorch is what the others are compared with, it can't be left out.")
    results = Results(options.out or OUT / f"speed-{options.device}.json")
    if not options.report:
        run(options, results)
        if parts := loading_to_do(options):
            rounds = 3 if options.quick else 7
            bench_loading.run(rounds, {"jax": options.jax}, OUT / "loading", options.note, parts)
    if options.out is None and options.device == "cpu":
        _report.write(results, OUT / "loading.json", ROOT / "docs" / "benchmarks.md")


if __name__ == "__main__":
    main()
