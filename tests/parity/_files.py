"""A model that real Keras wrote into every kind of file, read here, saved again, and opened by real Keras once more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch.cli import main
from kerastorch.structure import leaves

from ._compare import FORWARD, difference

ENDINGS = (".keras", ".h5", ".json")


def compare(what: str, theirs: list[np.ndarray], ours: Any) -> list[str]:
    """Where the outputs differ, beyond what the project allows."""
    found = leaves(ours)
    if len(found) != len(theirs):
        return [f"{what}: Keras has {len(theirs)} outputs, kerastorch {len(found)}"]
    gaps = [difference(a, np.asarray(b), FORWARD["float32"]) for a, b in zip(theirs, found, strict=True)]
    return [f"{what}: output {index}: {gap}" for index, gap in enumerate(gaps) if gap]


def predicted(model: kt.Model, inputs: Any) -> Any:
    if model.stateful:
        model.reset_states()
    return model.predict(inputs)


def written(
    keras_worker: KerasWorker, framework: str, builder: str, inputs: Any, folder: Path, unread: Mapping[str, str] = {}
) -> dict[str, Any]:
    """What `files:run` says; where Keras does not read its own file, `unread` says so, by the ending."""
    reference = keras_worker.call(framework, "files:run", builder, inputs, str(folder))
    assert set(reference["errors"]) == set(unread), reference["errors"]
    for ending, message in unread.items():
        assert message in reference["errors"][ending]
    return reference


def read(folder: Path, ending: str, weights: list[np.ndarray]) -> kt.Model:
    """The model of a file here."""
    path = folder / f"model{ending}"
    if ending != ".json":
        return kt.load_model(path)
    model = kt.model_from_json(path.read_text())
    model.set_weights(weights)
    return model


def round_trip(
    keras_worker: KerasWorker,
    framework: str,
    builder: str,
    inputs: Any,
    folder: Path,
    unread: Mapping[str, str] = {},
    dialects: tuple[str, ...] = ("keras3", "keras2"),
) -> list[str]:
    """Everywhere where numbers part: every file read here; saved again for each Keras, read here, and there."""
    reference = written(keras_worker, framework, builder, inputs, folder, unread)
    given = list(inputs.values()) if isinstance(inputs, dict) else inputs if isinstance(inputs, list) else [inputs]
    found = []
    for ending in ENDINGS:
        if ending in unread and not (folder / f"model{ending}").exists():
            continue
        model = read(folder, ending, reference["weights"])
        theirs = reference["outputs"].get(ending, reference["outputs"][""])
        found += compare(f"{framework} {ending}", theirs, predicted(model, inputs))
        for dialect in dialects if ending != ".json" else ():
            path = folder / f"again-{dialect}{ending}"
            kt.save_model(model, path, dialect=dialect)  # type: ignore[arg-type]
            found += compare(f"{framework} {ending} to {dialect}", theirs, predicted(kt.load_model(path), inputs))
            if framework == dialect and ending in unread:
                continue
            (outputs,) = keras_worker.call(dialect, "saved:predict", str(path), [given])
            found += compare(f"{framework} {ending} to {dialect}, opened there", theirs, outputs)
        if ending != ".json":
            assert main(["info", str(folder / f"model{ending}")]) == 0
    return found
