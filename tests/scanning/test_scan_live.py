"""What is said of files as Keras itself writes them, with code and names of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from _keras_worker import KerasWorker
from workers import scanned

import kerastorch as kt


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_files_of_keras(keras_worker: KerasWorker, tmp_path: Path, framework: str) -> None:
    keras_worker.call(framework, "scanned:write", tmp_path)
    report = kt.scan(tmp_path)
    found = {Path(file.path).name: file.status for file in report.files}
    expected = {
        f"{name}{ending}": status
        for name, statuses in scanned.EXPECTED.items()
        for ending, status in zip((".keras", ".h5"), statuses, strict=True)
    }
    assert found == expected, str(report)
