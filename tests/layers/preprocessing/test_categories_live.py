"""CategoryEncoding, Discretization and Hashing against live Keras: exact, for there is no rounding in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _close import assert_close
from _keras_worker import KerasWorker
from workers import categories

import kerastorch as kt

RNG = np.random.default_rng(11)
KINDS = RNG.integers(0, 5, size=(6, 4))
WEIGHTS = RNG.normal(size=(6, 4)).astype("float32")
NUMBERS = RNG.normal(size=(200, 3)).astype("float32")
CUBE = RNG.normal(size=(2, 3, 4)).astype("float32")
LONG = ["x" * n + "y" for n in (0, 3, 7, 15, 16, 31, 32, 63, 64, 65, 130)] + ["漢字", "é", ""]
BOUNDARIES = [-1.0, 0.0, 0.25, 1.5]

CASES: dict[str, categories.Case] = {}
for mode in ("one_hot", "multi_hot", "count"):
    CASES[f"kinds, {mode}"] = (
        "CategoryEncoding",
        {"num_tokens": 5, "output_mode": mode},
        None,
        [KINDS, KINDS[0], KINDS[:, :1], KINDS[:1, :1], np.array(3), KINDS.reshape(2, 3, 4), KINDS + 0.25],
    )
for mode in ("int", "one_hot", "multi_hot", "count"):
    CASES |= {
        f"ranges, {mode}": (
            "Discretization",
            {"bin_boundaries": BOUNDARIES, "output_mode": mode},
            None,
            [NUMBERS[:9], NUMBERS[0], NUMBERS[:4, :1], np.float32(0.25), CUBE, np.array([[1, 2], [0, -5]])],
        ),
        f"ranges, {mode}, adapted": (
            "Discretization",
            {"num_bins": 7, "output_mode": mode, "epsilon": 0.05},
            NUMBERS,
            [NUMBERS[:9], np.array([[np.nan, np.inf, -np.inf]], "float32")],
        ),
        f"words, {mode}": (
            "Hashing",
            {"num_bins": 9, "output_mode": mode},
            None,
            [LONG, [LONG], np.array(LONG)[:, None]],
        ),
        f"integers, {mode}": (
            "Hashing",
            {"num_bins": 9, "output_mode": mode},
            None,
            [KINDS - 3, KINDS[0], KINDS[:, :1]],
        ),
        f"words, {mode}, a mask": (
            "Hashing",
            {"num_bins": 9, "output_mode": mode, "mask_value": "", "salt": [133, 2**40 + 1]},
            None,
            [LONG],
        ),
    }
CASES |= {
    "weighted": ("CategoryEncoding", {"num_tokens": 5, "output_mode": "count"}, None, [(KINDS, WEIGHTS)]),
    "kinds as integers": ("CategoryEncoding", {"num_tokens": 6, "dtype": "int32"}, None, [KINDS]),
    "kinds in double precision": ("CategoryEncoding", {"num_tokens": 6, "dtype": "float64"}, None, [KINDS]),
    "ranges, batches": ("Discretization", {"num_bins": 4}, (NUMBERS[:150], NUMBERS[150:], NUMBERS[:7]), [NUMBERS[:9]]),
    "ranges, few data": ("Discretization", {"num_bins": 6}, NUMBERS[:1], [NUMBERS[:9]]),
    "ranges, no boundaries": ("Discretization", {"bin_boundaries": []}, None, [NUMBERS[:2]]),
    "one word": ("Hashing", {"num_bins": 9}, None, ["longer words"]),
    "one bucket": ("Hashing", {"num_bins": 1, "mask_value": 3}, None, [KINDS]),
    "floats": ("Hashing", {"num_bins": 50, "mask_value": 2}, None, [np.array([1.7, -2.2, 1e10, 2.0], "float32")]),
    "truths": ("Hashing", {"num_bins": 50}, None, [np.array([True, False])]),
    "one number as the key": ("Hashing", {"num_bins": 500, "salt": 7, "dtype": "int32"}, None, [LONG]),
}  # fmt: skip


def test_categories_are_those_of_keras(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras3", "categories:run", CASES)
    ours = categories.run(kt, CASES)  # type: ignore[arg-type]
    for label, (boundaries, outputs) in theirs.items():
        assert ours[label][0] == boundaries, label
        for mine, wanted in zip(ours[label][1], outputs, strict=True):
            assert mine.dtype == wanted.dtype, label
            np.testing.assert_array_equal(mine, wanted, err_msg=label)


REFUSED: dict[str, tuple[str, dict[str, Any], Any]] = {
    "a known kind": ("CategoryEncoding", {"num_tokens": 2}, [[1]]),
    "no number of kinds": ("CategoryEncoding", {}, [[1]]),
    "no kinds": ("CategoryEncoding", {"num_tokens": 0}, [[1]]),
    "kinds as indices": ("CategoryEncoding", {"num_tokens": 2, "output_mode": "int"}, [[1]]),
    "a kind below": ("CategoryEncoding", {"num_tokens": 2}, [[-1]]),
    "weights for nothing": ("CategoryEncoding", {"num_tokens": 2}, (np.array([[1]]), np.array([[2.0]]))),
    "no boundaries": ("Discretization", {}, [1.0]),
    "boundaries twice": ("Discretization", {"bin_boundaries": [1.0], "num_bins": 2}, [1.0]),
    "fewer than no ranges": ("Discretization", {"num_bins": -1}, [1.0]),
    "not adapted": ("Discretization", {"num_bins": 2}, [1.0]),
    "falling": ("Discretization", {"bin_boundaries": [2.0, 1.0]}, [1.5]),
    "a mode": ("Discretization", {"bin_boundaries": [2.0], "output_mode": "twice"}, [1.5]),
    "no buckets": ("Hashing", {"num_bins": 0}, ["a"]),
    "indices as floats": ("Hashing", {"num_bins": 2, "dtype": "float32"}, ["a"]),
    "a key of three": ("Hashing", {"num_bins": 2, "salt": [1, 2, 3]}, ["a"]),
    "sparse indices": ("Hashing", {"num_bins": 2, "sparse": True}, ["a"]),
}  # fmt: skip


def test_what_keras_refuses_is_refused(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras3", "categories:refused", REFUSED)
    assert categories.refused(kt, REFUSED) == theirs  # type: ignore[arg-type]
    assert [label for label, is_refused in theirs.items() if not is_refused] == ["a known kind"]


@pytest.mark.parametrize("framework", ["keras3", "keras2"])
def test_in_files(keras_worker: KerasWorker, framework: str, tmp_path: Path) -> None:
    endings = ("keras", "h5") if framework == "keras3" else ("keras",)  # .h5 of tf-keras: see the next test
    theirs = [str(tmp_path / f"theirs.{ending}") for ending in endings]
    wanted = keras_worker.call(framework, "categories:write", theirs)
    for path in theirs:
        model = kt.load_model(path)
        assert_close(categories.outputs_of_model(kt, model), wanted)  # type: ignore[arg-type]
        again = [str(tmp_path / f"again.{ending}") for ending in ("keras", "h5")]
        for name in again:
            kt.save_model(model, name, dialect=framework)  # type: ignore[arg-type]
            assert_close(categories.outputs_of_model(kt, kt.load_model(name)), wanted)  # type: ignore[arg-type]
        for found in keras_worker.call(framework, "categories:outputs_of", again):
            assert_close(found, wanted)
