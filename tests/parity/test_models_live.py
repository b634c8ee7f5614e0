"""Whole models: built in Keras, read from their JSON, run on the same weights; masks and states along the edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_numbers
from _keras_worker import KerasWorker

import kerastorch

from ._compare import FORWARD, GRADIENT, difference, flat, numpy
from ._models import model_differences, read

BATCH, TIME, FEATURES, WORDS = 3, 5, 4, 6
SEQUENCE, VECTOR, WORD = (BATCH, TIME, FEATURES), (BATCH, 3), (BATCH, TIME)

# Builder in tests/workers/models.py -> shapes of its inputs; the two-axis ones of TIME are words.
MODELS: dict[str, tuple[tuple[int, ...], ...]] = {
    "stack": (SEQUENCE,),
    "encoder_decoder": (SEQUENCE,),
    "mixed_stack": (SEQUENCE,),
    "shapes_only": (SEQUENCE,),
    "two_in_two_out": (WORD, VECTOR),
    "shared_layer": (SEQUENCE, SEQUENCE),
    "nested": (SEQUENCE, SEQUENCE),
    "nested_two_ways": (SEQUENCE, VECTOR),
    "time_distributed_model": ((BATCH, TIME, 2, FEATURES),),
    "states_as_edges": (SEQUENCE, SEQUENCE),
    "states_of_gru": (WORD, SEQUENCE),
    "states_into_bidirectional": (SEQUENCE, SEQUENCE),
    "states_as_inputs": (SEQUENCE, (BATCH, 4), (BATCH, 4)),
    "mask_chain": (WORD,),
    "mask_merges": (WORD, WORD),
    "mask_meets_none": (WORD, (BATCH, TIME, 3)),
    "mask_ends": (WORD,),
    "mask_into_nested": (WORD,),
    "mask_made_in_nested": (WORD,),
    "zero_outputs": (WORD,),
    "input_is_output": (SEQUENCE,),
}
FRAMEWORKS = ["keras3", "keras2"]


def make_inputs(shapes: tuple[tuple[int, ...], ...]) -> list[np.ndarray]:
    """Random inputs; words have zeros (masked steps) at the end, at the start, inside, and in a whole row."""
    rng = np.random.default_rng(2)
    inputs: list[np.ndarray] = []
    for shape in shapes:
        if shape != WORD:
            values = rng.normal(size=shape).astype("float32")
            if shape == SEQUENCE:
                values[0, 3:] = 0  # a Masking layer finds these
            inputs.append(values)
            continue
        words = rng.integers(1, WORDS, size=shape).astype("int32")
        kept = np.array([[1, 1, 1, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 1, 1]], bool)
        inputs.append(words * np.roll(kept, len(inputs), axis=1))
    return inputs


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("builder", MODELS)
def test_model(keras_worker: KerasWorker, builder: str, framework: str) -> None:
    inputs = make_inputs(MODELS[builder])
    reference = keras_worker.call(framework, "models:run_model", builder, inputs)
    model = read(reference["json"], reference["weights"])
    found = model_differences(reference, model, inputs)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("builder", ["stack", "encoder_decoder", "two_in_two_out", "states_as_edges", "mask_merges"])
def test_training(keras_worker: KerasWorker, builder: str, framework: str, rng: np.random.Generator) -> None:
    inputs = make_inputs(MODELS[builder])
    shapes = keras_worker.call(framework, "models:run_model", builder, inputs)["output_shape"]
    targets = [rng.normal(size=(BATCH, *shape[1:])).astype("float32") for shape in shapes]
    reference = keras_worker.call(framework, "models:train_model", builder, inputs, targets, 0.1, 2)
    model = read(reference["json"], reference["weights"])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    xs = [torch.tensor(x) for x in inputs]
    for _ in range(2):
        optimizer.zero_grad()
        outputs = flat(model(xs if len(xs) > 1 else xs[0]))
        losses = [(y - torch.tensor(t)).square().mean() for y, t in zip(outputs, targets, strict=True)]
        sum(losses).backward()
        optimizer.step()
    assert_numbers(float(sum(losses).detach()), reference["loss"])
    gaps = [
        difference(a, b, GRADIENT["float32"])
        for a, b in zip(reference["weights_after"], model.get_weights(), strict=True)
    ]
    assert not any(gaps), gaps
    moved = [np.abs(a - b).max() for a, b in zip(reference["weights"], reference["weights_after"], strict=True)]
    assert min(moved) > 1e-5, "a weight did not move: the case proves nothing"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_stateful_model(keras_worker: KerasWorker, framework: str, rng: np.random.Generator) -> None:
    batches = [rng.normal(size=SEQUENCE).astype("float32") for _ in range(3)]
    reference = keras_worker.call(framework, "models:run_batches", "stateful", batches)
    model = read(reference["json"], reference["weights"])
    ours = [numpy(model(torch.tensor(batch))) for batch in batches]
    gaps = [difference(a, b, FORWARD["float32"]) for a, b in zip(reference["outputs"], ours, strict=True)]
    assert not any(gaps), gaps
    fresh = read(reference["json"], reference["weights"])
    without = numpy(fresh(torch.tensor(batches[2])))
    assert difference(reference["outputs"][2], without, FORWARD["float32"]) is not None, "the state goes unseen"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_lost_mask_is_seen(keras_worker: KerasWorker, framework: str) -> None:
    inputs = make_inputs(MODELS["mask_chain"])
    reference = keras_worker.call(framework, "models:run_model", "mask_chain", inputs)
    model = read(reference["json"], reference["weights"])
    x = torch.tensor(inputs[0])
    assert difference(reference["outputs"][0], numpy(model(x)), FORWARD["float32"]) is None
    for module in model.modules():
        if isinstance(module, kerastorch.layers.Embedding):
            module.mask_zero = False
    assert difference(reference["outputs"][0], numpy(model(x)), FORWARD["float32"]) is not None


FILES = [
    ("keras3", "model.keras", False),
    ("keras3", "model.h5", False),
    ("keras3", "model.weights.h5", True),
    ("keras2", "model.keras", False),
    ("keras2", "model.h5", False),
    ("keras2", "legacy_weights.h5", True),
    ("keras2", "model.weights.h5", True),
]


@pytest.mark.parametrize(("framework", "name", "weights_only"), FILES, ids=[f"{f}-{n}" for f, n, _ in FILES])
@pytest.mark.parametrize("builder", ["two_in_two_out", "shared_layer", "nested", "states_of_gru", "mixed_stack"])
def test_file(
    keras_worker: KerasWorker, builder: str, framework: str, name: str, weights_only: bool, tmp_path: Any
) -> None:
    inputs, path = make_inputs(MODELS[builder]), str(tmp_path / name)
    expected = keras_worker.call(framework, "models:save_model", builder, path, inputs, weights_only)
    if weights_only:
        model = kerastorch.model_from_json(keras_worker.call(framework, "models:run_model", builder, inputs)["json"])
        kerastorch.load_weights(model, path)
    else:
        model = kerastorch.load_model(path)
    ours = flat(model.predict(inputs if len(inputs) > 1 else inputs[0]))
    gaps = [difference(a, b, FORWARD["float32"]) for a, b in zip(expected, ours, strict=True)]
    assert not any(gaps), gaps
