"""Models that take text: the part behind TextVectorization loads, and takes what that makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker
from torch import nn

import kerastorch as kt
from kerastorch import layers
from kerastorch.cli import main
from kerastorch.errors import MissingLayersError

from ._compare import FORWARD, difference

FORMS = ["graph", "fixed", "chain", "nested", "counts"]
SHAPES = {"fixed": (None, 6), "counts": (None, 9)}


class Words(layers.Layer):
    """Takes the config of the file, and gets ids."""

    def __init__(self, vocabulary: Any = None, **config: Any) -> None:
        super().__init__(name=config["name"], dtype=config.get("dtype"))

    def call(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize(("framework", "name"), [("keras3", "m.keras"), ("keras3", "m.h5"), ("keras2", "m.keras")])
@pytest.mark.parametrize("form", FORMS)
def test_what_is_behind_the_text_takes_word_ids(
    keras_worker: KerasWorker, form: str, framework: str, name: str, tmp_path: Path, capsys: Any
) -> None:
    path = str(tmp_path / name)
    ids, theirs = keras_worker.call(framework, "texts:write", form, path)
    place = "words/tv" if form == "nested" else "tv"
    with pytest.raises(MissingLayersError, match=f"layer '{place}' of class 'TextVectorization'"):
        kt.load_model(path)
    assert main(["info", path]) == 1
    shown = capsys.readouterr().out
    assert "TextVectorization" in shown
    assert "Dense" in shown
    every: list[dict[str, Any]] = [
        {"replace": {place: kt.recipes.identity()}},
        {"replace": {place: nn.Identity()}},
        {"replace": {place: lambda x: x}},
        {"replace": {place: layers.Identity()}},
        {"custom_objects": {"TextVectorization": Words}},
    ]
    for given in every:
        model = kt.load_model(path, **given)
        assert model.inputs[0].shape == SHAPES.get(form, (None, None))
        assert model.inputs[0].dtype == (torch.float32 if form == "counts" else torch.int64)
        assert difference(theirs, model(torch.tensor(ids)).detach().numpy(), FORWARD["float32"]) is None
        assert difference(theirs, model.predict(ids), FORWARD["float32"]) is None
        if given not in (every[0], every[3]) or (framework, name) != ("keras3", "m.keras"):
            continue  # the files of the others were seen to make the same models
        for dialect in ("keras3", "keras2"):
            paths = [str(tmp_path / f"again.{ending}") for ending in ("keras", "h5")]
            for again in paths:
                kt.save_model(model, again, dialect=dialect)
                assert difference(theirs, kt.load_model(again).predict(ids), FORWARD["float32"]) is None
            for found in keras_worker.call(dialect, "texts:outputs_of", paths, ids):
                assert difference(theirs, found, FORWARD["float32"]) is None


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_what_stands_for_a_layer_is_written_as_itself(
    keras_worker: KerasWorker, framework: str, tmp_path: Path
) -> None:
    """Weights alone go back into the model of the file, too: there its classes name the places."""
    x, theirs, weights = keras_worker.call(framework, "texts:write_own", str(tmp_path))
    for ending in ("keras", "h5"):
        given = {"one": layers.Dense(4, activation="tanh"), "two": layers.Dense(2)}
        model = kt.load_model(tmp_path / f"own.{ending}", replace=given)
        assert difference(theirs, model.predict(x), FORWARD["float32"]) is None
        paths = [str(tmp_path / f"again.{other}") for other in ("keras", "h5")]
        for again in paths:
            kt.save_model(model, again, dialect=framework)  # type: ignore[arg-type]
            assert difference(theirs, kt.load_model(again).predict(x), FORWARD["float32"]) is None
        for found in keras_worker.call(framework, "texts:outputs_of", paths, x):
            assert difference(theirs, found, FORWARD["float32"]) is None
        kt.save_weights(model, tmp_path / "back.weights.h5", dialect=framework)  # type: ignore[arg-type]
        back = keras_worker.call(framework, "texts:read_own", str(tmp_path / "back.weights.h5"))
        kt.save_weights(kt.load_model(paths[0]), tmp_path / "plain.weights.h5", dialect=framework)  # type: ignore[arg-type]
        for file in ("own.weights.h5", "back.weights.h5", "plain.weights.h5"):
            model.set_weights([np.zeros_like(array) for array in weights])
            kt.load_weights(model, tmp_path / file)
            for one, other, wanted in zip(model.get_weights(), back, weights, strict=True):
                np.testing.assert_array_equal(one, wanted)
                np.testing.assert_array_equal(other, wanted)
