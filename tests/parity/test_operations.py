"""Functions in the graphs of models: what real Keras wrote and computed is kept, and read without it."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import numpy as np
import pytest
from make_goldens_operations import FOLDER, FRAMEWORKS

import kerastorch

from ._operations import OTHER_DTYPES, compare, make_inputs


def stored(framework: str) -> dict[str, dict[str, Any]]:
    """Name -> the config of its model, and what Keras said and computed, as `operations:run` returns it."""
    with zipfile.ZipFile(FOLDER / f"{framework}.zip") as archive:
        cases = json.loads(archive.read("cases.json"))
        with archive.open("values.npz") as file, np.load(file, allow_pickle=False) as arrays:
            values = dict(arrays)
    for name, case in cases.items():
        case["outputs"] = [values[f"{name}/{index}"] for index in range(len(case["dtypes"]))]
        rng = np.random.default_rng(6)  # as in workers/operations.py
        case["upstream"] = [rng.normal(size=case["outputs"][index].shape) for index in case["floating"]]
        case["grads"] = [values.get(f"{name}/{letter}") for letter in "xy"]
    return cases


CASES = {framework: stored(framework) for framework in FRAMEWORKS}


@pytest.mark.parametrize(("framework", "name"), [(framework, name) for framework in CASES for name in CASES[framework]])
def test_an_operation_computes_what_keras_computed(framework: str, name: str) -> None:
    case = CASES[framework][name]
    try:
        model = kerastorch.model_from_json(json.dumps(case["config"]))
        found = compare(model, make_inputs(), case, name not in OTHER_DTYPES[framework])
    except Exception as error:  # noqa: BLE001 - it must be read and run: an error is as wrong as a number
        found = [f"{type(error).__name__}: {error}"]
    assert found == []


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_they_are_there(framework: str) -> None:
    assert len(CASES[framework]) > 100
