"""kt.utils, kt.preprocessing, kt.random, kt.models and the functional layers: the same code in Keras and here."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from _keras_worker import KerasWorker
from workers.around import plain
from workers.around_cases import CASES, CASES2, own_model

import kerastorch as kt
from kerastorch.errors import KerasTorchError, MissingLayersError

# The message, where Keras raises what our error is not: an IndexError of numpy.
OTHER_ERRORS = {"classes too large": "expected numbers below num_classes=3, got numbers from 0 to 3"}


def same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, dict):
        assert sorted(ours) == sorted(theirs)
        for key in theirs:
            same(ours[key], theirs[key])
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    elif isinstance(theirs, np.ndarray):
        assert np.asarray(ours).dtype == theirs.dtype
        if theirs.dtype.kind == "f":
            assert_close(ours, theirs)
        else:
            np.testing.assert_array_equal(ours, theirs)
    else:
        assert type(ours) is type(theirs)
        assert ours == theirs


@pytest.fixture(autouse=True)
def nothing_is_registered() -> Iterator[None]:
    """What other tests have registered stays theirs."""
    objects = kt.saving.get_custom_objects()
    kept = dict(objects)
    objects.clear()
    yield
    objects.clear()
    objects.update(kept)


@pytest.mark.parametrize(("framework", "cases"), [("keras3", CASES), ("keras2", CASES2)], ids=["keras3", "keras2"])
def test_the_same_code(keras_worker: KerasWorker, framework: str, cases: Any) -> None:
    expected = keras_worker.call(framework, "around:run")
    wrong = []
    for name, case in cases.items():
        theirs = expected[name]
        try:
            if isinstance(theirs, tuple) and theirs[0] == "raises":
                kind = ValueError if name in OTHER_ERRORS else getattr(builtins, theirs[1])
                with pytest.raises(kind, match=OTHER_ERRORS.get(name)) as caught:
                    case(kt)
                assert isinstance(caught.value, KerasTorchError), repr(caught.value)
            else:
                same(plain(case(kt)), theirs)
        except (AssertionError, AttributeError, TypeError, ValueError, pytest.fail.Exception) as error:
            wrong.append(f"{name}: {type(error).__name__}: {str(error)[:300]}\n  Keras: {str(theirs)[:200]}")
    assert not wrong, "\n".join(wrong)


def test_registered_classes_in_files(keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 4, 3)).astype("float32")
    theirs = keras_worker.call("keras3", "around:save_registered", str(tmp_path / "theirs.keras"), x)
    ours = own_model(kt)
    assert_close(kt.load_model(tmp_path / "theirs.keras")(torch.from_numpy(x)), theirs)
    report = ours.save(tmp_path / "ours.keras")
    kt.saving.get_custom_objects().clear()
    again = keras_worker.call("keras3", "around:load_registered", str(tmp_path / "ours.keras"), x)
    assert_close(ours.predict(x, verbose=0), again)
    assert "Twice is not a class of Keras" in str(report)
    with pytest.raises(MissingLayersError, match="mine>Twice"):
        kt.load_model(tmp_path / "ours.keras")


def test_a_planted_fault_is_seen() -> None:
    with pytest.raises(AssertionError):
        same([np.array([1.0, 2.0])], [np.array([1.0, 2.0001])])
    with pytest.raises(AssertionError):
        same([np.array([1, 2])], [np.array([1, 2], "int32")])
