"""Models taken apart as in Keras's examples: the same lines run there and here, on the same file."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker
from workers import surgery

import kerastorch

from ._compare import FORWARD, difference

FILES = [("keras3", "model.keras"), ("keras3", "model.h5"), ("keras2", "model.keras"), ("keras2", "model.h5")]


def gaps(theirs: list[np.ndarray], ours: list[np.ndarray]) -> list[str]:
    assert len(theirs) == len(ours)
    found = [difference(a, np.asarray(b), FORWARD["float32"]) for a, b in zip(theirs, ours, strict=True)]
    return [f"[{index}]: {gap}" for index, gap in enumerate(found) if gap]


@pytest.mark.parametrize(("framework", "name"), FILES, ids=[f"{framework}-{name}" for framework, name in FILES])
@pytest.mark.parametrize("example", surgery.MAKERS)
def test_example(keras_worker: KerasWorker, example: str, framework: str, name: str, tmp_path: Path) -> None:
    path = str(tmp_path / name)
    reads = (framework, name, example) != ("keras3", "model.h5", "words")  # it knows no NotEqual of its own masks there
    theirs = keras_worker.call(framework, "surgery:operate", example, path, reads)
    if example == "lines":  # step by step Keras itself predicts what it predicts at once
        assert not gaps([theirs[0][:1]], [theirs[surgery.TIME]])
    operation = getattr(surgery, example)
    assert not gaps(theirs, operation(kerastorch, kerastorch.load_model(path)))
    if name == "model.keras":  # a copy has a graph of its own, as good as the first
        assert not gaps(theirs, operation(kerastorch, copy.deepcopy(kerastorch.load_model(path))))
        buffer = io.BytesIO()
        torch.save(kerastorch.load_model(path), buffer)
        buffer.seek(0)
        assert not gaps(theirs, operation(kerastorch, torch.load(buffer, weights_only=False)))


@pytest.mark.parametrize("example", surgery.MAKERS)
def test_example_without_a_file(keras_worker: KerasWorker, example: str, tmp_path: Path) -> None:
    path = str(tmp_path / "model.keras")
    theirs = keras_worker.call("keras3", "surgery:operate", example, path)
    model = surgery.MAKERS[example](kerastorch)
    model.set_weights(kerastorch.load_model(path).get_weights())
    assert not gaps(theirs, getattr(surgery, example)(kerastorch, model.eval()))


def test_the_wrong_state_is_seen(keras_worker: KerasWorker, tmp_path: Path) -> None:
    path = str(tmp_path / "model.keras")
    theirs = keras_worker.call("keras3", "surgery:operate", "seq2seq", path)
    model = kerastorch.load_model(path)
    weights = model.layers[3].get_weights()
    model.layers[3].set_weights([weights[0], weights[1] * 1.01, weights[2]])
    assert gaps(theirs, surgery.seq2seq(kerastorch, model))


def test_keras3_forgets_the_mask_of_a_call_with_states(keras_worker: KerasWorker) -> None:
    old, new = (keras_worker.call(name, "surgery:mask_with_states") for name in ("keras2", "keras3"))
    assert not gaps(old, surgery.mask_with_states(kerastorch))
    assert not gaps(new, surgery.mask_with_states(kerastorch, mask=None))
    assert gaps(old, new)
