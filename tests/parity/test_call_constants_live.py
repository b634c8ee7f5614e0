"""Constant tensors among the arguments of calls, in the files of both Kerases, against the model that was saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from _keras_worker import KerasWorker

from ._files import round_trip

RNG = np.random.default_rng(5)
STEPS = RNG.normal(size=(2, 5, 3)).astype("float32")
BUILDERS = {
    "states": STEPS,
    "states_and_mask": np.array([[1, 2, 0, 3, 0], [0, 5, 4, 0, 0]], "int32"),
    "some_states": [STEPS, RNG.normal(size=(2, 4)).astype("float32")],
    "arrays": STEPS,
    "images": RNG.normal(size=(2, 3, 4, 4, 2)).astype("float32"),
    "masks": STEPS,
    "merged": [STEPS, STEPS[::-1].copy()],
    "first": STEPS,
    "attended": STEPS,
    "nested": STEPS,
    "wrapped": [STEPS, RNG.normal(size=(2, 3, 4, 2)).astype("float32")],
    "more_masks": [STEPS, RNG.normal(size=(2, 5)).astype("float32")],
    "inside": [STEPS, np.array([[1, 2, 0, 3, 0], [0, 4, 1, 0, 2]], "int32")],
}


# What Keras says of its own files. tf-keras reads none with constants, but for an operation or an Attention.
UNREAD = {
    ("keras3", "attended"): {".h5": "deserializing class 'Attention'"},
    ("keras3", "more_masks"): {".h5": "deserializing class 'Attention'"},
    ("keras3", "inside"): {".h5": "too many positional arguments"},
    **{("keras2", builder): dict.fromkeys((".keras", ".h5", ".json"), "") for builder in BUILDERS},
}
# What they do not take at all.
NONE = {("keras2", "some_states"), ("keras2", "arrays"), ("keras3", "first")}
CASES = [(framework, builder) for framework in ("keras3", "keras2") for builder in BUILDERS]


@pytest.mark.parametrize(("framework", "builder"), [case for case in CASES if case not in NONE])
def test_constants(keras_worker: KerasWorker, builder: str, framework: str, tmp_path: Path) -> None:
    unread = UNREAD.get((framework, builder), {})
    made = BUILDERS[builder]
    dialects = () if builder == "first" else ("keras3",)
    found = round_trip(keras_worker, framework, f"constants:{builder}", made, tmp_path, unread, dialects)
    assert not found, "\n".join(found)
