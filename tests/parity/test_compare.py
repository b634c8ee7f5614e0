"""The parity helper must see: each planted fault is rejected by the same function that passes the sound layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from _keras_worker import KerasWorker

from ._compare import FORWARD, UNITS, Case, arguments, assert_parity, difference, differences, run_ours

Arrays = list[np.ndarray]
EVERYTHING = {"units": UNITS, "return_sequences": True, "return_state": True}
LSTM = Case("LSTM", "LSTM", EVERYTHING, mask="holes", states=2)
GRU = Case("GRU", "GRU", EVERYTHING, mask="holes", states=1)
GRU_BEFORE = Case("GRU before", "GRU", {**EVERYTHING, "reset_after": False}, mask="holes", states=1)
RNN = Case("SimpleRNN", "SimpleRNN", EVERYTHING, mask="holes", states=1)
BIDIRECTIONAL = Case(
    "Bidirectional",
    "Bidirectional",
    {"layer": {"class_name": "LSTM", "config": {"units": UNITS, "return_sequences": True}}},
    mask="holes",
)


def gates(order: tuple[int, ...]) -> Callable[[Arrays], Arrays]:
    """The gate blocks of every array in another order."""

    def tamper(weights: Arrays) -> Arrays:
        parts = [np.split(array, len(order), axis=-1) for array in weights]
        return [np.concatenate([blocks[i] for i in order], axis=-1) for blocks in parts]

    return tamper


def only(index: int, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Arrays], Arrays]:
    """One array changed."""
    return lambda weights: [change(array) if i == index else array for i, array in enumerate(weights)]


def transposed_blocks(count: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda array: np.concatenate([block.T for block in np.split(array, count, axis=1)], axis=1)


def swapped(i: int, j: int) -> Callable[[Arrays], Arrays]:
    """Two arrays exchanged."""

    def tamper(weights: Arrays) -> Arrays:
        weights = list(weights)
        weights[i], weights[j] = weights[j], weights[i]
        return weights

    return tamper


FAULTS = [
    pytest.param(LSTM, gates((0, 2, 1, 3)), id="LSTM gates i c f o"),
    pytest.param(LSTM, gates((0, 1, 3, 2)), id="LSTM gates i f o c"),
    pytest.param(LSTM, gates((1, 0, 2, 3)), id="LSTM gates f i c o"),
    pytest.param(LSTM, only(2, lambda b: np.roll(b, UNITS)), id="LSTM bias blocks moved on"),
    pytest.param(LSTM, only(2, np.zeros_like), id="LSTM bias lost"),
    pytest.param(LSTM, only(0, transposed_blocks(4)), id="LSTM kernel transposed gate by gate"),
    pytest.param(LSTM, only(1, transposed_blocks(4)), id="LSTM recurrent kernel transposed gate by gate"),
    pytest.param(LSTM, swapped(0, 1), id="LSTM kernel and recurrent kernel exchanged"),
    pytest.param(GRU, gates((1, 0, 2)), id="GRU gates r z h"),
    pytest.param(GRU, only(2, lambda b: b[::-1].copy()), id="GRU bias halves swapped"),
    pytest.param(GRU, only(2, lambda b: np.stack([b.sum(0), 0 * b[0]])), id="GRU biases summed"),
    pytest.param(GRU_BEFORE, gates((1, 0, 2)), id="GRU reset before, gates r z h"),
    pytest.param(RNN, only(0, np.transpose), id="SimpleRNN kernel transposed"),
    pytest.param(RNN, only(1, np.transpose), id="SimpleRNN recurrent kernel transposed"),
    pytest.param(BIDIRECTIONAL, lambda w: [*w[3:], *w[:3]], id="Bidirectional forward and backward exchanged"),
]


@pytest.fixture(params=[LSTM, GRU, GRU_BEFORE, RNN, BIDIRECTIONAL], ids=str)
def sound(request: pytest.FixtureRequest, keras_worker: KerasWorker) -> tuple[Case, dict[str, Any], dict[str, Any]]:
    """A case, Keras's result, and our result, which agree."""
    case = request.param
    reference = assert_parity(keras_worker, "keras3", case)
    return case, reference, run_ours(case, reference)


