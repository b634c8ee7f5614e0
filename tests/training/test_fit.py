"""`compile`, `fit` and `evaluate` beside live Keras: kinds of data, own steps, callbacks, messages."""

from __future__ import annotations

import copy
import csv
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import GRADIENT, assert_close, assert_numbers
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import kerastorch as kt
from kerastorch import Input, Model, Sequential, callbacks, layers
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError

RNG = np.random.default_rng(2)
X, Y = RNG.normal(size=(20, 4, 3)).astype("float32"), RNG.normal(size=(20, 1)).astype("float32")


def _model(optimizer: Any = None, **compiled: Any) -> Any:
    kt.set_seed(1)
    rnn, head = compiled.pop("names", (None, None))
    model = Sequential([Input((4, 3)), layers.GRU(3, name=rnn), layers.Dense(1, name=head)])
    model.compile(optimizer or kt.optimizers.SGD(0.125), compiled.pop("loss", "mse"), **compiled)
    return model


def _trained(*args: Any, **options: Any) -> tuple[dict[str, list[float]], list[np.ndarray]]:
    model = _model()
    history = model.fit(*args, **{"verbose": 0, "shuffle": False, **options})
    return history.history, model.get_weights()


def _generated() -> Iterator[Any]:
    while True:
        for at in range(0, 20, 8):
            yield X[at : at + 8], Y[at : at + 8]


class OwnSet(kt.utils.PyDataset):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, at: int) -> Any:
        return X[8 * at : 8 * at + 8], Y[8 * at : 8 * at + 8]


