"""Every function that stands in the graphs of Keras 3 and of tf-keras: written again, and read, without live Keras."""

from __future__ import annotations

import json
from typing import Literal

import pytest
import torch
from parity._operations import make_inputs
from parity.test_operations import CASES

import kerastorch as kt
from kerastorch.errors import SaveError

from .test_keras2_operations_live import REFUSED, gaps

PARTS = 4
# What Keras 3 has no operation for: sizes and places that are computed.
REFUSED_BY_KERAS3 = {"gather", "items_by_tensor", "made_by_shape", "reshape_by_shape"}


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("dialect", ["keras2", "keras3"])
@pytest.mark.parametrize("framework", CASES)
def test_every_operation(framework: str, dialect: Literal["keras2", "keras3"], part: int) -> None:
    inputs = [torch.tensor(value) for value in make_inputs()]
    refused: set[str] = set()
    wrong: list[str] = []
    names = list(CASES[framework])[part::PARTS]
    for name in names:
        case = CASES[framework][name]
        model = kt.model_from_json(json.dumps(case["config"]))
        try:
            text = kt.to_json(model, dialect=dialect)
        except SaveError:
            refused.add(name)
            continue
        found = kt.model_from_json(text)(inputs)
        found = [value.detach() for value in (found if isinstance(found, (list, tuple)) else [found])]
        wrong += [f"{name}: {gap}" for gap in gaps(found, case["outputs"])]
    assert not wrong, "\n".join(wrong)
    stated = REFUSED[framework] if dialect == "keras2" else REFUSED_BY_KERAS3 if framework == "keras2" else set()
    assert refused == stated & set(names)
