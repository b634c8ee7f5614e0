"""StringLookup, IntegerLookup and TextVectorization by themselves: what is kept, and what is said."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import ArgumentError, NotBuiltError, ShapeError, UnsafeFileError, UnsupportedError

TEXT = kt.Input((1,), dtype="string")


def test_texts_come_back_as_str_and_as_bytes() -> None:
    back = layers.StringLookup(vocabulary=["a", "ü"], invert=True)
    found = back(torch.tensor([[2, 1], [0, 7]]))
    assert found.tolist() == [["ü", "a"], ["[UNK]", "[UNK]"]]
    assert found.numpy().tolist() == [["ü".encode(), b"a"], [b"[UNK]", b"[UNK]"]]
    assert back(np.array(2)).numpy().decode() == "ü"
    assert "".join(back([1, 2])) == "aü"


def test_a_vocabulary_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("b\nü\n", encoding="utf-8")
    layer = layers.StringLookup(vocabulary=str(path))
    assert layer.get_vocabulary() == ["[UNK]", "b", "ü"]
    assert layer.get_config()["vocabulary"] == ["[UNK]", "b", "ü"]  # no path: a config reads no files
    path.write_text("7\n-3\n")
    assert layers.IntegerLookup(vocabulary=str(path))([-3, 7, 1]).tolist() == [2, 1, 0]


@pytest.mark.parametrize("mode", ["int", "tf_idf"])
def test_what_was_found_in_data_is_kept(tmp_path: Path, mode: str) -> None:
    texts = np.array([["a b c"], ["b c"], ["d"]], dtype=object)
    vectorizer = layers.TextVectorization(output_mode=mode, max_tokens=9, pad_to_max_tokens=mode != "int", ngrams=2)
    vectorizer.adapt(texts)
    text = kt.Input((1,), dtype="string")
    after = layers.Embedding(9, 3)(vectorizer(text)) if mode == "int" else layers.Dense(3)(vectorizer(text))
    model = kt.Model(text, after)
    expected = model.predict(texts, verbose=0)
    model.save(tmp_path / "model.keras")
    again = kt.load_model(tmp_path / "model.keras")
    assert np.array_equal(again.predict(texts, verbose=0), expected)
    copied = kt.clone_model(model)
    copied.set_weights(model.get_weights())
    assert np.array_equal(copied.predict(texts, verbose=0), expected)
    assert "_known" not in repr(model)


def test_integers_in_graphs_and_compiled() -> None:
    lookup = layers.IntegerLookup(vocabulary=[4, -9, 2], num_oov_indices=2, mask_token=0)
    ids = kt.Input((3,), dtype="int64")
    model = kt.Model(ids, lookup(ids))
    x = torch.tensor([[4, 0, 2], [-9, 5, -4]])
    assert model(x).tolist() == [[3, 0, 5], [4, 2, 1]]
    compiled = torch.compile(lookup, backend="eager", fullgraph=True)
    assert torch.equal(compiled(x), model(x))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0, name="w")(["b", "a"]),
            ArgumentError,
            r"StringLookup 'w': \['b'\] are not in the vocabulary, and num_oov_indices=0 leaves no index",
        ),
        (lambda: layers.StringLookup(vocabulary=["a"])([1]), ArgumentError, r"expected text, got \[1\]"),
        (lambda: layers.StringLookup()(["a"]), NotBuiltError, "has no vocabulary: call set_vocabulary with one"),
        (lambda: layers.IntegerLookup()([3]), NotBuiltError, "has no vocabulary: call set_vocabulary with one"),
        (lambda: layers.IntegerLookup(vocabulary=["x"]), ArgumentError, "expected integers, got 'x'"),
        (lambda: layers.StringLookup(vocabulary=["a", "a"]), ArgumentError, r"once, got several times \['a'\]"),
        (lambda: layers.StringLookup(vocabulary=["a"]).adapt(["b"]), ArgumentError, "so there is nothing to adapt"),
        (lambda: layers.StringLookup(sparse=True, output_mode="count"), UnsupportedError, "outputs are dense tensors"),
        (lambda: layers.TextVectorization(ragged=True), UnsupportedError, "rows are padded with zeros"),
        (
            lambda: layers.TextVectorization(vocabulary=["a"])([["a", "b"]]),
            ShapeError,
            r"expected texts of shape \(B,\) or \(B, 1\), got \(1, 2\)",
        ),
        (
            lambda: kt.Sequential([kt.Input((1,)), layers.Dense(1)])(np.array([["a"]])),
            ArgumentError,
            r"input .*: expected a tensor of shape \(None, 1\), got .*'a'",
        ),
        (
            lambda: kt.Sequential([TEXT, layers.StringLookup(vocabulary=["a"])])(torch.ones(1, 1)),
            ArgumentError,
            "input .*: expected texts, got numbers",
        ),
    ],
)  # fmt: skip
def test_what_is_said(call: Callable[[], Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "layer",
    [
        layers.StringLookup(vocabulary=["a"], name="l"),
        layers.IntegerLookup(vocabulary=[3], name="l"),
        layers.TextVectorization(vocabulary=["a"], name="l"),
    ],
)
@pytest.mark.parametrize("key", ["vocabulary", "idf_weights"])
def test_no_config_makes_a_file_be_read(tmp_path: Path, layer: Any, key: str) -> None:
    """A file that names another one would read it on the machine of who loads it."""
    secret = tmp_path / "secret"
    secret.write_text("12345\n")
    kind = "int64" if isinstance(layer, layers.IntegerLookup) else "string"
    model = kt.Sequential([kt.Input((1,), dtype=kind), layer])
    config = json.loads(model.to_json())
    config["config"]["layers"][-1]["config"][key] = str(secret)
    message = f"layer 'l' .*its config names a file as its {key}, '{secret}'.*replace="
    with pytest.raises(UnsafeFileError, match=message):
        kt.model_from_json(json.dumps(config))
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as packed, zipfile.ZipFile(tmp_path / "n.keras", "w") as changed:
        for name in packed.namelist():
            changed.writestr(name, json.dumps(config) if name == "config.json" else packed.read(name))
    with pytest.raises(UnsafeFileError, match=message):
        kt.load_model(tmp_path / "n.keras")
    with pytest.raises(UnsafeFileError, match=message):
        type(layer).from_config({**layer.get_config(), key: str(secret)})


def test_huge_ngrams_take_no_memory() -> None:
    short = layers.TextVectorization(ngrams=3, vocabulary=["a", "b", "a b", "b a", "a b a"])
    huge = layers.TextVectorization.from_config({**short.get_config(), "ngrams": 2**40})
    assert huge.get_config()["ngrams"] == 2**40
    np.testing.assert_array_equal(huge(["a b a"]), short(["a b a"]))


@pytest.mark.parametrize("make", [layers.StringLookup, layers.TextVectorization])
def test_an_encoding_is_one_that_python_lists(make: Any) -> None:
    for name in ("utf-8", "UTF8", "latin-1", "cp1252", "utf-8-sig", "koi8-u"):
        assert make(vocabulary=["a"], encoding=name).get_config()["encoding"] == name
    # What is not listed is looked for among modules, "zlib" unpacks, and a config may hold anything.
    for wrong in (
        "os",
        "../x",
        "zlib",
        "rot13",
        "idna",
        "",
        "a\0b",
        "\ud800",
        "é",
        1,
        None,
        ["utf-8"],
        {"a": 1},
        layers.ReLU(),
    ):
        with pytest.raises(ArgumentError, match="encoding: expected the name of an encoding of text"):
            make(vocabulary=["a"], encoding=wrong)
