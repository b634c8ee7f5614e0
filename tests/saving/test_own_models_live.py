"""Weights of models of a person's own class, written here, read by the same class in Keras 3."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from _close import KERAS, assert_close
from _keras_worker import KerasWorker
from workers import own_classes

import kerastorch as kt

from ._cases import randomize


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
@pytest.mark.parametrize("builder", ["every_form", "nested_lists", "seq2seq", "in_a_graph", "own_cells", "own_store"])
def test_keras_reads_the_weights(
    keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, builder: str, ending: str
) -> None:
    model = own_classes.made(kt, builder).eval()
    randomize(model, rng)
    x = rng.normal(size=own_classes.SHAPE).astype("float32")
    wanted = model(torch.as_tensor(x)).detach().numpy()
    path = str(tmp_path / f"w{ending}")
    kt.save_weights(model, path)
    fresh = own_classes.made(kt, builder).eval()
    fresh.load_weights(path)
    np.testing.assert_array_equal(fresh(torch.as_tensor(x)).detach().numpy(), wanted)
    theirs = keras_worker.call("keras3", "own_classes:read", builder, path, x)
    assert_close([theirs], [wanted], KERAS)
