"""Layers of equal shapes on parallel branches: each Keras lists layers in its own order, and finds weights by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _close import KERAS, assert_close
from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch import layers as L

from ._cases import outputs_of, randomize


def branches(rng: np.random.Generator) -> kt.Model:
    """Three branches of one to three Dense layers of one size, listed in a random order, as some old file may."""
    inputs = [kt.Input((4,), name=f"in_{index}") for index in range(3)]
    ends = []
    for number, x in enumerate(inputs):
        y: Any = x
        for step in range(int(rng.integers(1, 4))):
            y = L.Dense(4, name=f"dense_{number}_{step}")(y)
        ends.append(y)
    shared = L.Dense(4, name="shared")
    model = kt.Model(inputs, [L.Add(name="sum")([shared(ends[2]), ends[0]]), shared(ends[1])])
    listed = [model.layers[index] for index in rng.permutation(len(model.layers))]
    return kt.Model(model.inputs, model.outputs, layers=listed, name="branches").eval()


def masked_branches(rng: np.random.Generator) -> kt.Model:
    """The operations that compute a mask make one branch longer."""
    a, b = kt.Input((5,), name="a"), kt.Input((5,), name="b")
    states = [kt.Input((4,), name=name) for name in "hc"]
    words, other = L.Embedding(9, 4, mask_zero=True, name="words"), L.Embedding(9, 4, name="other")
    left = L.LSTM(4, name="left")(words(a), initial_state=states)
    right = L.LSTM(4, name="right")(other(b), initial_state=states)
    out = L.Concatenate(name="both")([L.Dense(4, name="one")(right), L.Dense(4, name="two")(left)])
    return kt.Model([a, b, *states], L.Dense(2, name="out")(out), name="masked").eval()


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("seed", range(6))
def test_every_layer_gets_its_own_weights(
    keras_worker: KerasWorker, tmp_path: Path, seed: int, ending: str, framework: str
) -> None:
    rng = np.random.default_rng(seed)
    model = branches(rng) if seed else masked_branches(rng)
    randomize(model, rng)
    inputs = [rng.integers(0, 9, (3, 5)).astype("float32") for _ in range(2)] if not seed else []
    inputs += [rng.normal(size=(3, 4)).astype("float32") for _ in range(len(model.inputs) - len(inputs))]
    path = tmp_path / f"m{ending}"
    kt.save_model(model, path, dialect=framework)  # type: ignore[arg-type]
    wanted = outputs_of(model, inputs)
    outputs, _ = keras_worker.call(framework, "saved:run", str(path), inputs)
    assert_close(outputs, wanted, KERAS)
    assert_close(outputs_of(kt.load_model(path), inputs), wanted)


def sharing() -> kt.Model:
    """A layer and a wrapper in two models, which both stand in a third, and one of them beside it."""
    dense = L.Dense(4, name="shared")
    both = L.Bidirectional(L.GRU(4, return_sequences=True, name="steps"), merge_mode="sum", name="both")
    first = kt.Sequential([kt.Input((5, 4)), dense, both, L.Dense(4, name="own")], name="first")
    second = kt.Sequential([kt.Input((5, 4)), both, dense], name="second")
    x, z = kt.Input((5, 4), name="x"), kt.Input((5, 4), name="z")
    inner = kt.Model(z, second(first(z)), name="inner")
    return kt.Model(x, [L.Add(name="sum")([inner(x), first(x)]), dense(x)], name="outer").eval()


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_each_copy_of_a_shared_layer_gets_its_weights(
    keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, ending: str, framework: str
) -> None:
    model, inputs = sharing(), [rng.normal(size=(3, 5, 4)).astype("float32")]
    randomize(model, rng)
    path = tmp_path / f"m{ending}"
    kt.save_model(model, path, dialect=framework)  # type: ignore[arg-type]
    wanted = outputs_of(model, inputs)
    outputs, _ = keras_worker.call(framework, "saved:run", str(path), inputs)
    assert_close(outputs, wanted, KERAS)
    assert_close(outputs_of(kt.load_model(path), inputs), wanted)


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
def test_weights_of_a_model_that_shares_layers_come_back(tmp_path: Path, rng: np.random.Generator, ending: str) -> None:
    model, again = sharing(), sharing()
    randomize(model, rng)
    kt.save_weights(model, tmp_path / f"m{ending}")
    kt.load_weights(again, tmp_path / f"m{ending}")
    for mine, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
