"""Every real file beside the checkout, compared with the Keras of its era: which pass, and which cannot be recorded.

By hand, with `.`, `tests` and `tests/check_parity` in `PYTHONPATH`; `test_parity_live.py` takes a part of the files.

    python tests/check_parity/corpus.py [--most-mb 20] [WORD ...]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from _keras_worker import KerasWorker, KerasWorkerError
from _recordings import Recordings
from make_goldens import ROOT

from kerastorch.errors import KerasTorchError
from kerastorch.parity import compare
from kerastorch.parity.safety import load_checked

CORPUS = ROOT.parent / "shared" / "corpus"


def outcome(recordings: Recordings, path: Path, framework: str) -> str:
    """ "passed" and how far apart, "FAILED" and the report, or why nothing can be told."""
    arch = path.with_name(f"{path.name}.arch.json")
    given = {"arch": str(arch)} if arch.exists() else {}
    try:
        model = load_checked(path, arch if given else None, trust=False)
    except KerasTorchError as error:
        return f"not compared: kerastorch: {type(error).__name__}: {str(error).splitlines()[0]}"
    try:
        recording = recordings.of_file(framework, path, gradients=False, steps=0, **given)
    except KerasWorkerError as error:
        return f"not compared: Keras: {str(error).strip().splitlines()[-1]}"
    report = compare(recording, model, gradients=False, training=False, self_check=False)
    if report.unjudged and not any(row.differs for row in report.rows):
        return f"not compared: {'; '.join(report.unjudged)}"
    if not report.passed:
        return f"FAILED: {report}"
    assert report.worst is not None
    return f"passed: {len(report.judged)} arrays, {report.worst.measured.multiple:.1f} times rounding"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--most-mb", type=float, default=20.0)
    parser.add_argument("words", nargs="*", help="parts of the names of files; all if none are given")
    given = parser.parse_args()
    found: dict[str, list[str]] = {"passed": [], "not compared": [], "FAILED": []}
    with tempfile.TemporaryDirectory() as folder:
        worker = KerasWorker(call_timeout=180.0)
        recordings = Recordings(worker, Path(folder))
        for entry in json.loads((CORPUS / "manifest.json").read_text()):
            path = CORPUS / "files" / entry["file"]
            if given.words and not any(word in path.name for word in given.words):
                continue
            begin = time.monotonic()
            size = path.stat().st_size / 2**20
            framework = "keras3" if str(entry["keras_version"]).startswith("3") else "keras2"
            told = f"not compared: {size:.0f} MB" if size > given.most_mb else outcome(recordings, path, framework)
            found[told.partition(":")[0]].append(told)
            print(f"{path.name} ({time.monotonic() - begin:.0f} s): {told}", flush=True)
        worker.close()
    print(", ".join(f"{len(told)} {kind}" for kind, told in found.items()))


if __name__ == "__main__":
    main()
