"""Models with activations, normalisations, noise and small layers: live outputs and gradients, masks, and files."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_numbers
from _keras_worker import KerasWorker

import kerastorch
from kerastorch import layers
from kerastorch.errors import MismatchError

from ._compare import FORWARD, GRADIENT, difference, flat, numpy
from .test_models_live import FILES, WORD, make_inputs, read

FRAMEWORKS = ["keras3", "keras2"]
MASKED = [
    ("masks_go_on", "keras3", True),
    ("masks_go_on", "keras2", True),
    ("mask_at_identity", "keras3", True),
    ("mask_at_identity", "keras2", False),
    ("mask_at_rescaling", "keras3", True),
    ("mask_at_rescaling", "keras2", False),
    ("mask_at_normalization", "keras3", True),
    ("mask_at_normalization", "keras2", False),
    ("mask_at_group_normalization", "keras3", True),
    ("mask_at_rms_normalization", "keras3", False),
]


def x_for(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(3, 5, 4)).astype("float32")


def compare(reference: dict[str, Any], x: np.ndarray) -> Any:
    """Our model from Keras's JSON and weights; its outputs and gradients must be Keras's."""
    model = read(reference["json"], reference["weights"])
    source = torch.tensor(x, requires_grad=x.dtype.kind == "f")
    outputs = flat(model(source))
    sum((y * torch.tensor(u)).sum() for y, u in zip(outputs, reference["upstream"], strict=True)).backward()
    grads = iter(reference["grads_variables"])
    theirs = [*reference["grads_sources"], *(next(grads) if trains else None for trains in reference["trainable"])]
    ours = [numpy(source.grad) for _ in reference["grads_sources"]] + model.get_gradients()
    gaps = [difference(a, numpy(b), FORWARD["float32"]) for a, b in zip(reference["outputs"], outputs, strict=True)]
    beside = [a for a in theirs if a is not None]
    gaps += [difference(a, b, GRADIENT["float32"], beside=beside) for a, b in zip(theirs[:-1], ours[:-1], strict=True)]
    # A bias in front of a softmax over time shifts all that it takes: its gradient is what those outputs round.
    beside += reference["outputs"]
    gaps += [difference(theirs[-1], ours[-1], GRADIENT["float32"], beside=beside)]
    assert not any(gaps), [gap for gap in gaps if gap]
    for theirs, mine in zip(reference["weights"], model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype
    return model


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_model(keras_worker: KerasWorker, framework: str, rng: np.random.Generator) -> None:
    reference = keras_worker.call(framework, "activation:run", "everything", x := x_for(rng))
    model = compare(reference, x)
    model(torch.tensor(x))
    assert_numbers([float(loss.detach()) for loss in model.losses], reference["losses"])
    assert reference["losses"]


def writes_what_it_reads(model: Any, text: str) -> None:
    """Our config of each layer without time has Keras 3's values, in the activations too."""
    theirs = {layer["config"]["name"]: layer["config"] for layer in json.loads(text)["config"]["layers"]}
    for layer in model.layers:
        if type(layer).TAKES_STEPS:
            continue
        for key, value in layer.get_config().items():
            if key in ("axis", "dtype", "groups") or key.endswith("_initializer"):
                continue  # spelled in more than one way, or known only once the layer is built
            if key == "activity_regularizer" and value is None:
                continue  # Keras writes it where there is one
            wanted = theirs[layer.name][key]
            for spelled in (value, wanted):
                if isinstance(spelled, dict) and isinstance(spelled.get("config"), dict):
                    for base in ("name", "trainable", "dtype"):
                        spelled["config"].pop(base, None)
            if isinstance(wanted, dict) and wanted.get("class_name") == "__numpy__":
                wanted = wanted["config"]["value"]
            assert json.loads(json.dumps(value)) == wanted, (layer.name, key)


def test_configs_are_those_of_keras_3(keras_worker: KerasWorker, rng: np.random.Generator) -> None:
    text = keras_worker.call("keras3", "activation:run", "everything", x_for(rng))["json"]
    writes_what_it_reads(kerastorch.model_from_json(text), text)


@pytest.mark.parametrize(("builder", "framework", "goes_on"), MASKED)
def test_masks(keras_worker: KerasWorker, builder: str, framework: str, goes_on: bool) -> None:
    (words,) = make_inputs((WORD,))
    model = compare(keras_worker.call(framework, "activation:run", builder, words), words)
    before = numpy(model(torch.tensor(words)))
    for module in model.modules():
        if isinstance(module, layers.Embedding):
            module.mask_zero = False
    seen = difference(before, numpy(model(torch.tensor(words))), FORWARD["float32"]) is not None
    assert seen == goes_on, "whether the mask reaches the LSTM"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_mask_given_to_softmax(keras_worker: KerasWorker, framework: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 5)).astype("float32")
    mask = np.array([[1, 1, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
    reference = keras_worker.call(framework, "activation:softmax_with_mask", x, mask)
    model = read(reference["json"], [])
    output = numpy(model([torch.tensor(x), torch.tensor(mask)]))
    assert difference(reference["output"], output, FORWARD["float32"]) is None
    hidden = output[1] == 0 if framework == "keras3" else output[1] > 0
    assert hidden.all(), "what the two do with a row that is hidden altogether"


@pytest.mark.parametrize(("framework", "name", "weights_only"), FILES, ids=[f"{f}-{n}" for f, n, _ in FILES])
def test_file(
    keras_worker: KerasWorker, framework: str, name: str, weights_only: bool, tmp_path: Any, rng: np.random.Generator
) -> None:
    x, path = x_for(rng), str(tmp_path / name)
    expected = keras_worker.call(framework, "activation:save", "everything", path, x, weights_only)
    if weights_only:
        reference = keras_worker.call(framework, "activation:run", "everything", x)
        model = kerastorch.model_from_json(reference["json"])
        kerastorch.load_weights(model, path)
    else:
        model = kerastorch.load_model(path)
    assert difference(expected[0], model.predict(x), FORWARD["float32"]) is None
    counts = [int(count) for name, count in model.named_buffers() if name.endswith(".count")]
    assert counts == [2**40 + 1]


def test_a_count_is_no_float_and_a_float_no_count(
    keras_worker: KerasWorker, tmp_path: Any, rng: np.random.Generator
) -> None:
    path = str(tmp_path / "m.h5")
    keras_worker.call("keras3", "activation:save", "everything", path, x_for(rng))
    model = kerastorch.load_model(path)
    normal = next(module for module in model.modules() if isinstance(module, layers.Normalization))
    normal._buffers["count"] = normal.count.float()  # an assignment keeps the dtype
    with pytest.raises(MismatchError, match="count: expected floating point, the file has int64"):
        kerastorch.load_weights(model, path)
    normal._buffers["count"] = normal.count.long()
    normal._buffers["mean"] = normal.mean.long()
    with pytest.raises(MismatchError, match="mean: expected integers, the file has float32"):
        kerastorch.load_weights(model, path)
