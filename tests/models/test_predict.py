"""predict: what is copied, what is in memory, what is shown, and what wrong data is told."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from _close import TF32, assert_close
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from workers.model_habits import Frame

from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError, ShapeError
from kerastorch.models._transfer import Plain, transfer_to

MIB = 1 << 20


class Seen(layers.Layer):
    """Hands its input on, and keeps what it was given."""

    def forward(self, x: Tensor) -> Tensor:
        self.__dict__.setdefault("given", []).append(x)
        return x * 1


def lstm(rng: np.random.Generator) -> Model:
    model = Sequential([Input((None, 3)), layers.LSTM(4)])
    model.set_weights([rng.normal(size=array.shape) * 0.4 for array in model.get_weights()])
    return model


def seeing() -> tuple[Model, Seen]:
    seen = Seen()
    return Sequential([Input((3,)), seen]), seen


# ---------------------------------------------------------------------------- copies


def test_batches_lie_in_the_array(rng: np.random.Generator) -> None:
    model, seen = seeing()
    x = rng.normal(size=(7, 3)).astype("float32")
    assert np.array_equal(model.predict(x, batch_size=3), x)
    addresses = [batch.data_ptr() - x.ctypes.data for batch in seen.given]
    assert addresses == [0, 3 * 12, 6 * 12]


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[::2],
        lambda x: x[::-1],
        lambda x: x.astype(">f4"),
        lambda x: x.astype("float64"),
        lambda x: np.asfortranarray(x),
        lambda x: torch.from_numpy(x),
        lambda x: torch.from_numpy(x).double(),
        lambda x: x.tolist(),
        lambda x: np.broadcast_to(x[:1], x.shape),
    ],
)
def test_other_arrays_have_the_same_values(change: Callable[[np.ndarray], Any], rng: np.random.Generator) -> None:
    model, _ = seeing()
    x = change(rng.normal(size=(10, 3)).astype("float32"))
    found = model.predict(x, batch_size=4)
    assert found.dtype == np.float32
    assert np.array_equal(found, np.asarray(x).astype("float32"))


def test_a_map_for_reading_only_stays_as_it_is(tmp_path: Path, rng: np.random.Generator) -> None:
    class Writes(layers.Layer):
        def forward(self, x: Tensor) -> Tensor:
            return x.mul_(2).clone()

    x = rng.normal(size=(7, 3)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.array_equal(Sequential([Input((3,)), Writes()]).predict(mapped, batch_size=3), 2 * x)
    assert np.array_equal(mapped, x)


def test_outputs_are_arrays_of_their_own(rng: np.random.Generator) -> None:
    model = Sequential([Input((3,)), layers.Activation("linear")])
    x = rng.normal(size=(5, 3)).astype("float32")
    found = model.predict(x)
    found[:] = 0
    assert x.any(1).all()
    assert found.flags.owndata
    assert found.flags.writeable


def test_bfloat16_comes_back_as_float32(rng: np.random.Generator) -> None:
    model = lstm(rng).to(torch.bfloat16)
    assert model.predict(rng.normal(size=(5, 2, 3)), batch_size=2).dtype == np.float32


# ---------------------------------------------------------------------------- memory


def test_a_mapped_array_is_not_read_as_a_whole(tmp_path: Path) -> None:
    model = Sequential([Input((1000,)), layers.Dense(1)])
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", "float64", (8000, 1000))  # 61 MiB
    model.predict(mapped[:64])  # what is imported on use
    tracemalloc.start()
    assert model.predict(mapped, batch_size=64).shape == (8000, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MIB


def test_a_data_set_in_a_file_is_not_read_as_a_whole(tmp_path: Path, rng: np.random.Generator) -> None:
    model = lstm(rng)
    x = rng.normal(size=(2000, 50, 3)).astype("float32")  # 1.1 MiB
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = x
        expected = model.predict(x)
        tracemalloc.start()
        found = model.predict(file["x"])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert np.array_equal(found, expected)
    assert peak < 0.3 * MIB


def test_a_generator_is_asked_for_one_batch_at_a_time(rng: np.random.Generator) -> None:
    model, seen = seeing()
    ahead: list[int] = []

    def batches() -> Iterator[np.ndarray]:
        for number in range(20):
            ahead.append(number - len(seen.__dict__.get("given", [])))
            yield rng.normal(size=(4, 3)).astype("float32")

    model.predict(batches())
    assert ahead == [0] * 20  # on CUDA one batch is fetched while the one before it is computed


def test_memory_of_a_generator_does_not_grow_with_its_batches(rng: np.random.Generator) -> None:
    model = Sequential([Input((1000,)), layers.Dense(1)])
    peaks = []
    for count in (5, 5, 200):
        tracemalloc.start()
        model.predict(np.ones((64, 1000), "float32") for _ in range(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 200 * 64 * 4 * 2 + 50_000  # the outputs, grown by halves; 50 MB of inputs went by


def test_a_buffer_may_be_filled_anew(rng: np.random.Generator) -> None:
    model = Sequential([Input((3,)), layers.Activation("linear")])  # its output is its input
    x = rng.normal(size=(6, 2, 3)).astype("float32")

    def batches() -> Iterator[np.ndarray]:
        buffer = np.empty((2, 3), "float32")
        for part in x:
            buffer[:] = part
            yield buffer

    assert np.array_equal(model.predict(batches()), x.reshape(12, 3))


# ---------------------------------------------------------------------------- where batches come from


def test_loaders(rng: np.random.Generator) -> None:
    model = lstm(rng)
    x = rng.normal(size=(10, 4, 3)).astype("float32")
    expected = model.predict(x, batch_size=4)
    data = TensorDataset(torch.from_numpy(x), torch.zeros(10))
    assert np.array_equal(model.predict(DataLoader(data, batch_size=4)), expected)
    assert np.array_equal(model.predict(DataLoader(TensorDataset(data.tensors[0]), batch_size=4)), expected)
    assert np.array_equal(model.predict(x[start : start + 4] for start in (0, 4, 8)), expected)
    assert np.array_equal(model.predict(iter([(x[:4],), (x[4:8],)])), expected[:8])


def test_steps(rng: np.random.Generator) -> None:
    model = lstm(rng)
    x = rng.normal(size=(10, 4, 3)).astype("float32")
    drawn: list[int] = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            drawn.append(1)
            yield x[:2]

    assert model.predict(endless(), steps=3).shape == (6, 4)
    assert len(drawn) == 3
    assert model.predict(x, batch_size=3, steps=2).shape == (6, 4)
    with pytest.warns(UserWarning, match="steps=9, but the data ended after 4 batches"):
        assert model.predict(x, batch_size=3, steps=9).shape == (10, 4)


def test_outputs_with_rows_of_their_own() -> None:
    class Halves(layers.Layer):
        def forward(self, x: Tensor) -> Tensor:
            return x[::2]

    x = np.arange(20, dtype="float32").reshape(10, 2)
    found = Sequential([Input((2,)), Halves()]).predict(x, batch_size=4)
    assert np.array_equal(found, x[[0, 2, 4, 6, 8]])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.predict(iter([])), ShapeError, "at least one batch, got none"),
        (lambda m: m.predict(np.zeros((0, 4, 3))), ShapeError, "at least one row"),
        (lambda m: m.predict(5), ShapeError, "at least one row"),
        (lambda m: m.predict(object()), ArgumentError, "expected an array, .* got 'object'"),
        (lambda m: m.predict(iter([]), batch_size=3), ArgumentError, "makes the batches: leave batch_size out"),
        (lambda m: m.predict(iter([(1, 2, 3, 4)])), ArgumentError, r"got 4 parts; several inputs are a tuple inside"),
        (lambda m: m.predict(np.zeros((2, 4, 3)), batch_size=0), ArgumentError, "batch_size: expected a positive"),
        (lambda m: m.predict(np.zeros((2, 4, 3)), steps=1.5), ArgumentError, "steps: expected a positive integer"),
        (lambda m: m.predict(np.zeros((2, 4, 3)), verbose=7), ArgumentError, 'verbose: expected 0, 1, 2 or "auto"'),
        (lambda m: m.predict(np.zeros((2, 4, 3)), callbacks=[1]), ArgumentError, "1 is no callback: expected objects"),
        (
            lambda m: m.predict(Frame(np.array([["a"]], object))),
            ArgumentError,
            "got a 'Frame' whose values have no common",
        ),
        (
            lambda m: m.predict_on_batch(iter([])),
            ArgumentError,
            "expected one batch, .*; predict takes what makes batches",
        ),
    ],
)
def test_what_is_refused(call: Callable[[Model], Any], error: type, message: str, rng: np.random.Generator) -> None:
    with pytest.raises(error, match=message):
        call(lstm(rng))


def test_a_table_is_the_array_of_its_values(rng: np.random.Generator) -> None:
    values = rng.normal(size=(70, 3)).astype("float32")
    x, column = Input((3,), name="x"), Input((1,), name="column")
    model = Model([x, column], layers.Concatenate()([layers.Dense(2)(x), column]))
    expected = model.predict([values, values[:, :1]], verbose=0)
    for given in (
        [Frame(values), Frame(values[:, 0])],
        {"x": Frame(values), "column": Frame(values[:, 0])},
        ((values[rows], Frame(values[rows, 0])) for rows in (slice(0, 32), slice(32, 64), slice(64, 70))),
    ):
        batches = ((part,) for part in given) if isinstance(given, Iterator) else given
        np.testing.assert_array_equal(model.predict(batches, verbose=0), expected)
    assert_close(model.predict_on_batch([Frame(values), values[:, :1]]), expected)


def test_outputs_that_do_not_fit_together(rng: np.random.Generator) -> None:
    model = Sequential([Input((None, 3)), layers.LSTM(4, return_sequences=True)])
    batches = [rng.normal(size=(2, steps, 3)).astype("float32") for steps in (4, 5)]
    with pytest.raises(ShapeError, match=r"do not fit together: \(5, 4\) after \(4, 4\) for a row"):
        model.predict(iter(batches))


def test_the_mode_comes_back_after_an_error(rng: np.random.Generator) -> None:
    model = lstm(rng).train()
    model.layers[0].eval()

    def batches() -> Iterator[np.ndarray]:
        yield np.zeros((2, 4, 3))
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"):
        model.predict(batches())
    assert model.training
    assert not model.layers[0].training


# ---------------------------------------------------------------------------- the bar


def test_nothing_is_shown_where_nobody_looks(capsys: pytest.CaptureFixture[str], rng: np.random.Generator) -> None:
    model, x = lstm(rng), rng.normal(size=(10, 4, 3))
    model.predict(x)
    model.predict(x, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_a_bar_and_a_line(capsys: pytest.CaptureFixture[str], rng: np.random.Generator) -> None:
    model, x = lstm(rng), rng.normal(size=(10, 4, 3))
    model.predict(x, verbose=1, batch_size=4)
    out, err = capsys.readouterr()
    assert not out
    assert "3/3" in err
    model.predict(x, verbose=2, batch_size=4)
    assert capsys.readouterr() == ("", "3/3 - 0s\n")


@pytest.mark.parametrize(("seconds", "shown"), [(0.0, True), (100.0, False)])
def test_on_a_terminal_long_runs_show_a_bar(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    rng: np.random.Generator,
    seconds: float,
    shown: bool,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("kerastorch.models._progress._LONG", seconds)
    lstm(rng).predict(iter(rng.normal(size=(3, 2, 4, 3))))
    err = capsys.readouterr().err
    assert ("3/?" in err) == shown
    assert bool(err) == shown


# ---------------------------------------------------------------------------- CUDA


def test_on_the_cpu_nothing_is_pinned(rng: np.random.Generator) -> None:
    assert isinstance(transfer_to(lstm(rng), iter([]), False), Plain)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("pinned", [False, True])
def test_on_cuda_a_batch_is_copied_while_another_is_computed(pinned: bool, rng: np.random.Generator) -> None:
    model = Sequential([Input((2000,)), layers.Dense(2000), layers.Dense(2000)])
    model.set_weights([rng.normal(size=array.shape) * 0.02 for array in model.get_weights()])
    x = rng.normal(size=(3000, 2000)).astype("float32")
    expected = model.predict(x, batch_size=100)
    buffer = torch.empty(100, 2000, pin_memory=pinned)

    def batches() -> Iterator[Tensor]:
        for start in range(0, 3000, 100):
            buffer.copy_(torch.from_numpy(x[start : start + 100]))
            yield buffer

    model.cuda()
    for data, options in ((x, {"batch_size": 100}), (batches(), {}), (torch.from_numpy(x).cuda(), {})):
        assert_close(model.predict(data, **options), expected, TF32)


# ---------------------------------------------------------------------------- masks


def test_masks_are_cut_as_the_rows_are(rng: np.random.Generator) -> None:
    x, ids = Input((4, 3), name="x"), Input((4,), dtype="int32", name="ids")
    first, second = layers.LSTM(3)(x), layers.GRU(2)(layers.Embedding(5, 2, mask_zero=True)(ids))
    model = Model({"x": x, "ids": ids}, [first, second])
    data = {"x": rng.normal(size=(7, 4, 3)).astype("float32"), "ids": rng.integers(1, 5, (7, 4))}
    mask = rng.random((7, 4)) < 0.6
    tensors = {name: torch.tensor(array) for name, array in data.items()}
    for given in ({"x": mask, "ids": None}, [None, mask], {"x": torch.tensor(mask), "ids": None}):
        its = given["x"] if isinstance(given, dict) else given[1]
        wanted = model(tensors, mask={"x": torch.as_tensor(its), "ids": None})
        for found, expected in zip(model.predict(data, batch_size=3, mask=given), wanted, strict=True):
            assert_close(torch.tensor(found), expected)
        for found, expected in zip(model.predict_on_batch(data, mask=given), wanted, strict=True):
            assert_close(torch.tensor(found), expected)
    plain = model.predict(data)
    assert np.abs(plain[0] - model.predict(data, mask=[None, mask])[0]).max() > 0.01
    for found, expected in zip(model.predict(data, mask=[None, None]), plain, strict=True):
        assert np.array_equal(found, expected)
    with pytest.raises(ShapeError, match=r"the inputs have different numbers of rows: \[6, 7\]"):
        model.predict(data, mask=[None, mask[:6]])
    with pytest.raises(ArgumentError, match=r"mask= goes with arrays, got 'list_iterator'; call predict_on_batch"):
        model.predict(iter([data]), mask=[None, mask])


def test_an_optional_input_may_be_left_out() -> None:
    class Maybe(layers.Layer):
        def call(self, x: Any, y: Any = None) -> Any:
            return x * 2 if y is None else x + y

        def compute_output_shape(self, x_shape: Any, y_shape: Any = None) -> Any:
            return x_shape

    inputs = [Input((3,), name="x"), Input((3,), name="y", optional=True)]
    model = Model(inputs, Maybe()(*inputs))
    x = np.arange(15, dtype="float32").reshape(5, 3)
    np.testing.assert_array_equal(model.predict([x, None], batch_size=2, verbose=0), x * 2)
    np.testing.assert_array_equal(model.predict({"x": x, "y": None}, verbose=0), x * 2)
    np.testing.assert_array_equal(model.predict([x, x + 1], verbose=0), 2 * x + 1)
    with pytest.raises(
        ArgumentError, match=r"input 'x' is not optional: expected a tensor of shape \(None, 3\), got None"
    ):
        model.predict([None, x], verbose=0)
