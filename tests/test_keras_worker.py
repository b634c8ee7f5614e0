"""The harness that talks to real Keras: it must report, never hang, and never pass in silence."""

from __future__ import annotations

import numpy as np
import pytest
from _close import assert_close
from _keras_worker import KerasWorker, KerasWorkerError


def test_both_frameworks_live_in_one_process(keras_worker: KerasWorker) -> None:
    three = keras_worker.call("keras3", "selftest:versions")
    two = keras_worker.call("keras2", "selftest:versions")
    assert three["name"] == "keras"
    assert three["version"].startswith("3.")
    assert three["backend"] == "tensorflow"
    assert two["name"] == "tf_keras"
    assert two["version"].startswith("2.")
    assert three["pid"] == two["pid"]


def test_arrays_come_back_as_they_went(keras_worker: KerasWorker, rng: np.random.Generator) -> None:
    array = rng.normal(size=(3, 2))
    args, kwargs = keras_worker.call("keras3", "selftest:echo", array, None, flag=True)
    np.testing.assert_array_equal(args[0], array)
    assert args[1] is None
    assert kwargs == {"flag": True}


def test_nothing_hangs_on_what_is_traced_for_gpus(keras_worker: KerasWorker) -> None:
    traced, (with_it, without) = keras_worker.call("keras2", "selftest:kernels_of_a_gpu")
    assert traced[0] >= 4
    assert traced[1] == 0
    np.testing.assert_array_equal(without[0], with_it[0])
    # One of the sums of a gradient in another order: 7e-8 of a single weight were seen.
    for mine, theirs in zip(without[1:], with_it[1:], strict=True):
        assert_close(mine, theirs)


def test_an_exception_comes_back_with_its_traceback(keras_worker: KerasWorker) -> None:
    with pytest.raises(KerasWorkerError, match=r"(?s)selftest:fail failed.*in fail.*ValueError: so it is"):
        keras_worker.call("keras3", "selftest:fail", "so it is")
    assert keras_worker.call("keras3", "selftest:echo", 1) == ((1,), {})


def test_an_unpicklable_result_is_reported(keras_worker: KerasWorker) -> None:
    with pytest.raises(KerasWorkerError, match="cannot be pickled"):
        keras_worker.call("keras3", "selftest:unpicklable")
    assert keras_worker.call("keras3", "selftest:echo", 1) == ((1,), {})


def test_a_dead_process_is_reported_and_replaced(keras_worker: KerasWorker) -> None:
    with pytest.raises(KerasWorkerError, match=r"(?s)has died \(exit status 7\).*a last word"):
        keras_worker.call("keras3", "selftest:die")
    assert keras_worker.call("keras3", "selftest:echo", 2) == ((2,), {})


def test_silence_is_reported(keras_worker: KerasWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    keras_worker.call("keras3", "selftest:echo")
    with monkeypatch.context() as patch:
        patch.setattr(keras_worker, "call_timeout", 0.2)
        with pytest.raises(KerasWorkerError, match=r"no answer within 0.2 s"):
            keras_worker.call("keras3", "selftest:sleep", 30)
    assert keras_worker.call("keras3", "selftest:echo", 3) == ((3,), {})


def test_a_process_that_cannot_start_is_reported_once_and_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("_keras_worker.SERVER", "/dev/null/no-such-script.py")
    worker = KerasWorker()
    with pytest.raises(KerasWorkerError, match="start: the Keras process has died") as first:
        worker.call("keras3", "selftest:echo")
    monkeypatch.undo()
    with pytest.raises(KerasWorkerError) as second:
        worker.call("keras3", "selftest:echo")
    assert str(first.value) == str(second.value)
    worker.close()


def test_a_missing_keras_is_a_skip_or_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("_keras_worker.PACKAGES", {"keras3": ("a_package_that_nobody_has",)})
    worker = KerasWorker()
    monkeypatch.setattr("_needs.is_required", lambda switch: False)
    with pytest.raises(pytest.skip.Exception, match="a_package_that_nobody_has"):
        worker.call("keras3", "selftest:echo")
    monkeypatch.setattr("_needs.is_required", lambda switch: switch == "KERASTORCH_REQUIRE_KERAS")
    with pytest.raises(pytest.fail.Exception, match="a_package_that_nobody_has"):
        worker.call("keras3", "selftest:echo")
