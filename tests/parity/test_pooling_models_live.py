"""Models that pool, repeat, pad and crop: built in Keras, read from JSON and from files; where masks go, era by era."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker

import kerastorch as kt

from ._compare import FORWARD, GRADIENT, difference, flat, flat_shapes, numpy

KERASES = ("keras3", "keras2")
BATCH = 3
# Builder in tests/workers/pooling.py -> shapes of its inputs; None: words.
MODELS: dict[str, list[tuple[int, ...] | None]] = {
    "frames": [(BATCH, 4, 7, 6, 3)],
    "words": [None],
    "volumes": [(BATCH, 4, 5, 6, 2), (BATCH, 9, 3)],
}
WORDS = np.array([[1, 2, 0, 0], [3, 0, 4, 5], [0, 1, 2, 3]], "int32")  # each row has a step that counts


def inputs_of(builder: str) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    return [WORDS if shape is None else rng.normal(size=shape).astype("f4") for shape in MODELS[builder]]


def only(values: list[Any]) -> Any:
    return values if len(values) > 1 else values[0]


def gaps(theirs: list[Any], ours: list[Any], tolerance: float) -> list[str]:
    found = [difference(a, b, tolerance) for a, b in zip(theirs, ours, strict=True)]
    return [gap for gap in found if gap]


@pytest.mark.parametrize("framework", KERASES)
@pytest.mark.parametrize("builder", MODELS)
def test_model(keras_worker: KerasWorker, builder: str, framework: str) -> None:
    inputs = inputs_of(builder)
    reference = keras_worker.call(framework, "models:run_model", f"pooling:{builder}", inputs)
    model = kt.model_from_json(reference["json"])
    model.set_weights(reference["weights"])
    xs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    outputs = flat(model(only(xs)))
    sum((y * torch.tensor(u)).sum() for y, u in zip(outputs, reference["upstream"], strict=True)).backward()
    assert not gaps(reference["outputs"], [numpy(y) for y in outputs], FORWARD["float32"])
    sources = [numpy(x.grad) for x in xs if x.requires_grad]
    assert not gaps(reference["grads_inputs"], sources, GRADIENT["float32"])
    assert not gaps(reference["grads_weights"], model.get_gradients(), GRADIENT["float32"])
    assert flat_shapes(model.output_shape) == reference["output_shape"]
    assert model.count_params() == reference["params"]


@pytest.mark.parametrize(
    ("framework", "name"),
    [("keras3", "m.keras"), ("keras3", "m.h5"), ("keras2", "m.keras"), ("keras2", "m.h5")],
    ids=lambda value: value,
)
@pytest.mark.parametrize("builder", MODELS)
def test_file(keras_worker: KerasWorker, builder: str, framework: str, name: str, tmp_path: Path) -> None:
    inputs, path = inputs_of(builder), tmp_path / name
    expected = keras_worker.call(framework, "models:save_model", f"pooling:{builder}", str(path), inputs)
    model = kt.load_model(path)
    assert not gaps(expected, flat(model.predict(only(inputs))), FORWARD["float32"])


@pytest.mark.parametrize("framework", KERASES)
def test_a_mask_that_goes_on_is_seen(
    keras_worker: KerasWorker, monkeypatch: pytest.MonkeyPatch, framework: str
) -> None:
    """The comparison of the model of words tells where a mask ends: here it would pass through each layer in turn."""
    reference = keras_worker.call(framework, "models:run_model", "pooling:words", [WORDS])

    def outputs() -> list[Any]:
        model = kt.model_from_json(reference["json"])
        model.set_weights(reference["weights"])
        return [numpy(model(torch.tensor(WORDS)))]

    assert not gaps(reference["outputs"], outputs(), FORWARD["float32"])
    for name in ("MaxPooling1D", "AveragePooling1D", "Permute"):
        cls = getattr(kt.layers, name)
        with monkeypatch.context() as patch:
            patch.setattr(cls, "compute_mask", _passing)
            assert gaps(reference["outputs"], outputs(), FORWARD["float32"]), name


def _passing(layer: Any, inputs: Any, mask: Any = None) -> Any:
    steps = layer.compute_output_shape(tuple(inputs.shape))[1]
    return None if mask is None else mask[:, :steps]
