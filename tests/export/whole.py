"""Sweep by hand: every golden model and every real file as an ONNX file, in onnxruntime on other sizes than exported.

`PYTHONPATH=.:tests python -m export.whole goldens|corpus [first [last]]` prints what is refused or differs.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _close import apart
from leaving._cases import golden_models
from make_leave_table import keep
from test_corpus import RIGHT, STOCHASTIC, load

from kerastorch.errors import KerasTorchError, ShapeError
from kerastorch.models import Model
from kerastorch.parity.needs import random_inputs
from kerastorch.structure import leaves

LENGTHS = (11, 45, 131)  # none of those that the export tries


def real_files() -> Iterator[tuple[str, Model]]:
    """Every real file with recorded outputs that do not differ from draw to draw."""
    for file in RIGHT:
        if file != STOCHASTIC:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield file, load(file)


def goldens() -> Iterator[tuple[str, Model]]:
    """Every golden model."""
    with tempfile.TemporaryDirectory() as folder:
        yield from golden_models(Path(folder))


def drawn(model: Model) -> list[np.ndarray]:
    """Inputs of the first open length that the model takes."""
    for length in LENGTHS:
        try:
            return random_inputs(model, length)
        except ShapeError as error:
            why = error
    raise why


def computed(model: Model, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """What the model makes of them, from fresh states."""
    model.reset_states() if model.stateful else None
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        given = [torch.from_numpy(x) for x in inputs]
        outputs = leaves(model.eval()(given if len(given) > 1 else given[0]))
    return [out.detach().numpy() for out in outputs]


def gap(model: Model, path: Path) -> str | None:
    """What separates onnxruntime from the model, in the model's own rounding; None if nothing does."""
    import onnxruntime

    model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [(node.name, node.type, node.shape) for node in session.get_inputs()]
    inputs = drawn(model)
    cut = [inputs] if model.stateful or any(x.shape[0] for x in model.inputs) else [inputs, [x[:1] for x in inputs]]
    found = []
    for given in cut:
        feed = {name: value.astype(_NUMPY[kind]) for (name, kind, _), value in zip(names, given, strict=False)}
        feed |= {name: np.zeros(shape, _NUMPY[kind]) for name, kind, shape in names[len(given) :]}
        found.append((session.run(None, feed), computed(model, given)))
    exact = copy.deepcopy(model).double()
    for given, (theirs, ours) in zip(cut, found, strict=True):
        wide = [x.astype("float64") if x.dtype.kind == "f" else x for x in given]
        for mine, own, judge in zip(theirs, ours, computed(exact, wide), strict=False):
            if wrong := apart(mine, own, exact=judge):
                return wrong
    return None


_NUMPY = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64", "tensor(int32)": "int32",
    "tensor(bool)": "bool", "tensor(float16)": "float16",
}  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(1)
    which, *rest = sys.argv[1:]
    first, last = [*map(int, rest), *(0, 10**6)[len(rest) :]]
    for number, (label, model) in enumerate({"goldens": goldens, "corpus": real_files}[which]()):
        if not first <= number < last:
            continue
        before = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            try:
                said: Any = gap(model, Path(folder) / "model.onnx")
            except KerasTorchError as error:
                said = f"refused: {error}"
            except Exception as error:  # noqa: BLE001  # whatever torch or onnxruntime say
                said = f"{type(error).__name__}: {str(error)[-500:]}" + traceback.format_exc()[-600:]
        keep({"goldens": "golden models", "corpus": "real files"}[which], {label: said})
        print(number, label, round(time.process_time() - before, 1), json.dumps(said), flush=True)
