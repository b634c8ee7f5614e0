"""Files of tf-keras with wrappers of one dtype policy around layers of another, and what is written of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker
from workers.dtypes import wrapper

import kerastorch as kt
from kerastorch.errors import SaveError

from ._compare import difference
from .test_dtypes_live import FLOOR, flat

# Of the wrapper, and of the layer inside.
PAIRS = [("mixed_bfloat16", "float32"), ("float32", "mixed_bfloat16"), ("mixed_float16", "mixed_bfloat16")]
RANDOM = np.random.default_rng(0)
INPUTS = {"x": RANDOM.normal(size=(2, 4, 3)), "steps": RANDOM.normal(size=(2, 3, 4, 3))}
INPUTS = {name: array.astype("float32") for name, array in INPUTS.items()}


def floor_of(pair: tuple[str, str]) -> float:
    return max(FLOOR[policy.removeprefix("mixed_")] for policy in pair)


def input_of(form: str) -> np.ndarray:
    return INPUTS["steps" if form == "lstm in steps" else "x"]


def apart(name: str, theirs: Any, outputs: list[Any], floor: float, dtypes: bool = True) -> list[str]:
    found = []
    for (dtype, array), output in zip(theirs, outputs, strict=True):
        ours = str(output.dtype).removeprefix("torch.")
        if dtypes and ours != dtype:
            found.append(f"{name}: {ours}, not {dtype}")
        text = difference(array, output.detach().float().numpy(), floor)
        found += [f"{name}: {text}"] if text else []
    return found


def test_outputs_have_the_dtype_of_the_layer_inside(keras_worker: KerasWorker, tmp_path: Path) -> None:
    wanted = keras_worker.call("keras2", "dtypes:write_wrappers", str(tmp_path), PAIRS, INPUTS)
    found, again, old, new = [], {}, {}, {}
    for number, (name, (form, pair, theirs)) in enumerate(wanted.items()):
        x, floor = torch.tensor(input_of(form)), floor_of(pair)
        for ending in ("keras", "h5"):
            model = kt.load_model(tmp_path / f"{name}.{ending}")
            outputs = flat(model(x))
            stated = [output.dtype for output in model.outputs]
            if stated != [output.dtype for output in outputs]:
                found.append(f"{name}.{ending}: the graph says {stated}")
            found += apart(f"{name}.{ending}", theirs, outputs, floor)
            if ending == ("keras", "h5")[number % 2]:
                continue
            for dialect, paths in (("keras2", old), ("keras3", new)):
                path = tmp_path / f"{name}.{dialect}.{ending}"
                kt.save_model(model, path, dialect=dialect)
                paths[str(path)] = name
                again[str(path)] = flat(kt.load_model(path)(x))
    assert not found, "\n".join(found)
    for framework, paths in (("keras2", old), ("keras3", new)):
        inputs = [input_of(wanted[name][0]) for name in paths.values()]
        results = keras_worker.call(framework, "dtypes:open_each", list(paths), inputs)
        for (path, name), theirs in zip(paths.items(), results, strict=True):
            form, pair, outputs = wanted[name]
            arrays = [torch.tensor(array) for _, array in outputs]
            # Keras 3 does not round what comes in to the outer dtype first.
            found += apart(path, theirs, arrays, floor_of(pair), dtypes=False)
            if [dtype for dtype, _ in theirs] != [dtype for dtype, _ in outputs]:
                found.append(f"{path}: Keras has {[dtype for dtype, _ in theirs]}")
            found += apart(f"{path} again", theirs, again[path], floor_of(pair))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("form", ["dense", "tanh", "both"])
def test_what_keras_3_casts_is_no_file_of_tf_keras(form: str, tmp_path: Path) -> None:
    x = kt.Input((4, 3))
    model = kt.Model(x, wrapper(kt, form, ("mixed_float16", "float32"))(x))  # type: ignore[arg-type]
    with pytest.raises(SaveError, match=r"its dtype is mixed_float16, that of the layer inside is float32, .*same"):
        kt.save_model(model, tmp_path / "m.h5", dialect="keras2")
    assert not list(tmp_path.iterdir())
