"""Data of every dtype into inputs of every dtype: a model casts as Keras does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker

from kerastorch import Input, Model, Sequential, layers

from ._compare import FORWARD, difference

DECLARED = ["float32", "float64", "float16", "int32", "int64", "uint8"]
GIVEN = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "bool"]
CASES = [(declared, given) for declared in DECLARED for given in GIVEN]
VALUES = np.array([[0.25, 3.75, 2.0], [1.5, 100.125, 7.0]])


def dtype(name: str) -> torch.dtype:
    return getattr(torch, name)


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_inputs_are_cast_to_the_dtype_of_the_input(keras_worker: KerasWorker, framework: str) -> None:
    theirs = keras_worker.call(framework, "dtypes:run_inputs", CASES, VALUES)
    for (declared, given), results in zip(CASES, theirs, strict=True):
        i, j = (Input(VALUES.shape[1:], dtype=declared) for _ in range(2))
        inner = Model(i, [i + 1, i * 2])
        wider = Input(VALUES.shape[1:], dtype="float64")
        models = [inner, Model(j, inner(j)), Model(wider, inner(wider))]
        data = torch.tensor(VALUES).to(dtype(given))
        found = [out for model in models for out in model(data)]
        symbols = [symbol.dtype for model in models for symbol in model.outputs]
        where = f"{framework}, a {declared} input on {given}"
        assert [out.dtype for out in found] == [dtype(name) for name, _ in results], where
        assert symbols == [out.dtype for out in found], where
        for out, (_, array) in zip(found, results, strict=True):
            assert np.array_equal(out.double().numpy(), array), where
        if given != "bfloat16":  # numpy has none
            for run in (inner, inner.predict):
                again = run(data.numpy())
                for out, first in zip(again, found, strict=False):
                    assert np.array_equal(np.asarray(out), first.numpy()), where
                    assert np.asarray(out).dtype == first.numpy().dtype, where


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_a_chain_without_an_input_takes_floats_of_every_dtype(keras_worker: KerasWorker, framework: str) -> None:
    given = ["float64", "float32", "float16", "bfloat16", "int32"]
    theirs = keras_worker.call(framework, "dtypes:run_chains", given, VALUES)
    for name, (weights, wanted, output) in zip(given, theirs, strict=True):
        model = Sequential([layers.Dense(2)])
        data = torch.tensor(VALUES).to(dtype(name))
        model(data)
        model.set_weights(weights)
        found = model(data)
        assert found.dtype == dtype(wanted)
        assert difference(output.astype("float32"), found.detach().float().numpy(), FORWARD["float32"]) is None
