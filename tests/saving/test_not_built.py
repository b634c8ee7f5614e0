"""What is not built has no weights to write: refused, and no file comes to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import kerastorch as kt
from kerastorch import Model, Sequential, layers


class Own(Model):
    """A model of a person's own class."""

    def __init__(self) -> None:
        super().__init__()
        self.read = layers.GRU(2)

    def call(self, x: Any) -> Any:
        return self.read(x)


MODELS = {
    "chain": lambda: Sequential([layers.LSTM(2), layers.Dense(1)]),
    "nested": lambda: Sequential([Sequential([layers.Dense(1)])]),
    "wrapped": lambda: Sequential([layers.Bidirectional(layers.LSTM(2))]),
    "own": Own,
}


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
@pytest.mark.parametrize("name", MODELS)
def test_weights_of_what_is_not_built(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / f"w{ending}"
    path.write_bytes(b"as it was")
    with pytest.raises(kt.errors.NotBuiltError, match=r"is not built, so it has no weights yet\. Call it on data"):
        kt.save_weights(MODELS[name](), path)
    assert path.read_bytes() == b"as it was"
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("name", ["chain", "nested", "wrapped"])
def test_a_model_that_is_not_built(tmp_path: Path, name: str, ending: str) -> None:
    with pytest.raises(kt.errors.NotBuiltError, match="is not built"):
        kt.save_model(MODELS[name](), tmp_path / f"m{ending}")
    with pytest.raises(kt.errors.NotBuiltError, match="is not built"):
        kt.to_json(MODELS[name]())
    assert list(tmp_path.iterdir()) == []