@pytest.mark.parametrize(("case", "tamper"), FAULTS)
def test_wrong_weights_are_rejected(keras_worker: KerasWorker, case: Case, tamper: Callable[[Arrays], Arrays]) -> None:
    reference = assert_parity(keras_worker, "keras3", case)
    found = differences(reference, run_ours(case, reference, weights=tamper(list(reference["weights"]))))
    for key in ("weights", "outputs", "grads_inputs", "grads_weights"):
        assert any(text.startswith(key) for text in found), f"{key} does not show the fault: {found}"


def test_a_dropped_mask_is_rejected(sound: tuple[Case, dict[str, Any], dict[str, Any]]) -> None:
    case, reference, _ = sound
    found = differences(reference, run_ours(case, reference, drop_mask=True))
    for key in ("mask_out", "outputs", "grads_inputs", "grads_weights"):
        assert any(text.startswith(key) for text in found), f"{key} does not show the fault: {found}"


def test_backward_outputs_not_flipped_are_rejected(keras_worker: KerasWorker) -> None:
    reference = assert_parity(keras_worker, "keras3", BIDIRECTIONAL)
    ours = run_ours(BIDIRECTIONAL, reference)
    (output,) = ours["outputs"]
    unflipped = np.concatenate([output[..., :UNITS], output[:, ::-1, UNITS:]], axis=-1)
    found = differences(reference, {**ours, "outputs": [unflipped]})
    assert [text.split("[")[0] for text in found] == ["outputs"]


@pytest.mark.parametrize(
    ("key", "index", "change"),
    [
        ("outputs", 0, lambda a: a + 1e-4),
        ("outputs", 0, lambda a: a[:, ::-1]),
        ("outputs", -1, lambda a: a[::-1]),
        ("outputs", 0, lambda a: a.astype("float64")),
        ("outputs", 0, lambda a: np.where(np.arange(a.size).reshape(a.shape) == 3, np.nan, a)),
        ("grads_inputs", 0, lambda a: a * 1.01),
        ("grads_inputs", 0, lambda a: None),
        ("grads_weights", 0, lambda a: a * 1.01),
        ("grads_weights", 1, lambda a: a[:, ::-1]),
        ("grads_weights", -1, lambda a: 2 * a),
        ("weights_back", 0, lambda a: a + np.float32(1e-6)),
        ("weights_after", 1, lambda a: a + np.float32(1e-3)),
    ],
)
def test_a_changed_array_is_rejected(
    sound: tuple[Case, dict[str, Any], dict[str, Any]], key: str, index: int, change: Callable[[np.ndarray], Any]
) -> None:
    _, reference, ours = sound
    arrays = list(ours[key])
    arrays[index] = change(arrays[index])
    assert differences(reference, {**ours, key: arrays})


@pytest.mark.parametrize(("key", "value"), [("params", 7), ("output_shape", [(None, 5, 99)]), ("outputs", [])])
def test_a_wrong_fact_is_rejected(sound: tuple[Case, dict[str, Any], dict[str, Any]], key: str, value: Any) -> None:
    _, reference, ours = sound
    assert differences(reference, {**ours, key: value})


def test_swapped_states_are_rejected(keras_worker: KerasWorker) -> None:
    reference = assert_parity(keras_worker, "keras3", LSTM)
    ours = run_ours(LSTM, reference)
    output, h, c = ours["outputs"]
    assert differences(reference, {**ours, "outputs": [output, c, h]})


def test_values_of_keras_that_are_not_finite_prove_nothing() -> None:
    bad = np.array([np.nan, 1.0])
    assert "prove" in str(difference(bad, bad, FORWARD["float32"]))


def test_every_case_gives_random_distinct_weights(keras_worker: KerasWorker) -> None:
    for case in (LSTM, GRU, BIDIRECTIONAL):
        weights = keras_worker.call("keras3", "layers:run_layer", **arguments(case))["weights"]
        values = np.concatenate([array.ravel() for array in weights])
        assert len(np.unique(values)) == values.size
