"""Models with attention: read from Keras's JSON and files, with every mask where Keras has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from _keras_worker import KerasWorker
from workers import attention_models

import kerastorch
from kerastorch import layers

from ._compare import FORWARD, difference, flat
from ._models import model_differences, read

BATCH, TIME, FEATURES, WORDS = 3, 5, 4, 6
SEQUENCE, WORD, SCORES = (BATCH, TIME, FEATURES), (BATCH, TIME), (BATCH, TIME, TIME)
BOTH = ("keras3", "keras2")

# Builder in tests/workers/attention_models.py -> shapes of its inputs, and where it can be built.
MODELS: dict[str, tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]] = {
    "encoder_decoder": ((WORD, WORD), BOTH),
    "additive": ((WORD,), BOTH),
    "heads": ((WORD,), BOTH),
    "transformer": ((WORD,), BOTH),
    "crossed": ((WORD, WORD), BOTH),
    "used_before_and_after": ((WORD,), BOTH),
    "explicit": ((SEQUENCE, WORD, WORD, SCORES), BOTH),
    "without_masks": ((WORD,), BOTH),
    "with_scores": ((WORD,), BOTH),
    "dense_by_einsum": ((SEQUENCE,), BOTH),
    "in_a_nested_model": ((SEQUENCE,), BOTH),
    "grouped": ((WORD,), ("keras3",)),
}
CASES = [(framework, builder) for builder, (_, frameworks) in MODELS.items() for framework in frameworks]


def make_inputs(builder: str) -> list[np.ndarray]:
    """Random numbers, words with zeros among them, and masks."""
    rng = np.random.default_rng(2)
    inputs: list[np.ndarray] = []
    for shape in MODELS[builder][0]:
        if shape == SEQUENCE:
            inputs.append(rng.normal(size=shape).astype("float32"))
        elif shape == SCORES:
            inputs.append((rng.random(shape) < 0.6) | np.eye(TIME, dtype=bool))
        elif builder == "explicit":
            inputs.append(np.arange(TIME) < rng.integers(2, TIME, size=(BATCH, 1)))
        else:
            words = rng.integers(1, WORDS, size=shape).astype("int32")
            kept = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [1, 0, 1, 0, 1]], bool)
            inputs.append(words * np.roll(kept, len(inputs), axis=1))
    return inputs


# What a softmax hands back is a difference of larger terms, the more so the flatter it is, and these
# models have two or three of them: the gradients of queries and keys lay up to 4e-5 of the largest value apart.
GRADIENT = 1.5e-5


@pytest.mark.parametrize(("framework", "builder"), CASES)
def test_model(keras_worker: KerasWorker, framework: str, builder: str) -> None:
    inputs = make_inputs(builder)
    reference = keras_worker.call(framework, "models:run_model", f"attention_models:{builder}", inputs)
    found = model_differences(reference, read(reference["json"], reference["weights"]), inputs, GRADIENT)
    assert not found, "\n".join(found)


def test_a_wrong_gradient_is_seen_however_it_rounds(keras_worker: KerasWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = "used_before_and_after"
    inputs = make_inputs(builder)
    reference = keras_worker.call("keras3", "models:run_model", f"attention_models:{builder}", inputs)
    model = read(reference["json"], reference["weights"])
    right = type(model).get_gradients

    def wrong(self: Any) -> list[Any]:
        return [None if found is None else found * np.float32(1.001) for found in right(self)]

    monkeypatch.setattr(type(model), "get_gradients", wrong)
    found = model_differences(reference, model, inputs, GRADIENT)
    assert len(found) > 20
    assert all(text.startswith("grads_weights") for text in found)


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
@pytest.mark.parametrize("builder", ["encoder_decoder", "transformer", "crossed", "dense_by_einsum", "grouped"])
def test_file(
    keras_worker: KerasWorker, builder: str, framework: str, name: str, weights_only: bool, tmp_path: Any
) -> None:
    if framework not in MODELS[builder][1]:
        pytest.skip("Keras 3 only")
    inputs, path, where = make_inputs(builder), str(tmp_path / name), f"attention_models:{builder}"
    expected = keras_worker.call(framework, "models:save_model", where, path, inputs, weights_only)
    if weights_only:
        model = kerastorch.model_from_json(keras_worker.call(framework, "models:run_model", where, inputs)["json"])
        kerastorch.load_weights(model, path)
    else:
        model = kerastorch.load_model(path)
    ours = flat(model.predict(inputs if len(inputs) > 1 else inputs[0]))
    gaps = [difference(a, b, FORWARD["float32"]) for a, b in zip(expected, ours, strict=True)]
    assert not any(gaps), gaps


@pytest.mark.parametrize("framework", BOTH)
def test_our_config_keeps_every_mask_where_it_is(keras_worker: KerasWorker, framework: str) -> None:
    inputs = make_inputs("transformer")
    reference = keras_worker.call(framework, "models:run_model", "attention_models:transformer", inputs)
    model = read(reference["json"], reference["weights"])
    again = kerastorch.Model.from_config(model.get_config()).eval()
    again.set_weights(model.get_weights())
    for ours, theirs in zip(again.predict(inputs[0]), model.predict(inputs[0]), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("framework", BOTH)
def test_a_lost_mask_and_a_swapped_projection_are_seen(keras_worker: KerasWorker, framework: str) -> None:
    inputs = make_inputs("heads")
    reference = keras_worker.call(framework, "models:run_model", "attention_models:heads", inputs)
    model = read(reference["json"], reference["weights"])
    heads = next(module for module in model.modules() if isinstance(module, layers.MultiHeadAttention))
    query, key = heads.query_dense, heads.key_dense
    heads.query_dense, heads.key_dense = key, query
    assert any(text.startswith("outputs") for text in model_differences(reference, model, inputs))
    heads.query_dense, heads.key_dense = query, key
    for module in model.modules():
        if isinstance(module, layers.Embedding):
            module.mask_zero = False
    assert any(text.startswith("outputs") for text in model_differences(reference, model, inputs))


def test_models_of_our_own_lose_no_mask(keras_worker: KerasWorker) -> None:
    inputs = make_inputs("transformer")
    found = {}
    for framework in BOTH:
        reference = keras_worker.call(framework, "models:run_model", "attention_models:transformer", inputs)
        model = attention_models.transformer(kerastorch)  # type: ignore[arg-type]
        model.set_weights(reference["weights"])
        found[framework] = model_differences(reference, model.eval(), inputs)
    # Gradients of the padding, which may look nowhere, are those of Keras 3.
    assert not [text for text in found["keras2"] if not text.startswith("grads_weights")]
    assert any(text.startswith("outputs[0]") for text in found["keras3"])
