"""What a report says of gradients and of a training."""

from __future__ import annotations

import json

import pytest

from kerastorch.parity.measuring import Measured
from kerastorch.parity.report import ParityReport, Row, Training

FINE = Measured((2,), 1e-7, 1.0, 1e-7)
FAR = Measured((2,), 1e-2, 1.0, 1e-7, (1,), 0.5, 0.49)
TRAINING = Training("Adam", {"epsilon": 1e-7}, "mse", "the caller", "there is no dropout", (0.5, 0.4), (0.5, 0.41))


def report_of(*rows: Row) -> ParityReport:
    first = Row("output", "", "", 0, "normal", FINE)
    probes = ({"name": "normal", "what": "values", "seed": 0},)
    return ParityReport((first, *rows), probes, {}, {}, {"by": "keras"}, {"torch": "2"}, training=TRAINING)


GRADIENT = Row("gradient", "lstm", "LSTM", 1, "normal", FINE, "lstm/recurrent_kernel")


@pytest.mark.parametrize(
    ("row", "begins"),
    [
        (GRADIENT, "it begins at lstm: gradient of lstm/recurrent_kernel in the probe 'normal'."),
        (Row("gradient alone", "lstm", "LSTM", 0, "normal", FINE, "input 0"),
         "it begins at lstm: gradient of input 0, alone, in the probe 'normal'."),
        (Row("weight", "bn", "", 2, "", FINE, "bn/moving_mean", 3),
         "it begins at bn: weight bn/moving_mean after step 3."),
        (Row("loss", "", "", 0, "", FINE, "", 2), "it begins with the loss after step 2."),
        (Row("slot", "", "", 0, "", FINE, "adam/kernel_momentum", 1),
         "it begins with the state of the optimizer: adam/kernel_momentum after step 1."),
        (Row("state", "lstm", "LSTM", 1, "normal", FINE), "it begins at lstm: state 1 in the probe 'normal'."),
    ],
)  # fmt: skip
def test_a_difference_is_named_by_what_it_is_of(row: Row, begins: str) -> None:
    assert report_of(row).passed
    far = Row(row.where, row.layer, row.kind, row.place, row.probe, FAR, row.array, row.step)
    report = report_of(GRADIENT, far)
    assert not report.passed
    assert report.first == far
    assert report.verdict.endswith(begins), report.verdict


def test_gradients_and_training_have_parts_of_their_own() -> None:
    loss = Row("loss", "", "", 0, "", FINE, "", 2)
    report = report_of(GRADIENT, loss)
    said = json.loads(json.dumps(report.to_dict()))
    assert [row["where"] for row in said["arrays"]] == ["output"]
    assert [row["array"] for row in said["gradients"]] == ["lstm/recurrent_kernel"]
    assert said["training"]["arrays"][0]["step"] == 2
    assert said["training"]["losses_here"] == [0.5, 0.4]
    assert said["training"]["losses_reference"] == [0.5, 0.41]
    assert said["training"]["settings"] == {"epsilon": 1e-7}
    assert report.gradients == (GRADIENT,)
    assert report.trained == (loss,)
    text = str(report)
    assert "Training: Adam, mse, chosen by the caller; there is no dropout." in text
    assert "  lstm   lstm/recurrent_kernel  1.0" in text


def test_of_gradients_and_training_the_first_fault_is_that_of_the_forward_pass() -> None:
    weight = Row("weight", "lstm", "", 0, "", FAR, "lstm/kernel", 1)
    gradient = Row("gradient", "lstm", "LSTM", 1, "normal", FAR, "lstm/recurrent_kernel")
    alone = Row("alone", "lstm", "LSTM", 0, "normal", FAR)
    assert report_of(weight, gradient, alone).first == alone
    assert report_of(weight, gradient).first == gradient
