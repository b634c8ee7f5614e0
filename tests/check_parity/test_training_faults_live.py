"""Planted faults in gradients and in training: found, and named, or left with the smallest piece, by real Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from _planting import GRADIENTS, TRAINING, Plant, WithoutBiases, gradient, leave_dropout_on, optimizer
from _recordings import Recordings

import kerastorch as kt
from kerastorch import layers, optimizers
from kerastorch.parity.report import LIMIT


def made() -> kt.Model:
    """A small compiled model with every kind of part that a fault is planted in."""
    parts = [
        layers.GRU(4, return_sequences=True, name="gru"),
        layers.SimpleRNN(4, return_sequences=True, name="rnn"),
        layers.Dropout(0.3, name="drop"),
        layers.LSTM(4, name="lstm"),
        layers.BatchNormalization(name="norm"),
        layers.Dense(2, name="dense"),
    ]
    model = kt.Sequential([kt.Input((6, 3)), *parts], name="chain")
    rng = np.random.default_rng(3)
    model.set_weights([rng.uniform(0.1, 0.9, size=array.shape) for array in model.get_weights()])
    model.compile(optimizers.Adam(0.01), "mse")
    return model


@pytest.fixture(scope="module")
def compared(recordings: Recordings) -> Callable[..., kt.ParityReport]:
    """The report on the small model with a fault planted in it."""
    path = recordings.folder / "chain.keras"
    kt.save_model(made(), path)

    def compare(plant: Plant, **options: bool) -> kt.ParityReport:
        model = kt.load_model(path)
        plant(model)
        return kt.parity.compare(recordings.of_file("keras3", path, steps=3), model, **options)

    return compare


def swap_z_and_r(model: kt.Model) -> None:
    def change(grad: torch.Tensor) -> torch.Tensor:
        r, z, n = grad.chunk(3)
        return torch.cat([z, r, n])

    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        gradient("gru", name, change)(model)


def drop_again(model: kt.Model) -> None:
    drop = model.get_layer("drop")
    drop.register_forward_hook(lambda layer, _, out: torch.nn.functional.dropout(out, 0.3, layer.training))


def test_the_model_passes_without_a_fault(compared: Callable[..., kt.ParityReport]) -> None:
    report = compared(lambda model: None)
    assert report.passed, str(report)
    assert report.explained_by is None
    # In gradients and in the training faults are planted, too, and all are noticed.
    assert report.missed == {}
    gates = {"gru": ("z and r", "z and h"), "lstm": ("i and f", "c and o"), "rnn": (), "norm": (), "dense": ()}
    for layer, pairs in gates.items():
        wanted = {"half the gradients of the weights", "no gradients of the weights"}
        wanted |= {f"gates {pair} exchanged in the gradients" for pair in pairs}
        wanted |= {"a square kernel transposed in the gradients"} if layer == "rnn" else set()
        assert wanted <= set(report.noticed[layer]), layer
    assert report.noticed["the training"] == [
        "the optimizer: the learning rate twice",
        "the optimizer: an epsilon of 0.001 more",
        "the optimizer: beta_1 0.5 in the place of 0.9",
        "chain/gru/gru_cell/bias not updated",
        "chain/rnn/simple_rnn_cell/bias not updated",
        "chain/lstm/lstm_cell/bias not updated",
        "chain/norm/beta not updated",
        "chain/dense/bias not updated",
        "norm: momentum 0.9 in the place of 0.99",
        "dropout and noise left on",
    ]


def test_what_a_training_would_not_have_shown_is_told(recordings: Recordings) -> None:
    """A learning rate so small that no weight moves: what else is planted in the optimizer moves none either."""
    path = recordings.folder / "still.keras"
    model = made()
    model.compile(optimizers.SGD(1e-12), "mse")
    kt.save_model(model, path)
    report = kt.parity.compare(recordings.of_file("keras3", path, steps=1), kt.load_model(path))
    assert report.passed
    told = set(report.missed["the training"])
    assert {"the optimizer: the learning rate twice", "chain/dense/bias not updated"} <= told
    assert "norm: momentum 0.9 in the place of 0.99" in report.noticed["the training"]
    assert "not noticed: the training: the optimizer: the learning rate twice, " in str(report)


def test_initial_states_that_are_detached_would_have_been_noticed(recordings: Recordings) -> None:
    report = recordings.report("keras3", "seq2seq.keras", training=False)
    assert "the initial states detached" in report.noticed["decoder"]


OF_GRADIENTS: dict[str, tuple[Plant, str, str]] = {
    "gates z and r": (swap_z_and_r, "gru", "gru: gates z and r exchanged in the gradients, of "),
    "half a gradient": (
        gradient("lstm", "bias_ih_l0", lambda grad: grad / 2),
        "lstm",
        "lstm: the gradients times 2, of chain/lstm/lstm_cell/bias ",
    ),
    "the sign": (gradient("rnn", "weight_hh_l0", torch.neg), "rnn", "rnn: the sign of the gradients turned, of "),
    "a square transposed": (
        gradient("rnn", "weight_hh_l0", lambda grad: grad.T),
        "rnn",
        "rnn: a square kernel transposed in the gradients, of ",
    ),
    "no gradient": (gradient("gru", "weight_hh_l0", torch.zeros_like), "gru", "gru: no gradient flows to "),
    "clipped": (
        gradient("rnn", "weight_ih_l0", lambda grad: grad.clamp(-0.01, 0.01)),
        "rnn",
        "rnn: the gradients clipped here, and not in the reference, of ",
    ),
}


@pytest.mark.parametrize("fault", OF_GRADIENTS)
def test_faults_in_gradients_are_named(compared: Callable[..., kt.ParityReport], fault: str) -> None:
    plant, layer, name = OF_GRADIENTS[fault]
    report = compared(plant, **GRADIENTS)
    assert not report.passed
    assert report.first is not None
    assert (report.first.where, report.first.layer) == ("gradient alone", layer)
    assert not [row for row in report.rows if row.differs and row not in report.gradients]
    assert report.explained_by is not None
    assert report.explained_by.startswith(name), report.explained_by


def test_states_that_are_detached(recordings: Recordings) -> None:
    model = recordings.model("keras3", "seq2seq.keras")

    def detached(_: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        return args, {**kwargs, "initial_state": [state.detach() for state in kwargs["initial_state"]]}

    model.get_layer("decoder").register_forward_pre_hook(detached, with_kwargs=True)
    report = recordings.report("keras3", "seq2seq.keras", model, **GRADIENTS)
    assert not report.passed
    told = "decoder: no gradient flows to input 1, input 2 (the initial states are detached)"
    assert report.explained_by == told


OF_TRAINING: dict[str, tuple[Plant, str]] = {
    "epsilon": (optimizer(epsilon=1e-3), "the optimizer: epsilon 1e-07 in the place of 0.001 (the difference falls"),
    "learning rate": (optimizer(learning_rate=0.011), "the optimizer: learning_rate 0.01 in the place of 0.011"),
    "two settings": (
        optimizer(beta_1=0.8, beta_2=0.99),
        "the optimizer: beta_1 0.9, beta_2 0.999 in the place of 0.8, 0.99",
    ),
    "a doubled learning rate": (
        optimizer(learning_rate=0.02),
        "the optimizer: learning_rate 0.01 in the place of 0.02",
    ),
    "biases that are not updated": (
        lambda model: model.compile(WithoutBiases(0.01), "mse"),
        "the optimizer: it does not update chain/gru/gru_cell/bias, chain/rnn/simple_rnn_cell/bias, ",
    ),
    "another optimizer": (
        lambda model: model.compile(optimizers.RMSprop(0.01), "mse"),
        "the optimizer: Adam in the place of RMSprop",
    ),
    "momentum": (
        lambda model: setattr(model.get_layer("norm"), "momentum", 0.9),
        "norm: momentum 0.99 in the place of 0.9",
    ),
    "another loss": (
        lambda model: model.compile(model.optimizer, "mae"),
        "the loss: mse in the place of mae",
    ),
    "another reduction": (
        lambda model: model.compile(model.optimizer, kt.losses.MeanSquaredError(reduction="sum")),
        "the loss is 0.25 times as large in the reference",
    ),
    "dropout left on": (leave_dropout_on, "drop: its outputs are drawn at random in inference"),
    "dropout twice": (drop_again, "drop: its outputs are drawn at random in training although its dropout is off"),
}


@pytest.mark.parametrize("fault", OF_TRAINING)
def test_faults_in_training_are_named(compared: Callable[..., kt.ParityReport], fault: str) -> None:
    plant, name = OF_TRAINING[fault]
    report = compared(plant, **TRAINING)
    assert not report.passed
    assert report.explained_by is not None
    assert report.explained_by.startswith(name), report.explained_by


UNEXPLAINED: dict[str, tuple[Plant, dict[str, bool], str]] = {
    "one row of a gradient": (
        gradient("rnn", "weight_ih_l0", lambda grad: torch.cat([grad[:1], grad[1:] * 1.01])),
        GRADIENTS,
        "rnn: gradient of chain/rnn/simple_rnn_cell/kernel, alone, in the probe ",
    ),
    "an added constant": (
        gradient("lstm", "bias_ih_l0", lambda grad: grad + 0.01),
        GRADIENTS,
        "lstm: gradient of chain/lstm/lstm_cell/bias, alone, in the probe ",
    ),
    "rounding to bfloat16": (
        gradient("dense", "weight", lambda grad: grad.bfloat16().to(grad)),
        GRADIENTS,
        "dense: gradient of chain/dense/kernel, alone, in the probe ",
    ),
    "a constraint": (
        lambda model: setattr(model.get_layer("dense"), "kernel_constraint", kt.constraints.MaxNorm(0.5)),
        TRAINING,
        "dense: weight chain/dense/kernel after step 1: most at ",
    ),
    "a penalty": (
        lambda model: setattr(model.get_layer("dense"), "kernel_regularizer", kt.regularizers.L2(0.1)),
        TRAINING,
        "loss after step 1: most at ",
    ),
}


@pytest.mark.parametrize("fault", UNEXPLAINED)
def test_faults_without_a_name_end_in_the_smallest_piece(compared: Callable[..., kt.ParityReport], fault: str) -> None:
    plant, options, piece = UNEXPLAINED[fault]
    report = compared(plant, **options)
    assert not report.passed
    assert report.explained_by is None, report.explained_by
    assert report.smallest is not None
    assert str(report.smallest).startswith(piece), str(report.smallest)
    assert (report.smallest.ours, report.smallest.reference) != (None, None)
    assert report.smallest.multiple > LIMIT
