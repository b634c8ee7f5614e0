"""Checkpoints of TensorFlow 1, in which names alone say what an array is, into models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import MismatchError

Arrays = dict[str, np.ndarray]
F, U = 3, 4


def cell(rng: np.random.Generator, scope: str, gates: int = 4, features: int = F) -> Arrays:
    shapes = {"kernel": (features + U, gates * U), "bias": (gates * U,)}
    return {f"{scope}/{name}": rng.normal(size=shape).astype("f4") for name, shape in shapes.items()}


def gru(rng: np.random.Generator, scope: str) -> Arrays:
    return {**cell(rng, f"{scope}/gates", 2), **cell(rng, f"{scope}/candidate", 1)}


def dense(rng: np.random.Generator, scope: str, rows: int = U, columns: int = 2) -> Arrays:
    kernel, bias = rng.normal(size=(rows, columns)), rng.normal(size=columns)
    return {f"{scope}/kernel": kernel.astype("f4"), f"{scope}/bias": bias.astype("f4")}


def test_checkpoints_of_tensorflow_1(keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator) -> None:
    lstm, one = cell(rng, "model/rnn/basic_lstm_cell"), gru(rng, "encoder/rnn/gru_cell")
    stacked = {}
    for at in range(11):
        stacked |= cell(rng, f"rnn/multi_rnn_cell/cell_{at}/lstm_cell", features=U)
    both = {**cell(rng, "bidirectional_rnn/bw/lstm_cell"), **cell(rng, "bidirectional_rnn/fw/lstm_cell")}
    cudnn = cell(rng, "cudnn_lstm/stack_bidirectional_rnn/cell_0/cudnn_compatible_lstm_cell")
    slots = {f"{name}/Adam{end}": array * 2 for name, array in lstm.items() for end in ("", "_1")}
    shadows = {f"{name}/ExponentialMovingAverage": array + 1 for name, array in lstm.items()}
    twins = {**cell(rng, "decoder/lstm_cell"), **cell(rng, "encoder/lstm_cell")}
    head = dense(rng, "fully_connected")
    words = {"embedding_matrix": rng.normal(size=(9, F)).astype("f4")}
    files: dict[str, Arrays] = {
        "lstm": {**lstm, **slots, **shadows, **head, "global_step": np.array(3), "beta1_power": np.float32(0.5)},
        "shadows": {**shadows, **head},
        "gru": {**one, **head, **words},
        "stacked": stacked,
        "both": both,
        "cudnn": {**cudnn, **head},
        "rnn": cell(rng, "rnn/basic_rnn_cell", 1),
        "twins": twins,
        "more": {**lstm, **head, "other/kernel": np.zeros((5, 5), "f4")},
    }
    keras_worker.call(
        "keras2", "tensorflow_files:written_by_names", {str(tmp_path / name): held for name, held in files.items()}
    )

    def load(name: str, *parts: Any, shape: Any = (5, F)) -> tuple[list[np.ndarray], Any]:
        model = kt.Sequential([kt.Input(shape), *parts])
        report = model.load_weights(tmp_path / name)
        return model.get_weights(), report

    def same(mine: list[np.ndarray], theirs: list[Any]) -> None:
        assert len(mine) == len(theirs)
        for first, second in zip(mine, theirs, strict=True):
            assert np.array_equal(first, second)

    basic = kt.convert.lstm_from_basic_lstm_cell
    found, report = load("lstm", layers.LSTM(U), layers.Dense(2))
    same(found, [*basic(*lstm.values()), *head.values()])
    said = [rule.text for rule in report.rules]
    assert any("1 is added to the bias of its forget gate" in text for text in said)
    assert any("2 shadow averages are left alone" in text for text in said)
    found, _ = load("shadows", layers.LSTM(U), layers.Dense(2))
    same(found, [*basic(*(array + 1 for array in lstm.values())), *head.values()])
    reset = layers.GRU(U, reset_after=False)
    found, _ = load("gru", layers.Embedding(9, F), reset, layers.Dense(2), shape=(5,))
    same(found, [*words.values(), *kt.convert.gru_from_gru_cell(*one.values()), *head.values()])
    sequence = [layers.LSTM(U, return_sequences=True) for _ in range(11)]
    found, _ = load("stacked", *sequence, shape=(5, U))
    wanted = [
        stacked[f"rnn/multi_rnn_cell/cell_{at}/lstm_cell/{part}"] for at in range(11) for part in ("kernel", "bias")
    ]
    same(found, [array for at in range(11) for array in basic(*wanted[2 * at : 2 * at + 2])])
    found, _ = load("both", layers.Bidirectional(layers.LSTM(U)))
    order = [both[f"bidirectional_rnn/{way}/lstm_cell/{part}"] for way in ("fw", "bw") for part in ("kernel", "bias")]
    same(found, [*basic(*order[:2]), *basic(*order[2:])])
    found, _ = load("cudnn", layers.LSTM(U), layers.Dense(2))
    same(found, [*basic(*cudnn.values(), forget_bias=0.0), *head.values()])
    found, _ = load("rnn", layers.SimpleRNN(U))
    same(found, [*kt.convert.simple_rnn_from_basic_rnn_cell(*files["rnn"].values())])

    def pair(*names: str) -> kt.Model:
        x = kt.Input((5, F))
        return kt.Model(x, [layers.LSTM(U, name=name)(x) for name in names])

    model = pair("encoder", "decoder")
    model.load_weights(tmp_path / "twins")
    order = [twins[f"{name}/lstm_cell/{part}"] for name in ("encoder", "decoder") for part in ("kernel", "bias")]
    same(model.get_weights(), [*basic(*order[:2]), *basic(*order[2:])])
    with pytest.raises(MismatchError, match=r"several scopes fit several layers.*name each layer as a part"):
        pair("one", "two").load_weights(tmp_path / "twins")
    with pytest.raises(MismatchError, match="other/kernel"):
        load("more", layers.LSTM(U), layers.Dense(2))
    with pytest.raises(MismatchError, match="lstm"):
        load("lstm", layers.LSTM(U + 1), layers.Dense(2))