KINDS: dict[str, Any] = {
    "tensors": lambda: ((torch.from_numpy(X), torch.from_numpy(Y)), {"batch_size": 8}),
    "lists": lambda: ((X.tolist(), Y.tolist()), {"batch_size": 8}),
    "float64": lambda: ((X.astype("float64"), Y.astype("float64")), {"batch_size": 8}),
    "a loader": lambda: ((DataLoader(TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), 8),), {}),
    "a generator": lambda: ((_generated(),), {"steps_per_epoch": 3}),
    "a data set": lambda: ((OwnSet(),), {}),
    "validation that changes nothing": lambda: ((X, Y), {"batch_size": 8, "validation_data": (X, Y)}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_data(kind: str) -> None:
    """The same batches from wherever they come give the same bits."""
    expected, weights = _trained(X, Y, batch_size=8, epochs=3)
    given, options = KINDS[kind]()
    history, again = _trained(*given, epochs=3, **options)
    assert history["loss"] == expected["loss"]
    assert all(np.array_equal(one, other) for one, other in zip(weights, again, strict=True))
    assert expected["loss"][-1] < expected["loss"][0]


def test_shuffling() -> None:
    seen: list[list[float]] = []

    class Looking(Sequential):
        def train_step(self, data: Any) -> Any:
            seen.append(data[1][:, 0].tolist())
            return super().train_step(data)

    for shuffle in (True, "batch", False):
        seen.clear()
        kt.set_seed(3)
        model = Looking([Input((4, 3)), layers.GRU(3), layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(X, Y, batch_size=6, epochs=2, shuffle=shuffle, verbose=0)
        first, second = ([row for batch in part for row in batch] for part in (seen[:4], seen[4:]))
        assert sorted(first) == sorted(second) == sorted(Y[:, 0].tolist())
        assert (first == Y[:, 0].tolist()) == (shuffle is False)
        assert (first == second) == (shuffle is False)
        in_order = [Y[at : at + 6, 0].tolist() for at in range(0, 20, 6)]
        assert all(batch in in_order for batch in seen) == (shuffle is not True)


def test_the_same_seed_gives_the_same_run() -> None:
    def run() -> Any:
        kt.set_seed(11)
        model = Sequential([Input((4, 3)), layers.LSTM(3, dropout=0.25), layers.Dense(1)])
        model.compile("adam", "mse")
        return model.fit(X, Y, epochs=2, verbose=0).history

    assert run() == run()


def test_modes() -> None:
    model = _model()
    assert model.training
    model.fit(X, Y, verbose=0)
    assert not model.training


def test_torchs_own_parts() -> None:
    model = _model()
    model.compile(torch.optim.SGD(model.parameters(), lr=0.125), nn.MSELoss(), metrics=["mae"])
    history = model.fit(X, Y, batch_size=8, epochs=3, shuffle=False, verbose=0).history
    expected, weights = _trained(X, Y, batch_size=8, epochs=3)
    assert_numbers(history["loss"], expected["loss"])  # the means are taken over other axes
    for mine, theirs in zip(model.get_weights(), weights, strict=True):
        assert_close(mine, theirs, GRADIENT)
    with pytest.raises(UnsupportedError, match="torch's MSELoss takes no sample_weight"):
        model.fit(X, Y, sample_weight=np.ones(20), verbose=0)


def test_ones_own_steps_and_losses() -> None:
    class Own(Model):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = layers.GRU(3), layers.Dense(1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.rnn(x))

        def train_step(self, data: Any) -> Any:
            x, y = data  # as in Keras, without weights where there are none
            loss = (self(x) - y).square().mean()
            self.optimizer.build(self)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            return {"mine": loss.detach()}

    model = Own()
    model.build((None, 4, 3))
    model.compile("adam")
    history = model.fit(X, Y, epochs=3, verbose=0).history
    assert list(history) == ["mine"]
    assert history["mine"][-1] < history["mine"][0]

    def doubled(y_true: Tensor, y_pred: Tensor) -> Tensor:
        return 2 * (y_true - y_pred).square().mean(-1)

    plain, twice = _model(), _model(loss=doubled, metrics=[doubled])
    once, both = plain.evaluate(X, Y, verbose=0), twice.evaluate(X, Y, verbose=0, return_dict=True)
    assert_numbers([both["loss"], both["doubled"]], [2 * once, 2 * once])


def test_the_only_output_by_its_name() -> None:
    model, by_name = (
        _model(metrics=["mae"]),
        _model(loss={"head": "mse"}, metrics={"head": ["mae"]}, names=("rnn", "head")),
    )
    expected = model.fit(X, Y, epochs=2, shuffle=False, verbose=0).history
    assert by_name.fit(X, {"head": Y}, epochs=2, shuffle=False, verbose=0).history == expected
    with pytest.raises(ArgumentError, match="no output is called 'tail'; there are 'head'"):
        by_name.fit(X, {"tail": Y}, verbose=0)


def test_a_schedule_of_one_argument_and_its_own_errors() -> None:
    model = _model()
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1))])
    assert model.optimizer.learning_rate == 0.25

    def wrong(epoch: int, rate: float) -> float:
        return rate + "a"  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.LearningRateScheduler(wrong)])


def test_frozen_layers_stay() -> None:
    model = _model()
    model.layers[0].trainable = False
    model.compile("adam", "mse")
    before = model.layers[0].get_weights()
    model.fit(X, Y, epochs=2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.layers[0].get_weights(), strict=True))


def test_on_batches() -> None:
    model, other = _model(metrics=["mae"]), _model(metrics=["mae"])
    model.train_on_batch(X[:8], Y[:8])
    over_both = model.train_on_batch(X[8:16], Y[8:16], reset_metrics=False)
    history = other.fit(X[:16], Y[:16], batch_size=8, shuffle=False, verbose=0).history
    assert over_both == [history["loss"][0], history["mae"][0]]
    judged = other.evaluate(X, Y, verbose=0)
    assert_numbers(other.test_on_batch(X, Y), judged)  # as in Keras 3: of this batch alone
    assert_numbers(other.train_on_batch(X, Y), judged)
    assert list(other.test_on_batch(X, Y, return_dict=True)) == ["loss", "mae"]


