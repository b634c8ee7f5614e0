"""Models taken apart as in Keras's examples: the same lines run there and here, on the same file."""

from __future__ import annotations

import copy
import functools
import io
from collections.abc import Callable

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


Operated = Callable[[str, str, str], tuple[str, list[np.ndarray]]]


@pytest.fixture(scope="module")
def operated(keras_worker: KerasWorker, tmp_path_factory: pytest.TempPathFactory) -> Operated:
    """The file of an example, and what its surgery gives there."""

    @functools.cache
    def operate(framework: str, name: str, example: str) -> tuple[str, list[np.ndarray]]:
        path = str(tmp_path_factory.mktemp("surgery") / name)
        # Keras 3 knows no NotEqual of its own masks there.
        reads = (framework, name, example) != ("keras3", "model.h5", "words")
        eagerly = (framework, name) == ("keras2", "model.h5")  # its .keras files are predicted as they always are
        return path, keras_worker.call(framework, "surgery:operate", example, path, reads, eagerly)

    return operate


@pytest.mark.parametrize(("framework", "name"), FILES, ids=[f"{framework}-{name}" for framework, name in FILES])
@pytest.mark.parametrize("example", surgery.MAKERS)
def test_example(operated: Operated, example: str, framework: str, name: str) -> None:
    path, theirs = operated(framework, name, example)
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
def test_example_without_a_file(operated: Operated, example: str) -> None:
    path, theirs = operated("keras3", "model.keras", example)
    model = surgery.MAKERS[example](kerastorch)
    model.set_weights(kerastorch.load_model(path).get_weights())
    assert not gaps(theirs, getattr(surgery, example)(kerastorch, model.eval()))


def test_the_wrong_state_is_seen(operated: Operated) -> None:
    path, theirs = operated("keras3", "model.keras", "seq2seq")
    model = kerastorch.load_model(path)
    weights = model.layers[3].get_weights()
    model.layers[3].set_weights([weights[0], weights[1] * 1.01, weights[2]])
    assert gaps(theirs, surgery.seq2seq(kerastorch, model))


def test_keras3_forgets_the_mask_of_a_call_with_states(keras_worker: KerasWorker) -> None:
    old, new = (keras_worker.call(name, "surgery:mask_with_states") for name in ("keras2", "keras3"))
    assert not gaps(old, surgery.mask_with_states(kerastorch))
    assert not gaps(new, surgery.mask_with_states(kerastorch, mask=None))
    assert gaps(old, new)
