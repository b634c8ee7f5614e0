"""Layers of one's own around others, as Keras's guides write them: built, saved and loaded here and in Keras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from _close import assert_close
from _keras_worker import KerasWorker
from workers import holding

import kerastorch as kt
from kerastorch.errors import SaveError

X = np.random.default_rng(1).normal(size=(2, 4)).astype("float32")


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("sequential", [True, False], ids=["sequential", "functional"])
@pytest.mark.parametrize("way", holding.WAYS)
def test_both_ways(keras_worker: KerasWorker, tmp_path: Path, way: str, sequential: bool, ending: str) -> None:
    mine, theirs = str(tmp_path / f"mine.{ending}"), str(tmp_path / f"theirs.{ending}")
    count, weights, out = holding.write(kt, way, sequential, mine, X)  # type: ignore[arg-type]
    wanted, its_weights, its_out = keras_worker.call("keras3", "holding:write", way, sequential, theirs, X)
    assert count == wanted  # before any call on data
    readers = {
        "mine here": (holding.read(kt, way, mine, X), weights, out),  # type: ignore[arg-type]
        "theirs here": (holding.read(kt, way, theirs, X), its_weights, its_out),  # type: ignore[arg-type]
        "mine there": (keras_worker.call("keras3", "holding:read", way, mine, X), weights, out),
    }
    for (found, computed), arrays, expected in readers.values():
        assert [array.tobytes() for array in found] == [array.tobytes() for array in arrays]
        assert_close(computed, expected)


def test_an_object_that_no_config_can_hold(tmp_path: Path) -> None:
    class Own(kt.layers.Layer):
        def get_config(self) -> dict[str, object]:
            return {**super().get_config(), "what": object}

        def call(self, x: object) -> object:
            return x

    model = kt.Sequential([kt.Input((4,)), Own(name="it")])
    with pytest.raises(
        SaveError, match=r"Own 'it': its get_config: serialize_keras_object: no config can name .*object"
    ):
        model.save(tmp_path / "a.keras")
