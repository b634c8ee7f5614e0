"""Models that take text: the part behind TextVectorization loads, and takes what that makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
