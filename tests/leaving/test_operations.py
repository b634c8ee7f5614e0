"""Functions between layers as plain torch: every golden case, with the values, dtypes and gradients of ours."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import torch
from _close import apart
from parity._operations import make_inputs

import kerastorch as kt
from kerastorch.leaving import to_torch
from kerastorch.structure import leaves

from ._cases import from_text
from .test_to_torch import differences, run

FOLDER = Path(__file__).parent.parent / "goldens" / "operations"


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_operations_of_golden_files(framework: str) -> None:
    with zipfile.ZipFile(FOLDER / f"{framework}.zip") as packed:
        cases = json.loads(packed.read("cases.json"))
    assert len(cases) == {"keras3": 273, "keras2": 169}[framework]
    inputs = [torch.as_tensor(value) for value in make_inputs()]
    wrong: list[str] = []
    for name, case in cases.items():
        model = kt.model_from_json(json.dumps(case["config"]))
        made = from_text(to_torch(model))
        theirs, mine = leaves(model(inputs)), leaves(made(*inputs))
        for ours, its in zip(theirs, mine, strict=True):
            if (ours.dtype, ours.shape) != (its.dtype, its.shape):
                wrong.append(f"{name}: {its.dtype} {tuple(its.shape)}, expected {ours.dtype} {tuple(ours.shape)}")
            elif ours.is_floating_point():
                gap = apart(its.detach(), ours.detach())
                wrong += [f"{name}: {gap}"] if gap else []
            elif not torch.equal(its, ours):
                wrong.append(f"{name}: other whole numbers")
        outputs, gradients = run(model, inputs)
        _, own = run(made, inputs, len(outputs))
        wrong += [f"{name}: {gap}" for gap in differences(own, gradients)]
    assert wrong == []
