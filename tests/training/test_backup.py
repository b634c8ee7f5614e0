"""A training that is killed goes on where it was; and averages of weights in the place of the weights."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _close import OUTPUT, assert_close

import kerastorch as kt
from kerastorch.errors import ArgumentError

SCRIPT = """
import os, signal, sys
import numpy as np
import torch
import kerastorch as kt

class Killer(kt.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 3 and batch == 1:
            os.kill(os.getpid(), signal.SIGKILL)
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

def train(folder, result, optimizer, *killers):
    kt.set_seed(4)
    x = kt.Input((4, 3))
    model = kt.Model(x, kt.layers.Dense(1)(kt.layers.Dropout(0.25)(kt.layers.GRU(5)(x))))
    made = {"adam": lambda: kt.optimizers.Nadam(0.01, use_ema=True),
            "torch": lambda: torch.optim.Adam(model.parameters(), 0.01),
            "scaled": lambda: kt.optimizers.LossScaleOptimizer(kt.optimizers.SGD(0.01, momentum=0.9))}
    model.compile(made[optimizer](), "mse")
    rng = np.random.default_rng(0)
    data = rng.normal(size=(40, 4, 3)).astype("float32"), rng.normal(size=(40, 1)).astype("float32")
    backup = kt.callbacks.BackupAndRestore(folder)
    history = model.fit(*data, batch_size=8, epochs=6, verbose=0, callbacks=[backup, *killers])
    np.savez(result + os.environ.get("RANK", "0"), *model.get_weights(), epochs=history.epoch)

home, what, *optimizers = sys.argv[1:]
for optimizer in optimizers:
    arguments = home + "/" + optimizer, home + "/" + optimizer + "_killed", optimizer
    if what == "goes on":
        train(*arguments)
    elif what == "of several is killed":
        train(home + "/whole", home + "/" + optimizer + "_whole", optimizer)
        train(*arguments, Killer())
    elif (child := os.fork()) == 0:
        train(*arguments, Killer())
        os._exit(0)
    else:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
if what == "is killed":
    for optimizer in optimizers:  # now: threads that a backward pass begins are not in a process that is forked later
        train(home + "/whole", home + "/" + optimizer + "_whole", optimizer)
"""
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def _run(home: Path, what: str, optimizers: Sequence[str], several: bool) -> int:
    script = home / "train.py"
    script.write_text(SCRIPT)
    command = [sys.executable, *(TORCHRUN if several else ()), str(script), str(home), what, *optimizers]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(kt.__file__).parents[1])}
    return subprocess.run(command, env=environment, timeout=300, capture_output=several).returncode


@pytest.mark.parametrize(("optimizers", "several"), [(("adam", "torch", "scaled"), False), (("adam",), True)])
def test_a_killed_run_ends_as_one_that_is_not(tmp_path: Path, optimizers: Sequence[str], several: bool) -> None:
    """Of two processes the first is killed, and `torchrun` ends the other; each drops out other numbers."""
    assert _run(tmp_path, "of several is killed" if several else "is killed", optimizers, several) == int(several)
    for optimizer in optimizers:
        assert (tmp_path / optimizer / "latest.npz").exists()
        assert not (tmp_path / f"{optimizer}_killed0.npz").exists()
    assert _run(tmp_path, "goes on", optimizers, several) == 0
    for each in [f"{optimizer}_{{}}{rank}.npz" for optimizer in optimizers for rank in range(1 + several)]:
        with np.load(tmp_path / each.format("whole")) as whole, np.load(tmp_path / each.format("killed")) as killed:
            assert killed["epochs"].tolist() == [3, 4, 5]
            assert len(whole.files) == 6
            for name in set(whole.files) - {"epochs"}:
                assert np.array_equal(whole[name], killed[name])
    assert [[*(tmp_path / optimizer).iterdir()] for optimizer in optimizers] == [[] for _ in optimizers]


X, Y = np.random.default_rng(1).normal(size=(2, 16, 3)).astype("float32")


def _model(units: int = 3, **options: Any) -> Any:
    model = kt.Sequential([kt.Input((3,)), kt.layers.Dense(units)])
    model.compile(kt.optimizers.SGD(0.1, **options), "mse")
    return model


def test_a_backup_of_another_model_is_refused(tmp_path: Path) -> None:
    _model().fit(X, Y, verbose=0, callbacks=[kt.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)])
    with pytest.raises(ArgumentError, match=r"is of another model: 'layers\.0\.bias'") as caught:
        _model(1).fit(X, Y[:, :1], verbose=0, callbacks=[kt.callbacks.BackupAndRestore(tmp_path)])
    assert "Give each training a folder of its own" in str(caught.value)
    with pytest.raises(ArgumentError, match="save_freq is 0, expected 'epoch' or a number of batches"):
        kt.callbacks.BackupAndRestore(tmp_path, save_freq=0)


def test_after_batches_the_epoch_begins_anew(tmp_path: Path) -> None:
    stop = kt.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: (_ for _ in ()).throw(KeyboardInterrupt))
    model = _model()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, 4, verbose=0, callbacks=[kt.callbacks.BackupAndRestore(tmp_path, save_freq=1), stop])
    again = _model()
    again.fit(X, Y, 4, verbose=0, callbacks=[kt.callbacks.BackupAndRestore(tmp_path)])
    assert again.optimizer.iterations == 5
    assert again.history.epoch == [0]


def test_averages_are_judged(tmp_path: Path) -> None:
    model = _model(use_ema=True, ema_momentum=0.75)
    seen = []
    swap = kt.callbacks.SwapEMAWeights(swap_on_epoch=True)
    keep = kt.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(model.get_weights()))
    path: list[Any] = []
    trace = kt.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: path.append(model.get_weights()))
    history = model.fit(X, Y, 4, 2, verbose=0, shuffle=False, validation_data=(X, Y), callbacks=[trace, swap, keep])
    average = None
    for at, weights in enumerate(path):
        average = weights if average is None else [0.75 * a + 0.25 * w for a, w in zip(average, weights, strict=True)]
        if at in (3, 7):
            assert_close(seen[at // 4], average, OUTPUT)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), seen[-1], strict=True))
    assert history.history["val_loss"][-1] == model.evaluate(X, Y, 4, verbose=0)
    with pytest.raises(ArgumentError, match="the optimizer keeps no averages: give it use_ema=True"):
        _model().evaluate(X, Y, verbose=0, callbacks=[kt.callbacks.SwapEMAWeights()])
