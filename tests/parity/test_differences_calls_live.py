"""More rows of docs/differences.md: what a call by hand does with masks, states and modes. One test a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from _close import apart, assert_close
from _keras_worker import KerasWorker
from workers import attributes, carried_masks

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers

from ._compare import BATCH, TIME, UNITS, Case, arguments, run_ours


def test_row_carried_masks(keras_worker: KerasWorker) -> None:
    wanted = {"itself": True, "a layer": True, "plus": False, "a slice": False, "times": False}
    assert keras_worker.call("keras3", "carried_masks:plain_operations") == wanted
    assert carried_masks.plain_operations(kt) == wanted  # type: ignore[arg-type]
    words, lstm = layers.Embedding(5, 3, mask_zero=True), layers.LSTM(2)
    ids = torch.tensor([[1, 2, 0, 0], [3, 0, 2, 1]])
    x: Any = words(ids)
    assert torch.equal(x._keras_mask, ids != 0)
    masked = lstm(x)
    for made in (torch.relu(x), x.clone(), x.double(), torch.cat([x, x]), x.transpose(0, 1), x.detach()):
        assert not hasattr(made, "_keras_mask")
    unmasked = lstm(x.clone())
    assert apart(masked, unmasked)
    assert torch.equal(masked, lstm(x.clone(), mask=ids != 0))
    assert torch.equal(masked, lstm(x, mask=None))


def test_row_states_beside_a_mask(keras_worker: KerasWorker) -> None:
    new = keras_worker.call("keras3", "carried_masks:states_beside_a_mask")
    old = keras_worker.call("keras2", "carried_masks:states_beside_a_mask")
    ours = carried_masks.states_beside_a_mask(kt)  # type: ignore[arg-type]
    for label in new:
        assert_close(ours[label], new[label])
    assert_close(old["by hand"], old["named"])
    assert_close(new["by hand"], new["none"])
    assert np.abs(new["named"] - new["none"]).max() > 1e-2
    words, lstm = layers.Embedding(5, 3, mask_zero=True), layers.LSTM(2)
    ids, h, c = Input((4,), dtype="int64"), Input((2,)), Input((2,))
    graph = Model([ids, h, c], lstm(words(ids), initial_state=[h, c]))
    data = torch.tensor([[1, 2, 0, 0], [3, 0, 2, 1]])
    states = [torch.ones(2, 2), -torch.ones(2, 2)]
    assert torch.equal(graph(data, *states), lstm(words(data), initial_state=states, mask=data != 0))


def test_row_masked_steps_of_bidirectional(keras_worker: KerasWorker) -> None:
    inside = {"class_name": "SimpleRNN", "config": {"units": UNITS, "return_sequences": True}}
    case = Case("both", "Bidirectional", {"layer": inside}, mask="holes")
    mask = arguments(case)["mask"]
    for framework in ("keras3", "keras2"):
        found = keras_worker.call(framework, "layers:run_layer", **arguments(case))
        (out,) = found["outputs"]
        assert not out[~mask].any()
        assert_close(run_ours(case, found)["outputs"][0], out)
        before = Case("both", "Bidirectional", {"layer": inside, "forces_zeros": False}, mask="holes")
        repeated = run_ours(before, found)["outputs"][0]
        assert_close(repeated[mask], out[mask])
        forward = out[..., :UNITS].copy()
        for step in range(1, TIME):
            forward[:, step] = np.where(mask[:, step, None], forward[:, step], forward[:, step - 1])
        assert_close(repeated[..., :UNITS], forward)


def test_row_first_states_at_masked_steps(keras_worker: KerasWorker) -> None:
    case = Case("left", "GRU", {"units": UNITS, "return_sequences": True}, mask="left", states=1)
    given = arguments(case)
    begun = given["mask"].cumsum(1) > 0
    assert not begun.all()
    for framework in ("keras3", "keras2"):
        found = keras_worker.call(framework, "layers:run_layer", **given)
        (out,) = found["outputs"]
        assert not out[~begun].any()
        assert_close(run_ours(case, found)["outputs"][0], out)
        before = Case("left", "GRU", {**case.config, "first_state_shows": True}, mask="left", states=1)
        state = np.broadcast_to(given["initial_state"][0][:, None], (BATCH, TIME, UNITS))
        assert_close(run_ours(before, found)["outputs"][0], np.where(begun[..., None], out, state))


def test_row_mode_of_a_fresh_model(keras_worker: KerasWorker, tmp_path: Path) -> None:
    ones = np.ones((2, 100), "float32")
    called, predicted = keras_worker.call("keras3", "carried_masks:of_a_fresh_model")
    assert np.array_equal(called, ones)
    assert np.array_equal(predicted, ones)
    x = torch.from_numpy(ones)
    assert (torch.nn.Sequential(torch.nn.Dropout(0.5))(x) == 0).any()
    called, predicted = carried_masks.of_a_fresh_model(kt)  # type: ignore[arg-type]
    assert (called == 0).any()
    assert np.array_equal(predicted, ones)
    model = Sequential([Input((100,)), layers.Dropout(0.5), layers.Dense(2)])
    assert model.training
    assert not torch.equal(model(x), model(x))
    assert torch.equal(model(x, training=False), model.eval()(x))
    kt.save_model(model.train(), tmp_path / "fresh.keras")
    loaded = kt.load_model(tmp_path / "fresh.keras")
    assert not loaded.training
    assert torch.equal(loaded(x), model.eval()(x))


def test_row_dtypes_of_attributes(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras3", "attributes:of_one_layer")
    ours = attributes.of_one_layer(kt)  # type: ignore[arg-type]
    assert theirs == {name: "bfloat16" if name in ("compute", "input") else "float32" for name in theirs}
    half = {"compute": "bfloat16", "input": "bfloat16"}
    assert ours == {**theirs, **half, **dict.fromkeys(("layer", "weight", "symbol"), torch.float32)}
    for dtype in ("float64", torch.float64, kt.DTypePolicy("float64")):
        assert layers.Dense(2, dtype=dtype).dtype == torch.float64


def test_row_adam_on_an_embedding(keras_worker: KerasWorker) -> None:
    """Rows looked up once move alike; one that is looked up twice moves farther in Keras 3 on TensorFlow."""
    table = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    words, slopes = np.array([0, 1, 1, 3]), np.ones((4, 2), "float32")
    layer = layers.Embedding(4, 2)
    layer.build((None,))
    layer.set_weights([table])
    optimizer = kt.optimizers.Adam(0.01, params=layer)
    (layer(torch.tensor(words)) * torch.from_numpy(slopes)).sum().backward()
    optimizer.step()
    mine = layer.get_weights()[0] - table
    for framework, farther in (("keras3", 2.0), ("keras2", 1.0)):
        theirs = keras_worker.call(framework, "facts:adam_on_a_table", table, words, slopes) - table
        floor = 2**-24 / 1e-3 / 2 + 2**-24 / 0.01  # of Keras's correction, 1 - 0.999; and of a sum with the table
        assert_close(mine[[0, 2, 3]], theirs[[0, 2, 3]], floor)
        assert_close(mine[1] * np.sqrt(np.float32(farther)), theirs[1], floor)


def test_row_swapped_averages(keras_worker: KerasWorker) -> None:
    """Keras on TensorFlow exchanges both by sums and differences, which round; here weights come back as they were."""
    rng = np.random.default_rng(1)
    weight, average = 1e-4 * rng.normal(size=(3, 2)).astype("float32"), rng.normal(size=(3, 2)).astype("float32")
    theirs = keras_worker.call("keras3", "facts:swapped_averages", weight, average)
    assert not np.array_equal(theirs["back"], weight)
    assert_close(theirs["back"], weight, 2**-23, scale=1.0)  # a last place of the averages
    assert_close(theirs["inside"], average, 2**-23)
    model = Sequential([Input((3,)), layers.Dense(2, use_bias=False)])
    model.compile(kt.optimizers.SGD(0.1, use_ema=True, params=model), "mse")
    model.set_weights([weight])
    (part,) = model.parameters()
    model.optimizer.state[part]["average"] = torch.from_numpy(average.T.copy())
    callback = kt.callbacks.SwapEMAWeights()
    callback.set_model(model)
    callback.on_test_begin()
    assert np.array_equal(model.get_weights()[0], average)
    callback.on_test_end()
    assert np.array_equal(model.get_weights()[0], weight)
