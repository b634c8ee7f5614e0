"""Files with the layers of cuDNN, which tf-keras writes and does not read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from _close import assert_close
from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch import layers


def test_their_weights_stand_at_the_layer_in_every_file(keras_worker: KerasWorker, tmp_path: Path) -> None:
    weights = keras_worker.call("keras2", "files:cudnn", str(tmp_path))
    models = [kt.load_model(tmp_path / f"model{ending}") for ending in (".keras", ".h5")]
    loaded = kt.load_model(tmp_path / "model.h5")
    loaded.set_weights([np.zeros_like(array) for array in weights])
    kt.load_weights(loaded, tmp_path / "model.weights.h5")
    x = torch.as_tensor(np.random.default_rng(4).normal(size=(2, 5, 3)).astype("float32"))
    outputs = [model(x) for model in (*models, loaded)]
    for model, found in zip((*models, loaded), outputs, strict=True):
        for array, wanted in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(array, wanted)
        for one, other in zip(found, outputs[0], strict=True):
            assert torch.equal(one, other)


def test_every_wrapper_and_model_around_them(keras_worker: KerasWorker, tmp_path: Path) -> None:
    for name, (inputs, outputs) in keras_worker.call("keras2", "cudnn:write", str(tmp_path)).items():
        given = [torch.as_tensor(array) for array in inputs]
        kept = kt.load_model(tmp_path / f"{name}.h5")
        kept.set_weights([np.zeros_like(array) for array in kept.get_weights()])
        kt.load_weights(kept, tmp_path / f"{name}_weights.h5")
        for model in (kept, kt.load_model(tmp_path / f"{name}.keras"), kt.load_model(tmp_path / f"{name}.h5")):
            with torch.no_grad():
                found = model(given if len(given) > 1 else given[0])
            for one, wanted in zip(found if isinstance(found, list) else [found], outputs, strict=True):
                assert_close(one, wanted)


def test_they_are_written_and_read_here(tmp_path: Path) -> None:
    model, again = (
        kt.Sequential(
            [
                kt.Input((5, 3)),
                layers.Bidirectional(layers.CuDNNLSTM(4, return_sequences=True)),
                layers.CuDNNGRU(2),
            ]
        )
        for _ in range(2)
    )
    kt.save_weights(model, tmp_path / "model.weights.h5")
    kt.load_weights(again, tmp_path / "model.weights.h5")
    for array, wanted in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(array, wanted)
