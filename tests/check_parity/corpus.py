"""Every real file beside the checkout, or every example of every layer, compared with Keras by `check_parity`'s rules.

Which pass, which cannot be recorded and why, and which are false alarms: of these there are none. A file that the Keras
which is installed cannot read is judged by the outputs that were recorded of it, where there are some; with `--python`
another Keras reads it.

By hand, with `.`, `tests` and `tests/check_parity` in `PYTHONPATH`; `test_parity_live.py` takes a part of the files.

    python tests/check_parity/corpus.py [--examples] [--python PATH] [WORD ...]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from _keras_worker import KerasWorker, KerasWorkerError
from _recordings import Recordings
from make_goldens import ROOT
from saving.test_keras3_live import NOT_ON_CPU

import kerastorch as kt
from kerastorch.errors import KerasTorchError, RecordingError
from kerastorch.parity import Recording, compare, record
from kerastorch.parity.golden import compare_golden
from kerastorch.parity.safety import load_checked
from kerastorch.self_check.trials import Trial, trials

CORPUS = ROOT.parent / "shared" / "corpus"


def outcome(recordings: Recordings, path: Path, framework: str, python: str | None = None) -> str:
    """ "passed" and how far apart, "FAILED" and the report, or why nothing can be told."""
    arch = path.with_name(f"{path.name}.arch.json")
    given = {"arch": str(arch)} if arch.exists() else {}
    try:
        model = load_checked(path, arch if given else None, trust=False)
    except KerasTorchError as error:
        return f"not compared: kerastorch: {type(error).__name__}: {str(error).splitlines()[0]}"
    try:
        if python is not None:
            out = recordings.folder / "by_another.npz"
            recording = record(path, out, python=python, gradients=False, steps=0, **given)
        else:
            recording = recordings.of_file(framework, path, gradients=False, steps=0, **given)
    except (KerasWorkerError, RecordingError) as error:
        golden = path.with_name(f"{path.name}.npz")
        why = f"Keras: {str(error).strip().splitlines()[-1]}"
        return by_golden(model, golden, framework, why) if golden.exists() else f"not compared: {why}"
    return told(compare(recording, model, gradients=False, training=False, self_check=False))


def by_golden(model: kt.Model, golden: Path, framework: str, why: str) -> str:
    """The same by outputs that were recorded, where a Keras of today read the file in other words."""
    with np.load(golden) as file:
        held = {key: file[key] for key in file.files if key != "info"}
    rows = compare_golden(model, held, {"keras3": "keras3_", "keras2": "tf_keras_"}[framework])
    wrong = [f"{row.name} {row.verdict}" for row in rows if row.verdict != "same"]
    if wrong:
        failed = any("DIFFERS" in line for line in wrong)
        return f"{'FAILED' if failed else 'not compared'}: {', '.join(wrong)}"
    most = max(row.measured.multiple for row in rows)
    return f"passed: {len(rows)} recorded outputs, {most:.1f} times rounding ({why})"


def of_example(recordings: Recordings, trial: Trial) -> str:
    """The same of an example of a layer, by Keras 3, or by tf-keras where it has no such; gradients included.

    What TensorFlow does not compute on a CPU is judged by Keras 3 on torch.
    """
    why = ""
    for framework in ("keras3", "keras2"):
        path = recordings.folder / f"example-{framework}.keras"
        try:
            kt.save_model(trial.model(), path, dialect=framework)
            recording = _recorded(recordings, framework, path, trial)
        except (KerasTorchError, KerasWorkerError) as error:
            why = why or f"not compared: {str(error).strip().splitlines()[-1]}"
            continue
        finally:
            recordings.forget()
        return told(compare(recording, kt.load_model(path), training=False, self_check=False))
    return why


def _recorded(recordings: Recordings, framework: str, path: Path, trial: Trial) -> Recording:
    if framework == "keras2":
        return recordings.of_file(framework, path, steps=0)
    if trial.key.replace(": ", "-", 1) not in NOT_ON_CPU:
        with contextlib.suppress(KerasWorkerError, AssertionError):  # it does not run, or computes nothing
            return recordings.of_file(framework, path, steps=0)
    return record(path, recordings.folder / "on_torch.npz", backend="torch", steps=0)


def told(report: kt.ParityReport) -> str:
    """A report in a line, or all of it if it has failed."""
    if report.unjudged and not any(row.differs for row in report.rows):
        return f"not compared: {'; '.join(report.unjudged)}"
    if not report.passed:
        return f"FAILED: {report}"
    assert report.worst is not None
    return f"passed: {len(report.judged)} arrays, {report.worst.measured.multiple:.1f} times rounding"


def _files(recordings: Recordings, python: str | None) -> Iterator[tuple[str, Callable[[], str]]]:
    for entry in json.loads((CORPUS / "manifest.json").read_text()):
        framework = "keras3" if str(entry["keras_version"]).startswith("3") else "keras2"
        yield entry["file"], partial(outcome, recordings, CORPUS / "files" / entry["file"], framework, python)


def _examples(recordings: Recordings) -> Iterator[tuple[str, Callable[[], str]]]:
    for trial in trials():
        yield trial.key, partial(of_example, recordings, trial)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", action="store_true", help="of layers, in the place of files")
    parser.add_argument("--python", help="one that has the Keras to run; the Kerases of this one if left out")
    parser.add_argument("words", nargs="*", help="parts of names; all if none are given")
    given = parser.parse_args()
    found: dict[str, list[str]] = {"passed": [], "not compared": [], "FAILED": []}
    with tempfile.TemporaryDirectory() as folder:
        worker = KerasWorker(call_timeout=180.0)
        recordings = Recordings(worker, Path(folder))
        cases = _examples(recordings) if given.examples else _files(recordings, given.python)
        for name, run in cases:
            if given.words and not any(word in name for word in given.words):
                continue
            begin = time.monotonic()
            line = run()
            found[line.partition(":")[0]].append(name)
            print(f"{name} ({time.monotonic() - begin:.0f} s): {line}", flush=True)
        worker.close()
    print(", ".join(f"{len(told)} {kind}" for kind, told in found.items()))


if __name__ == "__main__":
    main()
