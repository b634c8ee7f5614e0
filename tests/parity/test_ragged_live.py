"""Ragged inputs of tf.keras: a padded tensor and a mask give its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError, SaveError, UnsupportedError

from ._compare import FORWARD, difference

FORMS = ["lstm", "gru", "rnn", "bidirectional", "steps", "mean", "words", "words mean", "dropout", "activation"]


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("form", FORMS)
def test_a_padded_input_and_a_mask(keras_worker: KerasWorker, form: str, suffix: str, tmp_path: Path) -> None:
    path = str(tmp_path / f"m.{suffix}")
    padded, mask, theirs = keras_worker.call("keras2", "ragged:write", form, path)
    model = kt.load_model(path)
    x, steps = torch.tensor(padded), torch.tensor(mask)
    found = model(x, mask=steps).detach().numpy()
    if found.ndim == 3:  # what stands behind the end of a row is nothing
        found = np.where(mask[..., None], found, 0)
    assert difference(theirs, found, FORWARD["float32"]) is None
    other = torch.where(steps if x.ndim == 2 else steps[..., None], x, 3)  # nor is the padding looked at
    again = model(other, mask=steps).detach().numpy()
    assert np.array_equal(np.where(mask[..., None], again, 0) if again.ndim == 3 else again, found)
    with pytest.raises(ArgumentError, match=r"is ragged in Keras, so a padded tensor alone .*: model\(x, mask=mask\)"):
        model(x)
    for array in (padded, x):
        batches = model.predict(array, mask=mask, batch_size=2)
        batches = np.where(mask[..., None], batches, 0) if batches.ndim == 3 else batches
        assert difference(theirs, batches, FORWARD["float32"]) is None
    again = str(tmp_path / f"again.{suffix}")
    kt.save_model(model, again, dialect="keras2")
    assert difference(theirs, keras_worker.call("keras2", "ragged:run", again, padded), FORWARD["float32"]) is None
    same = kt.load_model(again)
    assert np.array_equal(same(x, mask=steps).detach().numpy(), model(x, mask=steps).detach().numpy())
    with pytest.raises(SaveError, match=r"it is ragged, and no recurrent layer of Keras 3 runs on .*keras2"):
        kt.save_model(model, again)


def test_what_would_be_other_numbers_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"Conv1D .* takes a ragged tensor of Keras, .*; LSTM, GRU"):
        Model(x := Input((None, 3), ragged=True), layers.LSTM(2)(layers.Conv1D(2, 1)(x)))
    with pytest.raises(UnsupportedError, match=r"Embedding .* with mask_zero=True takes a ragged tensor"):
        Sequential([Input((None,), ragged=True), layers.Embedding(9, 2, mask_zero=True)])
    model = Sequential([Input((None, 3), ragged=True), layers.LSTM(2), layers.Flatten()])
    assert Sequential.from_config(model.get_config())._input_layers[0].ragged