def test_callbacks_see_the_course(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[str] = []

    class Every(callbacks.Callback):
        def __getattribute__(self, name: str) -> Any:
            if name.startswith("on_") and name not in ("on_batch_begin", "on_batch_end"):
                calls.append(name)
            return super().__getattribute__(name)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            assert math.isfinite(logs["loss"])

    model = _model()
    made = [Every(), callbacks.CSVLogger(tmp_path / "log.csv"), callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")]
    model.fit(X, Y, batch_size=10, epochs=2, validation_data=(X, Y), verbose=2, callbacks=made)
    batch, judged = ["on_train_batch_begin", "on_train_batch_end"] * 2, ["on_test_batch_begin", "on_test_batch_end"] * 2
    epoch = ["on_epoch_begin", *batch, "on_test_begin", *judged, "on_test_end", "on_epoch_end"]
    assert calls == ["on_train_begin", *epoch, *epoch, "on_train_end"]
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["epoch", "loss", "val_loss"]
    assert [float(value) for value in rows[2]] == [
        1,
        model.history.history["loss"][1],
        model.history.history["val_loss"][1],
    ]
    saved = kt.load_model(tmp_path / "2.keras")
    assert all(np.array_equal(a, b) for a, b in zip(saved.get_weights(), model.get_weights(), strict=True))
    assert (tmp_path / "1.keras").exists()
    printed = capsys.readouterr().out
    assert re.search(r"Epoch 1/2\n2/2 - \d+s - loss: \d", printed)
    assert " - val_loss: " in printed


def test_callbacks_steer() -> None:
    model = _model()
    stop = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 1))
    halve = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = model.fit(X, Y, epochs=9, verbose=0, callbacks=[halve, stop])
    assert history.epoch == [0, 1]
    assert history.history["learning_rate"] == [0.0625, 0.03125]
    assert model.optimizer.learning_rate == 0.03125

    model = _model(kt.optimizers.SGD(1e30))
    assert len(model.fit(X, Y, batch_size=2, epochs=3, verbose=0, callbacks=callbacks.TerminateOnNaN()).epoch) == 1


def test_only_the_best_is_saved(tmp_path: Path) -> None:
    saved: list[int] = []

    class Recording(callbacks.ModelCheckpoint):
        def _save(self, epoch: int, logs: Any, batch: int | None = None) -> None:
            logs = {"val_loss": [3.0, 2.0, 2.5, 1.0][epoch]}
            super()._save(epoch, logs, batch)
            saved.append(int((tmp_path / "best.weights.h5").stat().st_mtime_ns))

    checkpoint = Recording(tmp_path / "best.weights.h5", save_best_only=True, save_weights_only=True)
    _model().fit(X, Y, epochs=4, verbose=0, callbacks=[checkpoint])
    assert [saved[at] == saved[at - 1] for at in (1, 2, 3)] == [False, True, False]


def test_a_copy_trains_by_itself() -> None:
    model = _model()
    model.fit(X, Y, verbose=0)
    copied = copy.deepcopy(model)
    before = model.get_weights()
    copied.fit(X, Y, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(before, copied.get_weights(), strict=True))


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
def test_compiled_by_torch() -> None:
    model = _model(jit_compile=True, run_eagerly=True)  # run_eagerly wins, as in Keras
    assert model.__dict__["_compiled"].forward is model
    assert _model(jit_compile=True).__dict__["_compiled"].forward is not model


def _two() -> Any:
    x = Input((4, 3))
    y = layers.GRU(3)(x)
    return Model(x, [layers.Dense(1, name="a")(y), layers.Dense(1, name="b")(y)])


def _halves() -> Any:
    return Sequential([Input((4, 3)), layers.GRU(3, dtype="mixed_float16"), layers.Dense(1, dtype="float32")])


def test_halves_are_trained_with_a_scale() -> None:
    kt.set_seed(2)
    model = _halves()
    model.compile(kt.optimizers.Adam(0.02), "mse")
    assert isinstance(model.optimizer, kt.optimizers.LossScaleOptimizer)
    assert model.optimizer.dynamic_scale == 2.0**15
    history = model.fit(X, Y, epochs=30, verbose=0).history["loss"]
    assert np.isfinite(history).all()
    assert history[-1] < 0.9 * history[0]
    model.compile(kt.optimizers.LossScaleOptimizer(kt.optimizers.SGD(0.01), initial_scale=2.0**40), "mse")
    before = model.get_weights()
    model.train_on_batch(X, Y)  # beyond float16
    assert (model.optimizer.dynamic_scale, model.optimizer.iterations) == (2.0**39, 0)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))
    model.fit(X, Y, batch_size=5, epochs=10, verbose=0)
    assert model.optimizer.iterations > 0
    assert model.optimizer.dynamic_scale < 2.0**39
    plain = kt.optimizers.SGD(0.01)
    model.compile(plain, "mse", auto_scale_loss=False)
    assert model.optimizer is plain


