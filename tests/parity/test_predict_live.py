"""`Model.predict` beside `keras.Model.predict`: the same values and shapes, however the data comes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from _keras_worker import KerasWorker
from workers.predict import pairs

from ._compare import FORWARD, difference, flat
from ._models import read

ROWS = 11  # no multiple of a batch: the last one is short


def two_inputs(rng: np.random.Generator) -> list[np.ndarray]:
    return [
        rng.integers(0, 6, size=(ROWS, 5)).astype("int32"),
        rng.normal(size=(ROWS, 3)).astype("float32"),
    ]


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize(
    ("way", "options"),
    [
        ("array", {}),
        ("array", {"batch_size": 4}),
        ("array", {"batch_size": 4, "steps": 2}),
        ("list", {"batch_size": 3}),
        ("tuple", {"batch_size": 4}),
        ("dict", {"batch_size": 4}),
        ("generator", {}),
        ("generator", {"steps": 2}),
    ],
    ids=str,
)
def test_predict(
    keras_worker: KerasWorker, framework: str, way: str, options: dict[str, Any], rng: np.random.Generator
) -> None:
    if framework == "keras2" and "steps" in options and way == "array":
        pytest.skip("tf-keras divides an array into so many steps, Keras 3 takes so many batches of it")
    several = way in ("list", "tuple", "dict")
    inputs = two_inputs(rng) if several else [rng.normal(size=(ROWS, 5, 4)).astype("float32")]
    builder = "two_in_two_out" if several else "stack"
    reference = keras_worker.call(framework, "predict:run_predict", builder, inputs, way, options)
    model = read(reference["json"], reference["weights"])
    given: Any = {
        "array": inputs[0],
        "list": inputs,
        "tuple": tuple(inputs),
        "dict": dict(zip(model.input_names, inputs, strict=True)),
        "generator": pairs(inputs, 4, several=False),
    }[way]
    found = flat(model.predict(given, **options))
    gaps = [difference(a, b, FORWARD["float32"]) for a, b in zip(reference["outputs"], found, strict=True)]
    assert not any(gaps), gaps
    assert len(found[0]) == (8 if "steps" in options else ROWS)


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_several_inputs_from_a_generator(keras_worker: KerasWorker, framework: str, rng: np.random.Generator) -> None:
    inputs = two_inputs(rng)
    reference = keras_worker.call(framework, "predict:run_predict", "two_in_two_out", inputs, "generator", {})
    found = flat(read(reference["json"], reference["weights"]).predict(pairs(inputs, 4, several=True)))
    gaps = [difference(a, b, FORWARD["float32"]) for a, b in zip(reference["outputs"], found, strict=True)]
    assert not any(gaps), gaps


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_states_go_on_from_batch_to_batch_and_from_call_to_call(
    keras_worker: KerasWorker, framework: str, rng: np.random.Generator
) -> None:
    x = rng.normal(size=(6, 5, 4)).astype("float32")
    options = {"batch_size": 3}
    reference = keras_worker.call(framework, "predict:run_predict", "stateful", [x], "array", options, 2)
    model = read(reference["json"], reference["weights"])
    first, second = model.predict(x), model.predict(x)  # three rows for each run, as the model says
    assert difference(reference["outputs"][0], second, FORWARD["float32"]) is None
    assert difference(reference["outputs"][0], first, FORWARD["float32"]) is not None, "the state goes unseen"
