"""Twenty questions that people ask about LSTMs in Keras: their code gives the same answers here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from _close import TRAINED, assert_close
from _keras_worker import KerasWorker
from workers import questions

import kerastorch as kt


def agree(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, (list, tuple)) and not all(isinstance(item, float) for item in theirs):
        assert len(ours) == len(theirs)
        for mine, wanted in zip(ours, theirs, strict=True):
            agree(mine, wanted)
    elif isinstance(theirs, (list, tuple, float, np.ndarray)) and np.asarray(theirs).dtype.kind == "f":
        assert_close(np.asarray(ours, "float32"), np.asarray(theirs, "float32"), floor=TRAINED)
    else:
        assert np.array_equal(ours, theirs), (ours, theirs)


@pytest.mark.parametrize("name", questions.QUESTIONS)
def test_the_code_of_a_question(keras_worker: KerasWorker, name: str) -> None:
    theirs = keras_worker.call("keras3", "questions:answer", name)
    agree(questions.answer(kt, name), theirs)  # type: ignore[arg-type]


def test_a_planted_fault_is_seen() -> None:
    ours = questions.answer(kt, "simple_binary")  # type: ignore[arg-type]
    agree(ours, ours)
    with pytest.raises(AssertionError, match="not close"):
        agree([[loss * (1 + 2e-5) for loss in ours[0]], *ours[1:]], ours)


def test_there_are_twenty() -> None:
    assert len(questions.QUESTIONS) == 20