def _compiled(model: Any, *args: Any, **options: Any) -> Any:
    model.compile("sgd", *args, **options)
    return model


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: _two().fit(X, Y), ArgumentError, "must be compiled before fit: model.compile(optimizer, loss)"),
        (lambda: _compiled(_two(), "mse").fit(X, Y, verbose=0), ArgumentError, "y: the model has 2 outputs (a, b)"),
        (
            lambda: _compiled(_two(), {"c": "mse"}).fit(X, [Y, Y], verbose=0),
            ArgumentError,
            "loss: no output is called 'c'",
        ),
        (lambda: _compiled(_two(), ["mse"]).fit(X, [Y, Y], verbose=0), ArgumentError, "loss: expected 2 entries"),
        (
            lambda: _compiled(_two(), "mse", metrics=["mae", "mse", "mape"]).fit(X, [Y, Y], verbose=0),
            ArgumentError,
            "metrics: the model has 2 outputs: expected a list or dict with one entry for each",
        ),
        (lambda: _compiled(_two()).fit(X, [Y, Y], verbose=0), ArgumentError, "There is no loss"),
        (lambda: _model().fit(X, Y[:3], verbose=0), ShapeError, "different numbers of rows: x 20, y 3"),
        (lambda: _model().fit(X, Y, batch_size=0), ArgumentError, "batch_size: expected a positive integer or None"),
        (lambda: _model().fit(X, iter(Y)), ArgumentError, "expected an array, or a list or dict of them"),
        (lambda: _model().fit(X, Y, validation_split=1.5), ArgumentError, "validation_split is 1.5"),
        (lambda: _model().fit(_generated(), validation_split=0.5), ArgumentError, "validation_split needs arrays"),
        (lambda: _model().fit(_generated(), Y), ArgumentError, "'generator' makes whole batches: leave y out"),
        (
            lambda: _model().fit(X, Y, class_weight={0: 1.0}, sample_weight=np.ones(20)),
            ArgumentError,
            "give class_weight or sample_weight, not both",
        ),
        (lambda: _model().fit(X, Y, verbose=7), ArgumentError, 'verbose: expected 0, 1, 2 or "auto", got 7'),
        (lambda: _model().fit(X, Y, callbacks=[callbacks.History]), ArgumentError, "Make an object of the class"),
        (
            lambda: _model().compile("sgd", "mse", steps_per_execution=0),
            ArgumentError,
            "compile: steps_per_execution: expected a positive integer or None, got 0",
        ),
        (
            lambda: _halves().compile(torch.optim.SGD(_halves().parameters(), 0.1), "mse"),
            UnsupportedError,
            "gradients vanish in float16, and torch's SGD scales no losses",
        ),
        (lambda: callbacks.ModelCheckpoint("model"), ArgumentError, "the name must end with .keras or .h5"),
        (lambda: callbacks.ModelCheckpoint("m.h5", save_weights_only=True), ArgumentError, "must end with .weights.h5"),
        (lambda: callbacks.EarlyStopping(mode="up"), ArgumentError, "mode is 'up', expected 'auto', 'min' or 'max'"),
        (lambda: callbacks.LambdaCallback(on_lunch=print), ArgumentError, "there is no hook 'on_lunch'"),
    ],
)
def test_messages(act: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        act()
    assert message in str(caught.value)


def test_data_that_end_too_soon() -> None:
    with pytest.warns(UserWarning, match="the data ended after 2 of 5 batches of an epoch"):
        _model().fit(iter([(X, Y)] * 2), steps_per_epoch=5, verbose=0)
    with pytest.warns(UserWarning, match="EarlyStopping: there is no 'val_loss' in the logs: 'loss'"):
        _model().fit(X, Y, verbose=0, callbacks=[callbacks.EarlyStopping()])
