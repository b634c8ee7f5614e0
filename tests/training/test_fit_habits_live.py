"""Arguments of `fit`, and callbacks that act within epochs: the same code in Keras 3.15 and here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from _keras_worker import KerasWorker
from workers import fit_habits, fit_parts

import kerastorch as kt

from .test_steps_live import same


def _differing(ours: Any, theirs: Any, place: str = "") -> list[str]:
    """Where two results differ."""
    if isinstance(theirs, (list, tuple)) and isinstance(ours, (list, tuple)) and len(ours) == len(theirs):
        return [
            text
            for at, (a, b) in enumerate(zip(ours, theirs, strict=True))
            for text in _differing(a, b, f"{place}.{at}")
        ]
    return [] if same(ours, theirs) else [f"{place}: {ours!r:.300}, expected {theirs!r:.300}"]


@pytest.mark.parametrize(
    "name",
    [
        *("stops", "weights", "class_weights_of_batches", "epochs_and_validations", "batches_of_others"),
        *("steering", "files", "missing_numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_same_code_does_the_same(keras_worker: KerasWorker, tmp_path: Path, name: str) -> None:
    folders = [tmp_path / "keras", tmp_path / "ours"]
    for folder in folders:
        folder.mkdir()
    arguments = [[str(folder)] if name in ("files", "missing_numbers") else [] for folder in folders]
    theirs = keras_worker.call("keras3", f"fit_habits:{name}", *arguments[0])
    found = _differing(getattr(fit_habits, name)(kt, *arguments[1]), theirs)
    assert not found, "\n".join(found[:12])


@pytest.mark.parametrize("name", ["nested", "lists_of_callbacks", "scaled_losses", "metrics_of_layers"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_parts_do_the_same(keras_worker: KerasWorker, name: str) -> None:
    theirs = keras_worker.call("keras3", f"fit_parts:{name}")
    found = _differing(getattr(fit_parts, name)(kt), theirs)
    assert not found, "\n".join(found[:12])
