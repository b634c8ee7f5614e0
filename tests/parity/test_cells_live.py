"""Cells, RNN and StackedRNNCells against live Keras 3 and tf-keras: outputs, states, gradients, masks, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from _keras_worker import KerasWorker
from torch import Tensor

import kerastorch as kt
from kerastorch import layers
from kerastorch.layers.rnn.gated_cell import GatedCell
from kerastorch.structure import leaves

from ._compare import FORWARD, MASKS, differences, flat_shapes, mask_of, with_meaning_of
from ._compare import difference as difference_of
from ._own_cells import OWN

BATCH, TIME, FEATURES = 3, 5, 4
Array = np.ndarray
BOTH = ("keras3", "keras2")


def make(description: Any, dtype: str) -> Any:
    """Our layer or cell from the description that the worker gets."""
    if isinstance(description, list):
        return [make(item, dtype) for item in description]
    if not isinstance(description, Mapping) or "class_name" not in description:
        return description
    arguments = {key: make(value, dtype) for key, value in description["config"].items()}
    name = description["class_name"]
    return (OWN[name] if name in OWN else getattr(layers, name))(**arguments, dtype=dtype)


# ---------------------------------------------------------------- cases


@dataclass(frozen=True)
class Case:
    """A layer or a cell, and how it is called; `states`: sizes of the initial ones, nested as Keras wants them."""

    id: str
    layer: Mapping[str, Any]
    shape: tuple[int, ...] = (BATCH, TIME, FEATURES)
    mask: str | None = None
    states: Any = None
    constants: tuple[tuple[int, int], ...] = ()
    dtype: str = "float64"
    training: bool | None = None
    frameworks: tuple[str, ...] = BOTH
    masks: Sequence[Mapping[str, Array]] = field(default=(), repr=False)
    pieces: int = 0

    def arguments(self) -> dict[str, Any]:
        rng = np.random.default_rng(12)

        def random(size: Any) -> Any:
            if isinstance(size, list):
                return [random(item) for item in size]
            return rng.normal(size=(self.shape[0], size)).astype(self.dtype) * 0.7

        return {
            "layer": self.layer,
            "x": rng.normal(size=self.shape).astype(self.dtype),
            "mask": None if self.mask is None else mask_of(self.mask, *self.shape[:2]),
            "states": None if self.states is None else random(self.states),
            "constants": [rng.normal(size=size).astype(self.dtype) for size in self.constants],
            "training": self.training,
            "masks": self.masks,
            "pieces": [rng.normal(size=self.shape).astype(self.dtype) for _ in range(self.pieces)],
        }


def cell(name: str, units: int, **config: Any) -> dict[str, Any]:
    return {"class_name": name, "config": {"units": units, **config}}


def stack(*cells: Any) -> dict[str, Any]:
    return {"class_name": "StackedRNNCells", "config": {"cells": list(cells)}}


def rnn(inner: Any, **config: Any) -> dict[str, Any]:
    return {"class_name": "RNN", "config": {"cell": inner, **config}}


ALL = {"return_sequences": True, "return_state": True}
# Name, cell, states as Keras nests them for initial_state.
CELLS: list[tuple[str, Any, Any]] = [
    ("LSTM", cell("LSTMCell", 4), [4, 4]),
    ("GRU", cell("GRUCell", 4), [4]),
    ("GRU reset before", cell("GRUCell", 4, reset_after=False), [4]),
    ("SimpleRNN", cell("SimpleRNNCell", 4), [4]),
    ("odd LSTM", cell("LSTMCell", 4, activation="relu", recurrent_activation="hard_sigmoid", use_bias=False), [4, 4]),
    ("stack LSTM LSTM", stack(cell("LSTMCell", 4), cell("LSTMCell", 3)), [[4, 4], [3, 3]]),
    (
        "stack LSTM LSTM(elu)",
        stack(cell("LSTMCell", 3), cell("LSTMCell", 4, activation="elu")),
        [[3, 3], [4, 4]],
    ),
]
MIXED = stack(cell("LSTMCell", 3), cell("GRUCell", 5), cell("GRUCell", 2, reset_after=False), cell("SimpleRNNCell", 4))


def _cases() -> list[Case]:
    cases: list[Case] = []
    for name, inner, states in CELLS:
        cases += [
            Case(name, rnn(inner), dtype="float32"),
            Case(f"{name} backwards", rnn(inner, go_backwards=True, **ALL), mask="right"),
            Case(f"{name} initial_state", rnn(inner, **ALL), states=states),
            Case(f"{name} zeros", rnn(inner, zero_output_for_mask=True, **ALL), mask="holes"),
            Case(f"{name} stateful", rnn(inner, stateful=True, return_sequences=True), pieces=2, mask="holes"),
        ]
    for name, inner, states in (CELLS[0], CELLS[-1]):
        cases += [
            Case(f"{name} unroll", rnn(inner, unroll=True, **ALL), mask="left"),
            Case(f"{name} state only", rnn(inner, return_state=True), mask="empty row", states=states),
            *(Case(f"{name} mask {mask}", rnn(inner, **ALL), mask=mask, states=states) for mask in MASKS),
        ]
    minimal, nested = cell("MinimalCell", 4), cell("NestedCell", 3)
    own_first = stack(minimal, cell("LSTMCell", 4))
    cases += [
        Case("mixed stack", rnn(MIXED, **ALL), mask="holes"),
        Case("list of cells", rnn(MIXED["config"]["cells"]), mask="left", dtype="float32"),
        Case("own", rnn(minimal, **ALL), mask="holes", states=[4]),
        Case("own backwards", rnn(minimal, go_backwards=True, zero_output_for_mask=True, **ALL), mask="empty row"),
        Case("own nested", rnn(nested, **ALL), mask="holes"),
        Case("own nested initial_state", rnn(nested, return_state=True), states=[3, [3, 4]]),
        Case("own nested stateful", rnn(nested, stateful=True, return_sequences=True), pieces=2),
        # A single state of a cell in a stack is nested in Keras 3, and not in Keras 2.
        Case("own in a stack", rnn(own_first, **ALL), mask="holes", states=[[4], [4, 4]], frameworks=("keras3",)),
        Case("own in a stack", rnn(own_first, **ALL), mask="holes", states=[4, [4, 4]], frameworks=("keras2",)),
        Case("constants", rnn(cell("ConstantCell", 4), **ALL), mask="holes", frameworks=("keras2",), **_CONSTANTS),
        Case(
            "constants and states",
            rnn(cell("ConstantCell", 4), **ALL),
            states=[4],
            frameworks=("keras2",),
            **_CONSTANTS,
        ),
        Case(
            "constants in a stack",
            rnn(stack(cell("ConstantCell", 4), cell("LSTMCell", 3)), **ALL),
            mask="left",
            frameworks=("keras2",),
            **_CONSTANTS,
        ),
    ]
    for name, inner, _ in [CELLS[0], CELLS[2], ("mixed", MIXED, None)]:
        both = {"class_name": "Bidirectional", "config": {"layer": rnn(inner, return_sequences=True)}}
        steps = {"class_name": "TimeDistributed", "config": {"layer": rnn(inner)}}
        cases += [
            Case(f"Bidirectional {name}", both, mask="holes"),
            Case(f"TimeDistributed {name}", steps, shape=(BATCH, 2, TIME, FEATURES)),
        ]
    both = {"class_name": "Bidirectional", "config": {"layer": rnn(cell("LSTMCell", 4), **ALL), "merge_mode": "sum"}}
    cases.append(Case("Bidirectional states", both, mask="left", states=[4, 4, 4, 4]))
    return cases


_CONSTANTS: dict[str, Any] = {"constants": ((BATCH, 2), (BATCH, 4))}
STEPS = [
    Case(f"one step {name}", inner, shape=(BATCH, FEATURES), states=states)
    for name, inner, states in CELLS
    if inner["class_name"] != "StackedRNNCells"
]


def run_ours(case: Case, reference: Mapping[str, Any], framework: str, swap: bool = False) -> dict[str, Any]:
    """Run our layer with the weights and upstream gradients of `reference`; `swap`: with two gates exchanged."""
    given = case.arguments()
    layer = make(with_meaning_of(framework, case.layer), case.dtype)
    layer.build((None, *case.shape[1:]) if not getattr(layer, "stateful", False) else case.shape)
    weights = list(reference["weights"])
    if swap:
        units = weights[1].shape[0]
        order = [*range(units, 2 * units), *range(units), *range(2 * units, weights[1].shape[1])]
        weights[1] = weights[1][:, order]
    layer.set_weights(weights)
    layer.eval()
    x = torch.tensor(given["x"], requires_grad=True)
    states = _tensors(given["states"])
    constants = _tensors(given["constants"])
    options: dict[str, Any] = {} if case.training is None else {"training": case.training}
    if given["mask"] is not None:
        options["mask"] = torch.tensor(given["mask"])
    if constants:
        options["constants"] = constants
    for inner, kept in zip(_cells_of(layer), case.masks, strict=False):
        inner._dropout_mask = torch.tensor(kept["input"])
        inner._recurrent_dropout_mask = torch.tensor(kept["recurrent"])
    is_cell = isinstance(layer, GatedCell)

    def call(value: Tensor) -> list[Tensor]:
        if is_cell:
            return leaves(layer(value, states, **options))
        return leaves(layer(value, **options, **({} if states is None else {"initial_state": states})))

    outputs = call(x)
    sum((y * torch.tensor(u)).sum() for y, u in zip(outputs, reference["upstream"], strict=True)).backward()
    free = (None, *case.shape[1:])
    result = {
        "outputs": [y.detach().numpy() for y in outputs],
        "weights_back": layer.get_weights(),
        "weights_after": layer.get_weights(),
        "grads_weights": layer.get_gradients(),
        "grads_inputs": [_grad(x)],
        "grads_initial_state": [_grad(state) for state in leaves(states or [])],
        "grads_constants": [_grad(constant) for constant in leaves(constants or [])],
        "params": layer.count_params(),
        "pieces": [[y.detach().numpy() for y in call(torch.tensor(piece))] for piece in given["pieces"]],
    }
    if not is_cell:
        result["output_shape"] = flat_shapes(layer.compute_output_shape(free))
        masks = layer.compute_mask(x, options.get("mask"))
        result["mask_out"] = [m.numpy() for m in leaves(masks) if m is not None]
    return result


def _tensors(structure: Any) -> Any:
    if isinstance(structure, list):
        return [_tensors(item) for item in structure]
    return None if structure is None else torch.tensor(structure, requires_grad=True)


def _grad(tensor: Tensor) -> Array | None:
    return None if tensor.grad is None else tensor.grad.numpy()


def _cells_of(layer: Any) -> list[Any]:
    inner = getattr(layer, "cell", layer)
    return list(getattr(inner, "cells", [inner]))


def all_differences(reference: dict[str, Any], ours: dict[str, Any], case: Case) -> list[str]:
    reference = {"weights_after": reference["weights"], "output_shape": None, "mask_out": [], **reference}
    found = differences(reference, {"output_shape": None, "mask_out": [], **ours}, case.dtype)
    for key in ("grads_constants", "pieces"):
        pairs = zip(leaves(reference[key]), leaves(ours[key]), strict=True)
        found += [f"{key}: {text}" for a, b in pairs if (text := difference_of(a, b, FORWARD[case.dtype]))]
    return found


def assert_parity(worker: KerasWorker, framework: str, case: Case) -> None:
    reference = worker.call(framework, "cells:run", **case.arguments())
    found = all_differences(reference, run_ours(case, reference, framework), case)
    assert not found, f"{case.layer} against {framework}:\n" + "\n".join(found)


def _parameters(cases: list[Case]) -> list[Any]:
    return [pytest.param(name, case, id=f"{name}-{case.id}") for case in cases for name in case.frameworks]


OVER_TIME = _cases()


@pytest.mark.parametrize(("framework", "case"), _parameters(OVER_TIME))
def test_over_time(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


@pytest.mark.parametrize(("framework", "case"), _parameters(STEPS))
def test_one_step(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


# ---------------------------------------------------------------- dropout, by given masks


def _noise(count: int, sizes: tuple[int, int], seed: int) -> dict[str, Array]:
    """Masks of two sizes: zeros and values that differ from each other, so that no two may be exchanged."""
    rng = np.random.default_rng(seed)
    drawn = [(rng.random((count, BATCH, size)) < 0.6) * rng.uniform(0.5, 2.0, (count, BATCH, size)) for size in sizes]
    return {"input": drawn[0], "recurrent": drawn[1]}


RATES = {"dropout": 0.3, "recurrent_dropout": 0.4}
DROPOUT = [
    Case(
        name,
        rnn(inner, **ALL),
        mask="holes",
        training=True,
        frameworks=("keras3",),
        masks=[_noise(count, sizes, seed) for seed, (count, sizes) in enumerate(noise)],
    )
    for name, inner, noise in [
        ("LSTM", cell("LSTMCell", 3, **RATES), [(4, (4, 3))]),
        ("GRU", cell("GRUCell", 3, **RATES), [(3, (4, 3))]),
        ("GRU reset before", cell("GRUCell", 3, reset_after=False, **RATES), [(3, (4, 3))]),
        ("SimpleRNN", cell("SimpleRNNCell", 3, **RATES), [(1, (4, 3))]),
        ("LSTM inputs only", cell("LSTMCell", 3, dropout=0.3), [(1, (4, 3))]),
        ("GRU inputs only, per gate", cell("GRUCell", 3, dropout=0.3, implementation=1), [(3, (4, 3))]),
        (
            "stack",
            stack(cell("LSTMCell", 3, dropout=0.3), cell("GRUCell", 2, **RATES)),
            [(1, (4, 3)), (3, (3, 2))],
        ),
    ]
]


@pytest.mark.parametrize(("framework", "case"), _parameters(DROPOUT))
def test_dropout_with_the_same_masks(keras_worker: KerasWorker, framework: str, case: Case) -> None:
    assert_parity(keras_worker, framework, case)


# ---------------------------------------------------------------- planted faults


def test_two_exchanged_gates_are_seen(keras_worker: KerasWorker) -> None:
    case = Case("LSTM", rnn(cell("LSTMCell", 4), **ALL), mask="holes")
    reference = keras_worker.call("keras3", "cells:run", **case.arguments())
    found = all_differences(reference, run_ours(case, reference, "keras3", swap=True), case)
    assert any(text.startswith("outputs") for text in found)
    assert any(text.startswith("grads_inputs") for text in found)


def test_exchanged_dropout_masks_are_seen(keras_worker: KerasWorker) -> None:
    case = DROPOUT[1]
    reference = keras_worker.call("keras3", "cells:run", **case.arguments())
    turned = [{key: np.roll(value, 1, axis=0) for key, value in kept.items()} for kept in case.masks]
    wrong = Case(**{**case.__dict__, "masks": turned})
    assert all_differences(reference, run_ours(wrong, reference, "keras3"), case)


# ---------------------------------------------------------------- files


INPUTS = {"stacked": [(3, 5, 4)], "states": [(3, 5, 4), (3, 3, 2)]}


@pytest.mark.parametrize("framework", BOTH)
@pytest.mark.parametrize("builder", list(INPUTS))
@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
def test_files(keras_worker: KerasWorker, tmp_path: Path, framework: str, builder: str, ending: str) -> None:
    rng = np.random.default_rng(4)
    arrays = [rng.normal(size=shape).astype("float32") for shape in INPUTS[builder]]
    arrays[0][1, 3:] = 0
    path = tmp_path / f"model{ending}"
    only_weights = ending == ".weights.h5"
    wanted = keras_worker.call(framework, "cells:save", builder, str(path), arrays, weights_only=only_weights)
    if only_weights:
        model = kt.model_from_json(keras_worker.call(framework, "cells:json_of", builder))
        kt.load_weights(model, path)
    else:
        model = kt.load_model(path)
    with torch.no_grad():
        found = leaves(model(*map(torch.from_numpy, arrays)))
    assert len(found) == len(wanted)
    for mine, theirs in zip(found, wanted, strict=True):
        assert np.abs(theirs).max() > 0.01
        assert_close(mine, theirs)
