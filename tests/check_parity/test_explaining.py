"""Alterations of layers: each that is planted is noticed, and is named by what undoes it. No Keras runs here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from _recordings import own_recording

import kerastorch as kt
from kerastorch import layers
from kerastorch.parity import Recording, compare
from kerastorch.parity.alterations import TF32, alterations_of
from kerastorch.parity.explaining import explain_mask

LAYERS = {
    "lstm": lambda: layers.LSTM(4, return_sequences=True, name="it"),
    "lstm, hard": lambda: layers.LSTM(3, recurrent_activation="hard_sigmoid", name="it"),
    "gru": lambda: layers.GRU(4, return_sequences=True, name="it"),
    "gru, before": lambda: layers.GRU(4, reset_after=False, name="it"),
    "both": lambda: layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="it"),
    "cells": lambda: layers.RNN([layers.LSTMCell(3), layers.LSTMCell(2)], name="it"),
    "cell": lambda: layers.RNN(layers.GRUCell(3), name="it"),
    "batch": lambda: layers.BatchNormalization(epsilon=1e-3, name="it"),
    "layer": lambda: layers.LayerNormalization(epsilon=1e-6, name="it"),
    "steps": lambda: layers.TimeDistributed(layers.Dense(3, activation="sigmoid"), name="it"),
    "dense": lambda: layers.Dense(4, activation="tanh", name="it"),
}
# Their numbers are gone, or are the same again: other weights is all that can be said, or nothing differs.
ONE_WAY = {"no bias", "the other reset_after"}


def model_of(kind: str) -> kt.Model:
    ids = kt.Input((None,), dtype="int32", name="ids")
    x = layers.Embedding(9, 4, mask_zero=True, name="embedding")(ids)
    model = kt.Model(ids, LAYERS[kind]()(x))
    rng = np.random.default_rng(3)
    drawn = [rng.uniform(0.5, 1.5, a.shape) if (a > 0).all() else rng.normal(size=a.shape) for a in model.get_weights()]
    model.set_weights(drawn)
    return model.eval()


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recording]:
    folder = tmp_path_factory.mktemp("known")
    return {kind: own_recording(model_of(kind), folder / f"{place}.npz") for place, kind in enumerate(LAYERS)}


def named(kind: str) -> list[str]:
    return [it.text for it in alterations_of(model_of(kind).get_layer("it"), masked=True) if it.change is not None]


# An epsilon as small in the place of another moves less than the comparison allows, where variances are near 1.
TOO_SMALL = {("layer", f"epsilon {value}") for value in ("1e-07", "1e-08", "1e-12")}
CASES = [(kind, text) for kind in LAYERS for text in named(kind) if (kind, text) not in TOO_SMALL]


def test_every_layer_has_alterations() -> None:
    assert {kind for kind, _ in CASES} == set(LAYERS)
    assert {"gates i and f exchanged", "no bias", "the other direction of time"} <= set(named("lstm"))
    assert {"gates z and r exchanged", "the other reset_after"} <= set(named("cell"))
    assert "the weights of both directions exchanged" in named("both")
    assert "recurrent_activation hard_sigmoid of Keras 1 and 2" in named("lstm, hard")
    assert {"epsilon 0.01", "epsilon 1e-05"} <= set(named("batch"))


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_what_is_planted_is_undone(known: dict[str, Recording], kind: str, text: str) -> None:
    model = model_of(kind)
    planted = next(it for it in alterations_of(model.get_layer("it"), masked=True) if it.text == text)
    assert planted.change is not None
    planted.change(model.get_layer("it"))
    report = compare(known[kind], model)
    assert not report.passed, str(report)
    if report.first is None:  # states that nothing bounds: rounding decides how large they become
        assert text in ("recurrent_activation relu", "recurrent_activation linear")
        assert report.verdict.startswith("NOT COMPARED: output 0: ")
        assert (report.explained_by, report.smallest) == (None, None)
        return
    if report.first.measured.wrong:  # another merge makes another shape
        assert text.startswith("merge_mode")
        return
    assert report.first.layer == "it"
    assert report.explained_by is not None, str(report)
    one_way = text.partition(" in the ")[0].partition(" in cell ")[0] in ONE_WAY
    assert report.explained_by.startswith(("it: ", "the model here has other weights" if one_way else "it: "))
    if " exchanged in " in text:
        assert report.explained_by.startswith(f"it: {text} (the difference falls from ")
    assert report.smallest is not None
    assert report.smallest.layer == "it"
    assert str(report.smallest).startswith("it alone in the probe ")


@pytest.mark.parametrize("kind", LAYERS)
def test_a_model_beside_itself_differs_in_nothing(known: dict[str, Recording], kind: str) -> None:
    report = compare(known[kind], model_of(kind))
    assert report.passed
    assert report.worst is not None
    assert report.worst.measured.multiple == 0
    assert (report.explained_by, report.smallest) == (None, None)
    assert report.noticed["it"]
    if kind in ("lstm", "lstm, hard", "gru", "gru, before", "both", "cell"):
        assert report.missed == {}
    else:  # these have no use for the mask that they are given
        assert all("the mask" in text for text in report.missed.get("it", ()))
    assert compare(known[kind], model_of(kind), self_check=False).noticed == {}


def test_what_has_become_of_a_mask() -> None:
    mask = np.array([[True, True, False, False], [True, True, True, False]])
    assert explain_mask("a", np.roll(mask, 1, 1), mask) == "a: the mask that it is given is one step late"
    assert explain_mask("a", np.roll(mask, -1, 1), mask) == "a: the mask that it is given is one step early"
    assert explain_mask("a", ~mask, mask) == "a: the mask that it is given is the inverted one"
    assert explain_mask("a", mask | True, mask) == "a: the mask that it is given leaves nothing out"
    assert explain_mask("a", mask & np.array([True, False, True, True]), mask) is None


def test_a_lost_mask_is_named(known: dict[str, Recording], tmp_path: Path) -> None:
    model = model_of("gru")
    model.get_layer("embedding").mask_zero = False
    report = compare(known["gru"], model)
    assert report.explained_by is not None
    assert report.explained_by.startswith("it: the mask, which does not arrive (the difference falls from ")
    text = str(report)
    assert "0 masks here, 1 in the reference" in text


@pytest.mark.parametrize("kind", ["lstm", "gru, before", "dense"])
def test_a_reference_that_was_computed_in_tf32(tmp_path: Path, kind: str) -> None:
    """Ten bits behind the point, in every product: also in those of torch's kernels."""
    model = model_of(kind)
    with TF32():
        recording = own_recording(model, tmp_path / "r.npz")
    report = compare(recording, model)
    assert not report.passed
    assert report.explained_by is not None
    assert report.explained_by.startswith("it: products of matrices in TF32 (the difference falls from ")
