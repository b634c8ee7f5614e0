"""The golden files of tests/goldens, unpacked once per test process."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from make_goldens import CASES, GOLDENS

WRITERS = {"keras3": "keras", "tf_keras": "tf_keras"}


def expected_files() -> list[tuple[str, str, str]]:
    """(packed, case, ending) of every model file that make_goldens.py writes to tests/goldens."""
    return [
        (packed, name, ending)
        for packed, writer in WRITERS.items()
        for name, case in CASES.items()
        if case.folder is None and writer in case.writers
        for ending in case.formats
    ]


def unpack(to: Path) -> Path:
    """Unpack every golden file; one that is missing raises."""
    for packed in WRITERS:
        with zipfile.ZipFile(GOLDENS / f"{packed}.zip") as archive:
            archive.extractall(to / packed)
    return to


def read_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)
