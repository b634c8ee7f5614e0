"""Layers that no output hangs on, which tf.keras keeps of a file: they are written so that the file loads again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerastorch as kt


@pytest.fixture
def model() -> kt.Model:
    x = kt.Input((3,), name="x")
    a = kt.layers.Dense(3, name="a")(x)
    nowhere = kt.layers.Dense(3, name="d")(kt.layers.Dense(3, name="b")(a))
    whole = kt.Model(x, [kt.layers.Dense(3, name="o")(a), nowhere], name="m")
    config = json.loads(whole.to_json())
    del config["config"]["output_layers"][1]
    made = kt.model_from_json(json.dumps(config))
    rng = np.random.default_rng(0)
    made.set_weights([rng.normal(size=array.shape).astype("float32") for array in made.get_weights()])
    return made


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
@pytest.mark.parametrize("dialect", ["keras3", "keras2"])
def test_a_file_loads_again(name: str, dialect: Any, model: kt.Model, tmp_path: Path) -> None:
    kt.save_model(model, tmp_path / name, dialect=dialect)
    loaded = kt.load_model(tmp_path / name)
    x = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    held = {layer.name: layer.get_weights() for layer in loaded.layers}
    for layer in model.layers:
        for array, again in zip(layer.get_weights(), held[layer.name], strict=True):
            np.testing.assert_array_equal(array, again)
    # Keras 3 leaves them out, and counts the others of their class without them.
    assert [layer.name for layer in loaded.layers] == ["x", "a", "o", "b", "d"]


def test_a_text_is_read_again(model: kt.Model) -> None:
    again = kt.model_from_json(model.to_json())
    assert json.loads(again.to_json())["config"] == json.loads(model.to_json())["config"]
