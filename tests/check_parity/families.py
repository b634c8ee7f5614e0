"""Faults in each family of models beside real Keras: is each found where it is, and named right?

By hand, with `.`, `tests` and `tests/check_parity` in `PYTHONPATH`: every fault in every family with every probe.
`test_families_live.py` takes a part of both.

    python tests/check_parity/families.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from _families import FAMILIES, UNEXPLAINED, Fault
from _keras_worker import KerasWorker
from _recordings import Recordings

import kerastorch as kt
from kerastorch.parity import compare

PROBES = ("normal", "holes", "states")  # of the suite


class Planted:
    """Families beside real Keras."""

    def __init__(self, recordings: Recordings, probes: tuple[str, ...] = PROBES) -> None:
        self.recordings, self.probes = recordings, probes

    def recorded(self, family: str) -> tuple[kt.parity.Recording, Path]:
        """What Keras 3 computes for a family, and its file."""
        path = self.recordings.folder / f"family-{family.replace(' ', '-')}.keras"
        if not path.exists():
            kt.save_model(FAMILIES[family][0](), path)
        return self.recordings.of_file("keras3", path, steps=2, probes=self.probes), path

    def report(self, family: str, fault: Fault | None = None) -> kt.ParityReport:
        """The comparison with a fault planted."""
        recording, path = self.recorded(family)
        model = kt.load_model(path)
        if fault is None:
            return compare(recording, model, self_check=False)
        fault.plant(model)
        return compare(recording, model, **fault.options)


def judged(report: kt.ParityReport, fault: Fault) -> str:
    """What is wrong with a report on a fault; empty if it is found and named right."""
    if report.passed:
        return "not noticed"
    where = report.first.layer if report.first is not None else ""
    if fault.layer and where != fault.layer:
        return f"found at {where!r}, and not at {fault.layer!r}"
    if fault.name is None:
        wrong = report.explained_by is not None or not str(report.smallest).startswith(f"{fault.layer} alone in ")
        return f"explained by {report.explained_by!r}, smallest piece {report.smallest}" if wrong else ""
    right = (report.explained_by or "").startswith(fault.name)
    return "" if right else f"explained by {report.explained_by!r}, and not by {fault.name!r}"


def everything() -> Iterator[tuple[str, str, Fault]]:
    """Every family with each of its faults, those with a name and those without."""
    for family, (_, faults) in FAMILIES.items():
        for text, fault in (*faults.items(), *UNEXPLAINED[family].items()):
            yield family, text, fault


def main() -> int:
    worker, wrong, count = KerasWorker(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        planted = Planted(Recordings(worker, Path(folder)), probes=())
        for family, text, fault in everything():
            said = judged(planted.report(family, fault), fault)
            wrong, count = wrong + bool(said), count + 1
            print(f"{family}: {text}: {said or 'found, ' + (fault.name or 'unexplained')}", flush=True)
    worker.close()
    print(f"{count - wrong} of {count} as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
