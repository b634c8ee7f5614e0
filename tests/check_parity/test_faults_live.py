"""Planted faults against real Keras: each is found where it is and named, and in a sound model all are noticed."""

from __future__ import annotations

import pytest
import torch
from _close import assert_numbers
from _planting import (
    FORWARD,
    Plant,
    exchange,
    hooked,
    no_mask,
    scale,
    setting,
    shifted_mask,
    swap_gates,
    swapped_states,
    transpose,
    weights,
)
from _recordings import Recordings

from kerastorch.parity.report import LIMIT

FAULTS: dict[str, tuple[str, str, Plant]] = {
    # LSTM
    "gates i and f swapped": ("recurrent.keras", "lstm", weights("lstm", swap_gates(4, 0, 1))),
    "gates c and o swapped": ("recurrent.keras", "lstm", weights("lstm", swap_gates(4, 2, 3))),
    "no bias": ("recurrent.keras", "lstm", weights("lstm", scale(2, 0.0))),
    "the bias twice": ("recurrent.keras", "lstm_relu", weights("lstm_relu", scale(2, 2.0))),
    "forwards": ("recurrent.keras", "lstm_backwards", setting("lstm_backwards", go_backwards=False)),
    "another hard_sigmoid": (
        "recurrent.keras",
        "lstm_relu",
        setting("lstm_relu", recurrent_activation=lambda x: torch.clamp(0.2 * x + 0.5, 0, 1)),
    ),
    "another activation": ("recurrent.keras", "lstm_relu", setting("lstm_relu", activation=torch.tanh)),
    "states exchanged": ("seq2seq.keras", "decoder", hooked("decoder", swapped_states)),
    # GRU and SimpleRNN
    "gates z and r swapped": ("recurrent.keras", "gru", weights("gru", swap_gates(4, 0, 1))),
    "gates z and r swapped, reset before": (
        "recurrent.keras",
        "gru_before",
        weights("gru_before", swap_gates(4, 0, 1)),
    ),
    "reset before": ("recurrent.keras", "gru", setting("gru", reset_after=False)),
    "reset after": ("recurrent.keras", "gru_before", setting("gru_before", reset_after=True)),
    "recurrent kernel transposed": ("recurrent.keras", "rnn", weights("rnn", transpose(1))),
    "a kernel of one thousandth more": ("recurrent.keras", "rnn_relu", weights("rnn_relu", scale(0, 1.001))),
    # masks and words
    "masks that do not arrive": ("embedded.keras", "both", setting("embedding", mask_zero=False)),
    "a mask one step late": ("embedded.keras", "both", hooked("both", shifted_mask)),
    "another word": ("embedded.keras", "embedding", weights("embedding", lambda held: held[0].__setitem__(3, 0.5))),
    # both directions
    "directions exchanged": (
        "bidirectional.keras",
        "bidirectional",
        weights("bidirectional", lambda held: held.__setitem__(slice(0, 6), held[3:6] + held[0:3])),
    ),
    "average in the place of the sum": (
        "bidirectional.keras",
        "bidirectional_1",
        setting("bidirectional_1", merge_mode="ave"),
    ),
    # normalisation and shapes
    "epsilon of BatchNormalization": ("shapes.keras", "batch_norm", setting("batch_norm", epsilon=1e-3)),
    "epsilon of LayerNormalization": ("shapes.keras", "layer_norm", setting("layer_norm", epsilon=1e-5)),
    "gamma and beta exchanged": ("shapes.keras", "batch_norm", weights("batch_norm", exchange(0, 1))),
    "another permutation": ("shapes.keras", "dense", weights("dense", lambda held: held[0].__setitem__(0, held[0][1]))),
    "states forgotten": ("stateful.keras", "lstm", setting("lstm", stateful=False)),
}


