"""Write the values of `kerastorch self-check`: `python tests/make_self_check.py`, with `tests` in PYTHONPATH.

Each trial runs in float64. The same model is written to a file, which live Keras 3 opens and runs in float64, and
so does tf-keras. What one of them computes, too, is recorded as judged by it; where one differs, nothing is written.
How far float32 moves each output is measured here, on one thread of this processor: against float64, and with weights
and inputs moved by one unit in the last place.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from _close import FLOAT64, KERAS, apart
from _keras_worker import KerasWorker, KerasWorkerError
from saving.test_keras3_live import NOT_ON_CPU

import kerastorch as kt
from kerastorch.parity.running import moved_copy, moved_inputs
from kerastorch.self_check.trials import Trial, trials
from kerastorch.self_check.values import FILE, Expected, write
from kerastorch.structure import leaves

JUDGES = {"keras3": "keras 3.15.1", "keras2": "tf-keras 2.21.0"}
MOVED = 8  # copies, each in directions of its own


def outputs_of(model: Any, inputs: list[torch.Tensor]) -> list[np.ndarray]:
    with torch.inference_mode():
        return [tensor.numpy() for tensor in leaves(model(*inputs))]


def exact_of(trial: Trial) -> tuple[Any, list[np.ndarray], list[np.ndarray]]:
    """The model in float64, its inputs, and what it computes."""
    model = trial.model().double()
    inputs = [array.astype("float64") if array.dtype.kind == "f" else array for array in trial.inputs()]
    return model, inputs, outputs_of(model, [torch.from_numpy(array) for array in inputs])


def roundings_of(trial: Trial, exact: list[np.ndarray]) -> list[float]:
    """How far float32 lies from float64, at most, and at least half a unit in the last place of the largest value."""
    tensors = [torch.from_numpy(array) for array in trial.inputs()]
    model = trial.model()
    runs = [outputs_of(model, tensors)]
    for number in range(MOVED):
        runs.append(outputs_of(moved_copy(model, number), moved_inputs(tensors, number + 2, (0.0,))))
    found = []
    for place, reference in enumerate(exact):
        least = float(np.finfo("float32").eps) / 2 * float(np.abs(reference).max(initial=0.0))
        gaps = [float(np.abs(run[place].astype("float64") - reference).max(initial=0.0)) for run in runs]
        found.append(max(least, *gaps))
    return found


def judged(worker: KerasWorker, path: Path, trial: Trial) -> Iterator[tuple[str, list[str]]]:
    """For each Keras that runs the trial: its name, and what separates its outputs from ours.

    TensorFlow has no kernel of some layers for float64, or rounds to float32 on the way; these are judged in float32,
    by the floor of the parity suite.
    """
    if trial.key.replace(": ", "-", 1) in NOT_ON_CPU:
        return
    exact, inputs, outputs = exact_of(trial)
    ways = [("float64", exact, inputs, FLOAT64), ("float32", trial.model(), trial.inputs(), KERAS)]
    for framework, name in JUDGES.items():
        for dtype, model, given, floor in ways:
            try:
                kt.save_model(model, path, dialect=framework)  # type: ignore[arg-type]
                theirs, _ = worker.call(framework, "saved:run", str(path), given)
            except (kt.errors.SaveError, kt.errors.UnsupportedError, KerasWorkerError):
                continue
            pairs = enumerate(zip(theirs, outputs, strict=True))
            gaps = [f"output {at}: {gap}" for at, pair in pairs if (gap := apart(*pair, floor))]
            if dtype == "float64" and gaps:
                print(f"{trial.key}: {name} in float64: {'; '.join(gaps)}")
                continue  # a slope, say, that Keras has rounded to float32
            yield f"{name}, {dtype}", gaps
            break


def main() -> None:
    torch.set_num_threads(1)
    found: dict[str, Expected] = {}
    wrong: list[str] = []
    worker = KerasWorker()
    with TemporaryDirectory() as folder:
        for trial in trials():
            verdicts = dict(judged(worker, Path(folder) / "m.keras", trial))
            wrong += [f"{trial.key}: {name}: {gap}" for name, gaps in verdicts.items() for gap in gaps]
            _, _, exact = exact_of(trial)
            found[trial.key] = Expected(
                trial.digest, tuple(exact), tuple(roundings_of(trial, exact)), next(iter(verdicts), "")
            )
    worker.close()
    print("\n".join(wrong))
    if wrong:
        raise SystemExit(f"{len(wrong)} outputs differ from Keras's: nothing is written.")
    write(found)
    alone = [key for key, item in found.items() if not item.judged_by]
    print(f"{FILE}: {len(found)} trials, {FILE.stat().st_size:,} bytes; judged by no Keras: {', '.join(alone)}")


if __name__ == "__main__":
    main()
