"""StringLookup, IntegerLookup and TextVectorization against live Keras: exact, for there is no rounding in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from _close import apart
from _keras_worker import KerasWorker
from workers import lookups

import kerastorch as kt

RNG = np.random.default_rng(3)
ALPHABET = list("abcdeABC.,!?'-_ \t\näöüßé漢字😀0")


def words(count: int, longest: int = 5) -> list[str]:
    return ["".join(RNG.choice(ALPHABET[:5], size=RNG.integers(1, longest + 1))) for _ in range(count)]


def texts(count: int, longest: int = 40) -> np.ndarray:
    made = ["".join(RNG.choice(ALPHABET, size=RNG.integers(0, longest + 1))) for _ in range(count)]
    return np.array(made, dtype=object)


MANY = np.array(words(400, 3), dtype=object)
VOCABULARY = sorted(set(words(12, 2)))
LONG = ["x" * n + "y" for n in (0, 3, 7, 15, 16, 31, 32, 63, 64, 65, 130)] + ["漢字", "é", ""]
INTEGERS = RNG.integers(-20, 60, size=(30, 4))
KNOWN = np.array([5, -3, 17, 40])
IDF = RNG.uniform(0.1, 2.0, size=len(VOCABULARY)).astype("float32")
ROWS = MANY[:40].reshape(10, 4)
MODES = ("int", "one_hot", "multi_hot", "count")

CASES: dict[str, tuple[str, dict[str, Any], Any, list[Any]]] = {}
for mode in MODES:
    CASES |= {
        f"words, {mode}": (
            "StringLookup",
            {"vocabulary": VOCABULARY, "output_mode": mode},
            None,
            [ROWS, MANY, ROWS[:, :1]],
        ),
        f"words, {mode}, a mask": (
            "StringLookup",
            {"vocabulary": VOCABULARY[1:], "output_mode": mode, "mask_token": VOCABULARY[0], "num_oov_indices": 3},
            None,
            [ROWS, MANY[:9]],
        ),
        f"words, {mode}, adapted": (
            "StringLookup",
            {"max_tokens": 9, "output_mode": mode},
            MANY,
            [ROWS, ROWS.tolist()],
        ),
        f"words, {mode}, padded": (
            "StringLookup",
            {"max_tokens": 500, "output_mode": mode, "pad_to_max_tokens": mode != "int", "mask_token": ""},
            (ROWS, ROWS[:2], ROWS[3:4]),
            [ROWS],
        ),
        f"integers, {mode}": (
            "IntegerLookup",
            {"vocabulary": KNOWN, "output_mode": mode},
            None,
            [INTEGERS, INTEGERS[0]],
        ),
        f"integers, {mode}, a mask": (
            "IntegerLookup",
            {"vocabulary": KNOWN, "output_mode": mode, "mask_token": 0, "num_oov_indices": 4},
            None,
            [INTEGERS, INTEGERS[:, :1]],
        ),
        f"integers, {mode}, adapted": (
            "IntegerLookup",
            {"output_mode": mode, "max_tokens": 20, "mask_token": 3, "num_oov_indices": 2},
            INTEGERS,
            [INTEGERS, INTEGERS.tolist()],
        ),
    }
CASES |= {
    "buckets": ("StringLookup", {"vocabulary": ["a"], "num_oov_indices": 1000}, None, [LONG, np.array(LONG)]),
    "buckets with a key": (
        "StringLookup",
        {"vocabulary": ["a"], "num_oov_indices": 1000, "salt": [133, 2**40 + 1]},
        None,
        [LONG],
    ),
    "buckets with one number": ("StringLookup", {"vocabulary": ["a"], "num_oov_indices": 99, "salt": 7}, None, [LONG]),
    "buckets of integers": (
        "IntegerLookup",
        {"vocabulary": KNOWN, "num_oov_indices": 50, "oov_method": "farmhash"},
        None,
        [INTEGERS],
    ),
    "buckets of integers with a key": (
        "IntegerLookup",
        {"vocabulary": KNOWN, "num_oov_indices": 50, "oov_method": "farmhash", "salt": (1, 2)},
        None,
        [INTEGERS],
    ),
    "one word": ("StringLookup", {"vocabulary": ["a", "b"]}, None, ["b", np.array("c"), np.array([["a"]])]),
    "one integer": ("IntegerLookup", {"vocabulary": [4, 9]}, None, [np.array(9), [4, 2]]),
    "no unknown words": ("StringLookup", {"vocabulary": ["a", "b"], "num_oov_indices": 0}, None, [["b", "a"]]),
    "no unknown integers": ("IntegerLookup", {"vocabulary": [4, 9], "num_oov_indices": 0}, None, [np.array([9, 4])]),
    "special words first": (
        "StringLookup",
        {"vocabulary": ["", "[UNK]", "a", "b"], "mask_token": ""},
        None,
        [["b", "", "c", "[UNK]"]],
    ),
    "words back": (
        "StringLookup",
        {"vocabulary": ["", "[UNK]", "a", "ü"], "mask_token": "", "invert": True},
        None,
        [np.array([[0, 1, 2], [3, 9, -1]]), np.array(2)],
    ),
    "integers back": (
        "IntegerLookup",
        {"vocabulary": KNOWN, "mask_token": 0, "invert": True, "num_oov_indices": 2},
        None,
        [np.array([[0, 1, 2], [3, 9, 6]])],
    ),
    "what words count": (
        "StringLookup",
        {"vocabulary": VOCABULARY, "idf_weights": IDF, "output_mode": "tf_idf"},
        None,
        [ROWS, MANY],
    ),
    "what words count, adapted": (
        "StringLookup",
        {"output_mode": "tf_idf", "max_tokens": 60, "pad_to_max_tokens": True, "num_oov_indices": 2},
        ROWS,
        [ROWS],
    ),
    "what integers count, adapted": ("IntegerLookup", {"output_mode": "tf_idf"}, INTEGERS, [INTEGERS]),
}
STANDARDS = (None, "lower", "strip_punctuation", "lower_and_strip_punctuation")
for standard in STANDARDS:
    for split in ("whitespace", "character"):
        CASES[f"texts, {standard}, {split}"] = (
            "TextVectorization",
            {"standardize": standard, "split": split},
            texts(200),
            [texts(1000), texts(3)[:, None]],
        )
for ngrams in (1, 2, (2,), (3, 1)):
    CASES[f"texts, {ngrams} words"] = (
        "TextVectorization",
        {"ngrams": ngrams, "output_sequence_length": 9, "max_tokens": 300},
        texts(200)[:, None],
        [texts(1000), texts(5).tolist()],
    )
for mode in ("int", "multi_hot", "count", "tf_idf"):
    CASES[f"texts, {mode}"] = (
        "TextVectorization",
        {"output_mode": mode, "max_tokens": 50, "pad_to_max_tokens": mode in ("count", "tf_idf"), "ngrams": 2},
        (texts(90).tolist(), texts(30).tolist()),
        [texts(1000), texts(3)[:, None]],
    )
CASES |= {
    "texts, long": (
        "TextVectorization",
        {"vocabulary": ["b", "a"], "output_sequence_length": 5},
        None,
        [["a b c a"] * 2, "b a"],
    ),
    "texts, not split": ("TextVectorization", {"split": None, "ngrams": 2}, ROWS, [ROWS, ROWS[:, :1]]),
    "texts, given weights": (
        "TextVectorization",
        {"vocabulary": VOCABULARY, "idf_weights": IDF, "output_mode": "tf_idf"},
        None,
        [[" ".join(row) for row in ROWS]],
    ),
}


def same(mine: Any, wanted: Any) -> bool:
    if np.shape(mine) != np.shape(wanted):
        return False
    if np.asarray(wanted).dtype.kind == "f":  # a logarithm, rounded by two libraries
        return apart(np.asarray(mine), np.asarray(wanted)) is None
    return np.array_equal(mine, wanted)


def test_lookups_are_those_of_keras(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras3", "lookups:run", CASES)
    ours = lookups.run(kt, CASES)  # type: ignore[arg-type]
    for label, wanted in theirs.items():
        mine = ours[label]
        assert {key: mine[key] for key in ("vocabulary", "words", "size")} == {
            key: wanted[key] for key in ("vocabulary", "words", "size")
        }, label
        assert mine["dtypes"] == wanted["dtypes"], label
        for a, b in zip(mine["outputs"], wanted["outputs"], strict=True):
            assert same(a, b), (label, a, b)


REFUSED: dict[str, tuple[str, dict[str, Any], Any]] = {
    "a known word": ("StringLookup", {"vocabulary": ["a"], "num_oov_indices": 0}, ["a"]),
    "an unknown word": ("StringLookup", {"vocabulary": ["a"], "num_oov_indices": 0}, ["a", "b"]),
    "an unknown integer": ("IntegerLookup", {"vocabulary": [1], "num_oov_indices": 0}, [1, 2]),
    "a word twice": ("StringLookup", {"vocabulary": ["a", "b", "a"]}, ["a"]),
    "no words": ("StringLookup", {"vocabulary": []}, ["a"]),
    "the mask among the words": ("StringLookup", {"vocabulary": ["a", "m"], "mask_token": "m"}, ["a"]),
    "the unknown word among the words": ("StringLookup", {"vocabulary": ["a", "[UNK]"], "invert": True}, [1]),
    "too many": ("StringLookup", {"vocabulary": ["a", "b"], "max_tokens": 2}, ["a"]),
    "one token": ("StringLookup", {"max_tokens": 1}, ["a"]),
    "a mode": ("StringLookup", {"output_mode": "twice"}, ["a"]),
    "vectors back": ("StringLookup", {"vocabulary": ["a"], "invert": True, "output_mode": "count"}, [1]),
    "padding to nothing": ("StringLookup", {"pad_to_max_tokens": True}, ["a"]),
    "weights for nothing": ("StringLookup", {"vocabulary": ["a"], "idf_weights": [1.0]}, ["a"]),
    "no weights": ("StringLookup", {"vocabulary": ["a"], "output_mode": "tf_idf"}, ["a"]),
    "weights of another number": (
        "StringLookup",
        {"vocabulary": ["a"], "output_mode": "tf_idf", "idf_weights": [1.0, 2.0, 3.0]},
        ["a"],
    ),
    "no vocabulary": ("StringLookup", {"output_mode": "count"}, ["a"]),
    "no words in it": ("StringLookup", {}, ["a"]),
    "no integers in it": ("IntegerLookup", {}, [1]),
    "no words of texts": ("TextVectorization", {}, ["a b"]),
    "a key of three": ("StringLookup", {"salt": [1, 2, 3]}, ["a"]),
    "a key for a remainder": ("IntegerLookup", {"salt": 3}, [1]),
    "32 bits": ("IntegerLookup", {"vocabulary_dtype": "int32"}, [1]),
    "two texts in a row": ("TextVectorization", {"vocabulary": ["a"]}, [["a", "b"]]),
    "a standard": ("TextVectorization", {"standardize": "upper"}, ["a"]),
    "a split": ("TextVectorization", {"split": "lines"}, ["a"]),
    "one-hot texts": ("TextVectorization", {"output_mode": "one_hot"}, ["a"]),
    "a length for vectors": ("TextVectorization", {"output_mode": "count", "output_sequence_length": 3}, ["a"]),
}


def test_what_keras_refuses_is_refused(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras3", "lookups:refused", REFUSED)
    assert lookups.refused(kt, REFUSED) == theirs  # type: ignore[arg-type]
    assert [label for label, is_refused in theirs.items() if not is_refused] == ["a known word"]


def test_configs(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras3", "lookups:configs")
    ours = lookups.configs(kt)  # type: ignore[arg-type]
    assert list(ours) == list(theirs)
    assert [(label, ours[label], wanted) for label, wanted in theirs.items() if ours[label] != wanted] == []


@pytest.mark.parametrize("length", [None, 5])
def test_models_take_text(keras_worker: KerasWorker, length: int | None) -> None:
    shapes = [(7, 3), (3, 16), (4, 16), (16,), (4, 1), (1,)]
    weights = [RNG.normal(size=shape).astype("float32") for shape in shapes]
    theirs = keras_worker.call("keras3", "lookups:in_models", weights, length)
    ours = lookups.in_models(kt, weights, length)  # type: ignore[arg-type]
    assert list(ours) == list(theirs)
    assert [key for key in theirs if not same(ours[key], theirs[key])] == []
