"""The smallest piece that differs: layer, row, step and both values, whatever the reference tells."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from _close import assert_numbers
from _recordings import dense_model, dense_recording, own_recording

import kerastorch as kt
from kerastorch import layers
from kerastorch.parity import compare
from kerastorch.parity.measuring import Measured, measure
from kerastorch.parity.piece import beyond, piece_of, piece_of_rows
from kerastorch.parity.report import LIMIT, Row


def sequence_model() -> kt.Sequential:
    model = kt.Sequential([kt.Input((5, 3)), layers.LSTM(4, return_sequences=True, name="lstm")], name="small")
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=array.shape) for array in model.get_weights()])
    return model


def one_number_off(name: str = "lstm") -> kt.Model:
    """A layer whose second row is another from its third step on, in one unit."""
    model = sequence_model()

    def change(_: object, __: object, made: object) -> object:
        assert hasattr(made, "clone")
        other = made.clone()
        if len(other) > 1:
            other[1, 2:, 3] += 0.5
        return other

    model.get_layer(name).register_forward_hook(change)
    return model


def test_of_a_layer(tmp_path: Path) -> None:
    model = sequence_model()
    report = compare(own_recording(model, tmp_path / "r.npz"), one_number_off(), gradients=False, training=False)
    piece = report.smallest
    assert piece is not None
    assert (piece.layer, piece.probe, piece.place, piece.row, piece.step, piece.at) == (
        ("lstm", "normal", 0, 1, 2, (1, 2, 3))
    )
    assert piece.ours is not None
    assert piece.reference is not None
    assert_numbers(piece.ours, piece.reference + 0.5)
    assert piece.multiple > 1e4
    text = (
        "lstm alone in the probe 'normal': 1 of 4 rows differs, first 1; in it 3 of 5 steps, first 2; output 0; "
        f"first at [1, 2, 3], {piece.ours!r} here, {piece.reference!r} in the reference, "
    )
    assert str(piece).startswith(text)
    assert f"Smallest piece: {piece}." in str(report)
    said = json.loads(json.dumps(report.to_dict()))["smallest"]
    assert (said["layer"], said["row"], said["step"], said["at"]) == ("lstm", 1, 2, [1, 2, 3])
    assert (said["ours"], said["reference"]) == (piece.ours, piece.reference)


def test_where_no_layer_is_known(tmp_path: Path) -> None:
    """A function tells nothing of its layers: then the outputs are pieces, the smallest run first."""
    report = kt.check_parity(sequence_model().predict, one_number_off(), what=("outputs",))
    piece = report.smallest
    assert piece is not None
    assert (piece.layer, piece.row, piece.at[2]) == ("", 1, 3)
    assert piece.step == piece.at[1] >= 2
    assert str(piece).startswith(f"output 0 in the probe {piece.probe!r}: most at [1, {piece.step}, 3], ")
    model = dense_model()
    model.set_weights([2 * array for array in model.get_weights()])
    report = compare(kt.read_recording(dense_recording(tmp_path / "r.npz", weights=[])), model)
    assert report.smallest is not None
    assert (report.smallest.layer, report.smallest.step) == ("dense", None)


def test_of_other_shapes() -> None:
    wrong = Measured((2, 3), math.inf, 1.0, 0.0, wrong="its shape is (2, 4) here, (2, 3) in the reference")
    piece = piece_of(Row("layer", "dense", "Dense", 0, "normal", wrong))
    assert str(piece) == "dense: output 0 in the probe 'normal': its shape is (2, 4) here, (2, 3) in the reference"
    assert (piece.row, piece.step, piece.ours, piece.at) == (None, None, None, ())
    assert piece.to_dict()["multiple"] == "inf"


def test_of_a_training_and_of_gradients() -> None:
    far = Measured((2, 3, 4), 1.0, 1.0, 1e-7, (1, 2, 3), 2.0, 1.0)
    weight = piece_of(Row("weight", "conv", "", 1, "", far, "conv/kernel", 4))
    assert (weight.row, weight.step, weight.at, weight.ours, weight.reference) == (None, 4, (1, 2, 3), 2.0, 1.0)
    of_input = piece_of(Row("gradient", "", "", 0, "normal", far, "input 0"))
    assert (of_input.row, of_input.step) == (None, None)
    assert str(weight).startswith("conv: weight conv/kernel after step 4: most at [1, 2, 3], 2.0 here, 1.0 in the")


def test_the_array_of_the_fewest_numbers_is_the_piece() -> None:
    rows = [
        Row("layer", "a", "LSTM", place, "normal", measure(np.ones(shape), np.zeros(shape), np.ones(shape), []))
        for place, shape in enumerate([(4, 3), (2, 3), (3, 3)])
    ]
    piece = piece_of_rows(rows)
    assert piece is not None
    assert (piece.place, piece.at) == (1, (0, 0))
    assert piece_of_rows([]) is None


def test_what_is_beyond_rounding() -> None:
    reference = np.array([0.0, 1.0, np.nan, np.inf, np.inf, 1.0])
    ours = np.array([0.0, 1.0 + 2 * LIMIT * 1e-7, np.nan, np.inf, -np.inf, np.nan])
    assert beyond(ours, reference, 1e-7).tolist() == [False, True, False, False, True, True]
    assert beyond(ours[:2], reference[:2], 1e-6).tolist() == [False, False]


def test_the_worst_array_says_where_and_both_values(tmp_path: Path) -> None:
    model = dense_model()
    recording = kt.read_recording(dense_recording(tmp_path / "r.npz"))
    for change in (1.0, 2.0):
        model.set_weights([change * array for array in model.get_weights()])
        worst = compare(recording, model, self_check=False).worst
        assert worst is not None
        assert (worst.at, worst.ours, worst.reference, worst.multiple) == (
            (worst.measured.at, worst.measured.ours, worst.measured.reference, worst.measured.multiple)
        )
        assert worst.ours is not None
        assert worst.reference is not None
        assert len(worst.at) == 2
    whole = measure(np.array([1, 2]), np.array([1, 2]), np.array([1, 2]), [])
    assert (whole.multiple, whole.at, whole.ours, whole.reference) == (0.0, (0,), 1.0, 1.0)