# What each is called; "other weights" where numbers of the file were changed in no way that has a name.
NAMES = {
    "gates i and f swapped": "lstm: gates i and f exchanged (the difference falls from ",
    "gates c and o swapped": "lstm: gates c and o exchanged",
    "no bias": "the model here has other weights than the reference: lstm (bias)",
    "the bias twice": "lstm_relu: half the bias",
    "forwards": "lstm_backwards: the other direction of time",
    "another hard_sigmoid": "lstm_relu: recurrent_activation hard_sigmoid of Keras 3",
    "another activation": "lstm_relu: activation relu",
    "states exchanged": "decoder: the initial states exchanged",
    "gates z and r swapped": "gru: gates z and r exchanged",
    "gates z and r swapped, reset before": "gru_before: gates z and r exchanged",
    "reset before": "gru: the other reset_after",
    "reset after": "gru_before: the other reset_after",
    "recurrent kernel transposed": "rnn: a square kernel transposed",
    "a kernel of one thousandth more": "the model here has other weights than the reference: rnn_relu (kernel)",
    "masks that do not arrive": "both: the mask, which does not arrive",
    "a mask one step late": "both: the mask one step early",
    "another word": "the model here has other weights than the reference: embedding (embeddings)",
    "directions exchanged": "bidirectional: the weights of both directions exchanged",
    "average in the place of the sum": "bidirectional_1: merge_mode sum",
    "epsilon of BatchNormalization": "batch_norm: epsilon 0.01",
    "epsilon of LayerNormalization": "layer_norm: epsilon 0.001",
    "gamma and beta exchanged": "the model here has other weights than the reference: batch_norm (gamma, beta)",
    "another permutation": "the model here has other weights than the reference: dense (kernel)",
    "states forgotten": "states are not kept from one batch to the next as in the reference",
}
# Those that no alteration covers, and the smallest piece that differs.
UNEXPLAINED: dict[str, tuple[str, str, Plant, str]] = {
    "an input of one hundredth more": (
        "recurrent.keras",
        "rnn",
        hooked("rnn", lambda args, kwargs: ((args[0] * 1.01,), kwargs)),
        "rnn alone in the probe 'one step': 4 of 4 rows differ, first 0; in it 1 of 1 step, first 0; output 0",
    ),
    "the last row doubled": (
        "encoder_decoder.keras",
        "lstm",
        hooked("lstm", lambda args, kwargs: ((torch.cat([args[0][:-1], args[0][-1:] * 2]),), kwargs)),
        "lstm alone in the probe 'one row': 1 of 1 row differs, first 0; output 0",
    ),
    "steps from the fifth on cut off": (
        "recurrent.keras",
        "gru",
        hooked("gru", lambda args, kwargs: ((torch.cat([args[0][:, :4], args[0][:, 4:] * 0], dim=1),), kwargs)),
        "gru alone in the probe 'one row': 1 of 1 row differs, first 0; in it 3 of 7 steps, first 4; output 0",
    ),
    "a mask that is always ignored": (
        "embedded.keras",
        "gru",
        hooked("gru", no_mask),
        "gru alone in the probe 'right': 3 of 4 rows differ, first 1; output 0",
    ),
    "rounding to bfloat16": (
        "shapes.keras",
        "dense",
        hooked("dense", lambda args, kwargs: ((args[0].bfloat16().to(args[0]),), kwargs)),
        "dense alone in the probe 'one row': 1 of 1 row differs, first 0; output 0",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found_where_they_are(recordings: Recordings, fault: str) -> None:
    file, layer, plant = FAULTS[fault]
    model = recordings.model("keras3", file)
    plant(model)
    report = recordings.report("keras3", file, model, **FORWARD)
    assert not report.passed
    assert report.first is not None
    assert report.first.layer == layer, str(report)
    assert report.worst is not None
    assert report.worst.measured.multiple > 10 * LIMIT
    assert report.verdict.startswith("NO PARITY: ")
    assert f"it begins at {layer!r}" in str(report)
    assert report.explained_by is not None
    assert report.explained_by.startswith(NAMES[fault]), report.explained_by
    assert f"Explained by: {report.explained_by}." in str(report)
    assert report.to_dict()["explained_by"] == report.explained_by


@pytest.mark.parametrize("fault", UNEXPLAINED)
def test_faults_without_a_name_end_in_the_smallest_piece(recordings: Recordings, fault: str) -> None:
    file, layer, plant, piece = UNEXPLAINED[fault]
    model = recordings.model("keras3", file)
    plant(model)
    report = recordings.report("keras3", file, model, **FORWARD)
    assert not report.passed
    assert report.first is not None
    assert report.first.layer == layer
    assert report.explained_by is None
    found = report.smallest
    assert found is not None
    assert str(found).startswith(f"{piece}; first at "), str(found)
    assert f"Nothing that is known explains it.\nSmallest piece: {found}." in str(report)
    # The layer, the row, the step and both values, as the row of that run has them where it differs most.
    assert (found.layer, found.row, found.step) == (layer, found.at[0], found.at[1] if len(found.at) > 2 else None)
    row = next(
        row
        for row in report.rows
        if (row.where, row.layer, row.probe, row.place) == ("alone", layer, found.probe, found.place)
    )
    assert found.ours is not None
    assert found.reference is not None
    assert LIMIT < found.multiple <= row.multiple * 1.001
    assert_numbers(found.multiple, abs(found.ours - found.reference) / row.measured.rounding)


@pytest.mark.parametrize("name", ["recurrent.keras", "masking.keras", "bidirectional.keras", "shapes.keras"])
def test_planted_faults_are_noticed_on_a_model_that_passes(recordings: Recordings, name: str) -> None:
    report = recordings.report("tf_keras", name, **FORWARD)
    assert report.passed
    assert report.missed == {}
    assert sum(map(len, report.noticed.values())) > 8
    text = str(report)
    count = sum(map(len, report.noticed.values()))
    assert f"Faults planted, one at a time: {count} of {count} noticed." in text


def test_what_would_not_have_been_noticed_is_told(recordings: Recordings) -> None:
    """A Dense has no use for a mask, and one repeated vector is the same in both directions of time."""
    report = recordings.report("keras3", "embedded.keras", **FORWARD)
    assert set(report.missed) == {"tags"}
    assert "not noticed: tags: the mask left out, the mask one step late, the mask one step early" in str(report)
    report = recordings.report("keras3", "encoder_decoder.keras", **FORWARD)
    assert report.missed == {"lstm_1": ["the other direction of time"]}


def test_a_mask_that_is_another_one_is_told_as_that(recordings: Recordings) -> None:
    model = recordings.model("keras3", "masking.keras")
    setting("masking", mask_value=7.0)(model)  # what it returns is the same: masked steps hold zeros
    report = recordings.report("keras3", "masking.keras", model, **FORWARD)
    assert not report.passed
    assert report.first is not None
    assert report.first.where == "mask"
    assert f"it begins with the mask that {report.first.layer!r}" in report.verdict
    assert report.explained_by == f"{report.first.layer}: the mask that it is given leaves nothing out"


def test_a_fault_in_the_weights_is_told_as_that(recordings: Recordings) -> None:
    model = recordings.model("keras3", "recurrent.keras")
    FAULTS["no bias"][2](model)
    report = recordings.report("keras3", "recurrent.keras", model, **FORWARD)
    assert report.explained_by == "the model here has other weights than the reference: lstm (bias)"
    # With the random weights of a probe, which both sides get, there is no difference.
    assert not [row for row in report.rows if row.differs and row.probe == "random weights"]


def test_dropout_that_is_left_on(recordings: Recordings) -> None:
    """What comes out is drawn at random: no output can be judged, and that is no parity."""
    model = recordings.model("keras3", "shapes.keras")
    model.get_layer("dropout").register_forward_pre_hook(
        lambda _, args, kwargs: (args, {**kwargs, "training": True}), with_kwargs=True
    )
    report = recordings.report("keras3", "shapes.keras", model, **FORWARD)
    assert not report.passed
    assert report.verdict.startswith("NOT COMPARED: output 0: it is drawn at random")
    drawn = [row for row in report.rows if row.layer == "dropout" and row.where == "alone"]
    assert drawn
    assert all(row.differs or "drawn at random" in row.measured.note for row in drawn)
