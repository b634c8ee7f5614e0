"""`steps_per_execution`: hooks of batches stand for several; what a callback stops ends behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerastorch as kt

X, Y = np.random.default_rng(2).normal(size=(2, 27, 3)).astype("float32")


def _model(of_one: int) -> Any:
    kt.set_seed(1)
    x = kt.Input((3,))
    model = kt.Model(x, {"twice": kt.layers.Rescaling(2.0)(x), "head": kt.layers.Dense(3)(x)})
    model.compile("sgd", {"head": "mse"}, steps_per_execution=of_one)
    return model


class Noting(kt.callbacks.Callback):
    """Notes the places of hooks, and the outputs; stops where it is told to."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.outputs: list[Any] = []
        self.stop_at = stop_at

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.begun.append(batch)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self.ended.append(batch)
        self.outputs.append(logs["outputs"])
        self.model.stop_predicting = batch == self.stop_at

    on_train_batch_begin = on_predict_batch_begin

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.ended.append(batch)
        self.model.stop_training = batch == self.stop_at


def test_outputs_of_several_batches_come_as_those_of_one() -> None:
    note = Noting()
    model = _model(3)
    found = model.predict(X, batch_size=4, verbose=0, callbacks=[note])
    assert (note.begun, note.ended) == ([0, 3, 6], [2, 5, 8])
    for name in ("twice", "head"):
        assert [len(outputs[name]) for outputs in note.outputs] == [12, 12, 3]
        assert np.array_equal(np.concatenate([outputs[name] for outputs in note.outputs]), found[name])
    assert np.array_equal(found["twice"], 2 * X)
    stopping = Noting(stop_at=2)
    assert len(model.predict(X, batch_size=4, verbose=0, callbacks=[stopping])["head"]) == 12
    assert (stopping.begun, stopping.ended) == ([0], [2])


@pytest.mark.parametrize(("of_one", "steps"), [(1, 3), (2, 4), (3, 3)])
def test_a_training_ends_behind_the_batches_of_a_hook(of_one: int, steps: int) -> None:
    note = Noting(stop_at=steps - 1)
    model = _model(of_one)
    model.fit(X, {"head": Y, "twice": Y}, batch_size=4, epochs=2, verbose=0, callbacks=[note])
    assert model.optimizer.iterations == steps
    assert note.begun == list(range(0, steps, of_one))
    assert note.ended == list(range(of_one - 1, steps, of_one))


@pytest.mark.parametrize(("of_one", "every", "batches"), [(1, 3, [3, 6]), (2, 3, [4, 8]), (3, 4, [6])])
def test_save_freq_counts_batches(tmp_path: Path, of_one: int, every: int, batches: list[int]) -> None:
    checkpoint = kt.callbacks.ModelCheckpoint(tmp_path / "{batch}.weights.h5", save_weights_only=True, save_freq=every)
    _model(of_one).fit(X, {"head": Y, "twice": Y}, batch_size=4, verbose=0, callbacks=[checkpoint])
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{batch}.weights.h5" for batch in batches]


def test_a_checkpoint_without_its_number_is_written(tmp_path: Path) -> None:
    checkpoint = kt.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}.weights.h5", save_weights_only=True, save_best_only=True
    )
    with pytest.warns(UserWarning, match="ModelCheckpoint: there is no 'val_loss' in the logs: 'loss'"):
        _model(1).fit(X, {"head": Y, "twice": Y}, epochs=2, verbose=0, callbacks=[checkpoint])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.weights.h5", "2.weights.h5"]


def test_an_infinite_loss_may_be_an_error() -> None:
    model = _model(1)
    model.optimizer.learning_rate = 1e30
    strict = kt.callbacks.TerminateOnNaN(raise_error=True)
    with pytest.raises(RuntimeError, match=r"NaN or Inf loss encountered at batch \d: "):
        model.fit(X, {"head": Y, "twice": Y}, batch_size=4, epochs=3, verbose=0, callbacks=[strict])
