"""Functions in the graphs of models: made and saved by real Keras, read back, and computed."""

from __future__ import annotations

from pathlib import Path

import pytest
from _keras_worker import KerasWorker

import kerastorch

from ._operations import OTHER_DTYPES, compare, make_inputs

PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_every_operation(keras_worker: KerasWorker, framework: str, part: int, tmp_path: Path) -> None:
    inputs = make_inputs()
    problems: list[str] = []
    names = keras_worker.call(framework, "operations:names")[part::PARTS]
    assert len(names) > 25
    for name in names:
        reference = keras_worker.call(framework, "operations:run", name, str(tmp_path), inputs)
        for ending in ("keras", "h5"):
            if ending in reference["unwritten"]:
                continue
            try:
                model = kerastorch.load_model(tmp_path / f"{name}.{ending}")
                found = compare(model, inputs, reference, name not in OTHER_DTYPES[framework])
            except Exception as error:  # noqa: BLE001 - one line for each, so that all are seen
                found = [f"{type(error).__name__}: {error}"]
            problems += [f"{name}.{ending}: {text}" for text in found]
    assert not problems, "\n".join(problems)
