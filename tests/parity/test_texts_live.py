"""Models that take text: the part behind TextVectorization loads, and takes what that makes."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _keras_worker import KerasWorker
from torch import nn
from workers.texts import TEXTS

import kerastorch as kt
from kerastorch import layers
from kerastorch.cli import main
from kerastorch.errors import CorruptFileError, MismatchError, NotBuiltError, SaveError, UnsafeFileError

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
    texts = np.array([[one] for one in TEXTS])
    model = kt.load_model(path)
    assert difference(theirs, model.predict(texts), FORWARD["float32"]) is None
    assert difference(theirs, kt.load_model(path, isolate=True).predict(texts), FORWARD["float32"]) is None
    assert main(["scan", path]) == 0
    for dialect in ("keras3", "keras2"):
        paths = [str(tmp_path / f"text.{ending}") for ending in ("keras", "h5")]
        for again in paths:
            kt.save_model(model, again, dialect=dialect)
            assert difference(theirs, kt.load_model(again).predict(texts), FORWARD["float32"]) is None
        for found in keras_worker.call(dialect, "texts:outputs_of_texts", paths):
            assert difference(theirs, found, FORWARD["float32"]) is None
    assert main(["info", path]) == 0
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


ADAPTED: dict[str, dict[str, Any]] = {
    "indices": {"output_sequence_length": 4},
    "tf-idf": {"output_mode": "tf_idf"},
    "several": {"output_mode": "multi_hot", "max_tokens": 20, "pad_to_max_tokens": True},
    "counts": {"output_mode": "count"},
    "pairs": {"ngrams": 2, "output_sequence_length": 6},
    "characters": {"split": "character", "standardize": None, "output_sequence_length": 9},
    "a few": {"max_tokens": 4, "output_sequence_length": 5},
}


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_words_that_were_found_in_data_stand_beside_the_weights(
    keras_worker: KerasWorker, framework: str, tmp_path: Path
) -> None:
    texts, theirs = keras_worker.call(framework, "texts:write_adapted", str(tmp_path), ADAPTED)
    again = []
    for label, (words, outputs) in theirs.items():
        model = kt.load_model(tmp_path / f"{label}.keras")
        assert model.get_layer("tv").get_vocabulary() == words, label
        assert difference(outputs, model.predict(texts), FORWARD["float32"]) is None, label
        again.append(str(tmp_path / f"again {label}.keras"))
        kt.save_model(model, again[-1], dialect=framework)
    found = keras_worker.call(framework, "texts:outputs_of_texts", again, texts)
    for (label, (_, outputs)), ours in zip(theirs.items(), found, strict=True):
        assert difference(outputs, ours, FORWARD["float32"]) is None, label


def test_a_layer_that_counts_words_can_be_taken_out(keras_worker: KerasWorker, tmp_path: Path) -> None:
    texts, theirs = keras_worker.call("keras3", "texts:write_adapted", str(tmp_path), {"tf-idf": ADAPTED["tf-idf"]})
    whole = kt.load_model(tmp_path / "tf-idf.keras")
    behind = kt.load_model(tmp_path / "tf-idf.keras", replace={"tv": kt.recipes.identity()})
    counted = whole.get_layer("tv")(texts)
    assert difference(theirs["tf-idf"][1], behind.predict(counted.numpy()), FORWARD["float32"]) is None


def test_integers_are_looked_up(keras_worker: KerasWorker, tmp_path: Path) -> None:
    for framework in ("keras3", "keras2"):
        path = str(tmp_path / f"{framework}.keras")
        numbers, words, outputs = keras_worker.call(framework, "texts:write_integers", path)
        model = kt.load_model(path)
        assert model.get_layer("inner").get_layer("il").get_vocabulary() == words
        assert difference(outputs, model.predict(numbers), FORWARD["float32"]) is None
        kt.save_model(model, tmp_path / "again.h5", dialect=framework)
        (found,) = keras_worker.call(framework, "texts:outputs_of_texts", [str(tmp_path / "again.h5")], numbers)
        assert difference(outputs, found, FORWARD["float32"]) is None


def packed(path: Path, change: dict[str, bytes | None]) -> Path:
    """A copy of a .keras file with other members."""
    made = path.with_name("changed.keras")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(made, "w") as target:
        held = {name: source.read(name) for name in source.namelist() if not name.endswith("/")}
        for name, content in {**held, **change}.items():
            if content is not None:
                target.writestr(name, content)
    return made


def test_words_that_are_missing_or_none_are_told(keras_worker: KerasWorker, tmp_path: Path) -> None:
    keras_worker.call("keras3", "texts:write_adapted", str(tmp_path), {"indices": ADAPTED["indices"]})
    path, inner = tmp_path / "indices.keras", "assets/layers/text_vectorization/_lookup_layer/vocabulary.txt"
    outer = "assets/layers/text_vectorization/vocabulary.txt"
    model = kt.load_model(packed(path, {inner: None, outer: None}))
    with pytest.raises(NotBuiltError, match="has no vocabulary: call set_vocabulary"):
        model.predict(np.array([["the cat"]]))
    model = kt.load_model(packed(path, {inner: None}))  # Keras writes them twice, and one is enough
    assert len(model.get_layer("tv").get_vocabulary()) > 4
    with pytest.raises(CorruptFileError, match="expected words in UTF-8, one on each line"):
        kt.load_model(packed(path, {inner: b"\n[UNK]\n\xff\xfe"}))
    with pytest.raises(UnsafeFileError, match=r"vocabulary\.txt"):
        kt.load_model(packed(path, {inner: b"\n[UNK]\n" + b"a" * 9000}), limits=kt.Limits(json_bytes=8000))
    with pytest.raises(MismatchError, match=r"expected each word once, got several times \['the'\]"):
        kt.load_model(packed(path, {inner: b"\n[UNK]\nthe\nthe"}))
    replaced = kt.load_model(path, replace={"tv": kt.recipes.identity()})
    assert replaced.inputs[0].shape == (None, 4)


def test_a_path_in_the_config_is_not_opened(tmp_path: Path) -> None:
    words = kt.layers.TextVectorization(vocabulary=["a"], name="tv", output_sequence_length=2)
    kt.Sequential([kt.Input((1,), dtype="string"), words, layers.Embedding(3, 2)]).save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        config = archive.read("config.json").replace(b'["a"]', b'"/etc/passwd"')
    with pytest.raises(UnsafeFileError, match="its config names a file as its vocabulary"):
        kt.load_model(packed(tmp_path / "m.keras", {"config.json": config}))


def test_what_one_keras_cannot_hold_is_refused(tmp_path: Path) -> None:
    counts = kt.layers.TextVectorization(output_mode="tf_idf", name="tv")
    counts.adapt(["the cat", "a mat"])
    model = kt.Sequential([kt.Input((1,), dtype="string"), counts, layers.Dense(2)])
    with pytest.raises(SaveError, match=r"reads no \.h5 with output_mode 'tf_idf'.*write a \.keras file"):
        kt.save_model(model, tmp_path / "m.h5", dialect="keras2")
    salted = kt.layers.StringLookup(vocabulary=["a"], num_oov_indices=2, salt=[1, 2], name="sl")
    model = kt.Sequential([kt.Input((1,), dtype="string"), salted, layers.Embedding(4, 2)])
    with pytest.raises(SaveError, match="'sl': tf-keras has no argument salt for it"):
        kt.save_model(model, tmp_path / "m.keras", dialect="keras2")


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
