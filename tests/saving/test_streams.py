"""Models and weights written into streams, and read from them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import ArgumentError, SaveError


def model() -> kt.Sequential:
    return kt.Sequential([kt.Input((4, 3)), layers.LSTM(5), layers.Dense(2)])


X = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")


@pytest.mark.parametrize(("save_format", "ending"), [(None, "keras"), ("keras", "keras"), ("h5", "h5")])
def test_a_model_in_a_stream_is_the_file(tmp_path: Path, save_format: Any, ending: str) -> None:
    made, stream = model(), io.BytesIO()
    made.compile("adam", "mse")
    report = made.save(stream, save_format=save_format)
    assert report.path == "<stream>"
    made.save(tmp_path / f"m.{ending}")
    assert stream.getvalue() == (tmp_path / f"m.{ending}").read_bytes()
    stream.seek(0)
    again = kt.models.load_model(stream)
    np.testing.assert_array_equal(again.predict(X), made.predict(X))
    assert again.optimizer is not None


@pytest.mark.parametrize("zipped", [None, True, False])  # Keras writes the same zip with zipped=False
def test_a_stream_begins_where_it_stands(tmp_path: Path, zipped: Any) -> None:
    made, path = model(), tmp_path / "two"
    with open(path, "wb") as file:
        file.write(b"before")
        kt.saving.save_model(made, file, zipped=zipped)
        assert not file.closed
    with open(path, "rb") as file:
        file.seek(6)
        np.testing.assert_array_equal(kt.load_model(file).predict(X), made.predict(X))


def test_weights_in_a_stream(tmp_path: Path) -> None:
    made, other, stream = model(), model(), io.BytesIO()
    made.save_weights(stream)
    made.save_weights(tmp_path / "m.weights.h5")
    assert stream.getvalue() == (tmp_path / "m.weights.h5").read_bytes()
    stream.seek(0)
    other.load_weights(stream)
    np.testing.assert_array_equal(other.predict(X), made.predict(X))


class Full(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raise OSError(28, "No space left on device")


def closed() -> io.BytesIO:
    stream = io.BytesIO()
    stream.close()
    return stream


@pytest.mark.parametrize(
    ("stream", "error", "message"),
    [
        (io.StringIO, ArgumentError, "a stream that takes bytes is needed .*'wb'"),
        (closed, SaveError, "the stream cannot be written to .*closed.*pass one that is open"),
        (Full, SaveError, "the stream cannot be written to .No space left on device.; pass another one"),
        (object, ArgumentError, "save_model: expected a path, got 'object'"),
    ],
)
def test_what_takes_no_bytes(stream: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        model().save(stream())


def test_what_cannot_be_written_leaves_a_stream_as_it_was() -> None:
    stream = io.BytesIO(b"before")
    with pytest.raises(kt.errors.NotBuiltError):
        kt.Sequential([layers.Dense(2)]).save(stream)
    with pytest.raises(ArgumentError, match="save_format: expected"):
        model().save(stream, save_format="tf")
    assert stream.getvalue() == b"before"
    assert stream.tell() == 0
