"""Data in files: the numbers of the same data in memory, in the memory of a few batches."""

from __future__ import annotations

import contextlib
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kerastorch as kt
from kerastorch import Input, Sequential, layers
from kerastorch.training import data

RNG = np.random.default_rng(2)
X, Y = RNG.normal(size=(20, 4, 3)).astype("float32"), RNG.normal(size=(20, 1)).astype("float32")


def _model() -> Any:
    kt.set_seed(1)
    model = Sequential([Input((4, 3)), layers.GRU(3), layers.Dense(1)])
    model.compile(kt.optimizers.SGD(0.125), "mse")
    return model


def test_a_data_set_in_a_file(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"], file["y"] = X, Y
        kt.set_seed(7)
        expected = _model().fit(X, Y, batch_size=8, epochs=2, verbose=0).history
        kt.set_seed(7)
        assert _model().fit(file["x"], file["y"], batch_size=8, epochs=2, verbose=0).history == expected
        held: list[Any] = []
        for x, y in ((X, Y), (file["x"], file["y"])):
            kt.set_seed(7)
            held.append(_model().fit(x, y, batch_size=8, epochs=2, verbose=0, validation_split=0.3).history)
        assert held[0] == held[1]


@pytest.mark.parametrize("kind", ["hdf5", "memory map"])
def test_data_stay_in_the_file(tmp_path: Path, kind: str) -> None:
    """12 MB in a file are trained on, with a part held back, in the memory of a few batches."""
    import h5py

    shape = (1000, 1000, 3)
    if kind == "hdf5":
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("x", shape, "float32", chunks=(10, 1000, 3))
    else:
        np.lib.format.open_memmap(tmp_path / "x.npy", "w+", "float32", shape).flush()
    with contextlib.ExitStack() as stack:
        if kind == "hdf5":
            x: Any = stack.enter_context(h5py.File(tmp_path / "x.h5"))["x"]
        else:
            x = np.load(tmp_path / "x.npy", mmap_mode="r", allow_pickle=False)
        model = Sequential([Input((1000, 3)), layers.GlobalAveragePooling1D(), layers.Dense(1)])
        model.compile("sgd", "mse")
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        model.fit(x, np.zeros((1000, 1), "float32"), batch_size=50, validation_split=0.3, verbose=0)
        model.evaluate(x, np.zeros((1000, 1), "float32"), batch_size=50, verbose=0)
        assert tracemalloc.get_traced_memory()[1] < 0.3 * 4 * np.prod(shape)


def test_arrays_that_cannot_be_written_to() -> None:
    """As memory maps and tables give them: nothing is written to them, and torch does not warn of it."""
    x, y = X.copy(), Y.copy()
    for array in (x, y):
        array.flags.writeable = False
    model, other = _model(), _model()
    histories = [
        made.fit(*given, batch_size=8, shuffle=False, verbose=0, validation_split=0.3).history
        for made, given in ((model, (x, y)), (other, (X, Y)))
    ]
    assert histories[0] == histories[1]
    assert model.evaluate(x, y, verbose=0) == other.evaluate(X, Y, verbose=0)
    assert np.array_equal(model.predict(x, verbose=0), other.predict(X, verbose=0))
    assert model.train_on_batch(x, y) == other.train_on_batch(X, Y)


def _rows() -> dict[str, Any]:
    """The same numbers in arrays of every kind."""
    whole = RNG.integers(0, 100, size=(23, 5)).astype("float64")
    fixed = whole.astype("float32")
    fixed.flags.writeable = False
    dtype = np.dtype({"names": ["a"], "formats": ["f4"], "offsets": [1], "itemsize": 5})
    odd = np.zeros((23, 5), dtype)
    odd["a"] = whole
    return {
        "float64": whole,
        **{name: whole.astype(name) for name in ("float32", "float16", "int8", "uint16", "int64", ">f4")},
        "read only": fixed,
        "backwards": whole[::-1].copy()[::-1],
        "every second": np.repeat(whole, 2, axis=0)[::2],
        "between": odd["a"],
        "tensor": torch.from_numpy(whole),
    }


@pytest.mark.parametrize("bytes_at_once", [1, 150, 2**18])
def test_shuffled_rows_are_those_of_the_order(bytes_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of several batches are gathered at once; each batch has its own."""
    monkeypatch.setattr(data, "_GATHERED", bytes_at_once)
    labels = np.arange(23)
    for name, array in _rows().items():
        batches = data.batches_of([array, array[:, 0]], labels, None, 4, 32, True, None, name)
        kt.set_seed(3)
        seen = list(batches.one_pass())
        kt.set_seed(3)
        order = torch.randperm(23).numpy()
        assert [len(y) for _, y, _ in seen] == [4, 4, 4, 4, 4, 3]
        assert np.concatenate([np.asarray(y) for _, y, _ in seen]).tolist() == order.tolist()
        for (both, one), y, weight in seen:
            assert np.array_equal(np.asarray(both), np.asarray(array)[np.asarray(y)]), name
            assert np.array_equal(np.asarray(one), np.asarray(array)[np.asarray(y), 0]), name
            assert weight is None
